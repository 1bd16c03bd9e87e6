"""The gate's catalog layer: what the names in a statement mean on this server.

A view, a domain's check, an operator or a cast can hide a function that writes, waits or reads files; a table name
can stand for a foreign table or one with row security. Each name is taken at its worst: over all overloads in all
schemas it could come from. Source: reference/safety.md, section 2, point 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.gate_limits import HARMLESS_VOLATILE, TRUSTED_EXTENSIONS
from analyzer.statements.safety import Decision, Name, Names, check_statement

# A cast to text shows nothing of them in a plan, but the planner's statistics and our own logs might.
SECRET_CATALOGS = frozenset({
    "pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "pg_hba_file_rules", "pg_ident_file_mappings",
    "pg_file_settings", "pg_subscription", "pg_largeobject", "pg_statistic", "pg_foreign_server",
})  # fmt: skip
KINDS = {"r": "table", "p": "table", "m": "materialized view", "v": "view"}
# Wrappers whose planning stays on the server, use_remote_estimate aside.
QUIET_WRAPPERS = frozenset({"postgres_fdw", "file_fdw"})


@dataclass(frozen=True, slots=True)
class CatalogVerdict:
    """As ``safety.Verdict``; ``tables`` gives for a name as written (schema or "", name) the ones it may stand for:
    one, or all that views are made of."""

    decision: Decision = "analyze"
    reason: str = ""
    tables: dict[Name, tuple[Name, ...]] = field(default_factory=dict)
    is_recursive: bool = False  # a view is
    unreadable: str | None = None  # a table the statement names and the login may not read
    unchangeable: str | None = None  # one of those it names, when the login may change none of them


def effective_path(search_path: Sequence[str]) -> tuple[str, ...]:
    """Schemas in the order they are searched: PostgreSQL's own always first, temporary ones never.

    ``"$user"`` is dropped: it would be the monitoring role's.
    """
    rest = [s for s in search_path if s not in ("$user", "pg_catalog", "pg_temp") and not s.startswith("pg_temp_")]
    return ("pg_catalog", *dict.fromkeys(rest))


def check_catalog(connection: MonitoredConnection, names: Names, search_path: Sequence[str]) -> CatalogVerdict:
    """Inside a read-only transaction whose search_path is pg_catalog."""
    rows = connection.run(
        "gate_relations",
        {
            "schemas": [schema for schema, _ in names.relations],
            "names": [name for _, name in names.relations],
            "search_path": list(effective_path(search_path)),
        },
        action="looking up the tables of a statement",
    )
    below_views = tuple((row.schema, row.name) for row in rows if row.kind in "rpm" and not row.wanted_names)
    tables = {
        wanted: below_views if row.kind == "v" else ((row.schema, row.name),)
        for row in rows
        if row.wanted_names
        for wanted in zip(row.wanted_schemas, row.wanted_names, strict=True)
    }
    decision, reason = _relations(rows)
    is_recursive = False
    if decision != "refuse":
        from_views = Names()
        for row in rows:
            if row.view_sql is None or row.is_system:
                continue
            view = check_statement(row.view_sql)
            from_views |= view.names
            is_recursive = is_recursive or view.is_recursive
            if view.decision != "analyze" and decision == "analyze":
                decision, reason = "plan", f"The view {row.schema}.{row.name} may not be executed: {view.reason}"
            if view.decision == "refuse" and view.layer == "ast":
                decision, reason = "refuse", f"The view {row.schema}.{row.name} may not be planned: {view.reason}"
            # a view's text names PostgreSQL's own catalogs without their schema
            own = [n for s, n in view.names.relations if s in ("", "pg_catalog") and n.startswith("pg_")]
            found = _system(own, f"The view {row.schema}.{row.name}")
            decision, reason = _worse((decision, reason), found)
        if decision != "refuse":
            found = _names(connection, names | from_views, [row.oid for row in rows])
            decision, reason = _worse((decision, reason), found)
    named = [row for row in rows if row.wanted_names]
    may_change = not named or any(row.may_change for row in named)
    return CatalogVerdict(
        decision,
        reason,
        tables,
        is_recursive,
        unreadable=next((f"{row.schema}.{row.name}" for row in named if not row.may_read), None),
        unchangeable=None if may_change else f"{named[0].schema}.{named[0].name}",
    )


def _worse(first: tuple[Decision, str], second: tuple[Decision, str]) -> tuple[Decision, str]:
    order = ("refuse", "plan", "analyze")
    return min(first, second, key=lambda found: order.index(found[0]))


def _relations(rows: Sequence[Row]) -> tuple[Decision, str]:
    worst: tuple[Decision, str] = ("analyze", "")
    has_view = any(row.kind == "v" and not row.is_system for row in rows)
    for row in rows:
        worst = _worse(worst, _relation(row, has_view))
    return worst


def _relation(row: Row, has_view: bool) -> tuple[Decision, str]:
    label = f"{row.schema}.{row.name}"
    if row.kind == "f":
        if row.asks_remote_server or row.wrapper not in QUIET_WRAPPERS:
            return "refuse", f"{label} is a foreign table whose server is asked already for a plan."
        return "plan", f"{label} is a foreign table: reading it works on another server."
    if row.is_system or row.schema in ("pg_catalog", "information_schema"):
        return _system([row.name], "The statement")
    if row.is_temporary or row.schema.startswith("pg_toast"):
        return "plan", f"{label} is not a table of the application."
    if row.kind not in KINDS:
        return "plan", f"{label} is neither a table nor a view."
    if row.has_row_security and (row.is_row_security_active or has_view):
        return "plan", f"{label} has row security, so this login would run another statement than the application."
    return "analyze", ""


def _system(names: Sequence[str], subject: str) -> tuple[Decision, str]:
    for name in names:
        if name in SECRET_CATALOGS:
            return "refuse", f"{subject} reads {name}, which holds secrets of the server."
    if names:
        return "plan", f"{subject} reads the server's own catalog ({names[0]}), no table of the application."
    return "analyze", ""


def _names(connection: MonitoredConnection, names: Names, relations: Sequence[int]) -> tuple[Decision, str]:
    doubts = connection.run(
        "gate_names",
        {
            "extensions": list(TRUSTED_EXTENSIONS),
            "harmless": list(HARMLESS_VOLATILE),
            "relations": list(relations),
            "function_schemas": [s for s, _ in names.functions],
            "functions": [n for _, n in names.functions],
            "operator_schemas": [s for s, _ in names.operators],
            "operators": [n for _, n in names.operators],
            # f(x) is a cast where f is a type
            "type_schemas": [s for s, _ in (*names.types, *names.functions)],
            "types": [n for _, n in (*names.types, *names.functions)],
            "row_types": [n for _, n in names.types],
            "attributes": list(names.attributes),
        },
        action="looking up the functions of a statement",
    )
    for row in doubts:
        return "plan", _doubt(row)
    return "analyze", ""


def _doubt(row: Row) -> str:
    if row.doubt == "volatile":
        return f"The {row.kind} {row.name} is volatile: it may do more than compute a value."
    if row.kind == "type":
        what = {"domain": "a domain with a check", "row": "a row type"}.get(row.doubt, "an unknown base type")
        return f"It uses the type {row.name}, {what}, whose functions may do anything."
    if row.kind == "function":
        return f"The function {row.name} is not PostgreSQL's own, so it may do anything."
    return f"The {row.kind} {row.name} can lead to a function that is not PostgreSQL's own, which may do anything."
