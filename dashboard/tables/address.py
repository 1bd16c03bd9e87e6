"""The address of a table's page, by its name: an oid would not outlive a restore."""

from urllib.parse import urlencode

from django.urls import reverse

from analyzer.models import Database, Server


def table_url(server: Server, database: Database | None, name: str) -> str:
    """The database is left out where it is the one that the server is reached through."""
    asked = {"name": name}
    if database is not None and database.name != server.dbname:
        asked["database"] = database.name
    return f"{reverse('table', args=[server.slug])}?{urlencode(asked)}"
