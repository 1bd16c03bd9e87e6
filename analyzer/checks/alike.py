"""Puts findings of one plan together that say the same of several scans of a table: one index serves all of them."""

import re
from collections.abc import Iterable
from dataclasses import replace

from analyzer.findings import Finding, Quantity
from analyzer.words.durations import time_words

QUALIFIER = re.compile(r'(?<![\w".])(?:"[^"]+"|[a-z_]\w*)\.(?=[\w"])')  # each scan has a name of its own
SUMMED = ("rows_read", "rows_kept", "rows_removed", "touched_blocks", "exclusive_time_ms")


def as_one(findings: Iterable[Finding]) -> list[Finding]:
    """The first, which is the same on every run, stands for those of its table with the same advice."""
    alike: dict[object, list[Finding]] = {}
    for finding in findings:
        is_of_table = finding.table is not None and finding.place is not None
        advice = (
            (finding.code, finding.table, QUALIFIER.sub("", finding.hint), finding.fixes)
            if is_of_table
            else id(finding)
        )
        alike.setdefault(advice, []).append(finding)
    return [members[0] if len(members) == 1 else _one(members) for members in alike.values()]


def _one(members: list[Finding]) -> Finding:
    first, others = members[0], members[1:]
    times = [member.time_ms for member in members]
    time_ms = None if None in times else sum(time for time in times if time is not None)
    took = f", {time_words(time_ms)} in all" if time_ms else ""
    places = (*first.also_at, *(at for other in others for at in (other.place, *other.also_at) if at is not None))
    return replace(
        first,
        severity=max(member.severity for member in members),
        message=f"{first.message} The same holds of {len(others)} more like it{took}.",
        evidence=_summed(members, time_ms),
        time_ms=time_ms,
        also_at=tuple(dict.fromkeys(places)),
    )


def _summed(members: list[Finding], time_ms: float | None) -> dict[str, Quantity]:
    evidence = dict(members[0].evidence)
    for name in SUMMED:
        figures = [figure for member in members if isinstance(figure := member.evidence.get(name), int | float)]
        if name in evidence and len(figures) == len(members):
            evidence[name] = round(sum(figures), 3)
    run_ms = members[0].run_time_ms
    if "exclusive_time_ratio" in evidence and time_ms is not None and run_ms:
        evidence["exclusive_time_ratio"] = round(min(1.0, time_ms / run_ms), 3)
    return evidence
