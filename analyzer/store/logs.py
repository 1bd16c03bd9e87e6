"""Statements of a server's log -> plans and values of those that the store knows, by their fingerprint.

Only for databases that are looked into. Plans are redacted, values encrypted; what the log says of statements that
nobody counted is not kept.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from analyzer.logs.entry import LogEntry
from analyzer.logs.events import logged_plan, redacted, sql_with_values
from analyzer.logs.line_prefix import logged_time
from analyzer.logs.statements import MOST_DESCRIBED, LoggedStatement, logged_statements
from analyzer.logs.totals import LogTotals
from analyzer.models import Database, ParameterSample, PlanRecord, Server, Statement, StatementEntry
from analyzer.plans import PlanError
from analyzer.plans.shape import shape_of
from analyzer.statements.fingerprint import fingerprint
from analyzer.store.databases import inspected_databases
from analyzer.store.parameters import SeenText, keep_samples
from analyzer.store.plans import keep_plan
from analyzer.words.lists import counted

logger = logging.getLogger(__name__)

Values = PlanRecord.Values
MOST_SAMPLES = 2  # of a statement and a reading
BY_LOG = "as auto_explain logged it"
NO_ANALYZE = "auto_explain.log_analyze is off, so it says nothing of what was executed"
PLAN_APART = timedelta(minutes=10)  # judgement: a plan that stays as it was is looked at again as seldom


@dataclass(frozen=True, slots=True)
class KeptLog:
    statements: int = 0
    unknown: int = 0
    plans: int = 0
    values: int = 0
    note: str = ""

    def with_more(self, other: "KeptLog") -> "KeptLog":
        return KeptLog(
            self.statements + other.statements,
            self.unknown + other.unknown,
            self.plans + other.plans,
            self.values + other.values,
        )

    def as_json(self) -> dict[str, object]:
        return {
            "statements": self.statements, "unknown_statements": self.unknown, "plans": self.plans,
            "values": self.values, "note": self.note,
        }  # fmt: skip

    def in_words(self) -> str:
        if self.note:
            return self.note
        unknown = f"; {counted(self.unknown, 'statement')} of the log not known there" if self.unknown else ""
        kept = f"{counted(self.plans, 'plan')} and {counted(self.values, 'run')} with values"
        return f"Kept: {kept} of {counted(self.statements, 'statement')}{unknown}."


def keep_log(server: Server, totals: LogTotals, *, now: datetime, most: int = MOST_DESCRIBED) -> KeptLog:
    """Keep what is newer than what is there, of the ``most`` dearest texts; reading a log twice does no harm."""
    databases = inspected_databases(server)
    if not databases:
        return KeptLog(note=f"Nothing kept: {server.name} has not been sampled yet.")
    logged = [s for s in logged_statements(totals, most) if s.fingerprint]
    kept = KeptLog()
    for database in databases:
        # a line that does not name its database is of the one the server is reached through
        names = (None, database.name) if database == databases[0] else (database.name,)
        kept = kept.with_more(_keep_of_database(server, database, [s for s in logged if s.database in names], now))
    return kept


def _keep_of_database(server: Server, database: Database, here: Sequence[LoggedStatement], now: datetime) -> KeptLog:
    known = _known(server, database, here)
    samples: list[SeenText] = []
    plans = 0
    for logged in here:
        statement = known.get(logged.fingerprint or "")
        if statement is None:
            continue
        with _one_alone(database, statement.pk):
            samples += list(_samples(logged, statement, now))
            plans += sum(_keep_plan(entry, statement, database, now) for entry in logged.plans)
    new = _not_kept(database, samples)
    for each in new:  # of several of a statement, one call keeps the last alone
        with _one_alone(database, each.statement_id):
            keep_samples(database, [each])
    return KeptLog(len(known), len(here) - len(known), plans, len(new))


@contextmanager
def _one_alone(database: Database, statement_id: int) -> Iterator[None]:
    """What fails of one statement costs that one; the error's text may hold values, so its kind alone is logged."""
    try:
        with transaction.atomic():
            yield
    except Exception as error:
        logger.warning(
            "statement %s of %s: what the log says of it is not kept (%s)", statement_id, database, type(error).__name__
        )


def _known(server: Server, database: Database, logged: Sequence[LoggedStatement]) -> dict[str, Statement]:
    """By fingerprint; of those whose database the log does not say, the ones that run in this database alone."""
    entries = StatementEntry.objects.filter(server=server, statement=OuterRef("pk"), is_own=False)
    statements = Statement.objects.filter(
        Exists(entries.filter(database_oid=database.oid)),
        server=server,
        fingerprint__in={s.fingerprint for s in logged},
        kind__in=Statement.PLANNABLE,
    ).annotate(runs_elsewhere=Exists(entries.exclude(database_oid=database.oid)))
    told = {s.fingerprint for s in logged if s.database is not None}
    return {s.fingerprint: s for s in statements if s.fingerprint in told or not s.runs_elsewhere}


def _samples(logged: LoggedStatement, statement: Statement, now: datetime) -> Iterator[SeenText]:
    """The slowest and the newest run that hold their values, each text once."""
    seen: set[str] = set()
    for entry in logged.samples:
        sql = sql_with_values(entry)
        if sql is not None and sql not in seen and fingerprint(sql) == statement.fingerprint:
            seen.add(sql)
            yield SeenText(statement.pk, sql, _time_of(entry, now), entry.duration_ms)
        if len(seen) == MOST_SAMPLES:
            return


def _not_kept(database: Database, samples: Sequence[SeenText]) -> list[SeenText]:
    ids = {sample.statement_id for sample in samples}
    kept = set(
        ParameterSample.objects.filter(database=database, statement_id__in=ids).values_list("statement_id", "taken_at")
    )
    new = {(s.statement_id, s.taken_at): s for s in samples if (s.statement_id, s.taken_at) not in kept}
    return sorted(new.values(), key=lambda s: s.taken_at)


def _keep_plan(entry: LogEntry, statement: Statement, database: Database, now: datetime) -> bool:
    at = _time_of(entry, now)
    try:
        logged = redacted(logged_plan(entry))
    except PlanError:
        return False
    plan = logged.plan
    same = PlanRecord.objects.filter(
        statement=statement, database=database, shape=shape_of(plan), is_analyzed=plan.is_analyzed
    )
    if same.filter(last_seen__gt=at - PLAN_APART).exists():
        return False
    keep_plan(
        statement,
        database,
        shape=shape_of(plan),
        plan=logged.plan_json,
        values_source=Values.SAMPLED if "$" in statement.normalized_sql else Values.NONE,
        is_analyzed=plan.is_analyzed,
        server_version_num=database.server.server_version_num or 0,
        not_analyzed_because="" if plan.is_analyzed else NO_ANALYZE,
        rewrites=[BY_LOG],
        total_cost=plan.root.total_cost,
        execution_time_ms=entry.duration_ms if plan.is_analyzed else None,
        now=at,
    )
    return True


def _time_of(entry: LogEntry, now: datetime) -> datetime:
    return min(now, logged_time(entry.when) or now)
