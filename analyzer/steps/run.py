"""One function per step; the only place where the parts meet.

take_snapshot        counters of pg_stat_statements -> deltas
(texts.py)           texts of statements not seen before
(logs.py)            the server's log, where asked for -> plans and real parameter values
(activity.py)        pg_stat_activity -> session evidence and real parameter values
(schema.py)          catalog and preflight -> facts
explain_statements   the costliest statements without a fresh plan -> plans, within the budget
check_server         plans, behaviour and schema -> findings -> suggestions; what became of those that were built
advise_on_indexes    the recorded workload on the twin -> suggestions that a planner has proved
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from analyzer.errors import PgLoupeError
from analyzer.models import (
    Database,
    Server,
    Statement,
    StepStatus,
)
from analyzer.monitored.access.replica import need_replica
from analyzer.monitored.connection import ConnectionSettings
from analyzer.monitored.explain.explain import ExplainLimits, ExplainRequest, explain_statement
from analyzer.monitored.sample.statements import read_statement_counters
from analyzer.schema.facts import SchemaFacts
from analyzer.steps import advise as advice_runs
from analyzer.steps import explain as explaining
from analyzer.steps import schedule
from analyzer.steps import texts as naming
from analyzer.steps.connecting import connect_to
from analyzer.steps.explain_on_twin import Waiting, plans_of_twin
from analyzer.steps.explain_outcomes import keep_fault, keep_outcomes
from analyzer.steps.plan_causes import find_causes
from analyzer.store import locks, parameters, schemas
from analyzer.store.databases import inspected_databases
from analyzer.store.same_server import others_of_cluster
from analyzer.store.series import snapshots
from analyzer.store.series.totals import rates_by_database, server_time_s_per_day, statement_totals, watched_s
from analyzer.store.series.windows import A_DAY, Window
from analyzer.store.series.workload import recorded_statements
from analyzer.store.servers import connection_settings, explain_settings
from analyzer.twin import remove_superseded, remove_unused, remove_unwatched
from analyzer.words.lists import counted

logger = logging.getLogger(__name__)

EXPLAIN_WINDOW = timedelta(hours=1)


def run_step(server: Server, step: str, function: Callable[[Server], str | None], *, took_s: float = 0.0) -> None:
    """Run one step unless it is running already, and keep how it went. What it returns is a note for the page.

    ``took_s``: what was done of it before.
    """
    with locks.held(step, server.pk) as is_ours:
        if not is_ours:
            return
        now, begun = timezone.now() - timedelta(seconds=took_s), time.monotonic() - took_s
        status, _ = StepStatus.objects.get_or_create(server=server, step=step)
        StepStatus.objects.filter(pk=status.pk).update(last_started_at=now)
        outcome: dict[str, object]
        try:
            note = function(server) or ""
        except PgLoupeError as error:
            logger.warning("%s of server %s failed: %s", step, server.slug, error)
            outcome = {"last_error": str(error), "failing_since": status.failing_since or now}
        except SoftTimeLimitExceeded:
            logger.warning("%s of server %s was stopped at its time limit", step, server.slug)
            outcome = {
                "last_error": f"The step was stopped after {time.monotonic() - begun:.0f} s, its time limit",
                "failing_since": status.failing_since or now,
            }
        except Exception as error:
            # A fault of ours: its text may hold anything, so the page names its kind and the log has the rest.
            text = f"pgLoupe failed at this step ({type(error).__name__}); the worker's log says where"
            StepStatus.objects.filter(pk=status.pk).update(last_error=text, failing_since=status.failing_since or now)
            raise
        else:
            outcome = {
                "last_success_at": timezone.now(),
                "last_duration_ms": (time.monotonic() - begun) * 1000,
                "last_error": "",
                "failing_since": None,
                "note": note,
            }
            if status.failing_since is not None and step == "snapshot":
                # Somebody mended it, or the server came back: what the preflight says may have changed with it.
                schedule.make_due_now(server, "schema", now=timezone.now())
        StepStatus.objects.filter(pk=status.pk).update(**outcome)


# -- sample -------------------------------------------------------------------------------------------------------


def take_snapshot(server: Server) -> str:
    """Counters -> deltas; texts of entries not seen before, when they are few."""
    with connect_to(server) as conn:
        reading = read_statement_counters(conn)
        kept = snapshots.keep_reading(server, reading)
        notes = [f"Gap: {kept.gap_reason}"] if kept.gap_reason else []
        if others := others_of_cluster(server, reading.state.started_at):
            notes.append(
                f"The same PostgreSQL server as {', '.join(other.name for other in others)}: the statements of all its"
                " databases are counted for each of them. Their pages offer to keep one, with the databases of both"
            )
        if len(kept.unknown_keys):
            notes.append(naming.name_few(server, conn, kept.unknown_keys.tolist()))
        if server.server_version_num != reading.state.server_version_num:
            Server.objects.filter(pk=server.pk).update(server_version_num=reading.state.server_version_num)
    return "; ".join(filter(None, notes))


# -- explain ------------------------------------------------------------------------------------------------------


def explain_statements(server: Server) -> str:
    """Plans for the statements that need one most, until the round or the hour's budget is used up."""
    if server.explain_mode == Server.ExplainMode.OFF:
        return "EXPLAIN is switched off for this server"
    databases = inspected_databases(server)
    if not databases:
        return "waiting for the first reading of the schema"
    now = timezone.now()
    budget_ms = explaining.remaining_budget_ms(server, now)
    recent = rates_by_database(server, Window(now - EXPLAIN_WINDOW, now))
    most = settings.ANALYZER_EXPLAIN_STATEMENTS_PER_ROUND
    chosen: list[tuple[Database, explaining.ToExplain]] = []
    for database in databases:
        if of_database := recent.get(database.oid):  # a schema takes a while to read: not of those that stand still
            items = explaining.choose(database, of_database, schemas.newest_schema(database), now, most)
            chosen += [(database, item) for item in items]
    chosen.sort(key=lambda c: -c[1].rate.total_time_s_per_day)  # stable: of one database as they were chosen
    del chosen[most:]
    if chosen and server.replica_host:
        need_replica(explain_settings(server), connection_settings(server))
    facts_of = {database.pk: schemas.newest_schema(database) for database in {d for d, _ in chosen}}
    faults = waiting = 0
    for_twin: dict[int, list[tuple[explaining.ToExplain, Waiting]]] = {}
    for done, (database, item) in enumerate(chosen):
        if budget_ms <= 0:
            waiting = len(chosen) - done
            break
        begun = time.monotonic()
        try:
            spent_ms, left_over = explain_one(server, database, item, facts_of[database.pk])
            budget_ms -= spent_ms
            if left_over is not None:
                for_twin.setdefault(database.pk, []).append((item, left_over))
        except (PgLoupeError, SoftTimeLimitExceeded, OperationalError, InterfaceError):
            raise  # the server or the store is gone, or the time is up: the others would fare no better
        except Exception as error:
            logger.exception("EXPLAIN of statement %s on server %s", item.statement.pk, server.slug)
            spent_ms = (time.monotonic() - begun) * 1000
            keep_fault(server, database, item, error, spent_ms, now)
            budget_ms -= spent_ms
            faults += 1
    for database in databases:
        if database.pk in for_twin:
            _explain_on_twin(server, facts_of[database.pk], database, for_twin[database.pk], now)
    notes = [
        f"pgLoupe could not work on {faults} of the statements; the worker's log says why" if faults else "",
        f"the hour's budget is used up; left for later: {counted(waiting, 'statement')}" if waiting else "",
    ]
    return "; ".join(filter(None, notes))


def _explain_on_twin(
    server: Server,
    facts: SchemaFacts | None,
    database: Database,
    left_over: Sequence[tuple[explaining.ToExplain, Waiting]],
    now: datetime,
) -> None:
    if facts is None:
        return
    outcomes = plans_of_twin(server, facts, [waiting for _, waiting in left_over], now)
    for (item, _), outcome in zip(left_over, outcomes, strict=True):
        keep_outcomes(server, database, item, [outcome], now)


def explain_one(
    server: Server, database: Database, item: explaining.ToExplain, facts: SchemaFacts | None
) -> tuple[float, Waiting | None]:
    """Explain one statement through the gate; keep plans, the decision and its audit.

    Milliseconds of server time, and what is left to the planner twin.
    """
    now = timezone.now()
    text = explaining.text_to_explain(item.statement, facts)
    request = ExplainRequest(
        sql=text.sql,
        fingerprint=item.statement.fingerprint,
        sampled_sqls=parameters.samples_of(item.statement, database),
        mode="analyze" if server.explain_mode == Server.ExplainMode.ANALYZE else "plain",
        mean_exec_time_ms=item.rate.mean_exec_time_ms,
        max_exec_time_ms=_max_exec_time_ms(server, item.statement, now),
        rows_per_call=item.rate.rows_per_call,
        search_path=text.search_path,
        facts=facts,
        rewrites=text.rewrites,
    )
    limits = replace(ExplainLimits(), cores=server.cores)
    outcomes = explain_statement(explain_settings(server, database.name), request, limits)
    for_twin = next((o for o in outcomes if o.is_for_twin), None)
    if for_twin is not None and facts is not None:
        return 0.0, Waiting(request, for_twin, item.rate.calls_per_day)
    keep_outcomes(server, database, item, outcomes, now)
    return sum(o.duration_ms or 0.0 for o in outcomes), None


def _max_exec_time_ms(server: Server, statement: Statement, now: datetime) -> float | None:
    """The longest run of the last day, as far as the server kept it."""
    page = statement_totals(server, Window(now - A_DAY, now), filters={"statement_ids": [statement.pk]}, limit=1)
    return page.rows[0].max_exec_time_ms if page.rows else None


# -- twins --------------------------------------------------------------------------------------------------------


def remove_twins() -> None:
    """Of servers that are gone or reached otherwise now, and those that nobody used for long; on this machine."""
    watched = [
        ConnectionSettings(host=server.host, port=server.port, user=server.user, dbname=dbname)
        for server in Server.objects.prefetch_related("databases")
        for dbname in {server.dbname, *(d.name for d in server.databases.all() if d.is_inspected)}
    ]
    for directory in (*remove_unwatched(settings.VAR_DIR, watched), *remove_unused(settings.VAR_DIR)):
        logger.info("Removed the unused planner twin %s", directory.name)
    remove_superseded(settings.VAR_DIR)


# -- advise -----------------------------------------------------------------------------------------------------------


def advise_on_indexes(server: Server) -> str:
    """The recorded workload of the database whose advice is oldest -> the best set of indexes, proved on the twin.

    One database at a time: others that are due follow soon.
    """
    now = timezone.now()
    window = Window(now - A_DAY, now)
    daily = rates_by_database(server, window)
    waiting = advice_runs.least_recently_advised(server, daily)
    if not waiting:
        return "waiting for the first reading of the schema"
    # what another version wrote of one is read anew in its time; the others need not wait for that
    read = ((database, schemas.newest_schema(database)) for database in waiting)
    database, facts = next(((d, facts) for d, facts in read if facts is not None), (waiting[0], None))
    if facts is None:
        return "waiting for the first reading of the schema"
    rates = daily.get(database.oid, {})
    note = advice_runs.advise_database(
        server, database, recorded_statements(server, database, rates), facts, now,
        server_time_s_per_day=server_time_s_per_day(server, window), watched_s=watched_s(rates),
    )  # fmt: skip
    find_causes(server, database, facts, now)
    if len(waiting) > 1:
        share_s = schedule.interval_s(server, "advise") / len(waiting)
        schedule.run_soon(server, "advise", now=now, apart_s=share_s)
    return note
