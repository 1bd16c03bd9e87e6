"""The tables of a database's newest schema by name, as pages look them up; made once per process and reading."""

from functools import lru_cache
from typing import Any

from analyzer.models import Database, Server
from analyzer.schema.facts import SchemaFacts
from analyzer.store.schemas import kept_schema


def cached_tables(database: Database) -> dict[str, dict[str, Any]]:
    """Tables by name and by schema.name (the search path decides between equal names). One or two queries.

    ``schemas``: all that have a table of that name, those of the search path first. The role_paths of the facts stand
    under "" (no table's name).
    """
    facts = kept_schema(database)
    return _tables(ByIdentity(facts)) if facts is not None else {}


def cached_tables_of(server: Server) -> dict[str, dict[str, Any]]:
    """The same of the database that a server is reached through. Two or three queries."""
    database = Database.objects.filter(server=server, is_inspected=True).order_by("pk").first()
    return cached_tables(database) if database is not None else {}


class ByIdentity:
    """Facts as a key: the same object is the same reading (``kept_schema`` keeps it), and comparing would be dear."""

    def __init__(self, facts: SchemaFacts) -> None:
        self.facts = facts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.facts is self.facts

    def __hash__(self) -> int:
        return id(self.facts)


@lru_cache(maxsize=4)
def _tables(of: ByIdentity) -> dict[str, dict[str, Any]]:
    facts = of.facts
    path = [schema for schema in facts.search_path if schema != "$user"]
    tables: dict[str, dict[str, Any]] = {}
    for table in sorted(facts, key=lambda t: path.index(t.schema) if t.schema in path else len(path)):
        kept = {
            "qualified_name": table.qualified_name,
            "rows": table.rows,
            "size_bytes": table.size_bytes,
            "indexes": [index.definition or index.name for index in table.indexes],
            "schemas": tables[table.name]["schemas"] if table.name in tables else [],
        }
        kept["schemas"].append(table.schema)
        tables.setdefault(table.name, kept)
        tables[table.qualified_name] = kept
    tables[""] = {"search_path": path, "role_paths": facts.role_paths}
    return tables
