"""Space between columns, because of their order.

A bigint or a time begins at a multiple of 8 bytes in the row, an integer at one of 4: after a boolean there may be 7
bytes of nothing. With the wide ones of fixed length first, then the narrow, then texts, there is none. What is said
here follows from the columns' types, their order and the mean width of texts. To verify, make the table anew with a
thousand rows in both orders and compare.

The order can only be changed by making the table anew: do it together with something else that rewrites it. Leave
smaller tables alone; NULLs take no space and change the sum.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.statistics import NO_COLUMN_STATISTICS
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.row_layout import best_order, padding_bytes, row_bytes
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="SC030",
    title="Space lost between columns",
    severity=Severity.INFO,
    waste=Threshold(2**30, "bytes", "judgement: a rewrite has to pay"),
    waste_ratio=Threshold(0.1, "bytes / bytes", "judgement: a rewrite has to pay"),
)


@check.on(TableFacts)
def padding(table: TableFacts) -> Iterator[Finding]:
    if table.kind not in "rp" or table.parent_oid is not None or (table.size_bytes or 0) < check["waste"]:
        return
    if table.rows is None or any(c.length_bytes < 0 and c.avg_width_bytes is None for c in table.columns):
        raise NotRun(NO_COLUMN_STATISTICS)
    best = best_order(table.columns)
    lost = row_bytes(table.columns) - row_bytes(best)
    waste, size = lost * table.rows, table.size_bytes or 0
    if lost <= 0 or waste < check["waste"] or waste < size * check["waste_ratio"]:
        return
    yield check.finding(
        subject=table.name,
        message=(
            f"In {table.qualified_name} {lost} bytes of a row lie between columns for alignment, about"
            f" {size_words(waste)} of {size_words(size)}. As it is: {', '.join(c.name for c in table.columns)}."
            f" Without the gaps: {', '.join(c.name for c in best)}."
        ),
        hint="Put the columns in that order when the table is next made anew.",
        evidence={
            "padding_bytes_per_row": padding_bytes(table.columns),
            "saved_bytes_per_row": lost,
            "wasted_bytes": round(waste),
            "table_rows": table.rows,
            "order_now": ", ".join(c.name for c in table.columns),
            "order_without_gaps": ", ".join(c.name for c in best),
        },
        table=table.qualified_name,
    )
