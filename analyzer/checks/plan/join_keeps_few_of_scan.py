"""Join that reads a whole table to find a partner for few rows.

A few rows of one side are joined with a large table that is read from its first row to its last: nearly all that was
read finds no partner. With an index on the column it is joined by, a Nested Loop looks the few rows up. To verify, look
at the rows that the other side and the join gave, and at the table's indexes. Where an index begins with the column,
the planner weighed it and nothing is said; without the schema nobody knows. Leave it alone where the statement is rare
and the table is written much. Of what is computed of the table's columns, as ``lower(email)``, the index is on that
expression. The time is that of reading the table (with hashing or sorting its rows) and of the join,
less a look-up for each of the few rows and a page for each that it finds.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, NotRun, Threshold
from analyzer.checks.joins import SAME_ROWS, rounded, side
from analyzer.checks.node import own_time_ms, place, run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import is_system_table, table_facts, table_of, table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import read_condition
from analyzer.plans.indexable import compares_own_columns, indexable, of_table, wrapped_side
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.index_expressions import can_be_key, comparable
from analyzer.statements.tree import Unparsable, parse

GROUPS = re.compile(r"\b(?:group\s+by|distinct|union)\b", re.IGNORECASE)
OF_CASE = re.compile(r"(?:lower|upper)\(\(?[\w\"]+\)?(?:::text)?\)")

check = Check(
    __name__,
    code="PL105",
    title="Join reads a whole table to keep few of its rows",
    severity=Severity.WARNING,
    gives_way_to=("PL030", "PL033"),
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    wanted_ratio=Threshold(0.01, "rows looked up / read", "measured: a cached look-up takes as long as 20 to 60 rows"),
    found_ratio=Threshold(0.05, "rows found / read", "judgement: above it the scan is often right"),
    look_up=Threshold(0.01, "ms", "measured: cached, 0.003 to 0.01 ms on PostgreSQL 15 and 18"),
    found=Threshold(0.004, "ms", "measured: a row found in a cached page of its own, 0.001 to 0.004 ms on 18"),
    saved_ratio=Threshold(0.50, "time saved / the join's", "judgement: the rest is too near to what it takes now"),
    time_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth an index"),
)


@check.on(PlanNode, "Hash Join", "Merge Join")
def join_keeps_few_of_scan(join: PlanNode, context: Context) -> Iterator[Finding]:
    for which, other in (("Inner", "Outer"), ("Outer", "Inner")):
        large, small = side(join, which), side(join, other)
        path = _whole_scan(large, context) if large is not None else None
        if path is None or small is None or not join.loops:
            continue
        scan = path[-1]
        read, looked_up, matching = scan.total_rows_scanned_bounds, _looked_up(small), _found(join)
        if read is None or looked_up is None or matching is None or read[0] < check["rows_read"]:
            continue
        if looked_up > read[0] * check["wanted_ratio"] or matching > read[0] * check["found_ratio"]:
            continue
        expression = None if (column := _column(join, scan)) is not None else _expression(join, scan)
        key, whole_ms = column or expression, own_time_ms(join, *path)
        if key is None or whole_ms is None:
            continue
        time_ms = max(0.0, whole_ms - looked_up * check["look_up"] - matching * check["found"])
        if time_ms < whole_ms * check["saved_ratio"] or (time_ratio(time_ms, join) or 0.0) < check["time_ratio"]:
            continue
        table = table_facts(scan, context.facts)
        if table is None:
            raise NotRun(f"needs the schema, to tell whether an index of {scan.relation_name} begins with {key}")
        if not has_index(table, key):
            yield _finding(join, path, small, key, time_ms, context, is_computed=column is None)


def _whole_scan(top: PlanNode, context: Context) -> list[PlanNode] | None:
    """From a join's input down to the scan of a whole table, all that passes its rows on; None for another input."""
    path = [top]
    while path[-1].node_type != "Seq Scan":
        node = path[-1]
        passes = node.node_type in SAME_ROWS or _makes_unique(node, context)
        if not passes or len(node.inputs) != 1 or not node.loops:
            return None
        path.append(node.inputs[0])
    scan = path[-1]
    kept, read = scan.total_actual_rows, scan.total_rows_scanned
    is_whole = kept is not None and read is not None and kept * 2 >= read  # a filter that keeps few is PL004's
    if not scan.loops or is_system_table(scan) or not is_whole or scan.loops > scan.processes:
        return None
    return path


def _makes_unique(node: PlanNode, context: Context) -> bool:
    """Groups the values of a semi-join: nothing that the statement asked for."""
    sql = context.normalized_sql
    return node.node_type in ("Aggregate", "Unique") and sql is not None and not GROUPS.search(sql)


def _looked_up(small: PlanNode) -> float | None:
    """Most rows that a Nested Loop would look up."""
    given = small.total_actual_rows_bounds
    # each process of a Hash that is not shared read all rows of the small side
    return None if given is None else given[1] / (1.0 if small.is_parallel_aware else small.processes)


def _found(join: PlanNode) -> float | None:
    """Most rows that it would find."""
    matching = join.total_actual_rows_bounds
    dropped = (join.total_rows_removed_by_join_filter_bounds or (0.0, 0.0))[1]
    return None if matching is None else matching[1] + dropped


def _column(join: PlanNode, scan: PlanNode) -> str | None:
    """The scan's column that is equal to the other side's, quoted; None where it is an expression."""
    text = join.expression("Hash Cond") or join.expression("Merge Cond")
    condition = read_condition(text) if text is not None else None
    if condition is None or scan.alias is None:
        return None
    equal = indexable(of_table(condition, scan.alias)).equal
    named = {quote_identifier(c.name) for c in condition.columns if c.alias == scan.alias}
    return next((column for column in equal if column in named), None)


def _expression(join: PlanNode, scan: PlanNode) -> str | None:
    """What is computed of the scan's columns and is equal to the other side's, where an index may be on it."""
    text = join.expression("Hash Cond") or join.expression("Merge Cond")
    condition = read_condition(text) if text is not None else None
    if condition is None or scan.alias is None:
        return None
    for compared in indexable(of_table(condition, scan.alias)).other:
        is_equal = compared.operator == "=" and not (compared.is_negated or compares_own_columns(compared))
        of_scan = bool(compared.columns) and all(column.alias == scan.alias for column in compared.columns)
        is_equal = is_equal and not compared.names_collation  # of the comparison, which an index would need to have
        if is_equal and of_scan and (compared.functions or compared.operators):
            side_of_scan = wrapped_side(compared)
            return side_of_scan if can_be_key(side_of_scan) and "?" not in side_of_scan else None
    return None


def has_index(table: TableFacts, key: str) -> bool:
    """``key``: a column, quoted, or an expression."""
    return any(
        index.is_usable
        and index.predicate is None
        and index.method in ("btree", "hash")
        and (not index.is_readable or _first_key(index) in (key, comparable(key)))
        for index in table.indexes
    )


def _first_key(index: IndexFacts) -> str:
    first = next(iter(index.columns), None)
    return quote_identifier(first) if first is not None else comparable(next(iter(index.expressions), ""))


def _is_in_parentheses(key: str) -> bool:
    """As CREATE INDEX wants an expression; ``(lower(email))::text`` only begins so."""
    return key.startswith("(") and not isinstance(parse(f"CREATE INDEX ON t ({key})"), Unparsable)


def _finding(
    join: PlanNode, path: list[PlanNode], small: PlanNode, key: str, time_ms: float, context: Context,
    *, is_computed: bool,
) -> Finding:  # fmt: skip
    scan = path[-1]
    read, few = scan.total_rows_scanned or 0.0, small.total_actual_rows or 0.0
    few /= 1.0 if small.is_parallel_aware else small.processes
    name = table_sql(scan, context.facts)
    indexed = f"({key})" if is_computed and not _is_in_parentheses(key) else key
    where = ", where its functions are IMMUTABLE" if is_computed and not OF_CASE.fullmatch(key) else ""
    sql = f"CREATE INDEX CONCURRENTLY ON {name} ({indexed});"
    sql += f"\nANALYZE {name};" if is_computed else ""  # it has statistics of its own
    title = f"Index the {'expression' if is_computed else 'column'} it is joined by"
    return check.finding(
        subject=join.label,
        message=(
            f"{join.label} read all {read:,.0f} rows of {scan.relation_name} to find the partners of {few:,.0f}"
            f" row{'' if round(few) == 1 else 's'}, and gave {join.total_actual_rows:,.0f}: no index of"
            f" {scan.relation_name} begins with {key}."
        ),
        hint=f"With an index on {scan.relation_name} ({indexed}) the few rows are looked up one by one{where}.",
        evidence={
            **rounded(rows_read=read, rows_looked_up=few, rows_kept=join.total_actual_rows),
            **time_evidence(time_ms, join),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(join),
        table=table_of(scan, context.facts),
        also_at=tuple(map(place, path)),
        fixes=() if where else (Fix(title, "sql", sql),),
    )
