"""Which tables a statement touches, and what its page must say of how its figures come about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analyzer.advice.resolved_workload import BY_NAME_FROM
from analyzer.models import Statement, StatementEntry
from analyzer.statements.display import one_line
from analyzer.statements.inner_query import fetched_cursor, inner_query
from analyzer.steps.explain import roles_of
from dashboard.servers.databases import database_of
from dashboard.servers.schema_cache import cached_tables
from dashboard.statements.relations import relations_of
from dashboard.tables.address import table_url

MOST_TABLES = 20
MOST_CANDIDATES = 5  # of one name
Known = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StatementTable:
    """A table a statement touches, or may touch (``note``); what is not known of it is None."""

    name: str
    as_written: str  # in the statement; the list of statements filters by it
    is_known: bool
    rows: float | None
    size_bytes: int | None
    indexes: list[str]
    note: str = ""
    url: str = ""  # of its page


def tables_of(statement: Statement) -> list[StatementTable]:
    names = list(dict.fromkeys(statement.tables))[:MOST_TABLES]
    if not names:
        return []
    database = database_of(statement)
    known = cached_tables(database) if database else {}
    several = (name for name in names if name in known and len(known[name]["schemas"]) > 1)
    roles = roles_of(statement) if any(known[name]["qualified_name"] != name for name in several) else ()
    rows = [row for name in names for row in _rows(name, known, roles, statement.server.server_version_num or 0)]
    return [replace(row, url=table_url(statement.server, database, row.name)) if row.is_known else row for row in rows]


def _rows(name: str, known: Known, roles: Sequence[str], version_num: int) -> Iterator[StatementTable]:
    table = known.get(name)
    if table is None or not name:
        yield StatementTable(name, name, False, None, None, [])
        return
    schemas: list[str] = table["schemas"]
    if name == table["qualified_name"] or len(schemas) == 1:
        others = [s for s in schemas if f"{s}.{name.rpartition('.')[2]}" != name]
        is_one_entry = version_num >= BY_NAME_FROM and name == table["qualified_name"] and others
        said = f"PostgreSQL 18 may count the same statement on {_some(others)} with it" if is_one_entry else ""
        yield _row(table, name, said)
        return
    paths = {role: _path(known, role) for role in roles} or {"": known[""]["search_path"]}
    by_role = {role: next((s for s in path if s in schemas), None) for role, path in paths.items()}
    on_path = [s for s in dict.fromkeys(by_role.values()) if s is not None]
    if not on_path:
        said = f"one of {len(schemas)} schemas that a session's search_path may name"
        for schema in schemas[:MOST_CANDIDATES]:
            yield _row(known[f"{schema}.{name}"], name, said)
        return
    for schema in on_path:
        who = [role for role, first in by_role.items() if first == schema and role]
        rest = [s for s in schemas if s not in on_path]
        said = f"for role {', '.join(who)}" if len(on_path) > 1 else ""
        unless = f"unless the session's own search_path names {_some(rest)} first" if rest else ""
        yield _row(known[f"{schema}.{name}"], name, "; ".join(filter(None, (said, unless))))


def _row(table: Mapping[str, Any], as_written: str, note: str) -> StatementTable:
    return StatementTable(
        table["qualified_name"], as_written, True, table["rows"], table["size_bytes"], table["indexes"][:12], note
    )


def _path(known: Known, role: str) -> Sequence[str]:
    """The role's own, then where any of the application's roles look."""
    about = known[""]
    own = about["role_paths"].get(role, about["role_paths"].get("", []))
    return [*own, *about["search_path"]]


def _some(schemas: Sequence[str]) -> str:
    more = f" or {len(schemas) - 3} more" if len(schemas) > 3 else ""
    return f"{', '.join(schemas[:3])}{more}"


def notes_of(statement: Statement) -> list[str]:
    """What is true of its figures and would not be guessed, in sentences."""
    entries = StatementEntry.objects.filter(statement=statement, is_own=False)
    levels = set(entries.order_by().values_list("toplevel", flat=True).distinct())
    notes = []
    if False in levels:
        which = "Some of its calls come" if True in levels else "It is called"
        notes.append(
            f"{which} from inside other statements, as of functions (pg_stat_statements.track = all): that time is part"
            " of the calling statements' time too, and the server's total counts it once, there."
        )
    read_in = relations_of(statement.server, statement.pk).read_in.values()
    if read_in:
        each = "; ".join(", ".join(name for names in read.values() for name in names) for read in read_in)
        notes.append(f"Its text reads tables that have other columns: {each}. The figures here are of all of them.")
    inner = inner_query(statement.normalized_sql)
    if inner is not None and inner.cursor is not None:
        fetches = entries.filter(is_fetch=True).exists()
        notes.append(
            "Its time is that of the FETCHes from its cursors; a call is a cursor opened."
            if fetches
            else "The time of its rows is counted at FETCH, and no FETCH is known to be from its cursors alone."
        )
    elif fetched_cursor(statement.normalized_sql) is not None:
        notes.extend(_declared(statement))
    return notes


def _declared(statement: Statement) -> Iterator[str]:
    names = statement.entries.exclude(cursor="").values_list("cursor", flat=True).distinct()[:100]
    declaring = StatementEntry.objects.filter(server=statement.server_id, cursor__in=list(names), is_fetch=False)
    texts = sorted(filter(None, set(declaring.values_list("statement__normalized_sql", flat=True))))
    if not texts:
        yield "No DECLARE of this cursor is in pg_stat_statements any more, so which query it fetches is not known."
    elif len(texts) > 1:
        listed = "; ".join(one_line(text, 100) for text in texts[:5])
        yield f"{len(texts)} statements declare cursors of this name, so their time cannot be told apart: {listed}"
