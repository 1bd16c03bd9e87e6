"""Index that holds one value, or none, for most rows.

Nobody looks rows up by what most of them have: for those the index is larger than it need be, and each write to them
keeps it up. An index with a WHERE clause leaves them out. To verify, look at null_frac and most_common_freqs of the
column in pg_stats.

For a column that is mostly NULL, build the same index WHERE it IS NOT NULL and drop this one. For a boolean, index
another column that the statements ask for WHERE the rare value; for a status with few values, build the same index
WHERE it is not the frequent one (most_common_vals in pg_stats). Leave it alone where statements look for the frequent
value itself: an index whose scans return twice as many rows on average as all other values have is not listed, but
scans that stop at a LIMIT (column IS NULL LIMIT 10) do not show it. Nor is one of a status that serves a foreign key.
"""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.dropping import drop_indexes
from analyzer.checks.grouping import to_copy_concurrently
from analyzer.checks.statistics import NO_COLUMN_STATISTICS
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import ColumnFacts, IndexFacts, IndexOf, TableFacts
from analyzer.schema.index_shapes import alone_serves_a_key, is_for_speed_alone
from analyzer.schema.quoting import cut_name, qualified, quote_identifier
from analyzer.words.shares import share_words
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="IX006",
    title="Index mostly of one value",
    severity=Severity.INFO,
    ratio=Threshold(0.9, "rows with the value / rows", "judgement: a tenth of the index does the work"),
    values=Threshold(20, "distinct values", "judgement: a status, and not somebody's id"),
    size=Threshold(10 * 2**20, "bytes", "judgement: less is not worth a change"),
)

CLEARLY = 2  # judgement: both sides are estimates of a sample
# 3 in 30,000, which ANALYZE looks at (300 times default_statistics_target): rarer values it may well have missed
MISSED_RATIO = 1e-4


@check.on(IndexOf)
def index_of_one_value(of: IndexOf) -> Iterator[Finding]:
    table, index = of.table, of.index
    if index.method != "btree" or len(index.columns) != 1 or index.columns[0] is None or index.include:
        return
    if index.predicate is not None or not is_for_speed_alone(index) or (index.size_bytes or 0) < check["size"]:
        return
    column = table.column(index.columns[0])
    if column is None or table.kind not in "rm" or table.is_of_timescale:
        return
    if column.null_frac is None:
        raise NotRun(NO_COLUMN_STATISTICS)
    is_null = column.null_frac >= check["ratio"]
    share = column.null_frac if is_null else column.most_common_freqs[0] if column.most_common_freqs else 0.0
    if share < check["ratio"] or _is_asked_for(table, index, share):
        return
    if is_null:
        yield _mostly_null(table, index, column, share)
    elif column.type_category == "B":
        yield _finding(
            table, index, share, f"one value of the boolean {column.name}",
            "Index what the statements ask for besides, WHERE the rare value; then drop this one.",
        )  # fmt: skip
    elif _is_status(table, index, column):
        yield _finding(
            table, index, share, f"one value of {column.name}",
            "Build the same index WHERE the column is not that value, unless statements look for it; then drop this"
            " one.",
        )  # fmt: skip


def _is_status(table: TableFacts, index: IndexFacts, column: ColumnFacts) -> bool:
    distinct = column.n_distinct or 0.0  # below 0 it is a share of the rows: there are more with each
    return 0 < distinct <= check["values"] and not alone_serves_a_key(table, index)


def _is_asked_for(table: TableFacts, index: IndexFacts, share: float) -> bool:
    """Whether its scans returned clearly more rows on average, where these were counted, than the other values have, or
    may have where the sample saw few of them."""
    if not index.scans or index.rows_read is None or not table.rows:
        return False
    return index.rows_read / index.scans > table.rows * max(1 - share, MISSED_RATIO) * CLEARLY


def _mostly_null(table: TableFacts, index: IndexFacts, column: ColumnFacts, share: float) -> Finding:
    name, quoted = cut_name(index.name, "_not_null"), quote_identifier(column.name)
    build = to_copy_concurrently(
        "Build the smaller one beside it (not in a transaction; writes go on)",
        f"CREATE INDEX CONCURRENTLY {quote_identifier(name)} ON {qualified(table.schema, table.name)} ({quoted})"
        f" WHERE {quoted} IS NOT NULL;",
    )
    drop = replace(
        drop_indexes([index]), title="Then, when the new one is there and valid (psql's \\d), drop this one (likewise)"
    )
    is_plain = all(index.is_default_opclass) and not any(index.options) and "COLLATE" not in index.definition
    return _finding(
        table, index, share, f"NULL in {column.name}", "Leave the NULLs out, unless statements look for them.",
        *((build, drop) if is_plain else ()),
    )  # fmt: skip


def _finding(table: TableFacts, index: IndexFacts, share: float, what: str, hint: str, *fixes: Fix) -> Finding:
    size = index.size_bytes or 0
    return check.finding(
        subject=index.name,
        message=(
            f"Index {index.name} of {table.qualified_name} takes {size_words(size)};"
            f" {share_words(share)} of its entries are {what}."
        ),
        hint=hint,
        evidence={"share_ratio": round(share, 4), "size_bytes": size, "scans": index.scans},
        table=table.qualified_name,
        fixes=fixes,
    )
