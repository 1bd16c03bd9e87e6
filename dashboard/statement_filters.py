"""What the list of statements can be narrowed to: the roles, databases and tables of a server's statements."""

from dataclasses import dataclass

from django.db import connection
from django.http import QueryDict

from analyzer.models import Server

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
select distinct 'table', t, t from analyzer_statement, unnest(tables) t where server_id = %(server)s
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """A select of the form; ``current`` is one of its values, or "" for all."""

    name: str
    everything: str  # the words for "no filter"
    options: list[tuple[str, str]]  # value and label
    current: str


def choices_of(server: Server, query: QueryDict) -> list[Choice]:
    """Role, database and table, with what the address asks for; a value that is none of them counts as absent.

    One query.
    """
    found: dict[str, list[tuple[str, str]]] = {"role": [], "database": [], "table": []}
    with connection.cursor() as cursor:
        cursor.execute(_CHOICES, {"server": server.pk})
        for name, value, label in cursor.fetchall():
            found[name].append((value, label))
    words = {"role": "Every role", "database": "Every database", "table": "Every table"}
    made = []
    for name, options in found.items():
        options.sort(key=lambda option: option[1])
        wanted = query.get(name, "")
        current = wanted if any(value == wanted for value, _ in options) else ""
        shown = [o for i, o in enumerate(options) if i < TABLES_OFFERED or o[0] == current]
        made.append(Choice(name, words[name], shown, current))
    return made


def filters_of(choices: list[Choice]) -> dict[str, object]:
    """As ``statement_totals`` takes them."""
    by_name = {choice.name: choice.current for choice in choices}
    return {
        "role_oid": int(by_name["role"]) if by_name["role"] else None,
        "database_oid": int(by_name["database"]) if by_name["database"] else None,
        "table": by_name["table"],
    }
