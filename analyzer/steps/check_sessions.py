"""What sessions do at this moment -> findings: part of the step ``activity``, in the process that looks at sessions.

Apart from ``check.py``, so that this process need not load the advisor.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import connection

from analyzer.checks import Outcome, run_checks
from analyzer.models import Server, StatementEntry
from analyzer.monitored.readings import ActivityRow, NamesByOid, is_ours
from analyzer.monitored.sample.activity import TEXT_FROM_AGE_S, session_of
from analyzer.schema.server import ServerFacts, SessionFacts
from analyzer.schema.standing import Standing
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import findings
from analyzer.store.check_rules import rules_of
from analyzer.store.series.load_reading import load_timeline, sessions_at_work
from analyzer.store.series.windows import Window

LATELY = timedelta(minutes=5)  # judgement: long enough for a burst to be over
LEAST_LOOKS = 10  # of it, at one every ten seconds a third


def check_sessions(
    server: Server,
    taken_at: datetime,
    backends: Sequence[ActivityRow],
    now: datetime,
    standing: Standing | None = None,
) -> Outcome:
    """Findings on what sessions do at this moment; ``taken_at`` is by the server's clock, as are the rows' times."""
    rules = rules_of(server)
    facts = ServerFacts(
        taken_at,
        tuple(session_facts(server, taken_at, backends)),
        is_replica=bool(standing and standing.limits and standing.limits.is_replica),
        standing=standing,
        active_average=_active_average(server, now) if server.cores else None,
        cores=server.cores,
        read_at_work=partial(sessions_at_work, server, now),
    )
    outcome = run_checks(facts, rules=rules, stop_on=STOP_ON)
    findings.keep_outcome(server, None, outcome, ServerFacts, now)
    return outcome


def _active_average(server: Server, now: datetime) -> float | None:
    timeline = load_timeline(server, Window(now - LATELY, now), now)
    return timeline.average if timeline.looks >= LEAST_LOOKS else None


def _waits_since(server: Server, backends: Sequence[ActivityRow]) -> dict[int, float]:
    """For how many seconds each was seen waiting in the same statement, where the server does not say it (13)."""
    waiting = [row for row in backends if row.blocked_by and row.waits_since is None]
    if not waiting:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "select a.pid, extract(epoch from max(a.taken_at) - min(a.taken_at))::float8 from activity_sample a"
            " join unnest(%s::int4[], %s::timestamptz[]) w (pid, query_start) using (pid, query_start)"
            " where a.server_id = %s and a.wait_event_type = 'Lock'"
            " and a.taken_at > clock_timestamp() - interval '1 hour'"
            " group by 1",
            [[row.pid for row in waiting], [row.query_start for row in waiting], server.pk],
        )
        return dict(cursor.fetchall())


def session_facts(
    server: Server, taken_at: datetime, backends: Sequence[ActivityRow], text_from_age_s: float = TEXT_FROM_AGE_S
) -> Iterable[SessionFacts]:
    """Those that do something or hold a transaction, with their names and statements from the store."""
    backends = [row for row in backends if row.state not in (None, "idle") and not is_ours(row.text)]
    if not backends:
        return
    names = NamesByOid(dict(server.databases.values_list("oid", "name")), dict(server.roles.values_list("oid", "name")))
    queryids = {row.queryid for row in backends if row.queryid}
    fingerprints = dict(
        StatementEntry.objects.filter(server=server, queryid__in=queryids, statement__isnull=False).values_list(
            "queryid", "statement__fingerprint"
        )
    )
    seen_waiting_s = _waits_since(server, backends)
    for row in backends:
        fingerprint = fingerprints.get(row.queryid) if row.queryid else None
        seen_s = seen_waiting_s.get(row.pid)
        yield session_of(row, taken_at, names, fingerprint, seen_s, text_from_age_s=text_from_age_s)
