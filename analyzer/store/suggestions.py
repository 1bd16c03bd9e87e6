"""Index suggestions over time, and the reasons why a statement got none."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from analyzer.advice.outcome import definition_to_json
from analyzer.advice.planned_evidence import PlannedEvidence
from analyzer.advice.rules.suggest import Advice, Suggestion
from analyzer.models import Database, NoSuggestion, Server, Statement, SuggestionRecord


def keep_suggestions(
    database: Database,
    advice: Advice,
    *,
    evidence: Mapping[str, PlannedEvidence] | None = None,
    watched_s: float | None = None,
    now: datetime | None = None,
) -> list[SuggestionRecord]:
    """Keep one run's advice for the whole database: what it no longer suggests closes, what is back reopens.

    ``evidence``: the planner's, by suggestion key. ``watched_s``: what the statements' times are made of.
    A record whose index is there (``SuggestionRecord.FOLLOWED``) is left to ``analyzer/steps/follow.py``.
    """
    now = now or timezone.now()
    with transaction.atomic():
        Database.objects.select_for_update().get(pk=database.pk)  # one run at a time
        known = {r.key: r for r in SuggestionRecord.objects.filter(database=database)}
        kept = {}
        for suggestion in advice.suggestions:
            key = suggestion.key[:500]
            record = known.get(key) or SuggestionRecord(database=database, key=key, first_seen=now)
            if record.state not in SuggestionRecord.FOLLOWED:
                _fill(record, suggestion, watched_s, now)
                planned = (evidence or {}).get(suggestion.key)
                record.evidence = planned.to_json() if planned is not None else {}
                record.save()
            kept[key] = record
        SuggestionRecord.objects.filter(database=database, closed_at__isnull=True).exclude(key__in=list(kept)).update(
            closed_at=now, state=SuggestionRecord.State.CLOSED
        )
        _keep_reasons(database, advice.reasons, now)
    return list(kept.values())


def naming(server: Server, finding_keys: Iterable[str], fingerprint: str | None = None) -> QuerySet[SuggestionRecord]:
    """Suggestions, open or built, that answer one of the findings or help the statement; the most helpful first."""
    names = Q() if fingerprint is None else Q(helps__contains=[{"fingerprint": fingerprint}])
    for key in finding_keys:
        names |= Q(finding_keys__contains=[key])
    return SuggestionRecord.objects.filter(names, SuggestionRecord.OPEN_OR_BUILT, database__server=server).order_by(
        F("helped_time_s_per_day").desc(nulls_last=True), "pk"
    )


def _fill(record: SuggestionRecord, suggestion: Suggestion, watched_s: float | None, now: datetime) -> None:
    helps = [{"fingerprint": fingerprint, "total_time_s_per_day": time_s} for fingerprint, time_s in suggestion.helps]
    record.table, record.name, record.method = suggestion.qualified_table, suggestion.name, suggestion.method
    record.columns = [column.name for column in suggestion.columns]
    record.ddl, record.undo_ddl = suggestion.ddl, suggestion.undo_ddl
    record.estimated_size_bytes = suggestion.estimated_size_bytes
    record.level, record.reason = str(suggestion.level), suggestion.reason
    record.warnings, record.finding_keys = list(suggestion.warnings), list(suggestion.finding_keys)
    record.helps = helps
    record.helped_time_s_per_day = suggestion.helped_time_s_per_day if helps else None
    record.saved_time_s_per_day, record.watched_s = suggestion.saved_time_s_per_day, watched_s
    record.definition = {} if suggestion.definition is None else definition_to_json(suggestion.definition)
    record.last_seen, record.closed_at = now, None
    record.state, record.built_at, record.built_index_name = SuggestionRecord.State.SUGGESTED, None, ""
    record.outcome = {}


def _keep_reasons(database: Database, reasons: Mapping[str, str], now: datetime) -> None:
    ids = dict(
        Statement.objects.filter(server_id=database.server_id, fingerprint__in=list(reasons)).values_list(
            "fingerprint", "pk"
        )
    )
    NoSuggestion.objects.filter(database=database).exclude(statement__in=ids.values()).delete()
    NoSuggestion.objects.bulk_create(
        [
            NoSuggestion(statement_id=ids[f], database=database, reason=reason, decided_at=now)
            for f, reason in reasons.items()
            if f in ids
        ],
        update_conflicts=True,
        unique_fields=["statement", "database"],
        update_fields=["reason", "decided_at"],
    )
