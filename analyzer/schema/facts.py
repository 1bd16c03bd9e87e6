"""A database's schema as facts: what the catalog and pg_stats say, without any row.

Pure data, read by ``analyzer/monitored/catalog/`` and kept as JSON by the store (``schema/kept.py``). Sample values of
columns (most common values, histogram bounds) are not part of it: they are personal data, read only when a statement
is explained. What could not be read is ``None``; a part that was not read (``catalog/parts.py``) is ``None`` whole.

Long: facts of one reading refer to each other, and to know them is to know this module.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from analyzer.schema.constraints import ConstraintFacts
from analyzer.schema.fill import BtreeFill, HeapFill
from analyzer.schema.objects import (
    CollationFacts,
    ExtendedStatisticsFacts,
    FunctionFacts,
    SchemaRights,
    SequenceFacts,
)
from analyzer.schema.own_names import own_type
from analyzer.schema.pace import Pace
from analyzer.schema.row_security import OwnersView, PolicyFacts
from analyzer.schema.storage import SizeFacts, StorageFacts
from analyzer.schema.triggers import TriggerFacts
from analyzer.words.durations import DAY_S

# stands for an expression or a predicate that could not be read because the table was locked
UNREADABLE = "(not readable: the table was locked)"
DECLARED_LENGTH = re.compile(r"(?:character varying|character|varchar|char|bpchar)\((\d+)\)")


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    name: str
    number: int  # pg_attribute.attnum
    type_name: str  # format_type(): "character varying(40)"
    type_oid: int
    not_null: bool
    table_rows: float
    is_generated: bool = False
    declared_type: str | None = None  # of a domain: format_type() of the type below it
    compares_bytes: bool = False  # its collation is C: a plain B-tree serves LIKE 'x%'
    type_kind: str = "b"  # pg_type.typtype, below any domain: b base, e enum, c composite, r range, m multirange
    type_category: str = ""  # pg_type.typcategory, below any domain: N number, S string, D date or time, B boolean, ...
    identity: str = ""  # a: GENERATED ALWAYS AS IDENTITY, d: BY DEFAULT
    default: str | None = None  # pg_get_expr
    length_bytes: int = -1  # pg_attribute.attlen: -1 where the length varies
    alignment: str = "i"  # pg_attribute.attalign: c 1, s 2, i 4, d 8 bytes
    storage: str = "p"  # pg_attribute.attstorage: p plain, e external, x extended, m main
    statistics_target: int | None = None  # ALTER COLUMN ... SET STATISTICS; None: default_statistics_target
    # from pg_stats; None where never analysed or not readable
    n_distinct: float | None = None  # as pg_stats gives it: negative is a share of the rows
    null_frac: float | None = None
    avg_width_bytes: int | None = None
    correlation: float | None = None
    common_freqs: bytes | None = None  # most_common_freqs as real[]: see ``packed_freqs``

    @property
    def most_common_freqs(self) -> tuple[float, ...] | None:
        """Share of the rows, 0 to 1, of each of the most common values, the most common one first."""
        return None if self.common_freqs is None else tuple(round(f, 7) for f in array("f", self.common_freqs))

    @property
    def most_characters(self) -> int | None:
        """Of a varchar(n) or char(n), below any domain; None where no length is declared."""
        match = DECLARED_LENGTH.match(self.declared_type or self.type_name)
        return int(match[1]) if match else None

    @property
    def distinct_values(self) -> float | None:
        """Estimated number of distinct non-null values, at least 1; None without statistics."""
        if self.n_distinct is None:
            return None
        return distinct_values(self.n_distinct, self.table_rows)


def packed_freqs(freqs: Iterable[float]) -> bytes:
    """``ColumnFacts.common_freqs``: 4 bytes each, as the server keeps them; a hundred a column are most of a schema."""
    return array("f", freqs).tobytes()


def distinct_values(n_distinct: float, table_rows: float) -> float:
    """What pg_stats' ``n_distinct`` says, at least 1: negative it is a share of the rows."""
    return max(1.0, n_distinct if n_distinct >= 0 else -n_distinct * table_rows)


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """``columns`` are the key columns in order, ``None`` for an expression; ``include`` those after them."""

    oid: int
    schema: str
    name: str
    method: str  # pg_am.amname
    columns: tuple[str | None, ...]
    include: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    predicate: str | None = None  # pg_get_expr
    is_unique: bool = False
    is_primary: bool = False
    is_valid: bool = True
    is_ready: bool = True
    backs_constraint: bool = False
    is_replica_identity: bool = False
    is_clustered: bool = False  # CLUSTER puts the table's rows in its order
    opfamilies: tuple[int, ...] = ()  # pg_opclass.opcfamily per key column
    opclasses: tuple[str, ...] = ()
    is_default_opclass: tuple[bool, ...] = ()
    collations: tuple[int, ...] = ()
    options: tuple[int, ...] = ()  # pg_index.indoption: 1 DESC, 2 NULLS FIRST
    definition: str = ""  # pg_get_indexdef
    size_bytes: int | None = None
    scans: int | None = None
    parent_oid: int | None = None  # the partitioned index it is attached to
    is_being_built: bool | None = None  # by a session at the moment of reading; None: this login may not know
    storage_options: Mapping[str, str] = field(default_factory=dict)  # pg_class.reloptions: fillfactor, fastupdate, ...
    nulls_not_distinct: bool = False  # 15+
    rows_read: int | None = None  # pg_stat: entries that scans returned
    last_scan: datetime | None = None  # 16+
    fill: BtreeFill | None = None  # by pgstattuple, of those that look bloated

    @property
    def is_usable(self) -> bool:
        return self.is_valid and self.is_ready

    @property
    def is_readable(self) -> bool:
        """Whether its expressions and its predicate are known."""
        return self.predicate != UNREADABLE and UNREADABLE not in self.expressions


@dataclass(frozen=True, slots=True)
class ForeignKeyFacts:
    """``opfamilies[i]``: operator families (oids) that hold the key's equality operator for column i."""

    name: str
    columns: tuple[str, ...]
    referenced_oid: int
    referenced_schema: str
    referenced_table: str
    referenced_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    opfamilies: tuple[tuple[int, ...], ...] = ()
    is_validated: bool = True
    is_inherited: bool = False  # a partition's copy of its parent's key
    is_enforced: bool = True  # 18
    is_disabled: bool = False  # ALTER TABLE (the referencing one) DISABLE TRIGGER ALL
    is_deferrable: bool = False
    is_checked: bool = True  # False: some trigger of it is off, of either table or of a partition


@dataclass(frozen=True, slots=True)
class TableActivity:
    """pg_stat_all_tables, cumulative since ``stats_reset`` of the database."""

    seq_scans: int = 0
    seq_rows_read: int = 0
    index_scans: int = 0
    inserted_rows: int = 0
    updated_rows: int = 0
    deleted_rows: int = 0
    hot_updated_rows: int = 0
    live_rows: int = 0
    dead_rows: int = 0
    modified_since_analyze: int = 0


@dataclass(frozen=True, slots=True)
class TableFacts:
    oid: int
    schema: str
    name: str
    kind: str  # pg_class.relkind: r p m f v
    rows: float | None  # reltuples; None when never analysed (-1)
    size_bytes: int | None  # heap, without indexes and TOAST; summed over a partitioned table's partitions
    columns: tuple[ColumnFacts, ...] = ()
    indexes: tuple[IndexFacts, ...] = ()
    foreign_keys: tuple[ForeignKeyFacts, ...] = ()
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()  # every unique, non-partial, non-expression key, the primary one too
    parent_oid: int | None = None  # the partitioned table it is a partition of
    partitions: tuple[int, ...] = ()  # oids of direct partitions
    inherits: tuple[int, ...] = ()  # the tables it inherits from (INHERITS), whose queries read it as well
    partition_key: str | None = None  # pg_get_partkeydef
    has_row_security: bool = False
    activity: TableActivity = field(default_factory=TableActivity)
    # rates over the last week, filled in by the store; None until an hour was watched (analyzer/words/durations.py)
    deleted_rows_per_day: float | None = None
    updated_rows_per_day: float | None = None
    inserted_rows_per_day: float | None = None
    # what they are made of, also filled in by the store: rows inserted, updated and deleted, and in how long
    seen_rows: tuple[int, int, int] | None = None
    watched_s: float | None = None
    pace: Pace | None = None  # of its bytes with TOAST and indexes; of the largest tables, filled in by the store
    view_sql: str | None = None  # of a materialized view: its query; None where it could not be read
    persistence: str = "p"  # pg_class.relpersistence: p permanent, u unlogged
    replica_identity: str = "d"  # pg_class.relreplident: d primary key, n nothing, f whole row, i an index
    storage_options: Mapping[str, str] = field(default_factory=dict)  # pg_class.reloptions: fillfactor, ...
    # parts of their own: None where not read
    storage: StorageFacts | None = None  # vacuum, ages, bytes beside the heap
    sizes: SizeFacts | None = None  # measured; of the largest tables alone
    fill: HeapFill | None = None  # by pgstattuple, of those that look bloated
    constraints: tuple[ConstraintFacts, ...] | None = None  # all but foreign keys, which are above
    triggers: tuple[TriggerFacts, ...] | None = None
    policies: tuple[PolicyFacts, ...] | None = None
    forces_row_security: bool = False
    public_privileges: tuple[str, ...] | None = None  # what PUBLIC may: "SELECT", ...
    is_readable: bool = True  # whether this login may see its columns' statistics

    @property
    def changes_per_day(self) -> tuple[float, float, float] | None:
        """Rows inserted, updated and deleted; None where none of these rates is known."""
        inserted, updated, deleted = self.inserted_rows_per_day, self.updated_rows_per_day, self.deleted_rows_per_day
        if inserted is None and updated is None and deleted is None:
            return None
        return inserted or 0.0, updated or 0.0, deleted or 0.0

    @property
    def changed_rows_per_day(self) -> float | None:
        return None if self.changes_per_day is None else sum(self.changes_per_day)

    @property
    def seen_changes(self) -> int | None:
        """Rows inserted, updated and deleted in ``watched_s``."""
        return None if self.seen_rows is None else sum(self.seen_rows)

    def weight_per_day(self) -> tuple[float, float, float] | None:
        """Rows inserted, updated and deleted a day, however short they were watched; None where they never were.

        To weigh them against statements recorded in the same while, whose calls are made daily likewise; not to say.
        """
        if self.seen_rows is not None and self.watched_s:
            inserted, updated, deleted = (n * DAY_S / self.watched_s for n in self.seen_rows)
            return inserted, updated, deleted
        return self.changes_per_day

    @property
    def qualified_name(self) -> str:
        """schema.table, unquoted, for people and keys; DDL quotes with ``schema/quoting.py``."""
        return f"{self.schema}.{self.name}"

    @property
    def is_of_timescale(self) -> bool:
        """Whether TimescaleDB made it, and makes and drops its indexes: a chunk of a hypertable."""
        return self.schema.startswith("_timescaledb")

    def column(self, name: str) -> ColumnFacts | None:
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class IndexOf:
    """An index with its table: what a check of single indexes looks at."""

    table: TableFacts
    index: IndexFacts


@dataclass(frozen=True, slots=True)
class ForeignKeyOf:
    """A foreign key with its table: what a check of single keys looks at."""

    table: TableFacts
    key: ForeignKeyFacts


@dataclass(frozen=True)
class SchemaFacts:
    database: str
    server_version_num: int  # 150020
    tables: tuple[TableFacts, ...]
    search_path: tuple[str, ...] = ("public",)
    settings: Mapping[str, str] = field(default_factory=dict)
    days_since_stats_reset: float | None = None
    statistics_readable: bool = True  # False: pg_stats showed nothing to this role
    extensions: tuple[str, ...] = ()  # installed in this database, by name
    is_replica: bool = False
    # tables of which a name (its own, a column's, an index's) is no UTF-8, in a database without an encoding
    left_out: tuple[str, ...] = ()
    # where the names of a role's statements lead before it says SET search_path; "" of roles that are not in it.
    # Empty where an older version read the schema
    role_paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    taken_at: datetime | None = None  # the server's clock
    # parts of their own: None where not read
    sequences: tuple[SequenceFacts, ...] | None = None
    functions: tuple[FunctionFacts, ...] | None = None
    extended_statistics: tuple[ExtendedStatisticsFacts, ...] | None = None
    collations: tuple[CollationFacts, ...] | None = None  # of indexes' columns, but for the database's own
    schemas: tuple[SchemaRights, ...] | None = None
    owners_views: tuple[OwnersView, ...] | None = None  # of tables with row security
    parts_read_at: Mapping[str, datetime] = field(default_factory=dict)  # a part's name -> when
    parts_not_read: Mapping[str, str] = field(default_factory=dict)  # a part's name -> why
    fill_tried_at: Mapping[int, datetime] = field(default_factory=dict)  # oids of what was measured within a day

    @cached_property
    def _by_oid(self) -> dict[int, TableFacts]:
        return {t.oid: t for t in self.tables}

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], TableFacts]:
        return {(t.schema, t.name): t for t in self.tables}

    @cached_property
    def _children(self) -> dict[int, list[TableFacts]]:
        children: dict[int, list[TableFacts]] = {}
        for table in self.tables:
            for parent in table.inherits:
                children.setdefault(parent, []).append(table)
        return children

    @cached_property
    def _by_parent(self) -> dict[int, list[TableFacts]]:
        parts: dict[int, list[TableFacts]] = {}
        for table in self.tables:
            if table.parent_oid is not None:
                parts.setdefault(table.parent_oid, []).append(table)
        return parts

    def heirs(self, table: TableFacts) -> list[TableFacts]:
        """Those that inherit from it, directly or not, each once: what reads it reads them, its indexes hold none."""
        heirs: dict[int, TableFacts] = {}
        waiting = [table.oid]
        while waiting:
            for child in self._children.get(waiting.pop(0), ()):
                if child.oid not in heirs:
                    heirs[child.oid] = child
                    waiting.append(child.oid)
        return list(heirs.values())

    @cached_property
    def own_types(self) -> Mapping[str, frozenset[str]]:
        """By schema the types of that schema which columns of its tables have."""
        found: dict[str, set[str]] = {}
        for table in self.tables:
            for column in table.columns:
                if (name := own_type(column.type_name, table.schema)) is not None:
                    found.setdefault(table.schema, set()).add(name)
        return {schema: frozenset(names) for schema, names in found.items()}

    @cached_property
    def own_functions(self) -> Mapping[str, frozenset[str]]:
        """By schema the names of its functions; empty where they were not read."""
        found: dict[str, set[str]] = {}
        for function in self.functions or ():
            found.setdefault(function.schema, set()).add(function.name)
        return {schema: frozenset(names) for schema, names in found.items()}

    def own_names(self, schema: str) -> frozenset[str]:
        """Of the schema's types and functions, as far as they are known."""
        return self.own_types.get(schema, frozenset()) | self.own_functions.get(schema, frozenset())

    @cached_property
    def names_of_several_schemas(self) -> frozenset[str]:
        """Names of types and functions that more than one schema has of its own."""
        schemas = self.own_types.keys() | self.own_functions.keys()
        counts = Counter(name for schema in schemas for name in self.own_names(schema))
        return frozenset(name for name, count in counts.items() if count > 1)

    @cached_property
    def functions_named_as_built_in(self) -> frozenset[str]:
        """Names of functions that pg_catalog has, too: written without a schema they are PostgreSQL's."""
        return frozenset(function.name for function in self.functions or () if function.is_named_as_built_in)

    def table(self, oid: int) -> TableFacts | None:
        return self._by_oid.get(oid)

    @cached_property
    def _sequences_by_table(self) -> dict[int, list[SequenceFacts]]:
        by_table: dict[int, list[SequenceFacts]] = {}
        for sequence in self.sequences or ():
            if sequence.table_oid is not None:
                by_table.setdefault(sequence.table_oid, []).append(sequence)
        return by_table

    def sequences_of(self, table: TableFacts) -> list[SequenceFacts]:
        """Those that belong to one of its columns."""
        return self._sequences_by_table.get(table.oid, [])

    @cached_property
    def _by_bare_name(self) -> dict[str, tuple[TableFacts, ...]]:
        by_name: dict[str, list[TableFacts]] = {}
        for table in self.tables:
            by_name.setdefault(table.name, []).append(table)
        return {name: tuple(tables) for name, tables in by_name.items()}

    def tables_named(self, name: str) -> tuple[TableFacts, ...]:
        """In whatever schema."""
        return self._by_bare_name.get(name, ())

    def left_out_as(self, name: str, schema: str = "") -> str | None:
        """The table left out of these facts that a statement names so; None where there is none, or one of the others
        may be meant."""
        if self.tables_read(name, schema):
            return None
        if schema:
            return next((known for known in self.left_out if known == f"{schema}.{name}"), None)
        return next((known for known in self.left_out if known.endswith(f".{name}")), None)

    def tables_read(self, name: str, schema: str = "") -> tuple[TableFacts, ...]:
        """What a name in a statement may stand for: one table; several where only a session's search_path tells."""
        table = self.find_table(name, schema or None)
        if table is not None:
            return (table,)
        return () if schema else self.tables_named(name)

    def path_of(self, role: str) -> tuple[str, ...]:
        return self.role_paths.get(role, self.role_paths.get("", self.search_path))

    def find_table(self, name: str, schema: str | None = None) -> TableFacts | None:
        """The table a query names: by schema, else along the search path."""
        for candidate in (schema,) if schema else self.search_path:
            table = self._by_name.get((candidate, name))
            if table:
                return table
        return None

    @cached_property
    def _by_qualified_name(self) -> dict[str, TableFacts]:
        return {table.qualified_name: table for table in self.tables}

    def table_called(self, qualified_name: str) -> TableFacts | None:
        """As ``TableFacts.qualified_name`` has it: schemas' names may have dots of their own."""
        return self._by_qualified_name.get(qualified_name)

    def with_partitions(self, table: TableFacts) -> list[TableFacts]:
        """The table, then its partitions of all levels."""
        parts = {table.oid: table}
        waiting = [table.oid]
        while waiting:
            for part in self._by_parent.get(waiting.pop(), ()):
                if part.oid not in parts:
                    parts[part.oid] = part
                    waiting.append(part.oid)
        return list(parts.values())

    def __iter__(self) -> Iterator[TableFacts]:
        return iter(self.tables)
