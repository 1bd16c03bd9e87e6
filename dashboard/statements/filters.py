"""What the list of statements can be narrowed to: roles, databases and tables of a server's statements, and routes."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from analyzer.models import Server
from analyzer.statements.routes import MOST_CHARACTERS
from analyzer.store.series.load_reading import largest, load_span, statements_of
from analyzer.store.series.windows import Window
from dashboard.servers.schema_cache import cached_tables_of

ROUTES_OFFERED = 100  # those with the most load
TABLES_OFFERED = 500  # a longer list is searched by text instead

_CHOICES = """
select 'role', oid::text, name from analyzer_role
 where server_id = %(server)s
   and oid in (select role_oid from analyzer_statemententry where server_id = %(server)s and not is_own)
union all
select 'database', oid::text, name from analyzer_database
 where server_id = %(server)s
   and oid in (select database_oid from analyzer_statemententry where server_id = %(server)s and not is_own)
union all
select distinct 'table', t, t
  from (select distinct tables from analyzer_statement where server_id = %(server)s) s, unnest(tables) t
"""


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """A select of the form; ``current`` is one of its values, or "" for all; ``meant`` what is kept for it."""

    name: str
    everything: str  # the words for "no filter"
    options: list[tuple[str, str]]  # value and label
    current: str
    meant: list[str]


def choices_of(server: Server, query: QueryDict) -> list[FilterChoice]:
    """Role, database and table, with what the address asks for; a value that is none of them counts as absent.

    One query, and one or two more where tables are written with their schema.
    """
    choices: dict[str, list[tuple[str, str]]] = {"role": [], "database": [], "table": []}
    with connection.cursor() as cursor:
        cursor.execute(_CHOICES, {"server": server.pk})
        for name, value, label in cursor.fetchall():
            choices[name].append((value, label))
    words = {"role": "Every role", "database": "Every database", "table": "Every table"}
    made = []
    for name, options in choices.items():
        forms = _tables_by_form(server, options) if name == "table" else {value: [value] for value, _ in options}
        wanted = query.get(name, "")
        current = next((value for value, written in forms.items() if wanted in written), "")
        offered = sorted((option for option in options if option[0] in forms), key=lambda option: option[1])
        shown = [o for i, o in enumerate(offered) if i < TABLES_OFFERED or o[0] == current]
        made.append(FilterChoice(name, words[name], shown, current, forms.get(current, [])))
    return made


def route_choice(server: Server, window: Window, query: QueryDict) -> tuple[FilterChoice, list[int]]:
    """Routes seen at work in the window, and the statements of the one asked for, seen running from it.

    One query, and one more for a route.
    """
    span = load_span(window, timezone.now())
    routes = map(str, largest(server, span, "route", ROUTES_OFFERED))
    current = query.get("route", "")[:MOST_CHARACTERS]
    offered = sorted({*routes, current} - {""})
    choice = FilterChoice(
        "route", "Every route", [(route, route) for route in offered], current, [current] if current else []
    )
    return choice, statements_of(server, span, route=current) if current else []


def new_choice(query: QueryDict) -> FilterChoice:
    """Only those first seen in the window: offered where a link asked for it."""
    current = "1" if query.get("new") == "1" else ""
    return FilterChoice("new", "Every statement", [("1", "First seen in this span")], current, [])


def alike_choice(query: QueryDict, alike: Mapping[int, str]) -> tuple[FilterChoice, list[int]]:
    """Only those of one group, one by one: offered where a link asked for it."""
    current = query.get("alike", "")
    ids = [line for line, common in alike.items() if common == current]
    option = (current, "Alike but for schemas")
    return FilterChoice("alike", "Every statement", [option] if ids else [], current if ids else "", []), ids


def _tables_by_form(server: Server, options: list[tuple[str, str]]) -> dict[str, list[str]]:
    """What statements call a table, by its shortest name; the search path says whether ``t`` is ``public.t``."""
    written = sorted((value for value, _ in options), key=lambda name: ("." in name, name))
    tables = cached_tables_of(server) if written and "." in written[-1] else {}
    by_table: dict[str, list[str]] = {}
    for name in written:
        by_table.setdefault(str(tables[name]["qualified_name"]) if name in tables else name, []).append(name)
    return {names[0]: names for names in by_table.values()}


def filters_of(choices: list[FilterChoice]) -> dict[str, object]:
    """As ``statement_totals`` takes them."""
    by_name = {choice.name: choice for choice in choices}
    role, database = by_name["role"].current, by_name["database"].current
    return {
        "role_oid": int(role) if role else None,
        "database_oid": int(database) if database else None,
        "tables": by_name["table"].meant,
    }
