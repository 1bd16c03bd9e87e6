"""UPDATE or DELETE without WHERE: every row of the table, each time.

An UPDATE writes each row anew, even where nothing changes, with all index entries, WAL and as many dead rows as the
table has; all rows stay locked until it commits. Write only what has to change (WHERE the value differs), in portions
where there are many. A DELETE of everything is TRUNCATE, which takes the files away at once (and locks the table
against reads; who has an older snapshot sees the table empty). The server refuses it where another table's foreign key
references the table, and it fires no row triggers: there it is not offered. Leave it alone in a job that runs seldom on
a small table. Nothing is said of a table with row security, whose policies may choose the rows, nor of a statement that
was seen once in less than an hour, as a migration's.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.schema.triggers import TriggerFacts
from analyzer.statements.tree import Node
from analyzer.words.durations import ran_once, rate_words

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
    calls = statement.calls_per_day or 0.0
    if (statement.time_s_per_day or 0.0) < check["time"] or ran_once(calls, statement.watched_s):
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
            else "To empty a table use TRUNCATE where it may be; to remove a part of it say which."
        ),
        evidence={"rows_per_call": round(rows), "calls_per_day": round(calls, 1)},
        fixes=_update_fixes(node) if is_update else _truncate_fixes(node, table, statement.facts),
        **statement.load,
    )


def _update_fixes(node: Node) -> tuple[Fix, ...]:
    columns = [quote_identifier(item.name) for item in node.targetList if item.name and not item.indirection]
    where = " OR ".join(f"{column} IS DISTINCT FROM ..." for column in columns)
    code = f"UPDATE {_written(node.relation)} SET ... WHERE {where};"
    return (Fix("Only what changes", "sql", code),) if columns else ()


def _truncate_fixes(node: Node, table: TableFacts | None, facts: SchemaFacts | None) -> tuple[Fix, ...]:
    """None where the server refuses TRUNCATE, or where it would not do what the DELETE does."""
    if table is None or facts is None or table.kind != "r" or table.triggers is None or node.returningClause:
        return ()
    emptied = {table.oid, *((heir.oid for heir in facts.heirs(table)) if node.relation.inh else ())}
    if any(key.referenced_oid in emptied and other.oid not in emptied for other in facts for key in other.foreign_keys):
        return ()
    if any(_fires_for_rows(trigger) for oid in emptied if (one := facts.table(oid)) for trigger in one.triggers or ()):
        return ()
    title = "Everything at once; locks the table for a moment, waits for who reads it; older snapshots see it empty"
    return (Fix(title, "sql", f"TRUNCATE {_written(node.relation)};"),)


def _fires_for_rows(trigger: TriggerFacts) -> bool:
    return trigger.is_for_each_row and "DELETE" in trigger.events and trigger.enabled != "D"


def _written(relation: Node) -> str:
    name = quote_identifier(relation.relname)
    name = qualified(relation.schemaname, relation.relname) if relation.schemaname else name
    return name if relation.inh else f"ONLY {name}"
