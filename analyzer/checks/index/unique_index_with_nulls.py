"""Unique index that takes the same values twice, because one of its columns may be NULL.

In a unique index of several columns a NULL is equal to nothing: (7, NULL) may come in any number of times. Where the
columns together are meant as a key (tenant and name, order and position), duplicates come in unseen; here such rows
are in the table. To verify, count rows GROUP BY the index's columns HAVING count(*) > 1.

From 15 on, a unique index with NULLS NOT DISTINCT refuses them; before, a second unique index on the other columns
WHERE the column IS NULL does. Or fill the NULLs and set NOT NULL. Leave it alone where a NULL is meant to let a row
out of the key. An index of one column is taken to be meant so, and one whose column is NULL in nearly all rows (the
identifier that few users have) to be for the others; where each column may be NULL, one of which half of the rows have
a NULL in some column. Two on the same columns but for one, which may be NULL in each (of
a device or of a module), keep apart what they are meant to.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.grouping import to_copy_concurrently
from analyzer.checks.statistics import NO_COLUMN_STATISTICS
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import IndexFacts, IndexOf, TableFacts
from analyzer.schema.quoting import cut_name, qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="IX008",
    title="Unique index that takes NULLs twice",
    severity=Severity.INFO,
    together=Severity.INFO,
    rows=Threshold(1_000, "rows", "judgement: in fewer somebody sees the duplicates"),
    together_ratio=Threshold(0.5, "rows with NULL / rows", "judgement: where all may be NULL, summed over the columns"),
    null_ratio=Threshold(0.9, "rows with NULL / rows", "judgement: above it the index is for the few with a value"),
)
NULLS_NOT_DISTINCT_FROM = 150_000


@check.on(IndexOf)
def unique_index_with_nulls(of: IndexOf, context: Context) -> Iterator[Finding]:
    table, index = of.table, of.index
    names = [name for name in index.columns if name is not None]
    if not index.is_unique or index.nulls_not_distinct or index.parent_oid is not None or not index.is_usable:
        return
    if len(names) < 2 or len(names) < len(index.columns) or index.predicate is not None:
        return
    columns = [column for name in names if (column := table.column(name)) is not None]
    nullable = [column for column in columns if not column.not_null]
    if not nullable or table.rows == 0:
        return
    if table.rows is not None and table.rows < check["rows"]:
        return
    if any(_is_of_another_owner(table, index, column.name) for column in nullable):
        return
    if any(_excludes_duplicates(other, column.name) for other in table.indexes for column in nullable):
        return
    if any(column.null_frac is None for column in nullable):
        raise NotRun(NO_COLUMN_STATISTICS if table.rows is not None else "needs ANALYZE of the table")
    with_nulls = {column.name: column.null_frac for column in nullable if column.null_frac}
    if max(with_nulls.values(), default=0.0) > check["null_ratio"]:
        return
    if not with_nulls or (len(nullable) == len(columns) and sum(with_nulls.values()) >= check["together_ratio"]):
        return
    which = some_of(list(with_nulls))
    yield check.finding(
        subject=index.name,
        message=(
            f"{index.name} of {table.qualified_name} is unique on ({', '.join(names)}), but rows with NULL in {which}"
            f" are equal to none: {max(f or 0 for f in with_nulls.values()):.2%} of the rows are not kept apart."
        ),
        hint="Where the columns are a key, let NULLs be equal, or keep those rows apart by an index of their own.",
        evidence={"columns": ", ".join(names), "null_columns": ", ".join(with_nulls),
                  "null_ratio": round(max(f or 0 for f in with_nulls.values()), 4)},
        table=table.qualified_name,
        fixes=_fixes(table, index, names, list(with_nulls), context),
    )  # fmt: skip


def _is_of_another_owner(table: TableFacts, index: IndexFacts, column: str) -> bool:
    """Whether another keeps rows with NULL in the column apart: of a device or of a module, each with its name."""
    rest = {name for name in index.columns if name != column}
    for other in table.indexes:
        more = {name for name in other.columns if name is not None} - rest
        if other.oid == index.oid or not other.is_unique or not rest < set(other.columns) or len(more) != 1:
            continue
        owner = table.column(next(iter(more)))
        if owner is not None and owner.name != column and not owner.not_null:
            return True
    return False


def _excludes_duplicates(other: IndexFacts, column: str) -> bool:
    """A unique index on the rows where the column is NULL."""
    return other.is_unique and f"({quote_identifier(column)} IS NULL)" in (other.predicate or "")


def _fixes(
    table: TableFacts, index: IndexFacts, names: list[str], nulls: list[str], context: Context
) -> tuple[Fix, ...]:
    on = qualified(table.schema, table.name)
    name = quote_identifier(cut_name(index.name, "_nulls"))
    if table.kind != "r":
        return ()
    if context.facts is not None and context.facts.server_version_num >= NULLS_NOT_DISTINCT_FROM:
        columns = ", ".join(map(quote_identifier, names))
        return (
            to_copy_concurrently(
                "An index for which NULLs are equal (not in a transaction; fails while there are duplicates)",
                f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on} ({columns}) NULLS NOT DISTINCT;",
            ),
        )
    if len(nulls) != 1:
        return ()
    columns = ", ".join(quote_identifier(n) for n in names if n not in nulls)
    return (
        to_copy_concurrently(
            "A second index for the rows with NULL (not in a transaction; fails while there are duplicates)",
            f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on} ({columns}) WHERE {quote_identifier(nulls[0])} IS NULL;",
        ),
    )
