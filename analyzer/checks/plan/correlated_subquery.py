"""Subquery that is run again for each row of the query around it.

A subquery in the output or in a condition that asks for columns of the outer tables is run once for each of their
rows: cheap for a few rows with an index, slow for many. To verify, look at the loops of the SubPlan. To fix it, join:
a LEFT JOIN to a derived table grouped by the correlated columns (``count`` gives NULL there where the subquery gave
0: write ``coalesce``), or LATERAL where each row needs its first few; EXISTS instead of ``count(*) > 0``; an index on
the correlated columns where there is none. Leave it alone where few outer rows are left after LIMIT, or where a
grouped join would read much more than these rows need. An aggregate without GROUP BY that a Nested Loop runs for each
row of its outer side (LATERAL, or what a tool writes for lists in JSON) is the same. The time is that of all its runs:
the most that can be saved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, takewhile

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import is_correlated, rounded, side
from analyzer.checks.new_index import NewKey, compared_keys, new_index
from analyzer.checks.node import place, run_time_ms, shown, time_evidence, time_ratio
from analyzer.checks.own_functions import BUILT_IN, CHEAP, calls_of
from analyzer.checks.plan.cast_on_column import cast_on_column
from analyzer.checks.plan.function_on_column import function_on_column
from analyzer.checks.plan.index_scan_discards_rows import index_scan_discards_rows
from analyzer.checks.plan.leading_wildcard import leading_wildcard
from analyzer.checks.plan.or_across_columns import or_across_columns
from analyzer.checks.plan.seq_scan_discards_rows import seq_scan_discards_rows
from analyzer.checks.rewrites import RewriteOffer, otherwise
from analyzer.checks.scan import filter_condition, index_condition, index_that_begins_with, table_of
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.indexable import expressions, indexable, of_table
from analyzer.plans.scans import Scanned, alias_in_query, scanned
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents import COUNT, IN_LIST, SUBQUERY
from analyzer.statements.exists_links import ExistsLink, unjoined_exists
from analyzer.words.durations import time_words

ROUNDING_MS = 0.0005  # of a run's time, as printed
AROUND = ("Memoize", "Subquery Scan", "Result")  # what may stand around a LATERAL subquery
NO_ONE_ROW = ("Group Key", "Grouping Sets")
MOST_SHOWN = 3  # scans with a sentence and an index each; judgement
# what EXISTS holds -> how to ask for the same without it
AS_PLAIN = {
    "UNION, INTERSECT or EXCEPT": (
        "of UNION, column IN (SELECT ... UNION ALL SELECT ...) is one where one column is compared; NOT EXISTS says the"
        " same as a NOT EXISTS for each query, joined by AND"
    ),
    "WITH": "write its query in the FROM of EXISTS",
    "OFFSET": "OFFSET 0 can go, since whether there is a row does not change by it",
    "FOR UPDATE or FOR SHARE": "lock the rows in a query of their own",
    "HAVING": (
        "where HAVING is false of an empty group, LEFT JOIN (SELECT key ... GROUP BY key HAVING ...) AS x on the key,"
        " where x.key IS NOT NULL says EXISTS and IS NULL says NOT EXISTS"
    ),
    "an aggregate": (
        "with GROUP BY it can go; without GROUP BY there always is a row of it, so that EXISTS is true whether or not"
        " rows match"
    ),
}
# each knows what serves a kind of conditions, the one that knows best first
OF_CONDITIONS = (leading_wildcard, function_on_column, cast_on_column, seq_scan_discards_rows)

check = Check(
    __name__,
    code="PL041",
    title="Subquery runs once for each row",
    severity=Severity.WARNING,
    runs=Threshold(25, "runs", "judgement: fewer are as cheap as reading all that a join would"),
    lateral_runs=Threshold(1_000, "runs", "judgement: of few rows LATERAL is the right way to write it"),
    time_ratio=Threshold(0.10, "its time / execution time", "judgement: less is not worth a change"),
    rows=Threshold(100, "rows / run", "measured: 15 reads a smaller table whole, index or not"),
    kept_ratio=Threshold(0.10, "kept / read", "judgement: above it a run is right to read the table"),
    blocks=Threshold(1000, "blocks touched", "judgement: fewer are read in a millisecond or two"),
)


@check.on(Plan)
def correlated_subquery(plan: Plan, context: Context) -> Iterator[Finding]:
    for node in plan:
        is_subplan = node.parent_relationship == "SubPlan"
        runs_it = node.parent if is_subplan else _loop_around(node)
        if runs_it is None or (node.loops or 0) < check["runs" if is_subplan else "lateral_runs"]:
            continue
        runs, total_ms = (node.loops or 0), node.total_time_ms
        least_ms = None if total_ms is None else total_ms - ROUNDING_MS * runs / node.processes
        blocks = node.buffers.touched_blocks if node.buffers is not None else None
        if plan.has_timing:
            if least_ms is None or (time_ratio(least_ms, node) or 0.0) < check["time_ratio"]:
                continue
        elif blocks is None or blocks < check["blocks"]:
            continue
        if not is_correlated(node):
            continue  # an unhashed IN, which has its own check
        scans = [below for below in node.walk() if below.relation_name is not None]
        wasteful = _dearest([each for scan in scans if (each := _wasteful(scan, context)) is not None])
        tables = {table for scan in scans if (table := table_of(scan, context.facts)) is not None}
        name = node.subplan_name or ("SubPlan" if is_subplan else node.label)
        rows_of = runs_it if is_subplan else side(runs_it, "Outer") or runs_it
        took = f", {time_words(total_ms)} in all" if total_ms else ""
        written = otherwise(context, SUBQUERY, COUNT, IN_LIST) if is_subplan else RewriteOffer()
        yield check.finding(
            node=node,
            subject=f"{name} of {runs_it.label}",
            message=f"{name} ran {runs:,} times, once for each {_of_what(node, is_subplan)} of {rows_of.label}{took}.",
            hint=_by_index(wasteful) + _hint(node, context.normalized_sql) + written.why_not,
            fixes=(*written.fixes, *_indexes(wasteful, context)),
            evidence={**rounded(runs=runs, touched_blocks=blocks), **time_evidence(total_ms, node)},
            level=EvidenceLevel.EXECUTED,
            time_ms=total_ms,
            run_time_ms=run_time_ms(node),
            table=next(iter(tables)) if len(tables) == 1 else None,
            also_at=(
                *(() if is_subplan else (place(runs_it),)),
                *(place(scan) for each in wasteful for scan in each.scans),
            ),
        )


def _loop_around(node: PlanNode) -> PlanNode | None:
    """The Nested Loop that runs an aggregate without GROUP BY for each row of its outer side; None for others."""
    is_one_row = node.node_type == "Aggregate" and node.raw.keys().isdisjoint(NO_ONE_ROW)
    if not is_one_row or node.raw.get("Partial Mode", "Simple") != "Simple":
        return None
    while node.parent is not None and node.parent.node_type in AROUND:
        node = node.parent
    loop = node.parent if node.parent_relationship == "Inner" else None
    return loop if loop is not None and loop.node_type == "Nested Loop" else None


def _of_what(node: PlanNode, is_subplan: bool) -> str:
    above = () if is_subplan else takewhile(lambda each: each.node_type in AROUND, node.ancestors())
    return "new key" if any(each.node_type == "Memoize" for each in above) else "row"


@dataclass(frozen=True, slots=True)
class _Wasteful:
    """A scan whose runs look at many rows to keep few; ``keys``: of an index for these, () where none is certain.

    ``finding``: what the check of such conditions says of the scan by itself.
    """

    scan: PlanNode
    rows: Scanned
    keys: tuple[NewKey, ...]
    scans: tuple[PlanNode, ...]  # it, and those that the same words are of: of other partitions
    finding: Finding | None = None

    @property
    def condition(self) -> str:
        """What is told of it."""
        return ", ".join(key.sql for key in self.keys) or shown(self.scan.filter or "", 200)


def _wasteful(scan: PlanNode, context: Context) -> _Wasteful | None:
    """None also where a better index is there, or where nobody can say what one would have to be."""
    read = scanned(scan, join_runs=float("inf")) if scan.filter is not None else None
    if read is None or not read.keeps_few(check["rows"] * read.runs, check["kept_ratio"]):
        return None
    keys = compared_keys(index_condition(scan), filter_condition(scan))
    if not keys:
        may_serve = scan.node_type == "Seq Scan" and _may_be_served(scan)
        told = None if may_serve else _told_by_itself(scan, context)
        return _Wasteful(scan, read, (), (scan,), told) if may_serve or told is not None else None
    has_one = index_that_begins_with(scan, [quote_identifier(key.name) for key in keys], context.facts)
    return None if has_one is not None else _Wasteful(scan, read, keys, (scan,))


def _told_by_itself(scan: PlanNode, context: Context) -> Finding | None:
    either = or_across_columns(scan.plan, context) if scan.plan is not None else ()
    of_arms = (finding for finding in either if place(scan) in (finding.place, *finding.also_at))
    judging = OF_CONDITIONS if scan.node_type == "Seq Scan" else (index_scan_discards_rows,)
    return next(chain(of_arms, *(judged(scan, context) for judged in judging)), None)


def _may_be_served(scan: PlanNode) -> bool:
    """Whether a column is compared as it is; what is computed of columns has checks of its own."""
    condition = filter_condition(scan)
    if condition is None:
        return False
    read = indexable(of_table(condition, scan.alias))
    return bool(read.equal or (read.ranges and not expressions(read.other)))


def _dearest(wasteful: Sequence[_Wasteful]) -> list[_Wasteful]:
    """The few to be told of, those of one table by one condition as one."""
    alike: dict[tuple[str, str], _Wasteful] = {}
    for each in sorted(wasteful, key=lambda each: (-(each.rows.time_ms or 0.0), -each.rows.read)):
        key = alias_in_query(each.scan), each.condition
        first = alike.setdefault(key, each)
        if first is not each:
            alike[key] = replace(first, scans=(*first.scans, each.scan))
    return list(alike.values())[:MOST_SHOWN]


def _by_index(wasteful: Sequence[_Wasteful]) -> str:
    return "".join(map(_what_serves, wasteful))


def _what_serves(each: _Wasteful) -> str:
    rows = f"Its runs look at {each.rows.read:,.0f} rows of {each.scan.relation_name} to keep {each.rows.kept:,.0f}"
    if each.finding is not None:
        return f"{rows}, by {each.condition}. {each.finding.hint} "
    called = sorted(condition.functions - CHEAP - BUILT_IN) if (condition := filter_condition(each.scan)) else []
    calls = f", calling {calls_of(called)}" if called else ""
    index = (
        f"an index on it ({each.condition}) finds these alone"
        if each.keys
        else f"see whether an index can serve {each.condition}"
    )
    return f"{rows}{calls}: {index}. "


def _indexes(wasteful: Sequence[_Wasteful], context: Context) -> tuple[Fix, ...]:
    made = (
        each.finding.fixes if each.finding is not None else new_index(each.scan, each.keys, context)
        for each in wasteful
    )
    return tuple(dict.fromkeys(fix for fixes in made for fix in fixes))


def _hint(top: PlanNode, sql: str | None) -> str:
    reads_whole = any(below.node_type == "Seq Scan" for below in top.walk())  # else its index is there, or none can be
    index = ", or give the subquery an index on the correlated columns" if reads_whole else ""
    links = unjoined_exists(sql) if sql is not None and top.parent_relationship == "SubPlan" else None
    if links or (links is None and _is_exists(top)):
        return f"{_of_exists(links or (), top)}{index}."
    if top.node_type == "Aggregate":
        few = " With few outer rows, an index on the correlated columns." if reads_whole else ""
        return (
            "Join once instead: LEFT JOIN (SELECT key, aggregate ... GROUP BY key) on the key, with"
            f" coalesce(count, 0) for a count; EXISTS where only count(*) > 0 is asked.{few}"
        )
    if top.node_type == "Limit":
        return (
            "Give it an index on the correlated columns followed by its ORDER BY; LATERAL lets one such subquery"
            " bring all the columns that several bring one by one."
        )
    return f"Join the table instead (LEFT JOIN keeps rows without a match){index}."


def _of_exists(links: Sequence[ExistsLink], top: PlanNode) -> str:
    """Why it is no join, and how to ask for the same; without the statement both are said in general."""
    places, holds = {link.place for link in links}, {link.holds for link in links if link.holds}
    if len(holds) == 1 and all(link.holds for link in links):
        (held,) = holds
        return f"EXISTS is made a join only without {held}: {AS_PLAIN[held]}"
    if places == {"value"}:
        return (
            "EXISTS is made a join only as a condition of WHERE or ON: elsewhere LEFT JOIN (SELECT DISTINCT key FROM"
            " ...) AS x on the key, where x.key IS NOT NULL says EXISTS and IS NULL says NOT EXISTS"
        )
    if places == {"OR"} or (not places and _is_in_or(top)):
        asked = (*_asked(top), f"({top.subplan_name})")  # as up to 16 prints one without an alternative
        is_negated = any(f"NOT {text}" in condition for text in asked for condition in _conditions(top))
        if is_negated:
            return (
                "EXISTS is made a join only where AND alone is around it: ask for the rows of each arm of the OR by a"
                " query of its own, joined by UNION ALL where no row fits both"
            )
        return (
            "EXISTS is made a join only where AND alone is around it. Of several in an OR, column IN (SELECT ... UNION"
            " ALL SELECT ...) says the same, and is hashed once"
        )
    return (
        "EXISTS is made a join only where AND alone is around it, and where it holds no OFFSET, UNION, WITH and no"
        " aggregate: see which of these can go"
    )


def _asked(top: PlanNode) -> tuple[str, ...]:
    """How a condition names it; up to 17 EXISTS is told from other subqueries only with its alternative."""
    return f"EXISTS({top.subplan_name})", f"(alternatives: {top.subplan_name} "


def _conditions(top: PlanNode) -> Sequence[str]:
    return tuple(top.parent.conditions.values()) if top.parent is not None else ()


def _is_exists(top: PlanNode) -> bool:
    return any(text in condition for text in _asked(top) for condition in _conditions(top))


def _is_in_or(top: PlanNode) -> bool:
    return any(" OR " in condition and text in condition for text in _asked(top) for condition in _conditions(top))
