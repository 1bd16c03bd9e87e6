"""IN or NOT IN whose list is searched from its start for each row.

The rows of ``x NOT IN (SELECT ...)`` are put into a hash table if the planner thinks that they fit into work_mem
(times hash_mem_multiplier); if not, they are read again for each outer row, which takes minutes where it should take
milliseconds. To verify, look for ``SubPlan`` without ``hashed`` in the condition. To fix it, write NOT EXISTS, which
is joined; mind NULLs: ``x NOT IN (...)`` keeps no row at all if the list holds a NULL, and none where x is NULL
(unless the list is empty), NOT EXISTS keeps them: mostly what was meant. Where the statement and the schema are known
and no column compared can be NULL, it is written out. Or give this statement more work_mem; the list of ``x <> ALL
(SELECT ...)``, which is NOT IN in other words, is never hashed. Leave it alone only where the list is short. The time
is that of all the searches.
"""

import re
from collections.abc import Iterator

from pglast import ast, enums

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import is_correlated, rounded
from analyzer.checks.node import run_time_ms, time_evidence
from analyzer.checks.rewrites import otherwise
from analyzer.checks.work_mem import work_mem_advice, work_mem_bytes
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.payers import expressions
from analyzer.statements.equivalents import LIST, NOT_IN
from analyzer.statements.tree import Unparsable, name_parts, single_statement, walk

ROW_HEADER_BYTES = 24  # subplan_is_hashable(): each row's width, rounded to 8, and its header

check = Check(
    __name__,
    code="PL042",
    title="IN or NOT IN is searched row by row",
    severity=Severity.WARNING,
    list_rows=Threshold(1000, "rows in the list", "judgement: a shorter one is searched in microseconds"),
    searches=Threshold(25, "searches", "judgement: fewer cost little more than reading the list once"),
)


@check.on(Plan)
def not_in_unhashed(plan: Plan, context: Context) -> Iterator[Finding]:
    for node in plan:
        if node.parent_relationship != "SubPlan" or (node.loops or 0) < check["searches"] or node.parent is None:
            continue
        rows = _list_rows(node)
        if rows < check["list_rows"] or is_correlated(node):
            continue
        negated, is_all = _is_negated(node), _is_all(node, context)
        time_ms = node.total_time_ms
        width = -(-(node.plan_width_bytes or 8) // 8) * 8 + ROW_HEADER_BYTES
        work_mem = work_mem_bytes(max(rows, node.plan_rows or 0.0) * width, plan, is_hash=True)
        advice, fixes = work_mem_advice(work_mem, plan)
        evidence: dict[str, Quantity] = {
            **rounded(list_rows=rows, searches=node.loops),
            "work_mem_needed_bytes": work_mem,
        }
        word, kinds = ("NOT IN", (NOT_IN,)) if negated else ("<> ALL", (NOT_IN,)) if is_all else ("IN", (LIST,))
        rewrite = (
            f"Write NOT EXISTS (SELECT ... WHERE list.column = outer.column), which is joined; unlike {word} it does"
            " not drop all rows because of one NULL in the list, and it keeps rows whose own value is NULL"
            if negated or is_all
            else "Write EXISTS or a join (a UNION, where an OR stands beside it)"
        )
        written = otherwise(context, *kinds)
        if is_all:  # of ALL the planner never hashes the list
            hint, fixes = f"{rewrite}.", ()
        else:
            hint = f"{rewrite}. Or {advice}, so that they are hashed." if fixes else f"{rewrite}; {advice}."
        yield check.finding(
            node=node.parent,
            subject=node.parent.label,
            title=f"{word} is searched row by row",
            message=(
                f"{node.parent.label} searched the {rows:,.0f} rows of {node.subplan_name or 'its subquery'}"
                f" ({word}) from their start for each of {node.loops:,} rows: they were not hashed."
            ),
            hint=hint + written.why_not,
            evidence={**evidence, **time_evidence(time_ms, node)},
            level=EvidenceLevel.EXECUTED,
            fixes=(*written.fixes, *fixes),
            time_ms=time_ms,
            run_time_ms=run_time_ms(node),
        )


def _list_rows(node: PlanNode) -> float:
    """All of them, read once into a Materialize; else the most that one search read on average."""
    while node.node_type == "Materialize" and node.children:
        node = node.children[0]
    return node.actual_rows or 0.0


def _is_all(subplan: PlanNode, context: Context) -> bool:
    """``x <> ALL (SELECT ...)``, which up to 16 is printed as IN is: there the statement tells."""
    name = re.escape(subplan.subplan_name or "SubPlan")
    texts = tuple(expressions(subplan.parent)) if subplan.parent is not None else ()
    if any(re.search(rf"\(ALL \(.* <> \({name}\)", text) for text in texts):
        return True
    if _is_negated(subplan) or any(re.search(rf"\((?:ANY|ALL) \(.*{name}\b", text) for text in texts):
        return False
    statement = single_statement(context.normalized_sql)
    if isinstance(statement, Unparsable):
        return False
    links = [node for node in walk(statement) if isinstance(node, ast.SubLink)]
    return bool(links) and all(map(_differs_from_all, links))


def _differs_from_all(link: ast.SubLink) -> bool:
    return bool(link.subLinkType == enums.SubLinkType.ALL_SUBLINK and name_parts(link.operName) == ("<>",))


def _is_negated(subplan: PlanNode) -> bool:
    name = re.escape(subplan.subplan_name or "SubPlan")
    pattern = re.compile(rf"NOT \((?:ANY \(.*)?{name}\b|<> ALL \(.*{name}\b|NOT \({name}\)")
    return subplan.parent is not None and any(pattern.search(text) for text in expressions(subplan.parent))
