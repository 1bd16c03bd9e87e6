"""Everything that can be said of a database at one moment, without a store: what `manage.py analyze` shows.

What needs time (N+1, plans that changed, rates, growth) is left to the dashboard, what needs planning to `advise`;
``NOT_LOOKED_AT`` says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from analyzer.advice.rules.suggest import suggest_indexes
from analyzer.behaviour.past import StatementPast
from analyzer.behaviour.workload import ObservedWorkload
from analyzer.checks import ANYTHING, Context, Outcome, all_checks, in_words, run_checks, vacuum_holder
from analyzer.checks.facts import StatementFacts
from analyzer.errors import ConnectionLost, MonitoredServerError, ServerUnreachable
from analyzer.findings import Finding, Fix
from analyzer.monitored.access.preflight_counting import counting_items
from analyzer.monitored.catalog.cluster import read_cluster
from analyzer.monitored.catalog.schema import left_out_notes, read_schema
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.readings import NamesByOid, StatementReading
from analyzer.monitored.sample.activity import sample_once, session_of
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.standing import read_standing
from analyzer.monitored.sample.statements import read_statement_counters
from analyzer.monitored.sample.workload import RecordedStatement, recorded_workload
from analyzer.reports.baseline import Baseline
from analyzer.schema.cluster import ClusterFacts, Evictions
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.replica_scans import of_nobody_watched
from analyzer.schema.server import ServerFacts
from analyzer.schema.standing import HeldBack
from analyzer.statements.named_columns import empty_columns_named
from analyzer.statements.parse import parse_statement
from analyzer.statements.set_columns import columns_set
from analyzer.words.durations import DAY_S, allows_daily_rate
from analyzer.words.lists import counted

Read = TypeVar("Read")
MOST_STATEMENTS = 5_000
NOT_LOOKED_AT = (
    "Not looked at: executed plans, N+1 and what changes with time, which need `up`; the best set of indexes, which"
    " `advise` gives."
)


@dataclass(frozen=True)
class Analysis:
    """``findings``: the worst first, and of those the dearest. ``looked_at``: what of, and how many.

    ``statements``: by fingerprint, the texts of those that findings are about.
    """

    address: str
    database: str
    server_version: str
    taken_at: datetime
    findings: list[Finding]
    outcome: Outcome
    checks: int
    looked_at: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    statements: dict[str, str] = field(default_factory=dict)


LOOKED_AT = (SchemaFacts, ClusterFacts, ServerFacts, StatementFacts)
# what a check looks at -> why it is not looked at here; plans are told in NOT_LOOKED_AT
NEED_TIME: dict[type, str] = {
    ObservedWorkload: "needs the counters of several intervals, which `up` reads",
    StatementPast: "needs a statement's past, which `up` keeps",
}


def analyze(
    conn: MonitoredConnection,
    *,
    only: Sequence[str] = (),
    most_statements: int = MOST_STATEMENTS,
    progress: Callable[[str], None] = lambda _: None,
) -> Analysis:
    """``only``: codes of checks, or how they begin ("SC"). What the login may not see is a note, not an end."""
    chosen = [check for check in all_checks() if not only or check.code.startswith(tuple(only))]
    progress("Reading the schema")
    facts = read_schema(conn)
    progress("Reading the server and its sessions")
    more_notes: list[str] = []
    with conn.sharing_transactions():
        cluster = read_cluster(conn)
        names = _or_note(lambda: read_names(conn), more_notes)
        sessions = _or_note(lambda: _sessions(conn, names), more_notes) if names is not None else None
        counters = _or_note(lambda: read_statement_counters(conn), more_notes)
    notes = [f"Not read: {said}" for said in (*facts.parts_not_read.values(), *cluster.parts_not_read.values())]
    notes += left_out_notes(facts)
    if not facts.statistics_readable:
        notes.append("This login may not read pg_stats: what needs statistics of columns could not be judged.")
    notes += _not_counted(cluster, counters)
    progress("Reading the statements")
    statements: list[RecordedStatement] | None = None
    if counters is not None and names is not None:
        wanted = partial(recorded_workload, conn, counters, names, most=most_statements, with_secrets=True)
        statements = _or_note(wanted, more_notes)
    notes += more_notes
    progress("Judging")
    outcome = Outcome()
    things: list[tuple[Any, Context | None]] = [(sessions, None)] if sessions is not None else []
    on_schema = Context(
        replica_scans=of_nobody_watched(cluster.standbys),
        columns_set=None if statements is None else columns_set((s.normalized_sql for s in statements), facts),
        empty_columns_named=(
            empty_columns_named((s.normalized_sql for s in statements), facts)
            if statements and counters is not None and not counters.hidden_roles
            else None
        ),
        vacuum_holder=_vacuum_holder(sessions),
    )
    things += [(replace(cluster, evictions=_evictions(counters)), None), (facts, on_schema)]
    things += [_statement(statement, facts) for statement in statements or ()]
    for thing, context in things:
        mine = [check for check in chosen if check.kind.container is type(thing)]
        if mine:
            outcome.add(run_checks(thing, context, checks=mine))
    missing = NEED_TIME | ({StatementFacts: "the statements could not be read"} if statements is None else {})
    missing |= {ServerFacts: "the sessions could not be read"} if sessions is None else {}
    outcome.not_run |= {c.code: {ANYTHING: missing[c.kind.container]} for c in chosen if c.kind.container in missing}
    about = {finding.about for finding in outcome.findings}
    return Analysis(
        address=conn.address,
        database=facts.database,
        server_version=cluster.server_version,
        taken_at=cluster.taken_at,
        findings=sorted(_with_indexes(outcome.findings, facts), key=_worst_first),
        outcome=outcome,
        checks=sum(
            check.kind.container in LOOKED_AT and ANYTHING not in outcome.not_run.get(check.code, {})
            for check in chosen
        ),
        looked_at={
            "tables": len(facts.tables),
            "indexes": sum(len(table.indexes) for table in facts),
            "statements": len(statements or ()),
            "settings": len(cluster.settings),
            "sessions": len(sessions.sessions) if sessions is not None else 0,
        },
        notes=[*notes, *in_words(outcome)],
        statements={s.fingerprint: s.normalized_sql for s in statements or () if s.fingerprint in about},
    )


def without_known(analysis: Analysis, baseline: Baseline) -> Analysis:
    """Without the findings that an earlier run knew."""
    return replace(analysis, findings=[finding for finding in analysis.findings if not baseline.knows(finding)])


def _with_indexes(findings: Sequence[Finding], facts: SchemaFacts) -> list[Finding]:
    """Foreign keys get their index to copy; what statements need is `advise`'s to prove."""
    ddl = {
        key: Fix("Create the index (not in a transaction)", "sql", "\n".join(suggestion.statements))
        for suggestion in suggest_indexes((), facts, findings).suggestions
        for key in suggestion.finding_keys
    }
    return [replace(f, fixes=(*f.fixes, ddl[f.key])) if f.key in ddl else f for f in findings]


def _worst_first(finding: Finding) -> tuple[int, float, str]:
    return -finding.severity, -(finding.impact_s_per_day or 0.0), finding.key


def _or_note(read: Callable[[], Read], notes: list[str]) -> Read | None:
    try:
        return read()
    except (ServerUnreachable, ConnectionLost):
        raise
    except MonitoredServerError as problem:
        notes.append(str(problem))
        return None


def _statement(recorded: RecordedStatement, facts: SchemaFacts) -> tuple[StatementFacts, Context]:
    """As the step check hands them over, with what was counted since the last reset in place of a day's."""
    mean_ms = recorded.total_exec_time_ms / recorded.calls if recorded.calls else None
    calls_per_day = recorded.calls_per_day
    if not allows_daily_rate(recorded.watched_s):  # so that what is said to have been seen was
        calls_per_day = recorded.calls * DAY_S / recorded.watched_s
    parsed = parse_statement(recorded.normalized_sql)
    about = StatementFacts(
        fingerprint=recorded.fingerprint,
        normalized_sql=recorded.normalized_sql,
        kind=recorded.kind,
        tables=tuple(map(str, parsed.tables)),
        facts=facts,
        calls_per_day=calls_per_day,
        time_s_per_day=recorded.time_s_per_day,
        mean_exec_time_ms=mean_ms,
        rows_per_call=recorded.rows / recorded.calls if recorded.calls else None,
        watched_s=recorded.watched_s,
        plan_time_s_per_day=recorded.plan_time_s_per_day,
        jit_time_s_per_day=recorded.jit_time_s_per_day,
        entries=recorded.entries,
    )
    context = Context(
        facts=facts,
        fingerprint=recorded.fingerprint,
        normalized_sql=recorded.normalized_sql,
        calls_per_day=calls_per_day,
        mean_exec_time_ms=mean_ms,
        watched_s=recorded.watched_s,
    )
    return about, context


def _not_counted(cluster: ClusterFacts, counters: StatementReading | None) -> list[str]:
    """What keeps statements from being counted, as far as it was read; of entries that were dropped SV048 tells."""
    settings = {name: setting.value for name, setting in cluster.settings.items()}
    entries, state = (len(counters.keys), counters.state) if counters is not None else (None, None)
    if state is not None and state.deallocations is not None:
        state = None
    items = counting_items(settings, entries, state) if settings else ()
    notes = [f"{item.name}: {item.detail}" for item in items if item.status != "ok"]
    if counters is not None and counters.hidden_roles:
        notes.append(
            f"The statements of {counted(len(counters.hidden_roles), 'role')} are hidden from this login: seeing them"
            " needs pg_read_all_stats (in pg_monitor)."
        )
    return notes


def _evictions(counters: StatementReading | None) -> Evictions | None:
    """Since the counters were reset."""
    state = counters.state if counters is not None else None
    if state is None or state.stats_reset_at is None or state.deallocations is None:
        return None
    return Evictions(state.deallocations, (state.taken_at - state.stats_reset_at).total_seconds(), True)


def _vacuum_holder(sessions: ServerFacts | None) -> HeldBack | None:
    if sessions is None:
        return None
    own = [check for check in all_checks() if check.code == vacuum_holder.CODE]
    return next((vacuum_holder.holder_of(f.evidence) for f in run_checks(sessions, checks=own).findings), None)


def _sessions(conn: MonitoredConnection, names: NamesByOid) -> ServerFacts:
    taken_at, backends = sample_once(conn)
    sessions = (row for row in backends if row.state not in (None, "idle") and row.pid != conn.backend_pid)
    standing = read_standing(conn)
    return ServerFacts(
        taken_at,
        tuple(session_of(row, taken_at, names, None) for row in sessions),
        is_replica=bool(standing.limits and standing.limits.is_replica),
        standing=standing,
    )
