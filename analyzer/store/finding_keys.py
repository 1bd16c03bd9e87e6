"""Under which key a finding is known: of several that differ only by the page, each keeps the one that it had, so that
what people said of one never passes to another.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from django.db.models import QuerySet

from analyzer.findings import Finding
from analyzer.models import FindingRecord

LONGEST = 500


def by_key(findings: Sequence[Finding], records: QuerySet[FindingRecord]) -> dict[str, Finding]:
    """Findings by the keys of their records, known or to be; the subject says what the key says."""
    families: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.family:
            families[f"{finding.code}:{finding.about}:{finding.family}"].append(finding)
    keys = {finding.key[:LONGEST]: finding for finding in findings if not finding.family}
    for base, members in families.items():
        keys |= _of_family(base, members, records)
    return keys


def _of_family(base: str, members: Sequence[Finding], records: QuerySet[FindingRecord]) -> dict[str, Finding]:
    suffixed = f"{base}{Finding.BY_PAGE}"
    known = [
        record
        for record in records.filter(code=members[0].code, about=members[0].about[:300])
        if record.key == base[:LONGEST] or record.key.startswith(suffixed)
    ]
    by_page = {r.related_fingerprints[0]: r.key for r in sorted(known, key=_is_open) if r.related_fingerprints}
    told = {by_page[f.page]: f for f in members if f.page in by_page}
    left = [f for f in members if f.page not in by_page]
    renamed = [record.key for record in known if _is_open(record) and record.key not in told]
    if len(left) == len(renamed) == 1:  # the same page, of which another statement is named now
        told[renamed[0]] = left.pop()
    taken = {record.key for record in known}
    for finding in left:
        key = (base if base[:LONGEST] not in taken else f"{suffixed}{finding.page[:8]}")[:LONGEST]
        taken.add(key)
        told[key] = finding
    return {key: _called(finding, key) for key, finding in told.items()}


def _called(finding: Finding, key: str) -> Finding:
    return replace(finding, subject=key.removeprefix(f"{finding.code}:{finding.about}:"))


def _is_open(record: FindingRecord) -> bool:
    return record.closed_at is None
