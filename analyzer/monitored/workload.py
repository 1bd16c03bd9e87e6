"""The workload as pg_stat_statements has it now, for one-shot advice: sums since its reset, no store needed."""

from dataclasses import dataclass

import numpy as np

from analyzer.durations import DAY_S, SHORTEST_OF_A_DAY_S
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.names import read_names
from analyzer.monitored.statements import read_statement_counters, read_statement_texts
from analyzer.readings import COUNTERS, KEY_DTYPE, is_ours
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.parse import ParsedStatement, is_system_table, parse_statement
from analyzer.statements.secrets import redact_sql

OTHERS = 500  # entries read beyond those wanted: utilities, our own, second roles' fall out
CALLS, TIME, ROWS = (COUNTERS.index(name) for name in ("calls", "total_exec_time_ms", "rows"))


@dataclass(frozen=True, slots=True)
class RecordedStatement:
    """Sums over the roles that sent it; ``normalized_sql`` holds ``$n`` and no literal."""

    fingerprint: str
    normalized_sql: str
    kind: str
    calls: float
    total_exec_time_ms: float
    rows: float
    calls_per_day: float


def read_recorded_workload(conn: MonitoredConnection, *, most: int) -> list[RecordedStatement]:
    """The ``most`` statements of the connected database that took the most time, the dearest first."""
    reading = read_statement_counters(conn)
    oids = [oid for oid, name in read_names(conn).databases.items() if name == conn.dbname]
    here = np.isin(reading.keys["database_oid"], oids) & (reading.counters[:, CALLS] > 0)
    dearest = np.flatnonzero(here)
    order = np.lexsort((reading.keys["queryid"][dearest], -reading.counters[dearest, TIME]))
    dearest = dearest[order][: most * 2 + OTHERS]
    position = {tuple(key): int(at) for key, at in zip(reading.keys[dearest].tolist(), dearest, strict=True)}
    state = reading.state
    since_s = state.stats_reset_at.timestamp() if state.stats_reset_at else state.started_at.timestamp()
    found: dict[str, RecordedStatement] = {}
    for text in read_statement_texts(conn, np.array(list(position), dtype=KEY_DTYPE)):
        print_ = fingerprint(text.text)
        redacted = None if is_ours(text.text) else redact_sql(text.text or "")
        parsed = parse_statement(redacted)
        if print_ is None or redacted is None or not parsed.is_plannable or not _reads_own_tables(parsed):
            continue
        at = position[text.role_oid, text.database_oid, text.queryid, text.toplevel]
        own_since = reading.stats_since[at]
        counting_s = state.taken_at.timestamp() - (since_s if np.isnan(own_since) else max(since_s, own_since))
        calls, time_ms, rows = (float(reading.counters[at, i]) for i in (CALLS, TIME, ROWS))
        known = found.get(print_)
        found[print_] = RecordedStatement(
            fingerprint=print_,
            normalized_sql=known.normalized_sql if known else redacted,
            kind=parsed.kind,
            calls=calls + (known.calls if known else 0),
            total_exec_time_ms=time_ms + (known.total_exec_time_ms if known else 0),
            rows=rows + (known.rows if known else 0),
            # of less than an hour as if it had run that long
            calls_per_day=calls * DAY_S / max(counting_s, SHORTEST_OF_A_DAY_S) + (known.calls_per_day if known else 0),
        )
    return sorted(found.values(), key=lambda s: (-s.total_exec_time_ms, s.fingerprint))[:most]


def _reads_own_tables(parsed: ParsedStatement) -> bool:
    """What reads the catalog alone, as pg_dump and psql do, is nobody's workload; nor is what reads no table."""
    return not all(is_system_table(str(table)) for table in parsed.tables)
