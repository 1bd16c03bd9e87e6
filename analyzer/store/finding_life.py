"""What people and time do to findings: muted, assigned, grown, gone; each leaves a row in the finding's history."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from analyzer.findings import Finding, Severity
from analyzer.models import CheckRule, FindingEvent, FindingRecord, ServerEvent, SuggestionRecord
from analyzer.store.events import changes_since
from analyzer.store.gains import GOES_ON, NOT_SEEN, SWITCHED_OFF
from analyzer.store.statements_not_run import GONE_AFTER
from analyzer.words.durations import allows_daily_rate, rate_words
from analyzer.words.lists import some_of

Kind = ServerEvent.Kind
# what a restart ends: sessions, and settings or files of a newer release that wait for one
ENDED_BY = dict.fromkeys(("SV007", "SV008", "SV009", "SV038", "SV041"), (Kind.RESTART, Kind.VERSION))
MOST_CHANGES = 3
WORSE_BY = 2.0  # judgement: loads of most applications vary by less from day to day
WORSE_FOR = timedelta(days=1)  # at least: what costs about the multiple would be worse anew with each look
LEAST_WORSE_S = 60.0  # a day: below a minute a multiple says little
MOST_EVENTS = 200  # of a finding; its page shows the last fifty
NEW_FOR = timedelta(days=1)
BUILT_WITHIN = timedelta(days=2)  # judgement: a plan or a count shows the index soon after, a rate of a day after that


def event(record: FindingRecord, kind: FindingEvent.Kind, at: datetime, by: str = "", detail: str = "") -> FindingEvent:
    return FindingEvent(
        finding=record, at=at, kind=kind, by=by, detail=detail, impact_s_per_day=record.impact_s_per_day
    )


def opened(record: FindingRecord) -> None:
    """What it is compared with from now on; of a muted one still what it was when it was muted. Not saved here."""
    record.opened_impact_s_per_day, record.worse_since = settled(record), None
    record.dearer_since = record.dearer_impact_s_per_day = None
    if record.muted_at is None:
        record.known_severity, record.known_members = None, []


def grown(record: FindingRecord, finding: Finding, now: datetime) -> list[FindingEvent]:
    """Marks an open finding each time that it costs a multiple of what it did, is more severe or stands for more than
    was known; one that was muted shows again. Not saved here.
    """
    reasons = [reason for reason in (_more_severe(record, finding), _more_members(record, finding)) if reason]
    if record.muted_at is not None:
        if record.muted_impact_s_per_day is None:
            record.muted_impact_s_per_day = settled(record)
        if record.muted_until is not None and record.muted_until <= now:
            show_again(record)
            return [event(record, FindingEvent.Kind.UNMUTED, now, detail="its time was over")]
        if _is_worse(settled(record), record.muted_impact_s_per_day):
            record.opened_impact_s_per_day = record.muted_impact_s_per_day
            reasons.insert(0, f"{_dearer(record, record.muted_impact_s_per_day, now)} when it was muted")
        if reasons:
            show_again(record)
        return _worse(record, FindingEvent.Kind.UNMUTED, reasons, now)
    if record.opened_impact_s_per_day is None:
        record.opened_impact_s_per_day = settled(record)
    known_cost = _known_cost(record, now)
    if _is_worse(settled(record), known_cost):
        reasons.insert(0, _dearer(record, known_cost, now))
    return _worse(record, FindingEvent.Kind.WORSE, reasons, now)


def _known_cost(record: FindingRecord, now: datetime) -> float | None:
    """What it cost when it was opened, or when it last got dearer; it is no longer dearer once it costs less than a
    multiple of the first. Costs are of a whole day, so that a good hour does not bring one down."""
    opened, since = record.opened_impact_s_per_day, record.dearer_since
    if since is None or settled(record) is None:
        return opened
    if _is_worse(settled(record), opened):
        return record.dearer_impact_s_per_day
    if now - since >= WORSE_FOR:
        if record.worse_since == since:  # and not because it is more severe or stands for more
            record.worse_since = None
        record.dearer_since = record.dearer_impact_s_per_day = None
    return opened


def _dearer(record: FindingRecord, before_s: float | None, now: datetime) -> str:
    """What it cost, noted as known from now on."""
    record.dearer_since, record.dearer_impact_s_per_day = now, settled(record)
    return f"it cost {_rate(before_s, record)}"


def _worse(record: FindingRecord, kind: FindingEvent.Kind, reasons: Sequence[str], now: datetime) -> list[FindingEvent]:
    if not reasons:
        return []
    record.worse_since = now
    return [event(record, kind, now, detail="; ".join(reasons))]


def _more_severe(record: FindingRecord, finding: Finding) -> str:
    """Where the severity follows from the time it takes, that is compared instead: it moves with the calls."""
    known = record.known_severity
    record.known_severity = max(known or 0, record.severity)
    if known is None or record.severity <= known or finding.run_time_ms is not None:
        return ""
    return f"it was {Severity(known).name.lower()}"


def _more_members(record: FindingRecord, finding: Finding) -> str:
    known = set(record.known_members)
    more = [member for member in dict.fromkeys(finding.members) if member not in known]
    if not more:
        return ""
    record.known_members = sorted(known.union(more))
    if not known:
        return ""
    # a group's have their subject behind what they are about
    names = [member.partition(":")[0] if finding.group else member for member in more]
    return f"new: {some_of(names)}"


def settled(record: FindingRecord) -> float | None:
    """Its impact, once it was watched for long enough to be compared with later ones."""
    return record.impact_s_per_day if allows_daily_rate(record.watched_s) else None


def close(gone: QuerySet[FindingRecord], now: datetime, go_on: Collection[int] = (), because: str = "") -> None:
    """These were looked for and not found; why is told where something that explains it is known.

    ``go_on``: ids of those that are told under another key. ``because``: why all of them go, where the caller knows.
    """
    records = list(gone.select_related("statement").defer("statement__normalized_sql", "statement__tags"))
    for record in records:
        record.closed_at, record.worse_since = now, None
    FindingRecord.objects.bulk_update(records, ["closed_at", "worse_since"])
    FindingEvent.objects.bulk_create(
        event(r, FindingEvent.Kind.CLOSED, now, detail=GOES_ON if r.pk in go_on else because or _why_gone(r, now))
        for r in records
    )


def mute(findings: Iterable[FindingRecord], by: str, reason: str, until: datetime | None = None) -> int:
    """Hide them from overview and mail until then, or until they are worse; ``by`` and ``reason`` are shown."""
    now = timezone.now()
    with transaction.atomic():
        records = [record for record in findings if record.muted_at is None]
        for record in records:
            record.muted_at, record.muted_by, record.mute_reason, record.muted_until = now, by, reason, until
            record.muted_impact_s_per_day, record.known_severity = settled(record), record.severity
        fields = ["muted_at", "muted_by", "mute_reason", "muted_until", "muted_impact_s_per_day", "known_severity"]
        FindingRecord.objects.bulk_update(records, fields)
        FindingEvent.objects.bulk_create(event(r, FindingEvent.Kind.MUTED, now, by, reason) for r in records)
    return len(records)


def unmute(record: FindingRecord, by: str) -> None:
    with transaction.atomic():
        show_again(record)
        record.save()
        event(record, FindingEvent.Kind.UNMUTED, timezone.now(), by).save()


def assign(record: FindingRecord, to: str, by: str) -> None:
    """``to``: a user's name, "" for nobody."""
    if record.assigned_to == to:
        return
    with transaction.atomic():
        record.assigned_to = to
        record.save(update_fields=["assigned_to"])
        event(record, FindingEvent.Kind.ASSIGNED, timezone.now(), by, to or "nobody").save()


def drop_surplus() -> None:
    """Of findings that come and go all day, the history beyond the newest events; what people did stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from analyzer_findingevent where id in ("
            " select id from (select id, row_number() over (partition by finding_id order by at desc, id desc) as place"
            " from analyzer_findingevent where by = '' and finding_id in (select finding_id from analyzer_findingevent"
            " where by = '' group by finding_id having count(*) > %(most)s)) as ranked where place > %(most)s)",
            {"most": MOST_EVENTS},
        )


def state(record: FindingRecord, now: datetime) -> str:
    """``fixed``, ``muted``, ``worse``, ``back``, ``new`` or ``open``."""
    if record.closed_at is not None:
        return "fixed"
    if record.muted_at is not None:
        return "muted"
    if record.worse_since is not None:
        return "worse"
    if record.reopened_at is not None:
        return "back"
    return "new" if now - record.first_seen < NEW_FOR else "open"


def show_again(record: FindingRecord) -> None:
    """No longer muted. Not saved here."""
    record.muted_at, record.muted_by, record.mute_reason = None, "", ""
    record.muted_until = record.muted_impact_s_per_day = None


def _is_worse(now_s: float | None, before_s: float | None) -> bool:
    return now_s is not None and before_s is not None and now_s >= LEAST_WORSE_S and now_s >= WORSE_BY * before_s


def _why_gone(record: FindingRecord, now: datetime) -> str:
    """What is known to have changed; "" where nothing is."""
    rule = CheckRule.objects.filter(server=record.server, code=record.code, is_off=True).first()
    if rule is not None:
        return f"{SWITCHED_OFF} by {rule.changed_by}: {rule.reason}"
    if record.statement is not None and record.statement.last_seen <= now - GONE_AFTER:
        return NOT_SEEN
    built = (
        SuggestionRecord.objects.filter(
            database=record.database,
            finding_keys__contains=[record.key],
            built_at__isnull=False,
            built_at__gte=now - BUILT_WITHIN,
        )
        .order_by("-built_at")
        .first()
    )
    if built is not None:
        return f"index {built.built_index_name or built.name} was built"
    return "; ".join(_changes(record, now)[-MOST_CHANGES:])


def _changes(record: FindingRecord, now: datetime) -> list[str]:
    """To what the finding is about, between the last look that saw it and the one that did not."""
    named = {record.subject, *str(record.evidence.get("setting") or "").split(", ")}
    return changes_since(
        record.server, record.last_seen, now,
        setting_names=named,
        table=Q(table=record.table, database=record.database) if record.table else None,
        kinds=ENDED_BY.get(record.code, ()),
    )  # fmt: skip


def _rate(s_per_day: float | None, record: FindingRecord) -> str:
    return rate_words(s_per_day or 0.0, record.watched_s)
