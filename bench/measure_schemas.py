"""Processor time of a schema's facts: written as they are kept, read back, compared with an earlier reading."""

import zlib
from dataclasses import replace
from time import process_time
from typing import Any

from analyzer.schema.constraints import ConstraintFacts
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts, packed_freqs
from analyzer.schema.kept import decode, encode, structure
from analyzer.schema.storage import StorageFacts
from bench.results import Context, Result

TABLES, COLUMNS, INDEXES = 2_000, 15, 4
FREQUENCIES = (100, 3, 3)  # most common values of one column in three, and of the others
RUNS = 5


def measure(_: Context) -> list[Result]:
    facts = SchemaFacts("shop", 180_000, tuple(_table(number) for number in range(TABLES)))
    kept = encode(facts)
    assert decode(kept) == facts
    later = replace(facts, days_since_stats_reset=2.0)
    return [
        Result(f"facts of {TABLES:,} tables of {COLUMNS} columns as JSON", len(kept) / 1024**2, "MB"),
        Result("the same compressed, as kept", len(zlib.compress(kept, level=6)) / 1024**2, "MB"),
        Result("made JSON, CPU", _fastest(lambda: encode(facts)), "s", 0.1),
        Result("read from JSON, CPU", _fastest(lambda: decode(kept)), "s", 0.1),
        Result("compared with an earlier reading, CPU", _fastest(lambda: structure(facts) == structure(later)), "s"),
    ]


def _table(number: int) -> TableFacts:
    return TableFacts(
        oid=number, schema="public", name=f"table_{number}", kind="r", rows=1e5, size_bytes=819_200,
        columns=tuple(
            ColumnFacts(
                f"column_{n}", n, "character varying(40)", 1043, True, 1e5, n_distinct=-0.5, null_frac=0.01,
                avg_width_bytes=12, correlation=0.31, default="''::character varying", type_category="S",
                common_freqs=packed_freqs(1 / (i + 3) for i in range(FREQUENCIES[n % 3])),
            )
            for n in range(1, COLUMNS + 1)
        ),
        indexes=tuple(_index(number, n) for n in range(1, INDEXES + 1)),
        constraints=(ConstraintFacts("positive", "c", ("column_1",), "CHECK ((column_1 > ''::text))"),),
        triggers=(), policies=(), storage=StorageFacts(2**30, 2**20, 150_000_000, 7),
    )  # fmt: skip


def _index(table: int, n: int) -> IndexFacts:
    name = f"ix_table_{table}_column_{n}"
    definition = f"CREATE INDEX {name} ON public.table_{table} USING btree (column_{n})"
    return IndexFacts(
        1000 * table + n, "public", name, "btree", (f"column_{n}",), opfamilies=(1994,), opclasses=("text_ops",),
        is_default_opclass=(True,), collations=(100,), options=(0,), definition=definition, size_bytes=81_920,
        scans=1_000_000 + n,
    )  # fmt: skip


def _fastest(run: Any) -> float:
    times = []
    for _ in range(RUNS):
        began = process_time()
        run()
        times.append(process_time() - began)
    return min(times)
