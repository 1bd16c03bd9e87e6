"""Findings that stand for several things: which of them nobody judged, and which go on under another key.

The same table of three tenants is one finding, of two it is two (``checks/grouping.py``). Whether it is told alone or
with others, it is the same matter: how long it is known and what people said of it goes over, and it is no news.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from django.db.models import QuerySet

from analyzer.findings import Finding
from analyzer.models import FindingRecord
from analyzer.store import finding_life as life

KNOWN_BEFORE = "known before, with others or without them"
FOR_GOOD = datetime.max.replace(tzinfo=UTC)


def unjudged_groups(
    records: QuerySet[FindingRecord], findings: Mapping[str, Finding], unjudged: Mapping[str, Collection[str]]
) -> list[FindingRecord]:
    """Open ones that were not found, of which a member was not judged. One query, none where all was judged."""
    things = {code: set(about) for code, about in unjudged.items() if any(about)}
    if not things:
        return []
    not_found = records.filter(code__in=list(things), closed_at__isnull=True).exclude(key__in=list(findings))
    some = not_found.exclude(members=[]).only("code", "key", "severity", "members")
    return [r for r in some if any(_is_about(member, things[r.code]) for member in r.members)]


def members_of(record: FindingRecord, finding: Finding, unjudged: Collection[str]) -> list[str]:
    """Those found, and of those before what nobody judged this time."""
    things = set(unjudged)
    kept = (member for member in record.members if _is_about(member, things)) if things else ()
    return sorted({*finding.members, *kept})


def covered_by_groups(
    records: QuerySet[FindingRecord], findings: Mapping[str, Finding], kept: Sequence[FindingRecord]
) -> set[str]:
    """Keys of what was found of one thing that a group tells, which is ``kept`` open; not of what is open by itself."""
    tells = {(group.code, member): group.severity for group in kept for member in group.members}
    told = {key for key, f in findings.items() if f.severity <= tells.get((f.code, f.object_key), 0)}
    if not told:
        return told
    return told.difference(records.filter(key__in=told, closed_at__isnull=True).values_list("key", flat=True))


def predecessors(records: QuerySet[FindingRecord], opening: Mapping[str, Finding]) -> dict[str, list[FindingRecord]]:
    """By the key of a finding that opens what is open of the same things under other keys. One query."""
    if not opening:
        return {}
    some = records.filter(code__in={f.code for f in opening.values()}, closed_at__isnull=True).defer(
        "message", "hint", "evidence", "fixes"
    )
    if not any(finding.group for finding in opening.values()):
        some = some.exclude(members=[])
    by_code: dict[str, list[tuple[FindingRecord, set[str]]]] = {}
    for record in some:
        by_code.setdefault(record.code, []).append((record, _things(record)))
    found = {}
    for key, finding in opening.items():
        mine = finding.members if finding.group else (finding.object_key,)
        if older := [record for record, things in by_code.get(finding.code, ()) if not things.isdisjoint(mine)]:
            found[key] = older
    return found


def continue_from(record: FindingRecord, finding: Finding, older: Sequence[FindingRecord]) -> None:
    """The record, which opens, takes over from these: muted where all of them are. Not saved here."""
    record.first_seen = min(record.first_seen, *(r.first_seen for r in older))
    record.assigned_to = record.assigned_to or next((r.assigned_to for r in older if r.assigned_to), "")
    record.known_severity = max(r.known_severity or r.severity for r in older)
    known = set(record.known_members).union(*map(_things, older)) if finding.group else finding.members
    record.known_members = sorted(known)
    if all(r.muted_at is not None for r in older):
        if record.muted_at is None:
            first = min(older, key=lambda r: r.muted_until or FOR_GOOD)
            record.muted_at, record.muted_by = first.muted_at, first.muted_by
            record.mute_reason, record.muted_until = first.mute_reason, first.muted_until
            record.muted_impact_s_per_day = life.settled(record)
    elif finding.group:
        life.show_again(record)


def _things(record: FindingRecord) -> set[str]:
    return {*record.members, record.key.removeprefix(f"{record.code}:")}


def _is_about(member: str, things: Collection[str]) -> bool:
    """Whether it is of one of these, which stand before its subject; names may hold colons."""
    return any(member[:at] in things for at, character in enumerate(member) if character == ":")
