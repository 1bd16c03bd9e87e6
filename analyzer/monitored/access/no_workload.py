"""Why pg_stat_statements holds nothing of a database to advise on, with the SQL that mends it: waiting seldom does."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from analyzer.monitored.access.preflight import run_preflight
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.failures import quoted
from analyzer.monitored.readings import StatementReading, is_ours
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from analyzer.statements.parse import is_system_table, parse_statement
from analyzer.words.durations import span_words

RECENT = timedelta(days=1)  # judgement: longer than that every application has shown what it does
MOST_TEXTS = 2_000
MOST_DATABASES = 3
# what keeps statements out for one role or database -> the values that do
SWITCHES = {"pg_stat_statements.track": ("none",), "compute_query_id": ("off", "false", "no", "0")}


def why_no_statement(conn: MonitoredConnection) -> str:
    """Lines for a terminal: each cause in a sentence, its SQL below it."""
    own, others = _switched_off(conn)
    missing = [item for item in run_preflight(conn) if item.status == "missing" and item.name not in own]
    causes = [line for item in missing for line in (item.detail, *(f"    {sql}" for sql in item.sql.splitlines()))]
    causes += others
    # else waiting helps, or a look at another database
    causes = causes or [*_counted(conn)]
    return "\n".join([f"pg_stat_statements shows no statement of database {conn.dbname!r} to advise on.", *causes])


def _switched_off(conn: MonitoredConnection) -> tuple[set[str], list[str]]:
    """Settings that ALTER ROLE or ALTER DATABASE changed for our own session, and what they keep from being counted.

    Neither is to be seen in the server's own settings.
    """
    with conn.transaction_read_only():
        rows = conn.run("twin_role_settings", action="reading the settings of roles")
    own: set[str] = set()
    said: list[str] = []
    for row in rows:
        if row.name not in SWITCHES:
            continue
        if row.role in (None, conn.role):
            own.add(row.name)
        if row.value.lower() not in SWITCHES[row.name] or row.role == conn.role:
            continue
        role, database = (quoted(row.role) if row.role else "ALL"), quoted(conn.dbname)
        sql = f"ALTER ROLE {role}{f' IN DATABASE {database}' if row.is_for_database else ''} RESET {row.name};"
        if not row.role and row.is_for_database:
            sql = f"ALTER DATABASE {database} RESET {row.name};"
        whom = f"role {row.role!r}" if row.role else "every role"
        where = " in this database" if row.is_for_database else ""
        said += [f"For {whom}{where}, {row.name} is {row.value}: nothing of it is counted.", f"    {sql}"]
    return own, said


def _counted(conn: MonitoredConnection) -> Iterator[str]:
    """What it holds instead."""
    reading = read_statement_counters(conn)
    databases = read_names(conn).databases
    here = [oid for oid, name in databases.items() if name == conn.dbname]
    mine = np.isin(reading.keys["database_oid"], here)
    if mine.any():
        yield from _set_aside(conn, reading, mine)
    elsewhere = Counter(databases.get(oid, "?") for oid in reading.keys["database_oid"][~mine].tolist())
    if elsewhere:
        listed = ", ".join(f"{name!r} ({entries:,})" for name, entries in elsewhere.most_common(MOST_DATABASES))
        more = f" and {len(elsewhere) - MOST_DATABASES:,} more" if len(elsewhere) > MOST_DATABASES else ""
        yield f"It holds entries of other databases: {listed}{more}. Is the application's one of them?"
    state = reading.state
    since = state.stats_reset_at or state.started_at
    age = state.taken_at - since
    if age < RECENT:
        what = "were reset" if state.stats_reset_at and state.stats_reset_at > state.started_at else "began"
        yield (
            f"The statistics {what} {span_words(max(age.total_seconds(), 0))} ago: let the application run, then ask"
            " again, or give --workload."
        )
    else:
        yield "Statements of your own can be given with --workload."


def _set_aside(conn: MonitoredConnection, reading: StatementReading, mine: NDArray[np.bool_]) -> Iterator[str]:
    kinds: Counter[str] = Counter()
    for text in read_statement_texts(conn, reading.keys[mine][:MOST_TEXTS]):
        parsed = parse_statement(text.text)
        if is_ours(text.text):
            kinds["pgLoupe's own"] += 1
        elif not parsed.is_plannable:
            kinds["without a plan (DDL, SET, COMMIT and the like, or a text that was cut or cannot be read)"] += 1
        elif all(is_system_table(str(table)) for table in parsed.tables):
            kinds["on no table, or on the system catalog alone"] += 1
    if kinds:
        said = "; ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        yield f"Its entries of this database say nothing of indexes: {said}."
