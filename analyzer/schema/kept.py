"""Facts as JSON and back, and what of them is structure.

msgspec (BSD, writes and reads the dataclasses of ``facts.py`` as they are) instead of converters by hand: 2,000 tables
of 15 columns take a tenth of the time, docs/performance.md has the figures.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from typing import Any

import msgspec

from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.objects import SequenceFacts

# What moves without anybody changing the schema: figures, not structure.
TABLE_FIGURES = {
    "activity", "rows", "size_bytes", "inserted_rows_per_day", "updated_rows_per_day", "deleted_rows_per_day",
    "seen_rows", "watched_s", "storage", "sizes", "pace", "fill", "is_readable",
}  # fmt: skip
COLUMN_FIGURES = {"table_rows", "n_distinct", "null_frac", "avg_width_bytes", "correlation", "common_freqs"}
INDEX_FIGURES = {"size_bytes", "scans", "rows_read", "last_scan", "fill"}
SEQUENCE_FIGURES = {"last_value", "is_readable", "pace"}
SCHEMA_FIGURES = {
    "days_since_stats_reset",
    "taken_at",
    "sequences",
    "parts_read_at",
    "parts_not_read",
    "fill_tried_at",
    "left_out",
    "is_replica",
}

_decoder = msgspec.json.Decoder(SchemaFacts)
_cluster_decoder = msgspec.json.Decoder(ClusterFacts)
_encoder = msgspec.json.Encoder()


def encode(facts: SchemaFacts) -> bytes:
    return _encoder.encode(facts)


def decode(data: bytes) -> SchemaFacts:
    """Facts from ``encode``'s JSON, of older versions too: what they did not know has its default."""
    with _collector_paused():
        return _decoder.decode(data)


def structure(facts: SchemaFacts) -> tuple[Any, ...]:
    """Equal for two readings between which nobody changed the schema or a setting. Not to be kept."""
    with _collector_paused():
        return (
            _of_schema(facts),
            [
                (_of_table(table), list(map(_of_column, table.columns)), list(map(_of_index, table.indexes)))
                for table in facts.tables
            ],
            list(map(_of_sequence, facts.sequences or ())),
        )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing becomes garbage while half a million objects are made; looking for it takes longer than making them.

    Freezing and unfreezing makes all of them old without a look at each, which enabling alone would have.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _getter(of: type, figures: set[str], *parts: str) -> "attrgetter[Any]":
    """Of all fields but these."""
    names = [name for name in of.__dataclass_fields__ if name not in figures and name not in parts]  # type: ignore[attr-defined]
    return attrgetter(*names)


_of_schema = _getter(SchemaFacts, SCHEMA_FIGURES, "tables")
_of_table = _getter(TableFacts, TABLE_FIGURES, "columns", "indexes")
_of_column = _getter(ColumnFacts, COLUMN_FIGURES)
_of_index = _getter(IndexFacts, INDEX_FIGURES)
_of_sequence = _getter(SequenceFacts, SEQUENCE_FIGURES)


def encode_cluster(facts: ClusterFacts) -> bytes:
    """JSON, without the earlier reading."""
    return _encoder.encode(replace(facts, earlier=None) if facts.earlier is not None else facts)


def decode_cluster(data: bytes) -> ClusterFacts:
    return _cluster_decoder.decode(data)
