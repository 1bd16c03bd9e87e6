"""B-tree index that refuses rows which its table would take.

A B-tree entry holds a third of a page, INCLUDE columns with it. Where the columns' declared lengths allow more, a row
with long values fails: "index row size 6424 exceeds btree version 4 maximum 2704". A hash index holds values of any
width and finds them by equality; one on md5() of the column keeps them unique.

Of columns without a declared length what is measured tells: texts, and more so documents (jsonb, tsvector, arrays),
that are long on average have some that are too long, or will. What compresses well may still fit. A B-tree on a
document serves nothing but whole equality: to search in it is a GIN index's work.
"""

import math
from collections.abc import Iterator, Sequence

from analyzer.checks import Check, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, IndexFacts, IndexOf, TableFacts

check = Check(
    __name__,
    code="IX001",
    title="Index that refuses long values",
    severity=Severity.WARNING,
    entry=Threshold(2704, "bytes", "measured: the error's own figure on PostgreSQL 13 to 18 (nbtree.h, BTMaxItemSize)"),
    average_text=Threshold(500, "bytes on average", "judgement: five times the average is not rare among texts"),
    short=Threshold(
        270, "bytes on average", "judgement: a tenth of an entry; a note, since so long a value is not to be expected"
    ),
    average_document=Threshold(200, "bytes on average", "judgement: documents differ more; pointers to TOAST count 18"),
)
TEXTS = frozenset({"text", "character varying", "bytea", "citext"})
DOCUMENTS = frozenset({"jsonb", "tsvector"})


@check.on(IndexOf)
def index_refuses_rows(of: IndexOf) -> Iterator[Finding]:
    """By declared lengths, a byte a character; what is measured today may be short by chance, so it tells only where
    none is declared."""
    table, index = of.table, of.index
    if index.method != "btree" or not index.is_usable or index.parent_oid is not None:
        return
    names = [name for name in (*index.columns, *index.include) if name is not None]
    columns = [column for name in names if (column := table.column(name)) is not None and column.most_characters]
    widest_bytes = sum(column.most_characters or 0 for column in columns)
    if widest_bytes <= check["entry"]:
        yield from _long_on_average(table, index, [table.column(name) for name in names])
        return
    declared = ", ".join(f"{c.name} {c.declared_type or c.type_name}" for c in columns)
    yield check.finding(
        subject=index.name,
        table=table.qualified_name,
        message=(
            f"{index.name} on {table.qualified_name} holds {declared}: up to {widest_bytes:,} bytes and more, where an"
            f" entry takes {check['entry']:,.0f}. A row with longer values is refused, unless they compress."
        ),
        severity=_severity(table, columns),
        hint=(
            "Shorten the columns' declared length to what is meant, or make the unique index on md5() of the long one."
            if index.is_unique
            else "Shorten the columns' declared length to what is meant, or index md5() of the long one, or use a hash"
            " index where it is only compared by equality."
        ),
        evidence={"widest_bytes": widest_bytes, "entry_bytes": check["entry"]},
    )


def _severity(table: TableFacts, columns: Sequence[ColumnFacts]) -> Severity:
    """A note where no value is there yet, or those that are there are short."""
    widths = [column.avg_width_bytes for column in columns if column.avg_width_bytes is not None]
    are_short = len(widths) == len(columns) and sum(widths) < check["short"]
    return Severity.INFO if table.size_bytes == 0 or are_short else Severity.WARNING


def _long_on_average(table: TableFacts, index: IndexFacts, columns: Sequence[ColumnFacts | None]) -> Iterator[Finding]:
    long = [column for column in columns if column is not None and (column.avg_width_bytes or 0) >= _limit(column)]
    if not long:
        return
    widest_bytes = sum(column.avg_width_bytes or 0 for column in long)
    held = ", ".join(f"{column.name} {column.type_name}" for column in long)
    documents = [column.name for column in long if _is_document(column)]
    yield check.finding(
        subject=index.name,
        table=table.qualified_name,
        message=(
            f"{index.name} on {table.qualified_name} holds {held}: {widest_bytes:,} bytes on average, without a limit,"
            f" where an entry takes {check['entry']:,.0f}. A row with longer values is refused, unless they compress."
        ),
        hint=(
            "A B-tree serves nothing but equality of the whole: use GIN to search in it, or index what is asked for."
            if documents
            else "Index md5() of the long one, or use a hash index where it is only compared by equality."
        ),
        evidence={"average_bytes": widest_bytes, "entry_bytes": check["entry"]},
    )


def _limit(column: ColumnFacts) -> float:
    if _is_document(column):
        return check["average_document"]
    is_text = (column.declared_type or column.type_name) in TEXTS
    return check["average_text"] if is_text else math.inf


def _is_document(column: ColumnFacts) -> bool:
    name = column.declared_type or column.type_name
    return name in DOCUMENTS or name.endswith("[]")
