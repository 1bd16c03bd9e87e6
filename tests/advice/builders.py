"""Facts by hand, short: see ``table``."""

from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.schema.facts import ColumnFacts, ForeignKeyFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.fingerprint import fingerprint

TYPES = {
    "bigint": (20, 8), "integer": (23, 4), "text": (25, 12), "character varying(40)": (1043, 12), "boolean": (16, 1),
    "timestamp with time zone": (1184, 8), "jsonb": (3802, 100), "ltree": (90_001, 40), "integer[]": (1007, 40),
    "text[]": (1009, 40), "numeric(10,2)": (1700, 6),
    "character varying(250)": (1043, 12), "character varying(400)": (1043, 12), "character varying(8000)": (1043, 12),
    "timestamp without time zone": (1114, 8), "bit varying": (1562, 40), "json": (114, 100), "tsvector": (3614, 100),
    "date": (1082, 4),
}  # fmt: skip


def column(spec, number, rows):
    """``name type n_distinct [nulls=0.3]``; n_distinct ``?``: never analysed."""
    name, type_name, distinct, *rest = spec.split("|")
    nulls = float(rest[0]) if rest else 0.0
    known = distinct != "?"
    oid, width = TYPES[type_name]
    return ColumnFacts(
        name, number, type_name, oid, nulls == 0, rows,
        n_distinct=float(distinct) if known else None,
        null_frac=nulls if known else None,
        avg_width_bytes=width if known else None,
        correlation=0.0 if known else None,
    )  # fmt: skip


def index(name, *columns, method="btree", where=None, options=None, unique=False, valid=True, default=True, **more):
    return IndexFacts(
        hash(name) % 10**6, "public", name, method, columns, predicate=where, is_unique=unique, is_valid=valid,
        options=options or (0,) * len(columns), is_default_opclass=(default,) * len(columns), **more,
    )  # fmt: skip


def table(name, columns, rows=1_000_000, indexes=(), keys=(("id",),), kind="r", schema="public", **more):
    """Columns as ``name|type|n_distinct|null_frac``; a B-tree for each unique key comes by itself."""
    made = tuple(column(spec, number, rows) for number, spec in enumerate(columns, start=1))
    unique = tuple(
        index(f"{name}_{'_'.join(key)}_key", *key, unique=True, is_primary=at == 0) for at, key in enumerate(keys)
    )
    return TableFacts(
        oid=more.pop("oid", sum(map(ord, schema + name))), schema=schema, name=name, kind=kind, rows=float(rows),
        size_bytes=more.pop("size_bytes", rows * 120), columns=made, indexes=(*unique, *indexes),
        primary_key=keys[0] if keys else (), unique_keys=tuple(keys), **more,
    )  # fmt: skip


def foreign_key(name, *columns, to, **more):
    return ForeignKeyFacts(name, columns, to.oid, to.schema, to.name, to.primary_key, **more)


def facts(*tables, **more):
    return SchemaFacts("shop", 150_000, tables, **more)


def statement(sql, time_s=10.0, calls=1000.0, rows=None):
    return WorkloadStatement(fingerprint(sql), sql, calls, time_s, time_s / calls * 1000, rows)
