"""Index suggestions over time, and the reasons why a statement got none."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone

from analyzer.advice.ddl import IndexDefinition
from analyzer.advice.outcome import definition_to_json
from analyzer.advice.planned_evidence import PlannedEvidence
from analyzer.models import Database, NoSuggestion, Statement, SuggestionRecord


class SuggestionLike(Protocol):
    """What is kept of ``analyzer.advice``'s Suggestion."""

    @property
    def key(self) -> str: ...
    @property
    def qualified_table(self) -> str: ...
    @property
    def columns(self) -> Sequence[Any]: ...  # each with its name, or its expression, as ``name``
    @property
    def definition(self) -> IndexDefinition | None: ...  # to find it on the server once it is built
    @property
    def method(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def ddl(self) -> str: ...
    @property
    def undo_ddl(self) -> str: ...
    @property
    def estimated_size_bytes(self) -> int | None: ...
    @property
    def level(self) -> Any: ...
    @property
    def helps(self) -> Sequence[Any]: ...
    @property
    def saved_time_s_per_day(self) -> float | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def finding_keys(self) -> Sequence[str]: ...


class AdviceLike(Protocol):
    @property
    def suggestions(self) -> Sequence[SuggestionLike]: ...
    @property
    def reasons(self) -> Mapping[str, Any]: ...  # fingerprint -> why nothing is suggested


def keep_suggestions(
    database: Database,
    advice: AdviceLike,
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


def _fill(record: SuggestionRecord, suggestion: SuggestionLike, watched_s: float | None, now: datetime) -> None:
    helps = [_help(h) for h in suggestion.helps]
    times = [h["total_time_s_per_day"] for h in helps if h.get("total_time_s_per_day") is not None]
    record.table, record.name, record.method = suggestion.qualified_table, suggestion.name, suggestion.method
    record.columns = [column.name for column in suggestion.columns]
    record.ddl, record.undo_ddl = suggestion.ddl, suggestion.undo_ddl
    record.estimated_size_bytes = suggestion.estimated_size_bytes
    record.level, record.reason = str(suggestion.level), suggestion.reason
    record.warnings, record.finding_keys = list(suggestion.warnings), list(suggestion.finding_keys)
    record.helps = helps
    record.helped_time_s_per_day = sum(times) if times else None
    record.saved_time_s_per_day, record.watched_s = suggestion.saved_time_s_per_day, watched_s
    record.definition = {} if suggestion.definition is None else definition_to_json(suggestion.definition)
    record.last_seen, record.closed_at = now, None
    record.state, record.built_at, record.built_index_name = SuggestionRecord.State.SUGGESTED, None, ""
    record.outcome = {}


def _help(help_: Any) -> dict[str, Any]:
    """{fingerprint, total_time_s_per_day} from a mapping, a pair or an object with these names."""
    if isinstance(help_, Mapping):
        return dict(help_)
    if isinstance(help_, tuple) and not hasattr(help_, "_fields"):
        fingerprint, time_s = help_
        return {"fingerprint": fingerprint, "total_time_s_per_day": time_s}
    return {"fingerprint": help_.fingerprint, "total_time_s_per_day": help_.total_time_s_per_day}


def _reason(reason: Any) -> str:
    """A sentence, or an object that holds one as ``text`` (NoSuggestion of analyzer.advice)."""
    return str(getattr(reason, "text", reason))


def _keep_reasons(database: Database, reasons: Mapping[str, Any], now: datetime) -> None:
    ids = dict(
        Statement.objects.filter(server_id=database.server_id, fingerprint__in=list(reasons)).values_list(
            "fingerprint", "pk"
        )
    )
    NoSuggestion.objects.filter(database=database).exclude(statement__in=ids.values()).delete()
    NoSuggestion.objects.bulk_create(
        [
            NoSuggestion(statement_id=ids[f], database=database, reason=_reason(reason), said_at=now)
            for f, reason in reasons.items()
            if f in ids
        ],
        update_conflicts=True,
        unique_fields=["statement", "database"],
        update_fields=["reason", "said_at"],
    )
