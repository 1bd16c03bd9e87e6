"""The workload as pg_stat_statements has it now, for one-shot advice: sums since its reset, no store needed."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.readings import COUNTERS, KEY_DTYPE, NamesByOid, StatementReading, StatementText, is_ours
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.inner_query import counted_text, fetched_cursor, inner_query, planned_kind
from analyzer.statements.parse import is_system_table, parse_statement
from analyzer.statements.secrets import may_hold_secret, redact_sql
from analyzer.words.durations import DAY_S, SHORTEST_OF_A_DAY_S

OTHERS = 500  # entries read beyond those wanted: utilities, our own, second roles' fall out
CALLS, TIME, ROWS, PLANNING = (
    COUNTERS.index(name) for name in ("calls", "total_exec_time_ms", "rows", "total_plan_time_ms")
)
JIT = [COUNTERS.index(f"jit_{part}_time_ms") for part in ("generation", "inlining", "optimization", "emission")]


@dataclass(frozen=True, slots=True)
class RecordedStatement:
    """Sums over the roles that sent it since the counters were reset, ``watched_s`` ago; ``normalized_sql`` holds
    ``$n`` and no literal. ``calls_per_day`` weighs statements; it is nothing to say.

    ``kind``: of a utility that runs a query, the query's. ``is_nested``: it ran inside functions only, so that its time
    is part of the calling statement's. The time of a cursor's query is that of its FETCHes.
    """

    fingerprint: str
    normalized_sql: str
    kind: str
    calls: float
    total_exec_time_ms: float
    rows: float
    calls_per_day: float
    roles: tuple[str, ...] = ()
    is_nested: bool = False
    watched_s: float = 1.0
    plan_time_ms: float | None = None  # None: the server does not measure it
    jit_time_ms: float | None = None
    entries: int = 1  # of pg_stat_statements, by query id, that were read

    @property
    def time_s_per_day(self) -> float:
        return self.per_day_s(self.total_exec_time_ms)

    @property
    def plan_time_s_per_day(self) -> float | None:
        return None if self.plan_time_ms is None else self.per_day_s(self.plan_time_ms)

    @property
    def jit_time_s_per_day(self) -> float | None:
        return None if self.jit_time_ms is None else self.per_day_s(self.jit_time_ms)

    def per_day_s(self, time_ms: float) -> float:
        return time_ms / 1000 * DAY_S / self.watched_s


def read_recorded_workload(conn: MonitoredConnection, *, most: int) -> list[RecordedStatement]:
    """The ``most`` statements of the connected database that took the most time, the dearest first."""
    with conn.sharing_transactions():
        reading = read_statement_counters(conn)
        names = read_names(conn)
    return recorded_workload(conn, reading, names, most=most)


def recorded_workload(
    conn: MonitoredConnection,
    reading: StatementReading,
    names: NamesByOid,
    *,
    most: int,
    with_secrets: bool = False,
    with_calls: bool = False,
) -> list[RecordedStatement]:
    """As ``read_recorded_workload``, of counters that were read: their texts are.

    ``with_secrets``: behind them the utilities that may hold one, whatever time they took. ``with_calls``: those that
    use no table, too, as SELECT f() and CALL do.
    """
    oids = [oid for oid, name in names.databases.items() if name == conn.dbname]
    here = np.isin(reading.keys["database_oid"], oids) & (reading.counters[:, CALLS] > 0)
    dearest = np.flatnonzero(here)
    order = np.lexsort((reading.keys["queryid"][dearest], -reading.counters[dearest, TIME]))
    dearest = dearest[order]
    recorded = _Recorded(reading, names.roles, with_calls)
    read_at_once = most * 2 + OTHERS
    recorded.read(conn, dearest[:read_at_once])
    if recorded.has_undeclared_cursors:  # what declared them takes next to no time
        recorded.read(conn, dearest[read_at_once:])
    workload = recorded.statements()[:most]
    return [*workload, *recorded.with_secrets()] if with_secrets else workload


class _Recorded:
    """Entries put together to statements; a cursor's FETCHes to what declared it, by calls where that is several."""

    def __init__(self, reading: StatementReading, roles: Mapping[int, str], with_calls: bool) -> None:
        self._reading, self._roles, self._with_calls = reading, roles, with_calls
        self._found: dict[str, RecordedStatement] = {}
        self._declared: dict[tuple[int, str], dict[str, float]] = {}  # role and cursor: fingerprint -> calls
        self._fetched: dict[tuple[int, str], tuple[float, float]] = {}  # time_ms, rows
        self._with_secrets: dict[str, RecordedStatement] = {}
        self._queryids: defaultdict[str, set[int]] = defaultdict(set)
        # planning takes some time where it is measured at all
        self._measures_planning = bool(np.nansum(reading.counters[:, PLANNING]) > 0)
        state = reading.state
        since = state.stats_reset_at or state.started_at
        self._since_s, self._now_s = since.timestamp(), state.taken_at.timestamp()

    @property
    def has_undeclared_cursors(self) -> bool:
        return not self._fetched.keys() <= self._declared.keys()

    def read(self, conn: MonitoredConnection, entries: NDArray[np.int64]) -> None:
        keys = self._reading.keys[entries]
        position = {tuple(key): int(at) for key, at in zip(keys.tolist(), entries, strict=True)}
        for text in read_statement_texts(conn, np.array(list(position), dtype=KEY_DTYPE)):
            if not is_ours(text.text):
                self._add(text, position[text.role_oid, text.database_oid, text.queryid, text.toplevel])

    def _add(self, text: StatementText, at: int) -> None:
        sql = counted_text(text.text, self._reading.state.server_version_num, is_toplevel=text.toplevel)
        counters = self._reading.counters[at]
        calls, time_ms, rows = (float(counters[i]) for i in (CALLS, TIME, ROWS))
        cursor = fetched_cursor(sql)
        if cursor is not None:
            before = self._fetched.get((text.role_oid, cursor), (0.0, 0.0))
            self._fetched[text.role_oid, cursor] = before[0] + time_ms, before[1] + rows
            return
        print_, redacted = fingerprint(sql), redact_sql(sql or "")
        if print_ is None or redacted is None:
            return
        is_wanted = _is_wanted(redacted, self._with_calls)
        if not is_wanted and not may_hold_secret(redacted):
            return
        found = self._found if is_wanted else self._with_secrets
        self._queryids[print_].add(text.queryid)
        inner = inner_query(sql)
        if is_wanted and inner is not None and inner.cursor is not None:
            declared = self._declared.setdefault((text.role_oid, inner.cursor), {})
            declared[print_] = declared.get(print_, 0.0) + calls
        own_since = self._reading.stats_since[at]
        counting_s = self._now_s - (self._since_s if np.isnan(own_since) else max(self._since_s, own_since))
        role = self._roles.get(text.role_oid)
        new = RecordedStatement(
            print_, redacted, planned_kind(redacted), 0, 0, 0, 0, is_nested=True,
            watched_s=max(1.0, self._now_s - self._since_s),
        )  # fmt: skip
        known = found.get(print_, new)
        found[print_] = replace(
            known,
            calls=known.calls + calls,
            total_exec_time_ms=known.total_exec_time_ms + time_ms,
            rows=known.rows + rows,
            # of less than an hour as if it had run that long
            calls_per_day=known.calls_per_day + calls * DAY_S / max(counting_s, SHORTEST_OF_A_DAY_S),
            roles=tuple(sorted({*known.roles, *([role] if role else [])})),
            is_nested=known.is_nested and not text.toplevel,
            plan_time_ms=(known.plan_time_ms or 0.0) + float(counters[PLANNING]) if self._measures_planning else None,
            jit_time_ms=None if np.isnan(counters[JIT[0]]) else (known.jit_time_ms or 0.0) + float(counters[JIT].sum()),
            entries=len(self._queryids[print_]),
        )

    def with_secrets(self) -> list[RecordedStatement]:
        return sorted(self._with_secrets.values(), key=lambda s: s.fingerprint)

    def statements(self) -> list[RecordedStatement]:
        statements_of = dict(self._found)
        for cursor, (time_ms, rows) in self._fetched.items():
            declared = self._declared.get(cursor, {})
            for print_, calls in declared.items():
                share, known = calls / sum(declared.values()), statements_of[print_]
                statements_of[print_] = replace(
                    known, total_exec_time_ms=known.total_exec_time_ms + time_ms * share, rows=known.rows + rows * share
                )
        return sorted(statements_of.values(), key=lambda s: (-s.total_exec_time_ms, s.fingerprint))


def _is_wanted(sql: str, with_calls: bool) -> bool:
    """It runs a query on the database's own tables: what reads the catalog alone, as pg_dump and psql do, is nobody's
    workload; nor is what reads no table.
    """
    parsed = parse_statement(sql)
    if with_calls and parsed.statement_count == 1 and not parsed.tables:
        return parsed.is_plannable or parsed.utility == "CallStmt"
    if not parsed.is_plannable and planned_kind(sql) == "utility":
        return False
    return parsed.statement_count == 1 and not all(is_system_table(str(table)) for table in parsed.tables)
