"""Bloat by figures that no ANALYZE writes: nothing is said, and nothing stops."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from analyzer.schema.bloat import Bloat, Unknown, btree_bloat, heap_bloat, large_and_suspicious
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.fill import BtreeFill, HeapFill
from analyzer.schema.kept import decode, encode

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SIZE, NAN = 200 * 2**20, float("nan")
COLUMN = ColumnFacts("id", 1, "integer", 23, True, 1000.0, null_frac=0.0, avg_width_bytes=4)
INDEX = IndexFacts(101, "public", "t_pkey", "btree", ("id",), is_unique=True, size_bytes=SIZE)
TABLE = TableFacts(
    oid=100, schema="public", name="t", kind="r", rows=1000.0, size_bytes=SIZE, columns=(COLUMN,), indexes=(INDEX,),
    primary_key=("id",), unique_keys=(("id",),),
)  # fmt: skip


def facts(*tables: TableFacts) -> SchemaFacts:
    return SchemaFacts("shop", 180000, tables, taken_at=NOW)


@pytest.mark.parametrize(("width", "nulls"), [(-28, 0.0), (4, -0.5), (4, 1.5), (4, NAN)])
def test_widths_that_cannot_be_tell_nothing(width, nulls):
    table = replace(TABLE, columns=(replace(COLUMN, avg_width_bytes=width, null_frac=nulls),))
    assert isinstance(heap_bloat(table, NOW), Unknown)
    assert isinstance(btree_bloat(table, INDEX, NOW), Unknown)
    assert isinstance(heap_bloat(TABLE, NOW), Bloat)


def test_a_table_whose_estimate_fails_is_passed_over():
    odd = replace(TABLE, oid=99, rows=float("inf"), indexes=())
    assert [table.oid for _, table, _ in large_and_suspicious(facts(odd, TABLE), 1, 0.3)] == [100, 100]


def test_a_fill_that_is_no_number_is_kept_as_not_measured():
    fill = BtreeFill(NOW, SIZE, 0, 0, NAN)
    index = replace(INDEX, fill=fill)
    table = replace(TABLE, fill=HeapFill(NOW, SIZE, 0, 0, NAN), indexes=(index,))
    read = decode(encode(facts(table))).tables[0]
    assert (read.indexes[0].fill.leaf_density_ratio, read.fill.row_bytes) == (None, None)
    assert btree_bloat(table, index, NOW) == btree_bloat(TABLE, INDEX, NOW)  # by its statistics
