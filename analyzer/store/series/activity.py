"""Samples of pg_stat_activity, without their texts, and what they say about single sessions.

What sessions at work waited for is summed up at once (session_load.py): that is kept for longer, and read by pages.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from analyzer.behaviour.sessions import Execution
from analyzer.behaviour.sessions import session_evidence as evidence_of
from analyzer.behaviour.workload import Origin, SessionEvidence
from analyzer.models import Database, Server, Statement, StatementEntry
from analyzer.monitored.readings import ActivityRow, is_ours
from analyzer.statements.fingerprint import fingerprint_of_seen
from analyzer.statements.routes import file_name, route_name
from analyzer.statements.secrets import comment_tags
from analyzer.store.series.partitions import ensure_partition
from analyzer.store.series.session_load import AT_WORK, CPU, Look, SessionTraits, ensure_load_partitions, keep_look

# An idle backend shows its last statement: worth a row only when that was a moment ago.
IDLE_FOR = timedelta(seconds=15)
COLUMNS = (
    "taken_at", "server_id", "backend_start", "xact_start", "query_start", "state_change", "role_oid", "database_oid",
    "entry_id", "statement_id", "pid", "state", "wait_event_type", "wait_event", "application_name", "blocked_by",
    "route", "file",
)  # fmt: skip
TYPES = (
    "timestamptz", "int8", "timestamptz", "timestamptz", "timestamptz", "timestamptz", "int8", "int8",
    "int8", "int8", "int4", "text", "text", "text", "text", "int4[]", "text", "text",
)  # fmt: skip


def keep_activity(
    server: Server,
    samples: Sequence[tuple[datetime, Sequence[ActivityRow]]],
    ahead: timedelta = timedelta(0),
) -> int:
    """Keep samples (time, backends); our own sessions and long idle ones are left out. The number of rows.

    The times are by the server's clock, which is ``ahead`` of the store's; they are kept by the store's. A backend's
    statement is known by its queryid (14+), else by the fingerprint of its text; the text itself is not kept.
    All samples of one call are one look: a burst counts no more than a glance.
    """
    if not samples:
        return 0
    rows = [(at, row) for at, backends in samples for row in backends if _is_worth_a_row(at, row)]
    by_id, by_fingerprint = _statements(server, [row for _, row in rows])

    def ids_of(row: ActivityRow) -> tuple[int | None, int | None]:
        """Of its entry and its statement."""
        entry_id, statement_id = by_id.get((row.role_oid, row.database_oid, row.queryid), (None, None))
        if statement_id is None and row.text is not None:
            statement_id = by_fingerprint.get(row.text)
        return entry_id, statement_id

    tags = {text: comment_tags(text) for text in {row.text for _, row in rows}}
    looked_at = samples[-1][0] - ahead
    for day in {(at - ahead).date(): at - ahead for at, _ in rows}.values():
        ensure_partition("activity_sample", day)
    ensure_load_partitions(looked_at)
    with transaction.atomic(), connection.cursor() as cursor:
        if rows:
            with cursor.copy(f"copy activity_sample ({', '.join(COLUMNS)}) from stdin (format binary)") as copy:
                copy.set_types(TYPES)
                for at, row in rows:
                    copy.write_row(
                        (
                            at - ahead, server.pk, row.backend_start, row.xact_start, row.query_start,
                            row.state_change, row.role_oid, row.database_oid, *ids_of(row), row.pid, row.state,
                            row.wait_event_type, row.wait_event, row.application_name, list(row.blocked_by),
                            route_name(tags[row.text]), file_name(tags[row.text]),
                        )
                    )  # fmt: skip
        keep_look(server.pk, looked_at, _look([row for _, row in rows], len(samples), ids_of, tags))
    return len(rows)


def _look(
    rows: Iterable[ActivityRow],
    samples: int,
    ids_of: Callable[[ActivityRow], tuple[int | None, int | None]],
    tags: Mapping[str | None, Mapping[str, str]],
) -> Look:
    """Who was at work, on average over the look's samples."""
    parts: Counter[SessionTraits] = Counter()
    for row in rows:
        if row.state in AT_WORK:
            part = SessionTraits(
                wait_event_type=row.wait_event_type or CPU,
                wait_event=row.wait_event or "",
                statement_id=ids_of(row)[1] or 0,
                role_oid=row.role_oid or 0,
                database_oid=row.database_oid or 0,
                application_name=row.application_name,
                route=route_name(tags[row.text]),
            )
            parts[part] += 1
    return {part: seen / samples for part, seen in parts.items()}


def _is_worth_a_row(at: datetime, row: ActivityRow) -> bool:
    if row.state is None or is_ours(row.text):
        return False
    return row.state != "idle" or (row.state_change is not None and at - row.state_change <= IDLE_FOR)


def _statements(
    server: Server, rows: Iterable[ActivityRow]
) -> tuple[dict[tuple[int | None, int | None, int | None], tuple[int, int | None]], dict[str, int]]:
    rows = list(rows)
    queryids = {row.queryid for row in rows if row.queryid}
    by_id: dict[tuple[int | None, int | None, int | None], tuple[int, int | None]] = {
        (e.role_oid, e.database_oid, e.queryid): (e.pk, e.statement_id)
        for e in StatementEntry.objects.filter(server=server, queryid__in=queryids, toplevel=True)
    }
    texts = {row.text for row in rows if row.text and not row.is_truncated and not row.queryid}
    fingerprints = {text: print_ for text in texts if (print_ := fingerprint_of_seen(text))}
    ids = dict(
        Statement.objects.filter(server=server, fingerprint__in=set(fingerprints.values())).values_list(
            "fingerprint", "pk"
        )
    )
    return by_id, {text: ids[print_] for text, print_ in fingerprints.items() if print_ in ids}


@dataclass(frozen=True, slots=True)
class LastLook:
    """``states``: how many sessions were in each, those that waited for a lock apart."""

    at: datetime
    states: Mapping[str, int]


def last_look(server: Server) -> LastLook | None:
    """What was seen last, within a day. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select taken_at, case when wait_event_type = 'Lock' then 'waiting for a lock' else state end, count(*)"
            " from activity_sample where server_id = %(server)s and taken_at = (select max(taken_at)"
            "   from activity_sample where server_id = %(server)s and taken_at > clock_timestamp() - interval '1 day')"
            " group by 1, 2 order by 3 desc, 2",
            {"server": server.pk},
        )
        rows = cursor.fetchall()
    return LastLook(rows[0][0], {state: n for _, state, n in rows}) if rows else None


def session_evidence(server: Server, database: Database, start: datetime, end: datetime) -> SessionEvidence:
    """What the samples in (start, end] show of single sessions. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            # one row per distinct execution: the same statement of a session, begun at the same time
            "select a.pid || ' ' || coalesce(a.backend_start::text, ''), extract(epoch from a.query_start)::float8,"
            "  extract(epoch from a.xact_start)::float8, s.fingerprint, a.route, a.file, a.application_name from ("
            "  select distinct on (pid, backend_start, query_start, statement_id)"
            "    pid, backend_start, query_start, statement_id, xact_start, route, application_name, file"
            "  from activity_sample where server_id = %s and database_oid = %s and taken_at > %s and taken_at <= %s"
            "    and statement_id is not null and query_start is not null"
            "  order by pid, backend_start, query_start, statement_id, taken_at"
            ") a join analyzer_statement s on s.id = a.statement_id order by a.pid, a.backend_start, a.query_start",
            [server.pk, database.oid, start, end],
        )
        rows = cursor.fetchall()
    return evidence_of(
        Execution(session, began_s, transaction_s, statement_id, Origin(route, file, application))
        for session, began_s, transaction_s, statement_id, route, file, application in rows
    )
