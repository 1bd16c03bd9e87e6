"""Texts that are one of a few words, without a CHECK.

A column named status, type or kind holds a handful of values, and takes any other: a misspelt one is found by nobody's
WHERE. To verify, SELECT col, count(*) GROUP BY 1.

A CHECK (col IN (...)) keeps it to them and is changed with a short lock; an enum type saves space and can be added to;
a table of its own with a foreign key can say more. Add the CHECK NOT VALID, then validate. Leave it alone where a
plug-in or another system brings new values.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.columns import is_text, words_of
from analyzer.checks.grouping import listed
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Severity
from analyzer.schema.constraints import ConstraintFacts
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC026",
    title="Text of a few values without a CHECK",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(10_000, "rows", "judgement: fewer rows may not show all values"),
    values=Threshold(10, "values", "judgement: more are a list that somebody keeps"),
    share=Threshold(0.999, "rows / rows", "judgement: the rest of ANALYZE's rounding"),
)
NAMES = {"status", "state", "type", "kind", "role", "level", "priority", "mode", "phase", "stage"}


@check.on(TableFacts)
def text_of_few_values(table: TableFacts) -> Iterator[Finding]:
    named = analysed_columns(table, check["rows"], _is_named_as_one_of_few)
    columns = [column for column in named if _has_few_values(column)]
    if not columns:
        return
    if table.constraints is None:
        raise NotRun("needs the tables' constraints")
    constraints = table.constraints
    names = [f"{c.name} ({c.n_distinct or 0:.0f} values)" for c in columns if _is_open(table, c, constraints)]
    if names:
        yield check.finding(
            subject=table.name,
            message=f"{some_of(names)} of {table.qualified_name} take{'s' if len(names) == 1 else ''} any text.",
            hint="Keep it to its values by a CHECK, an enum type or a table of them.",
            evidence={"columns": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
        )


def _is_named_as_one_of_few(column: ColumnFacts) -> bool:
    words = words_of(column.name)
    return is_text(column) and bool(words) and words[-1] in NAMES


def _has_few_values(column: ColumnFacts) -> bool:
    frequencies, distinct = column.most_common_freqs or (), column.n_distinct or 0
    if not 2 <= distinct <= check["values"] or len(frequencies) < distinct:
        return False
    return sum(frequencies) + (column.null_frac or 0) >= check["share"]


def _is_open(table: TableFacts, column: ColumnFacts, constraints: tuple[ConstraintFacts, ...]) -> bool:
    is_referencing = any(column.name in key.columns for key in table.foreign_keys)
    is_checked = any(c.kind == "c" and column.name in c.columns for c in constraints)
    return not (is_referencing or is_checked or column.declared_type)  # a domain has its own CHECK
