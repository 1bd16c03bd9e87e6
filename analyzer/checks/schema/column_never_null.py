"""Columns that are never NULL, and may be.

Every row that ANALYZE looked at has a value, and nothing keeps it so. NOT NULL says it to the application, keeps a
NULL from coming in by a mistake, and lets the planner leave out tests for it (from 17 on). To verify, SELECT ... WHERE
col IS NULL LIMIT 1; ANALYZE sees a sample.

Set it without a long lock: add a CHECK (col IS NOT NULL) NOT VALID, validate it while reads and writes go on, set NOT
NULL (which then reads nothing) and drop the CHECK. Leave it alone where a NULL means something that has not happened
yet. A column of a domain, or with a CHECK that says it already, is not listed, nor one of a table from which others
inherit that have NULLs.
"""

from collections.abc import Iterator

from pglast import ast
from pglast.enums import BoolExprType, NullTestType

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.altered_columns import holds_in_heirs
from analyzer.checks.grouping import left_out, listed, to_copy
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import cut_name, qualified, quote_identifier
from analyzer.statements.tree import Unparsable, single_statement
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC024",
    title="Columns that are never NULL without NOT NULL",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(10_000, "rows", "judgement: in fewer rows a rare NULL is easily missing"),
)

MOST_COLUMNS = 5  # of a table in one piece to copy


@check.on(TableFacts)
def column_never_null(table: TableFacts, context: Context) -> Iterator[Finding]:
    nullable = analysed_columns(table, check["rows"], _may_be_null)
    columns = [column for column in nullable if _has_no_null(column)]
    columns = [column for column in columns if holds_in_heirs(column.name, table, context.facts, _has_no_null)]
    kept = _kept_from_null(table) if columns else set()
    columns = [column for column in columns if column.name not in kept]
    if columns:
        names = [c.name for c in columns]
        yield check.finding(
            subject=table.name,
            message=(
                f"ANALYZE saw no NULL in {some_of(names)} of {table.qualified_name} ({table.rows or 0:,.0f} rows);"
                " nothing keeps one from coming in."
            ),
            hint="Declare NOT NULL where a value is always meant.",
            evidence={"columns": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
            fixes=(
                to_copy(
                    "Each statement by itself, not in one transaction: NOT NULL without a long lock (ACCESS EXCLUSIVE"
                    " for moments; VALIDATE reads the table while writes go on)",
                    *(line for column in columns[:MOST_COLUMNS] for line in _statements(table, column)),
                    *left_out(min(len(columns), MOST_COLUMNS), len(columns)),
                ),
            ),
        )


def _has_no_null(column: ColumnFacts) -> bool:
    return column.null_frac == 0


def _may_be_null(column: ColumnFacts) -> bool:
    is_of_domain = column.declared_type is not None  # whose own constraints are not known
    return not (column.not_null or column.is_generated or is_of_domain)


def _kept_from_null(table: TableFacts) -> set[str]:
    """Columns of which a CHECK says IS NOT NULL, alone or by AND."""
    names = set()
    for constraint in table.constraints or ():
        if constraint.kind == "c" and constraint.is_enforced and constraint.definition:
            names |= _said_not_null(constraint.definition)
    return names


def _said_not_null(definition: str) -> set[str]:
    statement = single_statement(f"ALTER TABLE t ADD {definition}")
    if isinstance(statement, Unparsable):
        return set()
    condition = statement.cmds[0].def_.raw_expr
    is_and = isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR
    return {
        part.arg.fields[-1].sval
        for part in (condition.args if is_and else (condition,))
        if isinstance(part, ast.NullTest)
        and part.nulltesttype == NullTestType.IS_NOT_NULL
        and isinstance(part.arg, ast.ColumnRef)
    }


def _statements(table: TableFacts, column: ColumnFacts) -> tuple[str, ...]:
    alter = f"ALTER TABLE {qualified(table.schema, table.name)}"
    name, taken = quote_identifier(column.name), {constraint.name for constraint in table.constraints or ()}
    ends = ("_not_null", *(f"_not_null_{number}" for number in range(2, len(taken) + 3)))
    constraint = quote_identifier(next(cut for end in ends if (cut := cut_name(column.name, end)) not in taken))
    return (
        f"{alter} ADD CONSTRAINT {constraint} CHECK ({name} IS NOT NULL) NOT VALID;",
        f"{alter} VALIDATE CONSTRAINT {constraint};",
        f"{alter} ALTER COLUMN {name} SET NOT NULL;",
        f"{alter} DROP CONSTRAINT {constraint};",
    )
