"""B-tree index that refuses rows which its table would take.

A B-tree entry holds a third of a page, INCLUDE columns with it. Where the columns' declared lengths allow more, a row
with long values fails: "index row size 6424 exceeds btree version 4 maximum 2704". A hash index holds values of any
width and finds them by equality; one on md5() of the column keeps them unique.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import IndexOf

check = Check(
    __name__,
    code="IX001",
    title="Index that refuses long values",
    severity=Severity.WARNING,
    entry=Threshold(2704, "bytes", "measured: the error's own figure on PostgreSQL 13 to 18 (nbtree.h, BTMaxItemSize)"),
)


@check.on(IndexOf)
def index_refuses_rows(of: IndexOf) -> Iterator[Finding]:
    """By declared lengths alone, a byte a character: what is measured today may be short by chance."""
    table, index = of.table, of.index
    if index.method != "btree" or not index.is_usable or index.parent_oid is not None:
        return
    names = [name for name in (*index.columns, *index.include) if name is not None]
    columns = [column for name in names if (column := table.column(name)) is not None and column.most_characters]
    widest_bytes = sum(column.most_characters or 0 for column in columns)
    if widest_bytes <= check["entry"]:
        return
    declared = ", ".join(f"{c.name} {c.declared_type or c.type_name}" for c in columns)
    yield check.finding(
        subject=index.name,
        table=table.qualified_name,
        message=(
            f"{index.name} on {table.qualified_name} holds {declared}: up to {widest_bytes:,} bytes and more, where an"
            f" entry takes {check['entry']:,.0f}. A row with longer values is refused, unless they compress."
        ),
        hint=(
            "Shorten the columns' declared length to what is meant, or make the unique index on md5() of the long one."
            if index.is_unique
            else "Shorten the columns' declared length to what is meant, or index md5() of the long one, or use a hash"
            " index where it is only compared by equality."
        ),
        evidence={"widest_bytes": widest_bytes, "entry_bytes": check["entry"]},
    )
