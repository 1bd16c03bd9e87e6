"""Step schema: catalog, settings and preflight -> facts, kept; the checks that look at them."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from analyzer.checks import Outcome, note, run_checks
from analyzer.errors import MonitoredServerError
from analyzer.models import Database, Server
from analyzer.monitored.access.preflight import run_preflight
from analyzer.monitored.catalog.bloat import measure_bloat
from analyzer.monitored.catalog.cluster import read_cluster
from analyzer.monitored.catalog.schema import left_out_notes
from analyzer.monitored.catalog.schema import read_schema as read_schema_facts
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.server_log import log_item
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import SchemaFacts
from analyzer.steps import check, schedule
from analyzer.steps.connecting import connect_to
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import clusters, databases, findings, schemas
from analyzer.store.check_rules import rules_of
from analyzer.store.series.evictions import evictions
from analyzer.store.series.load_reading import sessions_at_work
from analyzer.store.series.totals import ServerRates, StatementRate
from analyzer.store.series.windows import A_DAY, Window
from analyzer.store.texts import keep_names

MOST_OTHERS_S = 45.0  # judgement: of a task that is stopped after two minutes


def read_schema(server: Server) -> str:
    """Catalog -> facts, of the database the server is reached through and of others as time allows; the preflight."""
    with connect_to(server) as conn:
        items = [*run_preflight(conn), *([log_item(conn)] if server.reads_log else [])]
        keep_names(server, read_names(conn))
        now = timezone.now()
        of_a_day = ServerRates(server, Window(now - A_DAY, now))
        daily = of_a_day.by_database()
        databases.choose_databases(server, of_a_day.database_times())
        database = databases.inspected_database(server)
        earlier = schemas.kept_schema(database) if database is not None else None
        facts = measure_bloat(conn, read_schema_facts(conn, earlier), earlier)
        cluster = read_cluster(conn, clusters.last_cluster(server))
    Server.objects.filter(pk=server.pk).update(
        preflight=[{"name": i.name, "status": i.status, "detail": i.detail, "sql": i.sql} for i in items],
        preflight_at=timezone.now(),
        server_version_num=facts.server_version_num,
    )
    now = timezone.now()
    clusters.keep_cluster(server, cluster, now)
    notes = [f"Not read: {reason}" for reason in cluster.parts_not_read.values()]
    outcomes: list[Outcome] = []
    if database is not None:
        notes += _keep(server, database, facts, daily.get(database.oid, {}), now, outcomes)
    outcomes.append(check_cluster(server))
    notes += _read_others(server, daily, now, outcomes)
    return note(outcomes, notes)


def _read_others(
    server: Server, daily: Mapping[int, Mapping[int, StatementRate]], now: datetime, outcomes: list[Outcome]
) -> list[str]:
    """The other databases, those that were not read for longest first, until the time of a round is used up."""
    interval = timedelta(seconds=schedule.interval_s(server, "schema"))
    until = time.monotonic() + MOST_OTHERS_S
    failed = 0
    due = databases.least_recently_read(server, now - interval)
    for done, database in enumerate(due):
        if time.monotonic() > until:
            schedule.run_soon(server, "schema", now=now, apart_s=MOST_OTHERS_S)
            return [f"{len(due) - done} more databases are read next time"]
        try:
            with connect_to(server, database) as conn:
                earlier = schemas.kept_schema(database)
                facts = measure_bloat(conn, read_schema_facts(conn, earlier), earlier)
        except MonitoredServerError as problem:
            databases.set_problem(database, str(problem))
            failed += 1
            continue
        databases.set_problem(database, "")
        _keep(server, database, facts, daily.get(database.oid, {}), timezone.now(), outcomes)
    return [f"{failed} of its databases could not be read; its page says why"] if failed else []


def _keep(
    server: Server,
    database: Database,
    facts: SchemaFacts,
    daily: Mapping[int, StatementRate],
    now: datetime,
    outcomes: list[Outcome],
) -> list[str]:
    """The facts, and findings on them; what could not be read, in words, and to ``outcomes`` the checks that failed.
    What they could not judge is said by the step ``check``."""
    schemas.keep_schema(database, facts)
    judged = check.check_schema(server, database, daily, schemas.newest_schema(database), rules_of(server), now)
    outcomes.append(Outcome(failed=judged.failed))
    notes = [] if facts.statistics_readable else ["pg_stats shows nothing to this login: estimates are missing"]
    return [*notes, *left_out_notes(facts), *(f"Not read: {reason}" for reason in facts.parts_not_read.values())]


def check_cluster(server: Server) -> Outcome:
    """Findings on the server as a whole, kept."""
    facts = clusters.newest_cluster(server)
    if facts is None:
        return Outcome()
    with_load = tuple(database.name for database in databases.inspected_databases(server))
    at_work = sessions_at_work(server, timezone.now())
    facts = replace(facts, databases_with_load=with_load, at_work=at_work, evictions=evictions(server))
    outcome = run_checks(facts, rules=rules_of(server), stop_on=STOP_ON)
    findings.keep_outcome(server, None, outcome, ClusterFacts, timezone.now())
    return outcome
