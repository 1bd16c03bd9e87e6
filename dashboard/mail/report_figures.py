"""Rows of the store -> a Report: what the mail and its preview say about a window."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Prefetch, Q, QuerySet

from analyzer.models import FindingEvent, FindingImpact, FindingRecord, Server, Statement, StepStatus, SuggestionRecord
from analyzer.reports.report import (
    IndexOutcome,
    IndexToCreate,
    Report,
    ReportedFinding,
    ServerNight,
    StatementSum,
    build_report,
    is_measured,
)
from analyzer.store.gains import gained
from analyzer.store.series.totals import StatementPage, statement_totals
from analyzer.store.series.windows import Window
from dashboard.figures import gain_line
from dashboard.findings.closed import closing_line, gained_line, is_gained, is_mended, last_closings
from dashboard.servers.actions import whole_sets
from dashboard.servers.state import SamplingState, server_state
from dashboard.templatetags.outcomes import outcome_sentence

MOST_STATEMENTS = 10
BASELINE_WITHIN = timedelta(hours=2)  # how long before a window figures may lie and still be those of its start
IMPACTS_KEPT = timedelta(days=8)


def report_of(servers: Sequence[Server], start: datetime, end: datetime, now: datetime) -> Report:
    """About 30 queries a server, so for a mail or a preview, not for each page."""
    nights, statements, before, measured_before = [], [], [], []
    steps = {s.server_id: s for s in StepStatus.objects.filter(step="snapshot", server__in=servers)}
    advice = {server.pk: words for server, words in whole_sets(servers)}
    for server in servers:
        window, earlier = Window(start, end), Window(start - (end - start), start)
        page = statement_totals(server, window, limit=MOST_STATEMENTS)
        whole = statement_totals(server, earlier, limit=1)
        has_before = is_measured(whole.covered_s, earlier.duration_s)
        if has_before:
            measured_before.append(server.slug)
            ids = [row.statement_id for row in page.rows]
            same = statement_totals(server, earlier, limit=len(ids), filters={"statement_ids": ids}) if ids else whole
            before += _sums(server, same)
        statements += _sums(server, page)
        state = server_state(server, [steps[server.pk]] if server.pk in steps else [], now)
        nights.append(
            ServerNight(
                name=server.name,
                slug=server.slug,
                trouble=state.sentence if state.is_trouble else "",
                since=state.since,
                is_down=state.state == SamplingState.DOWN,
                measured_ratio=min(1.0, page.covered_s / window.duration_s) if server.is_active else None,
                load=_load(page),
                load_before=_load(whole) if has_before else None,
                advice=advice[server.pk].what if server.pk in advice else "",
                gains=advice[server.pk].gains if server.pk in advice else "",
                saved_ratio=advice[server.pk].saved_ratio if server.pk in advice else None,
            )
        )
    return build_report(
        start,
        end,
        servers=nights,
        findings=_findings(servers, start, end),
        indexes=_indexes(servers),
        outcomes=_outcomes(servers, start),
        statements=statements,
        statements_before=before,
        measured_before=measured_before,
        most_statements=MOST_STATEMENTS,
        gained=gained_line(gained(servers, end)),
    )


def _load(page: StatementPage) -> float | None:
    """Statements at once, on average over the measured part; None where nothing was measured."""
    return page.total_exec_time_ms / 1000 / page.covered_s if page.covered_s else None


def _sums(server: Server, page: StatementPage) -> list[StatementSum]:
    return [
        StatementSum(
            statement_id=row.statement_id,
            fingerprint=row.fingerprint,
            server=server.name,
            server_slug=server.slug,
            normalized_sql=row.normalized_sql,
            calls=row.calls,
            total_exec_time_ms=row.total_exec_time_ms,
            covered_s=page.covered_s,
            load_ratio=row.load_ratio,
        )
        for row in page.rows
    ]


def _findings(servers: Sequence[Server], start: datetime, end: datetime) -> list[ReportedFinding]:
    """Those open at some time in the window, with what they cost when it began."""
    looked_at = (
        FindingImpact.objects.filter(at__lte=start, at__gt=start - BASELINE_WITHIN)
        .order_by("-at")
        .values_list("at", flat=True)
        .first()
    )
    baseline = (
        dict(
            FindingImpact.objects.filter(at=looked_at, finding__server__in=servers).values_list(
                "finding_id", "impact_s_per_day"
            )
        )
        if looked_at
        else {}
    )
    records = (
        FindingRecord.objects.filter(Q(closed_at__isnull=True) | Q(closed_at__gt=start))
        .filter(server__in=servers, muted_at__isnull=True)
        .select_related("server", "statement")
        .prefetch_related(
            Prefetch("events", last_closings().filter(at__gt=start), to_attr="closings"),
            Prefetch("events", _worsenings().filter(at__gt=start, at__lte=end), to_attr="worsenings"),
        )
        .defer("evidence", "related_fingerprints")
    )
    return [
        ReportedFinding(
            pk=r.pk,
            server=r.server.name,
            server_slug=r.server.slug,
            database_id=r.database_id,
            key=r.key,
            title=r.title,
            severity=r.severity,
            subject=r.subject,
            message=r.message,
            first_seen=r.first_seen,
            reopened_at=r.reopened_at,
            closed_at=r.closed_at,
            impact_s_per_day=r.impact_s_per_day,
            impact_before_s_per_day=baseline.get(r.pk),
            was_open_before=r.pk in baseline if looked_at else None,
            impact_assumed_s_per_day=r.impact_assumed_s_per_day,
            watched_s=r.watched_s,
            hint=r.hint,
            fix_title=r.first_fix["title"] if r.first_fix else "",
            fix=r.first_fix["code"] if r.first_fix else "",
            sql=r.statement.normalized_sql if r.statement else "",
            gone=closing_line(r),
            is_gain=is_gained(r),
            is_mended=is_mended(r),
            worse="; ".join(event.detail for event in r.worsenings),
        )
        for r in records
    ]


def _worsenings() -> QuerySet[FindingEvent]:
    """Of each finding that got worse the event that says how."""
    return FindingEvent.objects.filter(kind__in=FindingEvent.WORSENED, finding__worse_since=F("at"))


def _indexes(servers: Sequence[Server]) -> list[IndexToCreate]:
    records = list(
        SuggestionRecord.objects.filter(closed_at__isnull=True, database__server__in=servers).select_related(
            "database__server"
        )
    )
    texts = _costliest_texts(records)
    return [
        IndexToCreate(
            server=r.database.server.name,
            server_slug=r.database.server.slug,
            database_id=r.database_id,
            table=r.table,
            ddl=r.ddl,
            level=r.level,
            first_seen=r.first_seen,
            finding_keys=tuple(r.finding_keys),
            estimated_size_bytes=r.estimated_size_bytes,
            saved_s_per_day=r.helped_time_s_per_day if r.saved_time_s_per_day is None else r.saved_time_s_per_day,
            gain=gain_line(r),
            name=r.name,
            sql=texts.get(r.pk, ""),
        )
        for r in records
    ]


def _costliest_texts(records: Sequence[SuggestionRecord]) -> dict[int, str]:
    """By suggestion, the text of the statement it helps that takes the most time. One query."""
    most = {r.pk: (r.database.server_id, name) for r in records if (name := r.costliest_helped)}
    known = Statement.objects.filter(
        server__in={server for server, _ in most.values()}, fingerprint__in={name for _, name in most.values()}
    )
    texts = {(server, name): sql for server, name, sql in known.values_list("server", "fingerprint", "normalized_sql")}
    return {pk: texts.get(name, "") for pk, name in most.items()}


def _outcomes(servers: Sequence[Server], start: datetime) -> list[IndexOutcome]:
    """Suggestions that were realised, or found not used, since ``start``."""
    records = SuggestionRecord.objects.filter(
        state__in=(SuggestionRecord.State.REALISED, SuggestionRecord.State.NOT_USED),
        outcome__decided_at__gt=start.isoformat(),
        database__server__in=servers,
    ).select_related("database__server")
    return [
        IndexOutcome(
            server=r.database.server.name,
            server_slug=r.database.server.slug,
            table=r.table,
            sentence=outcome_sentence(r),
            decided_at=datetime.fromisoformat(r.outcome["decided_at"]),
            drop_ddl=r.outcome.get("drop_ddl", ""),
        )
        for r in records
    ]


def keep_impacts(now: datetime) -> None:
    """Once an hour, what each open finding costs; two workers at once keep it once. Old ones go."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if FindingImpact.objects.filter(at=hour).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into analyzer_findingimpact (finding_id, at, impact_s_per_day)"
            " select id, %s, impact_s_per_day from analyzer_findingrecord where closed_at is null"
            " on conflict do nothing",
            [hour],
        )
    FindingImpact.objects.filter(at__lt=now - IMPACTS_KEPT).delete()
