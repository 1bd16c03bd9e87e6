"""The gate's catalog layer: what the names in a statement mean on this server.

A view, a domain's check, an operator, a cast or an index can hide a function that writes, waits or reads files; a table
name can stand for a foreign table or one with row security. Code that is not PostgreSQL's own or a known extension's
(``gate_code``) keeps a statement away from the server altogether.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.explain.gate_code import MOST_SQL_BYTES, read_reach, untrusted
from analyzer.monitored.explain.gate_views import ViewsBelow
from analyzer.schema.system_tables import is_catalog_schema, is_toast_schema
from analyzer.statements.folding import FoldedSizes
from analyzer.statements.output_columns import Outputs
from analyzer.statements.safety import Decision, Name, StatementNames, check_statement, sizes_with_values, worse

# A cast to text shows nothing of them in a plan, but the planner's statistics and our own logs might.
SECRET_CATALOGS = frozenset({
    "pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "pg_hba_file_rules", "pg_ident_file_mappings",
    "pg_file_settings", "pg_subscription", "pg_largeobject", "pg_statistic", "pg_foreign_server",
})  # fmt: skip
KINDS = {"r": "table", "p": "table", "m": "materialized view", "v": "view"}
# Wrappers whose planning stays on the server, use_remote_estimate aside.
QUIET_WRAPPERS = frozenset({"postgres_fdw", "file_fdw"})
# Measured on 13 and 18: planning takes some 20 kB for each partition and reference, and gigabytes for joins of a view
# of 60 tables with itself; what VERBOSE prints of 250 partitions of 1,500 columns took 758 MB; conditions are copied
# for each partition: 3,300 terms on 1,500 of them took 1.3 GB, 310 terms 277 MB.
MOST_PRODUCTS = 10  # a second each on 13; judgement
MOST_JOINED, MOST_SCANNED, MOST_COLUMNS, MOST_TERMS_COPIED = 200, 10_000, 100_000, 500_000.0
# Measured on 18: IN of 5,000 values on a column with 10,000 most common ones takes 2 s, which neither a timeout nor
# pg_cancel_backend() ends; the default of 100 makes half a million comparisons of it.
MOST_COMPARED = 10_000_000.0
# A join compares each of one column's with each of the other's: 0.2 s of two times 10,000 numbers, 0.7 s of texts.
MOST_COMPARED_BY_JOINS = 100_000_000.0
ELEMENT_BYTES = 8  # of an array that a function makes of constants, as ``extents.py`` reckons it
Judged = tuple[Decision, str]


@dataclass(frozen=True, slots=True)
class CatalogVerdict:
    """As ``safety.Verdict``; ``tables`` gives for a name as written (schema or "", name) the ones it may stand for:
    one, or all that views are made of.

    ``table_schemas``, ``type_schemas``, ``function_schemas``: of the names without one. With them the text depends on
    no search_path but for what is left to look up in ``search_path``: PostgreSQL's own functions and all operators.
    """

    decision: Decision = "analyze"
    reason: str = ""
    tables: dict[Name, tuple[Name, ...]] = field(default_factory=dict)
    is_recursive: bool = False  # a view is
    unreadable: str | None = None  # a table the statement names and the login may not read
    table_schemas: dict[str, str] = field(default_factory=dict)
    type_schemas: dict[str, str] = field(default_factory=dict)
    function_schemas: dict[str, str] = field(default_factory=dict)
    search_path: tuple[str, ...] = ("pg_catalog",)
    own_operator: bool = False  # as in ``Reach``
    views: dict[Name, Outputs] = field(default_factory=dict, repr=False)
    relations: int = 1  # tables, views and partitions
    most_values: int = 0  # most common ones in the statistics of a column
    joined: int = 1  # tables that it may join, those below views included

    def size_objection(self, sql: str) -> str:
        """Why the text, with its tables' schemas in it, is too much to plan with its views and partitions; else ""."""
        return self.objection_to(sizes_with_values(sql, (), self.views))

    def objection_to(self, size: FoldedSizes) -> str:
        if size.terms * self.relations > MOST_TERMS_COPIED:
            return (
                f"It reads {self.relations:,} tables and partitions, for each of which planning copies its"
                f" {size.terms:,.0f} terms."
            )
        terms = size.terms + size.constants_bytes / ELEMENT_BYTES
        if terms * self.most_values > MOST_COMPARED:
            return (
                f"It has {terms:,.0f} terms, and planning compares each with up to {self.most_values:,} values in"
                " a column's statistics, which no timeout ends."
            )
        if (self.joined - 1) * self.most_values**2 > MOST_COMPARED_BY_JOINS:
            return (
                f"It may join {self.joined:,} tables, and planning compares up to {self.most_values:,} values in the"
                " statistics of one column with those of the other, which no timeout ends."
            )
        return size.refusal or size.objection


def effective_path(search_path: Sequence[str]) -> tuple[str, ...]:
    """Schemas in the order they are searched: PostgreSQL's own always first, temporary ones never.

    ``"$user"`` is dropped: it would be the monitoring role's.
    """
    rest = [s for s in search_path if s not in ("$user", "pg_catalog", "pg_temp") and not s.startswith("pg_temp_")]
    return ("pg_catalog", *dict.fromkeys(rest))


def check_catalog(
    connection: MonitoredConnection,
    names: StatementNames,
    search_path: Sequence[str],
    references: int = 1,
    products: int = 0,
) -> CatalogVerdict:
    """Inside a read-only transaction whose search_path is pg_catalog.

    ``references`` to tables there are in the text, and ``products`` of numbers.
    """
    path = effective_path(search_path)
    rows = connection.run(
        "gate_relations",
        {
            "schemas": [schema for schema, _ in names.relations],
            "names": [name for _, name in names.relations],
            "attributes": sorted({attribute.name for attribute in names.attributes}),
            "search_path": list(path),
        },
        action="looking up the tables of a statement",
    )
    named = {
        wanted: row
        for row in rows
        if row.wanted_names
        for wanted in zip(row.wanted_schemas, row.wanted_names, strict=True)
    }
    judged = worse(_relations(rows), _all_found(names, named))
    views = ViewsBelow(rows)
    joined = references * max([views.tables_below((row.schema, row.name)) for row in named.values()], default=1)
    judged = worse(worse(judged, _too_many(rows, references, joined)), views.judged)
    for row in rows:
        if row.untrusted_owner is not None:
            judged = worse(judged, ("twin", untrusted(f"{row.schema}.{row.name}", row.untrusted_owner)))
    if products > MOST_PRODUCTS and any(row.has_long_numbers for row in rows):
        many = f"It makes {products} products of numbers whose length no column limits, and no timeout ends one."
        judged = worse(judged, ("twin", many))
    if judged[0] in ("refuse", "twin"):
        return CatalogVerdict(*judged)
    from_views, of_views, is_recursive = _views(rows)
    judged = worse(judged, of_views)
    unreadable = _unreadable(list(named.values()))
    if judged[0] == "refuse" or unreadable:
        return CatalogVerdict(*judged, unreadable=unreadable)
    attributes = [
        attribute.name
        for attribute in names.attributes
        if attribute.relation not in named or attribute.name not in named[attribute.relation].attributes
    ]
    reach = read_reach(connection, names | from_views, attributes, [row.oid for row in rows], path)
    judged = worse(judged, (reach.decision, reach.reason))
    below_views = tuple((row.schema, row.name) for row in rows if row.kind in "rpm" and not row.wanted_names)
    return CatalogVerdict(
        *judged,
        tables={wanted: below_views if row.kind == "v" else ((row.schema, row.name),) for wanted, row in named.items()},
        is_recursive=is_recursive,
        table_schemas={name: row.schema for (schema, name), row in named.items() if not schema},
        type_schemas=dict(reach.type_schemas),
        function_schemas=dict(reach.function_schemas),
        search_path=reach.search_path,
        own_operator=reach.own_operator,
        views=views.outputs,
        relations=len(rows),
        most_values=max((max(int(row.usual_values), row.most_values or 0) for row in rows), default=0),
        joined=joined,
    )


def _too_many(rows: Sequence[Row], references: int, joined: int) -> Judged:
    """What planning takes memory by: each reference to a view or a partitioned table brings all that is below it."""
    texts = [row.view_sql for row in rows if row.view_sql is not None and not row.is_system]
    if sum(map(len, texts)) > MOST_SQL_BYTES:
        return "twin", f"The texts of its views are longer than {MOST_SQL_BYTES // 1000} kB."
    if joined > MOST_JOINED:
        return "twin", f"With its views it may join {joined:,} tables: planning would take the server's memory."
    tables = references * len(rows)
    columns = sum(row.columns for row in rows)
    if tables > MOST_SCANNED or columns > MOST_COLUMNS:
        return "twin", f"It reads {len(rows):,} tables and partitions of {columns:,} columns: too many to plan there."
    return "analyze", ""


def _all_found(names: StatementNames, named: dict[Name, Row]) -> Judged:
    for wanted in names.relations:
        if wanted not in named:
            label = ".".join(part for part in wanted if part)
            return "twin", f"The table {label} is not found along the application's search_path."
    return "analyze", ""


def _unreadable(named: Sequence[Row]) -> str | None:
    for row in named:
        if not row.may_look_into_schema:
            return f"schema {row.schema}"
        if not row.may_read:
            return f"table {row.schema}.{row.name}"
    return None


def _views(rows: Sequence[Row]) -> tuple[StatementNames, Judged, bool]:
    """What the texts of the views name, the worst of them, and whether one is recursive."""
    names, is_recursive = StatementNames(), False
    judged: Judged = ("analyze", "")
    for row in rows:
        if row.view_sql is None or row.is_system:
            continue
        label = f"The view {row.schema}.{row.name}"
        view = check_statement(row.view_sql)
        names |= view.names.of_postgresql()
        is_recursive = is_recursive or view.is_recursive
        if view.decision == "refuse" and view.layer == "ast":
            judged = worse(judged, ("refuse", f"{label} may not be planned: {view.reason}"))
        elif view.decision != "analyze":
            own: Decision = view.decision if view.decision != "refuse" else "twin"
            judged = worse(judged, (own, f"{label} may not be executed: {view.reason}"))
        # a view's text names PostgreSQL's own catalogs without their schema
        catalogs = [n for s, n in view.names.relations if s in ("", "pg_catalog") and n.startswith("pg_")]
        judged = worse(judged, _system(catalogs, label))
    return names, judged, is_recursive


def _relations(rows: Sequence[Row]) -> Judged:
    judged: Judged = ("analyze", "")
    has_view = any(row.kind == "v" and not row.is_system for row in rows)
    for row in rows:
        judged = worse(judged, _relation(row, has_view))
    return judged


def _relation(row: Row, has_view: bool) -> Judged:
    label = f"{row.schema}.{row.name}"
    if row.kind == "f":
        if row.asks_remote_server or row.wrapper not in QUIET_WRAPPERS:
            return "refuse", f"{label} is a foreign table whose server is asked already for a plan."
        return "plan", f"{label} is a foreign table: reading it works on another server."
    if row.is_system or is_catalog_schema(row.schema):
        return _system([row.name], "The statement")
    if row.is_temporary or is_toast_schema(row.schema):
        return "plan", f"{label} is not a table of the application."
    if row.kind not in KINDS:
        return "plan", f"{label} is neither a table nor a view."
    if row.has_row_security and (row.is_row_security_active or has_view):
        return "plan", f"{label} has row security, so this login would run another statement than the application."
    return "analyze", ""


def _system(names: Sequence[str], subject: str) -> Judged:
    for name in names:
        if name in SECRET_CATALOGS:
            return "refuse", f"{subject} reads {name}, which holds secrets of the server."
    if names:
        return "plan", f"{subject} reads the server's own catalog ({names[0]}), no table of the application."
    return "analyze", ""
