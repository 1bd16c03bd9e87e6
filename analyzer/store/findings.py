"""Findings over time: opened, seen again, closed when gone, reopened when back; muting is in ``finding_life.py``."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from analyzer.checks import Outcome, checks_of
from analyzer.findings import EvidenceLevel, Finding, Fix, Severity
from analyzer.models import Database, FindingEvent, FindingRecord, Server, Statement
from analyzer.store import finding_groups as groups
from analyzer.store import finding_life as life
from analyzer.store.finding_keys import by_key
from analyzer.store.locks import FINDINGS, wait_for
from analyzer.store.rewrite_costs import with_costs
from analyzer.store.statements_not_run import ChecksOfServer

NOTHING: Mapping[str, Collection[str]] = {}
# the others may be long and seldom change
SHORT_FIELDS = [f.name for f in FindingRecord._meta.concrete_fields if f.name not in ("id", "members", "known_members")]


def keep_findings(
    server: Server,
    database: Database | None,
    findings: Sequence[Finding],
    codes_run: Iterable[str],
    scope: Statement | Iterable[str] | None = None,
    *,
    unjudged: Mapping[str, Collection[str]] = NOTHING,
    looked_at: ChecksOfServer | None = None,
    now: datetime | None = None,
) -> list[FindingRecord]:
    """Keep what a run of checks found; the records of it, in the order given.

    ``codes_run``: the checks that ran. Open findings of these codes in this database that were not found again
    close themselves, except what was not judged: ``unjudged`` has for a code what its findings would be about
    (``Finding.about``), or "" for everything; a group with an unjudged member stays. ``looked_at``: the statements
    that were judged. ``scope`` narrows it to one statement, or to findings about the given things, for runs that
    looked at no more. A closed one found again is reopened. Muting is a person's word: only a finding that got worse
    undoes it.
    """
    now = now or timezone.now()
    about = {scope.fingerprint} if isinstance(scope, Statement) else None if scope is None else set(scope)
    all_of = FindingRecord.objects.filter(server=server, database=database)
    unique = by_key(findings, all_of)
    kept_open = groups.unjudged_groups(all_of, unique, unjudged)
    for key in groups.covered_by_groups(all_of, unique, kept_open):
        del unique[key]
    judged = {code for code in codes_run if "" not in unjudged.get(code, ())}
    gone = all_of.filter(code__in=judged, closed_at__isnull=True).exclude(key__in=list(unique))
    for code in judged & set(unjudged):
        gone = gone.exclude(code=code, about__in=[about[:300] for about in unjudged[code]])
    if kept_open:
        gone = gone.exclude(pk__in=[record.pk for record in kept_open])
    if looked_at is not None:
        gone = gone.filter(looked_at.judged)
    if about is not None:
        gone = gone.filter(about__in=about)
    if not unique and not gone.exists():  # mostly so of sessions, which are judged every ten seconds
        return []
    with transaction.atomic():
        wait_for(FINDINGS, server.pk)
        known = {r.key: r for r in all_of.filter(key__in=list(unique))}
        statements = dict(
            Statement.objects.filter(server=server, fingerprint__in={f.about for f in unique.values()}).values_list(
                "fingerprint", "pk"
            )
        )
        opening = {key: f for key, f in unique.items() if key not in known or known[key].closed_at is not None}
        elders = groups.predecessors(all_of, opening)
        kept, events = [], []
        for key, finding in unique.items():
            record = known.get(key)
            what = None
            if record is None:
                record = FindingRecord(server=server, database=database, key=key, first_seen=now)
                what = FindingEvent.Kind.OPENED
            elif record.closed_at is not None:
                record.closed_at = None
                what = FindingEvent.Kind.REOPENED
            before = record.members, record.known_members
            record.members = groups.members_of(record, finding, unjudged.get(finding.code, ()))
            _fill(record, finding, statements.get(finding.about), now)
            if what is not None:
                life.opened(record)
                if key in elders:
                    groups.continue_from(record, finding, elders[key])
                elif what == FindingEvent.Kind.REOPENED:
                    record.reopened_at = now
                events.append(life.event(record, what, now, detail=groups.KNOWN_BEFORE if key in elders else ""))
            events += life.grown(record, finding, now)
            is_same = what is None and before == (record.members, record.known_members)
            record.save(update_fields=SHORT_FIELDS if is_same else None)
            kept.append(record)
        life.close(gone, now, {elder.pk for some in elders.values() for elder in some})
        FindingEvent.objects.bulk_create(events)
    return kept


def keep_outcome(
    server: Server,
    database: Database | None,
    outcome: Outcome,
    container: type,
    now: datetime,
    looked_at: ChecksOfServer | None = None,
) -> list[FindingRecord]:
    """What all checks of such containers said; one that is switched off has run in so far as its findings go."""
    codes = {check.code for check in checks_of(container)}
    return keep_findings(
        server, database, outcome.findings, codes, unjudged=outcome.unjudged, looked_at=looked_at, now=now
    )


def withdraw(database: Database, codes: Iterable[str], now: datetime, because: str) -> None:
    """Close what these checks said before: it is no longer known to be true."""
    open_ones = FindingRecord.objects.filter(database=database, code__in=list(codes), closed_at__isnull=True)
    if not open_ones.exists():
        return
    with transaction.atomic():
        wait_for(FINDINGS, database.server_id)
        life.close(open_ones, now, because=because)


def _fill(record: FindingRecord, finding: Finding, statement_id: int | None, now: datetime) -> None:
    record.statement_id = statement_id
    record.code, record.title = finding.code, finding.title[:200]
    record.severity, record.level = int(finding.severity), str(finding.level)
    record.about, record.subject = finding.about[:300], finding.subject[:300]
    record.table = (finding.table or "")[:130]
    record.message, record.hint = finding.message, finding.hint
    record.evidence = dict(finding.evidence)
    own_first = [asdict(fix) for fix in _own_first(finding.fixes, record.database)]
    record.fixes = with_costs(own_first, record.fixes)
    record.related_fingerprints = list(finding.related_fingerprints)
    record.impact_s_per_day = finding.impact_s_per_day
    record.impact_assumed_s_per_day, record.watched_s = finding.impact_assumed_s_per_day, finding.watched_s
    record.place = (finding.place or "")[:200]
    record.last_seen = now


def _own_first(fixes: Sequence[Fix], database: Database | None) -> list[Fix]:
    """The fix in the language of the database's application leads: on pages and in mail it may be the only one."""
    orm = database.code_first if database else ""
    language = "sqlalchemy" if orm == "sqlmodel" else orm
    return sorted(fixes, key=lambda fix: fix.language != language) if language else list(fixes)


def open_findings(database: Database) -> list[Finding]:
    """What is open now, muted ones too: advice weighs what is true, not what is shown."""
    return [_finding(r) for r in FindingRecord.objects.filter(database=database, closed_at__isnull=True)]


def _finding(record: FindingRecord) -> Finding:
    thing = record.key.removeprefix(f"{record.code}:")
    return Finding(
        code=record.code,
        title=record.title,
        severity=Severity(record.severity),
        subject=record.subject,
        message=record.message,
        hint=record.hint,
        evidence=record.evidence,
        about=record.about,
        level=EvidenceLevel(record.level),
        impact_s_per_day=record.impact_s_per_day,
        impact_assumed_s_per_day=record.impact_assumed_s_per_day,
        watched_s=record.watched_s,
        fixes=tuple(Fix(fix["title"], fix["language"], fix["code"]) for fix in record.fixes),
        table=record.table or None,
        related_fingerprints=tuple(record.related_fingerprints),
        group=thing if thing != f"{record.about}:{record.subject}" else "",
    )
