"""A paginator counts whole distinct rows.

``SELECT count(*) FROM (SELECT DISTINCT every column ...)``: the server reads, sorts or hashes all columns of all rows,
only to count them; Django writes it for ``.distinct()`` with a paginator. Where the key is among the columns,
``count(DISTINCT key)`` is the same number for a part of the work. Mostly DISTINCT is there because a join to many rows
doubles some: EXISTS instead of the join needs no DISTINCT at all, and of one table whose key is among the columns it
removes no row. A page that shows "next" only needs no count.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.checks.rewrites import rewrites
from analyzer.findings import Finding, Severity
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents import DISTINCT_JOIN
from analyzer.statements.tree import Node, function_name
from analyzer.words.durations import rate_words

check = Check(
    __name__,
    code="ST030",
    title="Whole distinct rows are counted",
    severity=Severity.WARNING,
    columns=Threshold(3, "columns", "judgement: of a few narrow ones the key alone is not much less"),
    time=Threshold(60, "s/day", "judgement: a minute of a day"),
)


@check.on(StatementFacts)
def count_over_distinct_rows(statement: StatementFacts) -> Iterator[Finding]:
    if statement.kind != "select" or (statement.time_s_per_day or 0.0) < check["time"]:
        return
    if "distinct" not in statement.normalized_sql.lower() or not _counts_distinct(statement.tree):
        return
    block = next((b for b in statement.blocks if b.role == "subquery"), None)
    if block is None or statement.facts is None:
        return
    for used in (t for t in block.tables if t.selected != frozenset()):
        table = statement.facts.find_table(used.name, used.schema or None)
        if table is None or used.is_nullable or any(t.selected != frozenset() for t in block.tables if t is not used):
            return  # columns of other tables may make rows of one key distinct
        columns = [c.name for c in table.columns] if used.selected is None else sorted(used.selected)
        if len(table.primary_key) != 1 or table.primary_key[0] not in columns or len(columns) < check["columns"]:
            continue
        if statement.facts.heirs(table):
            return  # whose rows may have the same keys
        is_alone = len(block.tables) == 1 and not block.has_other_sources
        key = f"{quote_identifier(used.alias)}.{quote_identifier(table.primary_key[0])}"
        yield check.finding(
            subject=f"count of distinct rows of {table.qualified_name}",
            table=table.qualified_name,
            message=(
                f"To count, whole rows are made distinct, {len(columns)} columns of {table.qualified_name} among them;"
                f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)}."
            ),
            hint="Leave DISTINCT out: nothing is joined that doubles rows, and the key is among the columns."
            if is_alone
            else "Count the key; better, replace the join that doubles rows by EXISTS, which needs no DISTINCT.",
            evidence={"columns": len(columns), "calls_per_day": round(statement.calls_per_day or 0.0)},
            fixes=(
                *rewrites(statement, DISTINCT_JOIN),
                Fix(
                    "The same number: all columns are of this table",
                    "sql",
                    f"SELECT count(DISTINCT {key}) FROM ...",
                ),
                Fix("In a paginator's count", "django", 'queryset.order_by().values("pk").distinct().count()'),
            ),
            **statement.load,
        )
        return


def _counts_distinct(tree: Node | None) -> bool:
    """SELECT count(*) FROM (SELECT DISTINCT plain columns, without LIMIT)."""
    if not isinstance(tree, ast.SelectStmt) or len(tree.fromClause or ()) != 1 or len(tree.targetList or ()) != 1:
        return False
    call, source = tree.targetList[0].val, tree.fromClause[0]
    if not isinstance(call, ast.FuncCall) or not call.agg_star or function_name(call) != "count":
        return False
    inner = source.subquery if isinstance(source, ast.RangeSubselect) else None
    if not isinstance(inner, ast.SelectStmt) or inner.limitCount is not None or tree.whereClause is not None:
        return False
    if inner.distinctClause is None or any(item is not None for item in inner.distinctClause):
        return False
    return all(isinstance(target.val, ast.ColumnRef) for target in inner.targetList or ())
