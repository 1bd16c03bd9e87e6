"""What a planner elsewhere needs of a server besides schema and statistics: sizes, settings, sort order.

Read in one read-only transaction; nothing is planned and no row is read. ``read_state`` is the cheap question
whether anything changed since.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from analyzer.errors import MonitoredServerError
from analyzer.monitored.catalog.search_path import application_search_path
from analyzer.monitored.connection import MonitoredConnection

# besides the category "Query Tuning": memory and workers a plan is costed with, and how literals are read
SETTINGS = (
    "work_mem", "hash_mem_multiplier", "max_parallel_workers", "max_parallel_workers_per_gather",
    "parallel_leader_participation", "TimeZone", "DateStyle", "IntervalStyle", "default_text_search_config",
    "transform_null_equals", "array_nulls",
)  # fmt: skip
TABLE_KINDS = frozenset("rmpf")


@dataclass(frozen=True, slots=True)
class GinPages:
    """A GIN index's metapage: what its cost is estimated from."""

    pending: int
    total: int
    entry: int
    data: int
    entries: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or index. ``blocks`` of its main fork; ``level`` of a B-tree's root, None where it cannot be read."""

    oid: int
    schema: str
    name: str
    kind: str  # pg_class.relkind: r m p f i I
    method: str | None
    table_oid: int | None  # of an index
    blocks: int
    is_readable: bool = True  # may the login read the table
    is_usable: bool = True  # an index that is valid, ready and live
    hides_statistics: bool = False  # a table whose row security applies to the login: pg_stats leaves it out
    level: int | None = None
    gin: GinPages | None = None

    @property
    def is_table(self) -> bool:
        return self.kind in TABLE_KINDS


@dataclass(frozen=True, slots=True)
class ExtensionFunction:
    """A function of an extension; volatility and parallel as pg_proc has them."""

    extension: str
    schema: str
    name: str
    arguments: str
    result: str
    volatility: str
    parallel: str
    is_strict: bool
    cost: float
    is_aggregate: bool


@dataclass(frozen=True, slots=True)
class CustomType:
    """A type of an extension (``extension`` "": of C functions that belong to none). ``size_bytes`` -1: it varies."""

    extension: str
    schema: str
    name: str
    size_bytes: int
    is_by_value: bool


@dataclass(frozen=True, slots=True)
class ExtendedStatistics:
    """Of a CREATE STATISTICS object. ``keys`` are column numbers on the server; the texts are as pg_stats_ext has them,
    in those numbers. ``is_inherited`` None: a server before 15 does not tell."""

    schema: str
    name: str
    keys: tuple[int, ...]
    is_inherited: bool | None
    n_distinct: str | None
    dependencies: str | None
    has_common_values: bool
    is_readable: bool = True


@dataclass(frozen=True, slots=True)
class CatalogMarks:
    """Two marks to compare with later ones: of the schema, and of the statistics."""

    schema: str
    statistics: str


@dataclass(frozen=True, slots=True)
class PlannerFacts:
    """Settings are in their base units. ``locale_provider``: c libc, i ICU, b builtin."""

    address: str
    server_version_num: int
    encoding: str
    collation: str
    character_type: str
    locale_provider: str
    locale: str | None
    state: CatalogMarks
    search_path: tuple[str, ...]
    settings: Mapping[str, str]
    role_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    extensions: tuple[tuple[str, str], ...] = ()  # name, schema
    extension_versions: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[ExtensionFunction, ...] = ()  # of the extensions asked for
    types: tuple[CustomType, ...] = ()  # of all extensions
    relations: tuple[Relation, ...] = ()
    extended_statistics: tuple[ExtendedStatistics, ...] = ()
    is_pooled: bool = False  # another process than the one that took the connection answered

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PlannerFacts":
        relations = tuple(
            Relation(**{**r, "gin": GinPages(**r["gin"]) if r["gin"] else None}) for r in data["relations"]
        )
        return cls(
            **{
                **data,
                "state": CatalogMarks(**data["state"]),
                "search_path": tuple(data["search_path"]),
                "extensions": tuple((name, schema) for name, schema in data["extensions"]),
                "functions": tuple(ExtensionFunction(**function) for function in data["functions"]),
                "types": tuple(CustomType(**fields) for fields in data["types"]),
                "relations": relations,
                "extended_statistics": tuple(
                    ExtendedStatistics(**{**fields, "keys": tuple(fields["keys"])})
                    for fields in data["extended_statistics"]
                ),
            }
        )


def read_state(conn: MonitoredConnection) -> CatalogMarks:
    with conn.transaction_read_only():
        (row,) = conn.run("twin_state", action="looking for changes of the schema")
    return CatalogMarks(row.schema_state, row.statistics_state)


def read_settings(conn: MonitoredConnection) -> dict[str, str]:
    """Those that a planner depends on, in their base units."""
    with conn.transaction_read_only(planner_as_configured=True):
        return {
            row.name: row.setting
            for row in conn.run("twin_settings", {"names": list(SETTINGS)}, action="reading the planner's settings")
            if row.setting is not None
        }


def read_planner_facts(conn: MonitoredConnection, known_extensions: Collection[str] = ()) -> PlannerFacts:
    """``known_extensions``: those the planner has; functions of others are read, to have stand-ins for them."""
    settings = read_settings(conn)
    with conn.transaction_read_only(isolation="REPEATABLE READ"):
        (database,) = conn.run("twin_database", action="reading the database's sort order")
        locked = [row.oid for row in conn.run("schema_locked", action="looking for locks")]
        rows = conn.run("twin_relations", {"locked": locked}, action="reading the sizes of tables and indexes")
        installed = conn.run("twin_extensions", action="reading the extensions")
        extensions = tuple((row.name, row.schema) for row in installed)
        unknown = sorted({name for name, _ in extensions} - set(known_extensions))
        functions = conn.run(
            "twin_extension_functions", {"names": unknown}, action="reading the functions of extensions"
        )
        types = conn.run("twin_types", action="reading the types of extensions")
        extended = conn.run("twin_extended_statistics", action="reading extended statistics")
        path = application_search_path(conn.run("schema_search_path", action="reading the search paths"))
        role_rows = conn.run("twin_role_settings", action="reading the settings of roles")
        (state,) = conn.run("twin_state", action="looking for changes of the schema")
    role_settings: dict[str, dict[str, str]] = {}
    for row in role_rows:  # those for this database come last and win
        if row.role is not None:
            role_settings.setdefault(row.role, {})[row.name] = row.value
    relations = [Relation(**row._asdict()) for row in rows]
    schemas = dict(extensions)
    if database.is_superuser and "pageinspect" in schemas:
        relations = _with_metapages(conn, relations, schemas["pageinspect"])
    return PlannerFacts(
        address=conn.address,
        server_version_num=conn.server_version_num,
        encoding=database.encoding,
        collation=database.collation,
        character_type=database.character_type,
        locale_provider=database.locale_provider,
        locale=database.locale,
        state=CatalogMarks(state.schema_state, state.statistics_state),
        search_path=path,
        settings=settings,
        role_settings=role_settings,
        extensions=extensions,
        extension_versions={row.name: row.version for row in installed},
        functions=tuple(ExtensionFunction(**row._asdict()) for row in functions),
        types=tuple(CustomType(**row._asdict()) for row in types),
        relations=tuple(relations),
        extended_statistics=tuple(ExtendedStatistics(**{**row._asdict(), "keys": tuple(row.keys)}) for row in extended),
        is_pooled=database.pid != conn.backend_pid,
    )


def _with_metapages(conn: MonitoredConnection, relations: Sequence[Relation], schema: str) -> list[Relation]:
    """Exact figures where the login may read pages, which few logins may; otherwise they are estimated."""
    by_oid = {relation.oid: relation for relation in relations}
    usable = [r for r in relations if r.kind == "i" and r.is_usable and r.blocks > 0]
    for name, method in (("twin_btree_levels", "btree"), ("twin_gin_pages", "gin")):
        oids = [r.oid for r in usable if r.method == method]
        if not oids:
            continue
        try:
            with conn.transaction_read_only():
                rows = conn.run(name, {"oids": oids}, identifiers={"schema": schema}, action="reading metapages")
        except MonitoredServerError:
            continue  # an index dropped meanwhile, or a login that may not after all
        for row in rows:
            relation = by_oid[row.oid]
            if method == "btree":
                by_oid[row.oid] = replace(relation, level=row.level)
            else:
                pages = GinPages(row.pending_pages, row.total_pages, row.entry_pages, row.data_pages, row.entries)
                by_oid[row.oid] = replace(relation, gin=pages)
    return list(by_oid.values())
