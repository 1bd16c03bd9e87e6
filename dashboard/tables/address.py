"""The address of a table's page, by its name: an oid would not outlive a restore."""

from urllib.parse import urlencode

from django.urls import reverse

from analyzer.models import Database, Server
from analyzer.schema.facts import TableFacts


def table_url(server: Server, database: Database | None, name: str, schema: str = "") -> str:
    """The database is left out where it is the one that the server is reached through."""
    asked = {"name": name, **({"schema": schema} if schema else {})}
    if database is not None and database.name != server.dbname:
        asked["database"] = database.name
    return f"{reverse('table', args=[server.slug])}?{urlencode(asked)}"


def url_of_table(server: Server, database: Database | None, table: TableFacts) -> str:
    """With its schema where dots in names leave open which part is which: "a.b"."c" and "a"."b.c" are written alike."""
    has_dots = "." in table.schema or "." in table.name
    return table_url(server, database, table.qualified_name, table.schema if has_dots else "")
