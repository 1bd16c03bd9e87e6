"""The newest schema reading of a database, unpacked once per process: pages need a few of its tables."""

import json
import zlib
from functools import lru_cache
from typing import Any

from analyzer.models import Database, SchemaReading, Server
from analyzer.schema.facts import SchemaFacts


def cached_tables(database: Database) -> dict[str, dict[str, Any]]:
    """Tables by name and by schema.name (the search path decides between equal names). One or two queries.

    ``schemas``: all that have a table of that name, those of the search path first. The role_paths of the facts stand
    under "" (no table's name).
    """
    newest = SchemaReading.objects.filter(database=database).order_by("-taken_at").values("pk", "confirmed_at").first()
    return _tables(newest["pk"], newest["confirmed_at"].timestamp()) if newest else {}


def cached_tables_of(server: Server) -> dict[str, dict[str, Any]]:
    """The same of the database that a server is reached through. One or two queries."""
    readings = SchemaReading.objects.filter(database__server=server, database__is_inspected=True)
    newest = readings.order_by("-taken_at").values("pk", "confirmed_at").first()
    return _tables(newest["pk"], newest["confirmed_at"].timestamp()) if newest else {}


def cached_schema(database: Database) -> SchemaFacts | None:
    """The newest structure; figures (rows, sizes, scans) may be older, for only a new structure makes a new reading."""
    newest = SchemaReading.objects.filter(database=database).order_by("-taken_at").values("pk", "taken_at").first()
    return _facts(newest["pk"], newest["taken_at"].timestamp()) if newest else None


def current_schema(database: Database) -> SchemaFacts | None:
    """The newest reading with its newest figures, for pages where somebody waits for a planner anyway."""
    newest = SchemaReading.objects.filter(database=database).order_by("-taken_at").values("pk", "confirmed_at").first()
    return _facts(newest["pk"], newest["confirmed_at"].timestamp()) if newest else None


@lru_cache(maxsize=4)  # 5,000 tables come to some 100 MB
def _facts(reading_id: int, read_at: float) -> SchemaFacts | None:
    reading = SchemaReading.objects.filter(pk=reading_id).first()
    return SchemaFacts.from_json(json.loads(zlib.decompress(bytes(reading.facts)))) if reading else None


@lru_cache(maxsize=8)
def _tables(reading_id: int, confirmed_at: float) -> dict[str, dict[str, Any]]:
    reading = SchemaReading.objects.filter(pk=reading_id).first()
    if reading is None:  # dropped in between
        return {}
    data = json.loads(zlib.decompress(bytes(reading.facts)))
    path = [schema for schema in data.get("search_path", ["public"]) if schema != "$user"]
    found: dict[str, dict[str, Any]] = {}
    for table in sorted(data["tables"], key=lambda t: path.index(t["schema"]) if t["schema"] in path else len(path)):
        kept = {
            "qualified_name": f"{table['schema']}.{table['name']}",
            "rows": table["rows"],
            "size_bytes": table["size_bytes"],
            "indexes": [index["definition"] or index["name"] for index in table["indexes"]],
            "schemas": found[table["name"]]["schemas"] if table["name"] in found else [],
        }
        kept["schemas"].append(table["schema"])
        found.setdefault(table["name"], kept)
        found[kept["qualified_name"]] = kept
    found[""] = {"search_path": path, "role_paths": data.get("role_paths", {})}
    return found
