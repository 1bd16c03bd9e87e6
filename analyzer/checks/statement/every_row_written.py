"""UPDATE or DELETE without WHERE: every row of the table, each time.

An UPDATE writes each row anew, even where nothing changes, with all index entries, WAL and as many dead rows as the
table has; all rows stay locked until it commits. Write only what has to change (WHERE the value differs), in portions
where there are many. A DELETE of everything is TRUNCATE, which takes the files away at once (and locks the table
against reads; it fires other triggers, and needs CASCADE where keys reference the table). Leave it alone in a job
that runs seldom on a small table. Nothing is said of a table with row security: its policies may choose the rows.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.statements.tree import Node
from analyzer.words.durations import rate_words

check = Check(
    __name__,
    code="ST024",
    title="Every row is written",
    severity=Severity.WARNING,
    rows=Threshold(1_000, "rows a call", "judgement: fewer take milliseconds"),
    time=Threshold(10, "s/day", "judgement: less is not worth a change"),
)


@check.on(StatementFacts)
def every_row_written(statement: StatementFacts) -> Iterator[Finding]:
    if statement.kind not in ("update", "delete") or (statement.rows_per_call or 0.0) < check["rows"]:
        return
    if (statement.time_s_per_day or 0.0) < check["time"]:
        return
    node = statement.tree
    if not isinstance(node, (ast.UpdateStmt, ast.DeleteStmt)) or node.whereClause is not None:
        return
    if (node.fromClause if isinstance(node, ast.UpdateStmt) else node.usingClause) or node.withClause:
        return
    relation, rows = node.relation, statement.rows_per_call or 0.0
    table = statement.facts.find_table(relation.relname, relation.schemaname) if statement.facts else None
    if table is not None and table.has_row_security:
        return
    name = table.qualified_name if table else relation.relname
    is_update = isinstance(node, ast.UpdateStmt)
    yield check.finding(
        subject=f"{'UPDATE' if is_update else 'DELETE'} {name}",
        table=table.qualified_name if table else None,
        message=(
            f"{'UPDATE' if is_update else 'DELETE'} without WHERE writes all rows of {name}, {rows:,.0f} a call;"
            f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)}."
        ),
        hint=(
            "Write only the rows whose value has to change: WHERE column IS DISTINCT FROM the new value."
            if is_update
            else "To empty a table use TRUNCATE; to remove a part of it say which."
        ),
        evidence={"rows_per_call": round(rows), "calls_per_day": round(statement.calls_per_day or 0.0, 1)},
        fixes=_fixes(node, table is not None and table.kind == "r"),
        **statement.load,
    )


def _fixes(node: Node, is_table: bool) -> tuple[Fix, ...]:
    relation = node.relation
    name = (
        qualified(relation.schemaname, relation.relname) if relation.schemaname else quote_identifier(relation.relname)
    )
    if isinstance(node, ast.DeleteStmt):
        title = "Everything at once; locks the table for a moment, waits for who reads it"
        return (Fix(title, "sql", f"TRUNCATE {name};"),) if is_table else ()
    columns = [quote_identifier(item.name) for item in node.targetList if item.name and not item.indirection]
    where = " OR ".join(f"{column} IS DISTINCT FROM ..." for column in columns)
    return (Fix("Only what changes", "sql", f"UPDATE {name} SET ... WHERE {where};"),) if columns else ()
