"""Rows are found by what lies under a key of JSON documents, and nothing serves it.

``data ->> 'status' = 'paid'`` unpacks the document of every row, and ANALYZE keeps nothing of what lies in it: the
planner takes the same half percent for each such condition, whatever it keeps. A key that statements search or sort by
is a column in all but name. Make it one (GENERATED ALWAYS AS ... STORED, from 12 on, which writes the table anew), or
index the expression as the statement writes it and ANALYZE the table, which gives it statistics too. Where a GIN index
of the documents is there, ``data @> '{"status": "paid"}'`` asks the same and is served by it.

pg_stat_statements replaces the key by $1, so it cannot be named here; the statement's page shows it where values were
seen. A statement that was executed with its plan is judged by that (PL014), not by this.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.checks.grouping import to_copy_concurrently
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.statements.blocks import EQUALITY, RANGE, QueryBlock, TableUse
from analyzer.words.durations import rate_words

check = Check(
    __name__,
    code="ST037",
    title="A key of JSON documents is searched like a column",
    severity=Severity.INFO,
    rows=Threshold(10_000, "rows", "measured: cached, some 10 ms to unpack so many small documents, PostgreSQL 18"),
    time=Threshold(60, "s a day", "judgement: less is not worth a column"),
    mean=Threshold(5, "ms a call", "judgement: faster ones find their rows by something else"),
)
SEARCHED = (EQUALITY | RANGE) - {"is_null"}
SEVERAL = ("gin", "brin")  # serve any of their columns alone
MEMBER = ("->", "#>", "json_extract_path", "jsonb_extract_path")


@check.on(StatementFacts)
def json_key_as_column(statement: StatementFacts) -> Iterator[Finding]:
    if statement.facts is None or not any(sign in statement.normalized_sql for sign in MEMBER):
        return
    if (statement.time_s_per_day or 0.0) < check["time"] or (statement.mean_exec_time_ms or 0.0) < check["mean"]:
        return
    if any(plan.is_analyzed for plan in statement.plans):
        return
    for block in statement.blocks:
        for used in block.tables:
            table = statement.facts.find_table(used.name, used.schema or None)
            if table is not None and (table.rows or 0.0) >= check["rows"] and not _has_better_condition(used, table):
                yield from _of_table(statement, block, used, table)


def _of_table(statement: StatementFacts, block: QueryBlock, used: TableUse, table: TableFacts) -> Iterator[Finding]:
    for column in table.columns:
        if column.type_name not in ("json", "jsonb") or _is_served(table, column) or _has_statistics(statement, table):
            continue
        searched = [p.expression for p in used.predicates if p.column == column.name and _searches_key(p.expression)
                    and p.operator in SEARCHED]  # fmt: skip
        sorted_by = [t.expression for t in block.order_by if t.alias == used.alias and _sorts_by(t.expression, column)]
        if not searched and not sorted_by:
            continue
        how = "found" if searched else "sorted"
        yield check.finding(
            subject=f"{table.qualified_name}.{column.name}",
            table=table.qualified_name,
            message=(
                f"Rows of {table.qualified_name} (some {table.rows or 0:,.0f}) are {how} by what lies under a key of"
                f" {column.name} ({column.type_name}), which no index serves and the planner has no statistics of. The"
                f" statement takes {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)}."
            ),
            hint=_hint(table, column),
            evidence={
                "estimated_rows": round(table.rows or 0.0),
                "mean_exec_time_ms": round(statement.mean_exec_time_ms or 0.0, 1),
            },
            fixes=_fixes(table, column),
            **statement.load,
        )


def _has_better_condition(used: TableUse, table: TableFacts) -> bool:
    """Whether a plain column finds the rows, as far as the text tells: by equality, or by what an index can search."""
    if any(p.is_equality and p.operator not in ("is_null", "is_false", "is_true") for p in used.predicates):
        return True
    first = {index.columns[0] for index in table.indexes if index.is_usable and index.columns}
    searched = {c for index in table.indexes if index.is_usable and index.method in SEVERAL for c in index.columns}
    return any(
        (p.is_range and p.column in first) or (p.operator == "contains" and p.is_bare and p.column in first | searched)
        for p in used.predicates
    )


def _searches_key(expression: str | None) -> bool:
    return expression is not None and any(sign in expression for sign in MEMBER)


def _sorts_by(expression: str | None, column: ColumnFacts) -> bool:
    return expression is not None and _searches_key(expression) and column.name in expression


def _is_served(table: TableFacts, column: ColumnFacts) -> bool:
    """Whether an index holds something that lies in the documents: perhaps this."""
    return any(column.name in written and _searches_key(written) for i in table.indexes for written in i.expressions)


def _has_statistics(statement: StatementFacts, table: TableFacts) -> bool:
    """Whether CREATE STATISTICS was made of an expression: perhaps of this."""
    extended = statement.facts.extended_statistics if statement.facts is not None else None
    return any(one.table_oid == table.oid and one.has_expressions for one in extended or ())


def _hint(table: TableFacts, column: ColumnFacts) -> str:
    has_gin = any(i.method == "gin" and column.name in i.columns and i.is_usable for i in table.indexes)
    first = "Write it as containment, which the GIN index serves, or make the key" if has_gin else "Make the key"
    return f"{first} a generated column with an index, or index the expression as the statement writes it."


def _fixes(table: TableFacts, column: ColumnFacts) -> tuple[Fix, ...]:
    name, on = quote_identifier(column.name), qualified(table.schema, table.name)
    index = to_copy_concurrently(
        "Index the expression, with your key (not in a transaction)",
        f"CREATE INDEX CONCURRENTLY ON {on} (({name} ->> 'key'));",
        f"ANALYZE {on};",
    )
    if not column.name.isidentifier():
        return (index,)
    code = f'models.Index(KT("{column.name}__key"), name="...")  # django.db.models.fields.json.KT'
    return index, Fix("As a model's index, with your key", "django", code)
