"""Step schema: catalog, settings and preflight -> facts, kept; the checks that look at them."""

from datetime import timedelta

from django.utils import timezone

from analyzer.checks import in_words, run_checks
from analyzer.models import Server
from analyzer.monitored.access.preflight import run_preflight
from analyzer.monitored.catalog.cluster import read_cluster
from analyzer.monitored.catalog.schema import left_out_said
from analyzer.monitored.catalog.schema import read_schema as read_schema_facts
from analyzer.monitored.sample.names import read_names
from analyzer.schema.cluster import ClusterFacts
from analyzer.steps import check
from analyzer.steps import texts as naming
from analyzer.steps.connecting import connect_to
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import clusters, findings, schemas
from analyzer.store.check_rules import rules_of
from analyzer.store.series.totals import rates
from analyzer.store.series.windows import Window
from analyzer.store.texts import keep_names

RATE_WINDOW = timedelta(hours=24)


def read_schema(server: Server) -> str:
    """Catalog -> facts; the preflight, for the server's page."""
    with connect_to(server) as conn:
        items = run_preflight(conn)
        keep_names(server, read_names(conn))
        database = naming.mark_inspected(server)
        facts = read_schema_facts(conn, schemas.kept_schema(database) if database is not None else None)
        cluster = read_cluster(conn)
    Server.objects.filter(pk=server.pk).update(
        preflight=[{"name": i.name, "status": i.status, "detail": i.detail, "sql": i.sql} for i in items],
        preflight_at=timezone.now(),
        server_version_num=facts.server_version_num,
    )
    now = timezone.now()
    clusters.keep_cluster(server, cluster, now)
    notes = [] if facts.statistics_readable else ["pg_stats shows nothing to this login: estimates are missing"]
    notes += left_out_said(facts)
    notes += [f"Not read: {reason}" for reason in (*facts.parts_not_read.values(), *cluster.parts_not_read.values())]
    if database is not None:
        schemas.keep_schema(database, facts)
        daily = rates(server, Window(now - RATE_WINDOW, now))
        check.check_schema(server, database, daily, schemas.newest_schema(database), rules_of(server), now)
    notes += check_cluster(server)
    return "; ".join(notes)


def check_cluster(server: Server) -> list[str]:
    """Findings on the server as a whole, kept; what could not be judged, in words."""
    facts = clusters.newest_cluster(server)
    if facts is None:
        return []
    outcome = run_checks(facts, rules=rules_of(server), stop_on=STOP_ON)
    findings.keep_outcome(server, None, outcome, ClusterFacts, timezone.now())
    return in_words(outcome)
