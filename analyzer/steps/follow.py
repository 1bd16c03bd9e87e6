"""Suggested indexes that appeared on the server: since when, and what they changed. Store rows in, store rows out.

Before: the last day (or what there is) until the last schema reading without the valid index. After: from the first
snapshot since the first reading with it, so that no interval holds both. ``outcome`` of a record:

    {"until": the end of the span before, "scans": since it was built or None, "scans_counters": the server's, last
     read, by index's oid, "calls": of the helped statements since, "calls_wanted": how many decide, "statements":
     [StatementOutcome],
     "shared_with": indexes built about then for the same statements, "kept_for": why it must not be dropped,
     "drop_ddl": only where it was not used, "decided_at": when it was realised or found not used; None until then,
     "looked_at": when plans were last looked for}

An index of one table in several schemas is there when all of them have it, and judged by the scans of all.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Q
from django.utils.dateparse import parse_datetime

from analyzer.advice.outcome import (
    Measured,
    ObservedIndex,
    OutcomeLimits,
    StatementOutcome,
    built_indexes,
    decide,
    definition_from_json,
    drop_ddl,
    has_index,
    index_names,
    index_scans,
    kept_for,
    scans_since,
    statement_from_json,
    statement_to_json,
)
from analyzer.errors import costing_only
from analyzer.findings import EvidenceLevel
from analyzer.models import Database, PlanRecord, Server, Snapshot, Statement, StatementEntry, SuggestionRecord
from analyzer.plans import PlanError, parse_plan
from analyzer.plans.compare import plan_change
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.store.schemas import last_readings_without
from analyzer.store.series.columns import without_calls
from analyzer.store.series.packing import read_points
from analyzer.store.series.windows import Window

BEFORE = timedelta(hours=24)
MEASURED_FOR = timedelta(hours=24)  # after that the figures of a realised index stand
WAITED_INTERVALS = 60  # of samples: an hour at one a minute
WAITED_FOR = timedelta(days=30)  # after that nobody looks any more
KEPT_WITHIN = timedelta(minutes=11)  # a plan, after it was seen: no step that keeps some lasts longer
MOST_PLANS = 20  # of a statement, the newest; judgement: one round keeps a few
STILL_MEANT = timedelta(days=7)  # judgement: who builds an index a week after it was suggested followed that advice

State = SuggestionRecord.State
Built = list[tuple[TableFacts, IndexFacts]]  # of one suggestion: by table


def limits_for(server: Server) -> OutcomeLimits:
    """The waiting time follows the sample interval, so that a demo at 5 s tells in minutes."""
    wait_s = min(settings.ANALYZER_OUTCOME_WAIT_S, WAITED_INTERVALS * server.sample_interval_s)
    return OutcomeLimits(calls=settings.ANALYZER_OUTCOME_CALLS, wait_s=float(wait_s))


def follow_indexes(
    database: Database, facts: SchemaFacts, now: datetime, faults: dict[str, str] | None = None
) -> list[SuggestionRecord]:
    """Look for every suggested index on the server and measure those that are there. Those found new are returned;
    ``faults`` gets by name why one was left as it was."""
    faults = {} if faults is None else faults
    wanted = (
        Q(state=State.SUGGESTED)
        | Q(state=State.CLOSED, closed_at__gt=now - STILL_MEANT)
        | Q(state__in=SuggestionRecord.FOLLOWED)
    )
    records = SuggestionRecord.objects.filter(wanted, database=database).exclude(definition={})
    records = records.select_related("database__server")
    taken: set[int] = set()  # one index fulfils one suggestion; of several those that no other has suffice
    waiting, new = [], []
    for record in records.order_by("first_seen", "pk"):
        with costing_only(record.name, faults, "index"):
            definition = definition_from_json(record.definition, facts)
            found = built_indexes(definition, facts) if definition is not None else []
            built = [(table, index) for table, index in found if index is not None]
            if record.state not in SuggestionRecord.FOLLOWED:
                if built and len(built) == len(found):
                    waiting.append((record, built))
            elif not built:
                _close(record, now)
            else:
                taken.update(index.oid for _, index in built)
                _measure(record, built, facts, now)
    # what is suggested now before what was
    for record, built in sorted(waiting, key=lambda w: w[0].state == State.CLOSED):
        oids = {index.oid for _, index in built}
        with costing_only(record.name, faults, "index"):
            if not oids <= taken and _begin(record, built, now):
                taken |= oids
                _measure(record, built, facts, now)
                new.append(record)
    return new


def _close(record: SuggestionRecord, now: datetime) -> None:
    """The index is gone again; advice that still wants it opens the record anew."""
    record.state, record.closed_at = State.CLOSED, now
    record.save(update_fields=["state", "closed_at"])


def _begin(record: SuggestionRecord, built: Built, now: datetime) -> bool:
    """From now on the record is built. False where the index is older than the suggestion.

    Of several the time before ends with the first one's building, the time after begins with the last one's.
    """
    readings = last_readings_without(record.database, {index.oid for _, index in built})
    seen = [(without or since, since) for without, since in readings.values() if since is not None]
    newer = [(until, since) for until, since in seen if since >= record.first_seen]
    if not newer or len(seen) < len(built):
        return False
    until, since = min(until for until, _ in newer), max(since for _, since in newer)
    record.state, record.built_at, record.closed_at = State.BUILT, since, now
    record.built_index_name = built[0][1].name
    ids = _helped(record)
    before = _figures(record.database, list(ids.values()), Window(until - BEFORE, until))
    outcomes = [
        StatementOutcome(fingerprint, before.get(pk, Measured()), Measured()) for fingerprint, pk in ids.items()
    ]
    record.outcome = {"until": until.isoformat(), "statements": [statement_to_json(o) for o in outcomes]}
    return True


def _measure(record: SuggestionRecord, built: Built, facts: SchemaFacts, now: datetime) -> None:
    """Bring a built record's figures and state up to date; it is saved."""
    assert record.built_at is not None
    age = now - record.built_at
    record.built_index_name = built[0][1].name
    if age > WAITED_FOR or (record.state == State.REALISED and age > MEASURED_FOR):
        record.save(update_fields=["built_index_name"])
        return
    limits, kept = limits_for(record.database.server), record.outcome
    names = set().union(*(index_names(index, table, facts) for table, index in built))
    statements = _statements(record, names, now)
    scans, counters = _scans(kept, built, facts)
    observed = ObservedIndex(age.total_seconds(), scans, tuple(statements))
    decided_at = kept.get("decided_at")
    if record.state != State.REALISED:
        state = decide(observed, limits)
        if state != record.state:
            record.state, decided_at = state, now.isoformat()
    if record.state == State.REALISED:
        record.level = EvidenceLevel.REALISED
    why_kept = next((why for table, index in built if (why := kept_for(index, table))), "")
    is_useless = record.state == State.NOT_USED and not why_kept
    record.outcome = {
        "until": kept["until"],
        "scans": scans,
        "scans_counters": counters,
        "calls": observed.calls,
        "calls_wanted": limits.calls,
        "statements": [statement_to_json(s) for s in statements],
        "shared_with": _built_about_then(record),
        "kept_for": why_kept,
        "drop_ddl": "\n".join(drop_ddl(index, table) for table, index in built) if is_useless else "",
        "decided_at": decided_at,
        "looked_at": now.isoformat(),
    }
    record.save()


def _scans(kept: Mapping[str, Any], built: Built, facts: SchemaFacts) -> tuple[int | None, dict[str, int]]:
    """Of all indexes of a suggestion since they were built, and their counters. One index's were kept as a number."""
    last = kept.get("scans_counters") or {str(built[0][1].oid): kept.get("scans_counter")}
    scans, counters = kept.get("scans"), {}
    for table, index in built:
        counter = index_scans(index, table, facts)
        scans = scans_since(scans, last.get(str(index.oid)), counter)
        if counter is not None:
            counters[str(index.oid)] = counter
    return scans, counters


def _built_about_then(record: SuggestionRecord) -> list[str]:
    """Names of the other indexes that changed the same statements' times within the same day."""
    assert record.built_at is not None
    others = SuggestionRecord.objects.filter(
        database=record.database, state__in=SuggestionRecord.FOLLOWED,
        built_at__gt=record.built_at - MEASURED_FOR, built_at__lt=record.built_at + MEASURED_FOR,
    ).exclude(pk=record.pk)  # fmt: skip
    mine = {h["fingerprint"] for h in record.helps}
    return sorted(o.built_index_name for o in others if mine & {h["fingerprint"] for h in o.helps})


def _helped(record: SuggestionRecord) -> dict[str, int]:
    """Fingerprint -> statement of those the index is for."""
    fingerprints = [h["fingerprint"] for h in record.helps]
    helped = dict(
        Statement.objects.filter(server_id=record.database.server_id, fingerprint__in=fingerprints).values_list(
            "fingerprint", "pk"
        )
    )
    return {f: helped[f] for f in fingerprints if f in helped}


def _statements(record: SuggestionRecord, names: Collection[tuple[str, str]], now: datetime) -> list[StatementOutcome]:
    """``names``: of the index, as plans may call it. Plans are read where one was seen since the last look."""
    ids = _helped(record)
    known = [statement_from_json(s) for s in record.outcome["statements"]]
    first = (
        Snapshot.objects.filter(server_id=record.database.server_id, taken_at__gte=record.built_at)
        .order_by("taken_at")
        .values_list("taken_at", flat=True)
        .first()
    )
    after = _figures(record.database, list(ids.values()), Window(first, now)) if first and first < now else {}
    planned = _planned_lately(record, list(ids.values()))
    return [_outcome(record, s, ids.get(s.fingerprint, 0), after, planned, names) for s in known]


def _outcome(
    record: SuggestionRecord,
    known: StatementOutcome,
    statement_id: int,
    after: Mapping[int, Measured],
    planned: Collection[int],
    names: Collection[tuple[str, str]],
) -> StatementOutcome:
    assert record.built_at is not None
    change, uses_index = known.plan_change, known.uses_index
    if statement_id in planned:
        change = _plan_change(record.database, statement_id, record.built_at) or change
        uses_index = uses_index or _is_planned(record.database, statement_id, record.built_at, names)
    return replace(known, after=after.get(statement_id, Measured()), plan_change=change, uses_index=uses_index)


def _planned_lately(record: SuggestionRecord, statement_ids: Sequence[int]) -> set[int]:
    """Those of which a plan was seen since the last look, or so shortly before that it may have been kept after."""
    assert record.built_at is not None
    last = parse_datetime(record.outcome.get("looked_at", ""))
    since = max(record.built_at, last - KEPT_WITHIN) if last else record.built_at
    plans = PlanRecord.objects.filter(
        statement_id__in=statement_ids, database_id=record.database_id, last_seen__gt=since
    )
    return set(plans.values_list("statement_id", flat=True))


FIGURES = ("calls", "total_exec_time_us", "shared_hit_blocks", "shared_read_blocks")


def _figures(database: Database, statement_ids: Sequence[int], window: Window) -> dict[int, Measured]:
    """From single readings: the sums that pages use begin and end with whole minutes, and one call without the index
    can take longer than a thousand with it."""
    entries = list(
        StatementEntry.objects.filter(
            statement_id__in=statement_ids, database_oid=database.oid, is_own=False
        ).values_list("pk", "statement_id", "adds_calls")
    )
    statement_of = {entry: statement for entry, statement, _ in entries if statement is not None}
    if not statement_of:
        return {}
    points = read_points(database.server_id, window.start, window.end, FIGURES, list(statement_of))
    measured: dict[int, Measured] = {}
    of = np.array([statement_of.get(entry, 0) for entry in points.entry_ids.tolist()], dtype=np.int64)
    without_calls(points.entry_ids, points.values, FIGURES, [pk for pk, _, adds_calls in entries if not adds_calls])
    for statement in set(of.tolist()) - {0}:
        calls, time_us, hit, read = points.values[of == statement].sum(axis=0).tolist()
        if calls:
            measured[statement] = Measured(int(calls), time_us / 1000 / calls, (hit + read) / calls)
    return measured


def _is_planned(database: Database, statement_id: int, built_at: datetime, names: Collection[tuple[str, str]]) -> bool:
    """Whether one of the statement's plans since has an index of these names."""
    plans = PlanRecord.objects.filter(statement_id=statement_id, database=database, last_seen__gt=built_at)
    for plan in plans.order_by("-last_seen").values_list("plan", flat=True)[:MOST_PLANS]:
        with suppress(PlanError):
            if has_index(parse_plan(plan), names):
                return True
    return False


def _plan_change(database: Database, statement_id: int, built_at: datetime) -> str:
    """The newest plan before against the newest one since, in words; "" until both are known."""
    plans = PlanRecord.objects.filter(statement_id=statement_id, database=database)
    after = plans.filter(last_seen__gt=built_at).order_by("-is_analyzed", "-last_seen").first()
    before = plans.filter(first_seen__lte=built_at).order_by("-is_analyzed", "-last_seen")
    if after is None:
        return ""
    # a shape that goes on being planned has its row renewed: it may have stood before, too
    earlier = before.filter(last_seen__lte=built_at).first() or before.first()
    if earlier is None:
        return ""
    try:
        change = plan_change(parse_plan(earlier.plan), parse_plan(after.plan))
    except PlanError:
        return ""
    return "; ".join(change.sentences) or "the plan keeps its shape"
