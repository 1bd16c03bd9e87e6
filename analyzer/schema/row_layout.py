"""How a row's columns lie behind each other, and what alignment leaves empty between them.

Source: heap_compute_data_size() in heaptuple.c. NULLs, which take no space, are not taken into account.
"""

from collections.abc import Iterable, Sequence

from analyzer.schema.facts import ColumnFacts

ALIGNMENT = {"c": 1, "s": 2, "i": 4, "d": 8}
TUPLE_HEADER_BYTES = 24  # with the bits of up to 8 columns
SHORT_VARLENA_BYTES = 127  # up to it a text has a head of one byte and no alignment
PLAIN = "p"


def row_bytes(columns: Iterable[ColumnFacts]) -> int:
    """The row's head and data, as it counts in a page."""
    end, _ = _laid_out(columns)
    return TUPLE_HEADER_BYTES + _aligned(end, 8)


def padding_bytes(columns: Iterable[ColumnFacts]) -> int:
    """Between the columns, without what the row's end needs."""
    return _laid_out(columns)[1]


def best_order(columns: Sequence[ColumnFacts]) -> list[ColumnFacts]:
    """Fixed ones by falling alignment, then those of varying length; alike as they were."""
    return sorted(columns, key=lambda c: (c.length_bytes < 0, -_alignment(c)))


def _laid_out(columns: Iterable[ColumnFacts]) -> tuple[int, int]:
    at = lost = 0
    for column in columns:
        begin = _aligned(at, _alignment(column))
        lost += begin - at
        at = begin + _width(column)
    return at, lost


def _width(column: ColumnFacts) -> int:
    return column.length_bytes if column.length_bytes >= 0 else column.avg_width_bytes or 0


def _alignment(column: ColumnFacts) -> int:
    is_short = column.length_bytes == -1 and column.storage != PLAIN and _width(column) < SHORT_VARLENA_BYTES
    return 1 if is_short else ALIGNMENT.get(column.alignment, 4)


def _aligned(at: int, to: int) -> int:
    return -(-at // to) * to
