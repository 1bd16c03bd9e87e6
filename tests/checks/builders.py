"""What a case of tests/checks/cases/*.toml turns into, chosen by the key the case has.

A check that runs on something new registers its builder here: ``BUILDERS["key"] = function`` takes the case's value
of that key and returns what the check runs on.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from analyzer.behaviour.workload import StatementSeries, Workload
from analyzer.checks import Check, Context, run_checks
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding
from analyzer.plans import Plan, parse_plan
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.foreign_keys import KeyCheckTime
from analyzer.schema.kept import facts_from
from analyzer.schema.server import ServerFacts, SessionFacts
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.parse import parse_statement

DATA = Path(__file__).parent.parent / "plans" / "data"
INT4_BTREE = 1976  # pg_opfamily of int4's default btree operator class
INT4 = 23
MOMENT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


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
    return facts_from({**ordinary, **given, "tables": tables})


def _table(
    given: Mapping[str, Any], oids: Mapping[str, int], by_name: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    rows = given.get("rows")
    table: dict[str, Any] = {
        "schema": "public", "kind": "r", "rows": rows, "size_bytes": None, "primary_key": [], "unique_keys": [],
        "partitions": [], **given, "oid": oids[given["name"]],
    }  # fmt: skip
    if "parent" in table:  # the name of the table it is a partition of
        table["parent_oid"] = oids[table.pop("parent")]
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
    if "key_checks" in given:
        given["key_checks"] = {owner: KeyCheckTime(**told) for owner, told in given["key_checks"].items()}
    return Context(**given)


def workload(given: Mapping[str, Any]) -> Workload:
    """A simulated hour: pages arrive by chance at a rate that drifts, each statement belongs to a page.

    ``pages = { list = 20 }`` (calls per interval), ``statements = [{ sql, page = "list", rows_per_call = 15 },
    { sql, per_row_of = 0, times = 1.0 }, { sql, steady = 200 }, { sql, only_in = 3, calls = 5000 }]``.
    """
    random, n = np.random.default_rng(given.get("seed", 1)), given.get("intervals", 60)

    def drifting(level: float) -> NDArray[np.float64]:
        wave = np.exp(np.cumsum(random.normal(0, 0.15, n)))
        return random.poisson(level * wave / wave.mean()).astype(float)

    pages = {name: drifting(level) for name, level in given.get("pages", {}).items()}
    series: list[StatementSeries] = []
    for statement in given["statements"]:
        if "page" in statement:
            calls = pages[statement["page"]] * statement.get("times", 1.0)
        elif "per_row_of" in statement:
            calls = series[statement["per_row_of"]].rows * statement.get("times", 1.0)
        elif "only_in" in statement:
            calls = np.zeros(n)
            calls[: statement["only_in"]] = statement["calls"]
        else:
            calls = random.poisson(statement["steady"], n).astype(float)
        mean_rows = statement.get("rows_per_call", 1.0)
        rows = calls * mean_rows
        if statement.get("rows_vary"):
            rows = np.array([random.poisson(mean_rows, int(c)).sum() for c in calls], dtype=float)
        exec_time_ms = calls * statement.get("mean_ms", 0.05)
        series.append(
            StatementSeries(fingerprint(statement["sql"]) or "", statement["sql"], 10, True, calls, rows, exec_time_ms)
        )
    schema = facts(given["facts"]) if "facts" in given else None
    return Workload(given.get("interval_s", 60.0), tuple(series), schema)


def statement(given: Mapping[str, Any]) -> StatementFacts:
    """``{ sql, plans = [JSON, ...], facts = {...} in short, calls_per_day, ... }``."""
    values = dict(given)
    sql, plans = values.pop("sql"), [parse_plan(plan) for plan in values.pop("plans", ())]
    parsed = parse_statement(sql)
    return StatementFacts(
        fingerprint=fingerprint(sql) or "",
        normalized_sql=sql,
        kind=parsed.kind,
        tables=tuple(values.pop("tables", ())),
        facts=facts(values.pop("facts")) if "facts" in values else None,
        read_plans=lambda: plans,
        **values,
    )


def server(given: Mapping[str, Any]) -> ServerFacts:
    """``{ sessions = [{ pid, state, ... }], settings = {...} }``, at an arbitrary moment."""
    sessions = tuple(SessionFacts(**session) for session in given.get("sessions", ()))
    return ServerFacts(MOMENT, sessions, dict(given.get("settings", {})))


def cluster(given: Mapping[str, Any]) -> ClusterFacts:
    """``{ settings = { jit = "on", work_mem = { value = "4096", unit = "kB" } }, earlier = { hours_ago = 24 } }``.

    A setting given as a text is one that somebody chose.
    """
    data = {
        "taken_at": MOMENT, "started_at": MOMENT - timedelta(days=90), "server_version": "16.4",
        "server_version_num": 160004, "database": "shop", **given,
    }  # fmt: skip
    settings = data.get("settings", {})
    data["settings"] = {
        name: {"value": value, "source": "configuration file"} if isinstance(value, str) else value
        for name, value in settings.items()
    }
    for number, database in enumerate(data.get("databases", ())):
        database.setdefault("oid", 16384 + number)
    if "earlier" in data:
        ago = timedelta(hours=data["earlier"].pop("hours_ago", 24))
        data["earlier"] = cluster({"taken_at": MOMENT - ago, **data["earlier"]})
    return msgspec.convert(data, ClusterFacts)


BUILDERS: dict[str, Callable[[Any], Any]] = {
    "plan": parse_plan,
    "plan_file": plan_file,
    "facts": facts,
    "workload": workload,
    "statement": statement,
    "server": server,
    "cluster": cluster,
}


def found_by(check: Check, container: Any, context: Context | None = None) -> list[Finding]:
    """What the check alone finds in a container, all of which it could judge."""
    outcome = run_checks(container, context, checks=[check])
    assert outcome.unjudged == {}
    return outcome.findings


def build(case: Mapping[str, Any]) -> Any:
    kinds = [key for key in BUILDERS if key in case]
    assert len(kinds) == 1, f"case {case['name']!r} needs one of {', '.join(BUILDERS)}, has {kinds or 'none'}"
    return BUILDERS[kinds[0]](case[kinds[0]])
