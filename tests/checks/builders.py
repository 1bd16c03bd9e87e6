"""What a case of tests/checks/cases/*.toml turns into, chosen by the key the case has.

A check that runs on something new registers its builder here: ``BUILDERS["key"] = function`` takes the case's value
of that key and returns what the check runs on.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analyzer.checks import Context
from analyzer.facts import SchemaFacts
from analyzer.plans import Plan, parse_plan

DATA = Path(__file__).parent.parent / "plans" / "data"
INT4_BTREE = 1976  # pg_opfamily of int4's default btree operator class
INT4 = 23


def plan_file(name: str) -> Plan:
    """A whole plan that PostgreSQL printed: ``hash_join.pg15.json`` of tests/plans/data."""
    return parse_plan((DATA / name).read_bytes())


def facts(compact: str | Mapping[str, Any]) -> SchemaFacts:
    """Facts in short, as JSON or a TOML table: what a case leaves out gets an ordinary value.

    ``tables = [{ name = "a", columns = ["id", "b_id"], rows = 1000, primary_key = ["id"],
    indexes = [{ name = "ix", columns = ["b_id"] }],
    foreign_keys = [{ name = "fk", columns = ["b_id"], references = "b" }] }]``
    """
    given: dict[str, Any] = json.loads(compact) if isinstance(compact, str) else dict(compact)
    oids = {table["name"]: table.get("oid", 16384 + n) for n, table in enumerate(given["tables"])}
    by_name = {table["name"]: table for table in given["tables"]}
    tables = [_table(table, oids, by_name) for table in given.pop("tables")]
    ordinary = {"database": "shop", "server_version_num": 150020, "search_path": ["public"]}
    return SchemaFacts.from_json({**ordinary, **given, "tables": tables})


def _table(
    given: Mapping[str, Any], oids: Mapping[str, int], by_name: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    rows = given.get("rows")
    table: dict[str, Any] = {
        "schema": "public", "kind": "r", "rows": rows, "size_bytes": None, "primary_key": [], "unique_keys": [],
        "partitions": [], **given, "oid": oids[given["name"]],
    }  # fmt: skip
    table["activity"] = dict(given.get("activity", {}))
    table["columns"] = [
        {"number": n, "type_name": "integer", "type_oid": INT4, "not_null": False, "table_rows": rows or 0.0,
         **({"name": column} if isinstance(column, str) else column)}
        for n, column in enumerate(given.get("columns", ()), 1)
    ]  # fmt: skip
    table["indexes"] = [
        {"oid": 90000 + n, "schema": table["schema"], "method": "btree",
         "opfamilies": [INT4_BTREE] * len(index["columns"]), **index}
        for n, index in enumerate(given.get("indexes", ()))
    ]  # fmt: skip
    table["foreign_keys"] = [_foreign_key(key, oids, by_name) for key in given.get("foreign_keys", ())]
    return table


def _foreign_key(
    given: Mapping[str, Any], oids: Mapping[str, int], by_name: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    key = dict(given)
    parent = key.pop("references")
    columns: Sequence[str] = by_name[parent].get("primary_key", ["id"])
    return {
        "referenced_oid": oids[parent], "referenced_table": parent,
        "referenced_schema": by_name[parent].get("schema", "public"), "referenced_columns": columns,
        "opfamilies": [[INT4_BTREE]] * len(key["columns"]), **key,
    }  # fmt: skip


def context(case: Mapping[str, Any]) -> Context:
    """``context = { calls_per_day = 1000.0 }`` in a case; ``facts`` in it in short, as above."""
    given = dict(case.get("context", {}))
    if "facts" in given:
        given["facts"] = facts(given["facts"])
    return Context(**given)


BUILDERS: dict[str, Callable[[Any], Any]] = {"plan": parse_plan, "plan_file": plan_file, "facts": facts}


def build(case: Mapping[str, Any]) -> Any:
    kinds = [key for key in BUILDERS if key in case]
    assert len(kinds) == 1, f"case {case['name']!r} needs one of {', '.join(BUILDERS)}, has {kinds or 'none'}"
    return BUILDERS[kinds[0]](case[kinds[0]])
