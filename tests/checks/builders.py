"""What a case of tests/checks/cases/*.toml turns into, chosen by the key the case has.

A check that runs on something new registers its builder here: ``BUILDERS["key"] = function`` takes the case's value
of that key and returns what the check runs on.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from analyzer.behaviour.past import PlanPeriod, SpanFigures, StatementPast
from analyzer.behaviour.workload import ObservedWorkload, StatementSeries
from analyzer.checks import Check, Context, run_checks
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding
from analyzer.plans import Plan, parse_plan
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import SchemaFacts, packed_freqs
from analyzer.schema.foreign_keys import KeyCheckTime
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.schema.server import ServerFacts, SessionFacts
from analyzer.schema.standing import (
    Archiver,
    ConnectionLimits,
    HeldBack,
    PreparedTransaction,
    Replica,
    Slot,
    Standing,
    XminHolder,
)
from analyzer.schema.without_index import WithoutIndex
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
    return msgspec.convert({**ordinary, **given, "tables": tables}, SchemaFacts)


def _table(
    given: Mapping[str, Any], oids: Mapping[str, int], by_name: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    rows = given.get("rows")
    # who knows a key has read the constraints; of others a case says whether they were
    constraints = {"constraints": []} if given.get("primary_key") or given.get("unique_keys") else {}
    table: dict[str, Any] = {
        "schema": "public", "kind": "r", "rows": rows, "size_bytes": None, "primary_key": [], "unique_keys": [],
        "partitions": [], **constraints, **given, "oid": oids[given["name"]],
    }  # fmt: skip
    if "parent" in table:  # the name of the table it is a partition of
        table["parent_oid"] = oids[table.pop("parent")]
    table["activity"] = dict(given.get("activity", {}))
    table["columns"] = [
        {"number": n, "type_name": "integer", "type_oid": INT4, "not_null": False, "table_rows": rows or 0.0,
         **({"name": column} if isinstance(column, str) else _packed(column))}
        for n, column in enumerate(given.get("columns", ()), 1)
    ]  # fmt: skip
    table["indexes"] = [
        {"oid": 90000 + n, "schema": table["schema"], "method": "btree",
         "opfamilies": [INT4_BTREE] * len(index["columns"]), **index}
        for n, index in enumerate(given.get("indexes", ()))
    ]  # fmt: skip
    table["foreign_keys"] = [_foreign_key(key, oids, by_name) for key in given.get("foreign_keys", ())]
    return table


def _packed(column: Mapping[str, Any]) -> dict[str, Any]:
    freqs = column.get("most_common_freqs")
    kept = {name: value for name, value in column.items() if name != "most_common_freqs"}
    return kept if freqs is None else {**kept, "common_freqs": packed_freqs(freqs)}


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
    if "without_index" in given:
        given["without_index"] = {told["oid"]: WithoutIndex(**told) for told in given["without_index"]}
    if "replica_scans" in given:
        scans = {int(oid): count for oid, count in given["replica_scans"].pop("scans", {}).items()}
        given["replica_scans"] = ReplicaScans(**given["replica_scans"], scans=scans)
    if "vacuum_holder" in given:
        given["vacuum_holder"] = HeldBack(**given["vacuum_holder"])
    return Context(**given)


def workload(given: Mapping[str, Any]) -> ObservedWorkload:
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
    return ObservedWorkload(given.get("interval_s", 60.0), tuple(series), schema)


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
    """``{ sessions = [{ pid, state, ... }], standing = {...} }`` and the like, at an arbitrary moment."""
    values = dict(given)
    sessions = tuple(
        SessionFacts(**session | {"blocked_by": tuple(session.get("blocked_by", ()))})
        for session in values.pop("sessions", ())
    )
    if "standing" in values:
        values["standing"] = standing(values["standing"])
    return ServerFacts(MOMENT, sessions, **values)


def standing(given: Mapping[str, Any]) -> Standing:
    """What is left out was not read, but the connections: there are plenty."""
    of_one = {"limits": ConnectionLimits, "archiver": Archiver}
    of_many = {"holders": XminHolder, "prepared": PreparedTransaction, "slots": Slot, "replicas": Replica}
    values: dict[str, Any] = {"limits": ConnectionLimits(100, 3, client_sessions=5)}
    values |= {name: made(**given[name]) for name, made in of_one.items() if name in given}
    values |= {name: tuple(made(**row) for row in given[name]) for name, made in of_many.items() if name in given}
    return Standing(**values)


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


def past(given: Mapping[str, Any]) -> StatementPast:
    """Calls of ``before_ms`` until ``after_h`` hours ago, of ``after_ms`` since, as many in each hour.

    ``{ hours = 96, after_h = 4, before_ms = 3.0, after_ms = 12.0, calls = 120, noise = 0.0,
    slow_hours = [9, 12, 12.0] (each day from 9 to 12 o'clock 12 ms), rows = [1, 1], blocks = [10, 10] (a call, before
    and since), plans = [[shape, first seen hours ago, last seen hours ago, values], ...], others = 1.0 (what the times
    of eight others grew by) }``.
    """
    periods = tuple(
        PlanPeriod(shape, values, False, MOMENT - timedelta(hours=first), MOMENT - timedelta(hours=last))
        for shape, first, last, values in given.get("plans", ())
    )
    what = {("aaaa", "bbbb"): "Index Scan on item using ix_item became Seq Scan"}
    mine = StatementPast("f1", MOMENT, _figures(given, 3600), _figures(given, 300), periods, what)
    grown = {**given, "after_ms": given.get("before_ms", 3.0) * given.get("others", 1.0)}
    others = [
        StatementPast(f"other {n}", MOMENT, _figures({**grown, "seed": n}, 3600), _figures({**grown, "seed": n}, 300))
        for n in range(8)
    ]
    return replace(mine, others=[mine, *others])


def _figures(given: Mapping[str, Any], step_s: int) -> SpanFigures:
    random = np.random.default_rng(given.get("seed", 100))
    end, hours, after_h = (
        MOMENT.timestamp(),
        min(given.get("hours", 96), 1e9 if step_s == 3600 else 48),
        given["after_h"],
    )
    starts = np.arange(end - hours * 3600, end, step_s)
    is_after = starts >= end - after_h * 3600
    calls = np.full(len(starts), float(given.get("calls", 120) * step_s / 3600))
    ms = np.where(is_after, given.get("after_ms", 12.0), given.get("before_ms", 3.0))
    ms = ms * np.exp(random.normal(0, given.get("noise", 0.0), len(starts)))
    of_day = starts % 86_400 / 3600
    if "slow_hours" in given:
        first, last, slow_ms = given["slow_hours"]
        ms = np.where((of_day >= first) & (of_day < last), slow_ms, ms)
    rows, blocks = given.get("rows", (1, 1)), given.get("blocks", (10, 10))
    return SpanFigures(
        step_s, starts, calls, ms * calls, calls * np.where(is_after, rows[1], rows[0]),
        calls * np.where(is_after, blocks[1], blocks[0]),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[Any], Any]] = {
    "plan": parse_plan,
    "plan_file": plan_file,
    "facts": facts,
    "workload": workload,
    "statement": statement,
    "server": server,
    "cluster": cluster,
    "past": past,
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
