"""Rows of the catalog's statements -> facts of columns, indexes and foreign keys."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from analyzer.monitored.catalog.parts import options
from analyzer.monitored.connection import Row
from analyzer.schema.facts import UNREADABLE, ColumnFacts, ForeignKeyFacts, IndexFacts, packed_freqs

ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def table_rows(table: Row, server_version_num: int) -> float | None:
    """reltuples; unknown is -1, and 0 without pages before 14 (an empty table looks the same there)."""
    if table.kind == "v" or table.rows is None or table.rows < 0:
        return None
    if server_version_num < 140_000 and table.rows == 0 and table.size_bytes != 0:
        return None
    return float(table.rows)


def column_facts(row: Row, table_rows: float | None, statistics: Row | None) -> ColumnFacts:
    facts = ColumnFacts(
        name=row.name,
        number=row.number,
        type_name=row.type_name,
        type_oid=row.type_oid,
        not_null=row.not_null,
        table_rows=table_rows or 0.0,
        is_generated=row.is_generated,
        declared_type=row.declared_type,
        compares_bytes=row.compares_bytes,
        type_kind=row.type_kind,
        type_category=row.type_category,
        identity=row.identity,
        default=row.default,
        length_bytes=row.length_bytes,
        alignment=row.alignment,
        storage=row.storage,
        statistics_target=row.statistics_target,
    )
    if statistics is None:
        return facts
    frequencies = statistics.most_common_freqs
    return replace(
        facts,
        n_distinct=statistics.n_distinct or None,  # 0 says unknown
        null_frac=statistics.null_frac,
        avg_width_bytes=statistics.avg_width_bytes,
        correlation=statistics.correlation,
        common_freqs=None if frequencies is None else packed_freqs(frequencies),
    )


def index_facts(row: Row, names: Mapping[int, str], opclasses: Mapping[int, Row]) -> IndexFacts:
    numbers = row.column_numbers
    keys = numbers[: row.key_columns]
    classes = [opclasses.get(oid) for oid in row.opclass_oids]
    predicate = row.predicate if row.predicate is not None or not row.is_partial else UNREADABLE
    unreadable = [UNREADABLE] * sum(number == 0 for number in numbers) if row.has_expressions else []
    expressions = row.expressions if row.expressions is not None else unreadable
    return IndexFacts(
        oid=row.oid,
        schema=row.schema,
        name=row.name,
        method=row.method,
        columns=tuple(names.get(number) if number else None for number in keys),
        include=tuple(names[number] for number in numbers[row.key_columns :] if number in names),
        expressions=tuple(expression or UNREADABLE for expression in expressions),
        predicate=predicate,
        is_unique=row.is_unique,
        is_primary=row.is_primary,
        is_valid=row.is_valid,
        is_ready=row.is_ready,
        backs_constraint=row.backs_constraint,
        is_replica_identity=row.is_replica_identity,
        is_clustered=row.is_clustered,
        opfamilies=tuple(c.family if c else 0 for c in classes),
        opclasses=tuple(c.name if c else "" for c in classes),
        is_default_opclass=tuple(bool(c and c.is_default) for c in classes),
        collations=tuple(row.collations),
        options=tuple(row.options),
        definition=row.definition or "",
        size_bytes=row.size_bytes,
        scans=row.scans,
        parent_oid=row.parent_oid,
        is_being_built=row.is_being_built,
        storage_options=options(row.storage_options),
        nulls_not_distinct=row.nulls_not_distinct,
        rows_read=row.rows_read,
    )


def foreign_key_facts(row: Row, names: Mapping[int, str], families: Mapping[int, tuple[int, ...]]) -> ForeignKeyFacts:
    return ForeignKeyFacts(
        name=row.name,
        columns=tuple(names[number] for number in row.column_numbers),
        referenced_oid=row.referenced_oid,
        referenced_schema=row.referenced_schema,
        referenced_table=row.referenced_table,
        referenced_columns=tuple(row.referenced_columns),
        on_delete=ACTIONS.get(row.on_delete, row.on_delete),
        on_update=ACTIONS.get(row.on_update, row.on_update),
        opfamilies=tuple(families.get(operator, ()) for operator in row.operators),
        is_validated=row.is_validated,
        is_inherited=row.is_inherited,
        is_enforced=row.is_enforced,
        is_disabled=row.is_disabled,
        is_deferrable=row.is_deferrable,
        is_checked=row.is_checked,
    )


def key_columns(index: IndexFacts) -> tuple[str, ...]:
    return tuple(name for name in index.columns if name is not None)


def unique_keys(indexes: Iterable[IndexFacts]) -> Iterable[tuple[str, ...]]:
    keys = (
        key_columns(i) for i in indexes if i.is_unique and i.is_usable and i.predicate is None and None not in i.columns
    )
    return dict.fromkeys(keys)
