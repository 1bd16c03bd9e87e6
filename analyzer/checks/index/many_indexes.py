"""Many indexes on a table that is written much.

An insert writes to each index, and so does an update that is not HOT (one that changes an indexed column, or finds no
room on its page). A dozen of them make a row's write ten times what it was. To verify, compare the table's size with
that of its indexes, and look at idx_scan of each.

Drop what is unused or redundant first (IX003, IX005 name them); then join several of one column into fewer of several.
Leave alone a table that is written in the night and read all day.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="IX007",
    title="Many indexes on a table that is written much",
    severity=Severity.INFO,
    indexes=Threshold(10, "indexes", "judgement: more than statements of one table usually tell apart"),
    written_rows=Threshold(1_000_000, "rows", "judgement: fewer since the statistics began are few"),
)


@check.on(TableFacts)
def many_indexes(table: TableFacts) -> Iterator[Finding]:
    activity = table.activity
    indexes = [index for index in table.indexes if index.is_ready]
    written = activity.inserted_rows + activity.updated_rows - activity.hot_updated_rows
    if table.kind != "r" or len(indexes) <= check["indexes"] or written < check["written_rows"]:
        return
    index_bytes = sum(index.size_bytes or 0 for index in indexes)
    never = sum(index.scans == 0 for index in indexes)
    size = f" of {size_words(table.size_bytes)}" if table.size_bytes else ""
    yield check.finding(
        subject=table.name,
        message=(
            f"{table.qualified_name}{size} has {len(indexes)} indexes of {size_words(index_bytes)} together; since its"
            f" statistics began, {written:,} rows were written to each."
            + (f" {never} of them had no scan on this server in that time." if never else "")
        ),
        hint="Drop unused and redundant ones; join those that begin with the same column.",
        evidence={"index_count": len(indexes), "index_bytes": index_bytes, "table_bytes": table.size_bytes,
                  "written_rows": written, "indexes_without_scan": never},
        table=table.qualified_name,
    )  # fmt: skip
