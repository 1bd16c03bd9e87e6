"""A review as a report for a terminal, as JSON, and as SARIF for what shows findings beside code (docs/cli.md)."""

from collections.abc import Iterator
from typing import Any

from analyzer.findings import Finding, Severity
from analyzer.reports.sarif import SarifPlace, findings_as_sarif
from analyzer.review.actions import Kind
from analyzer.review.estimate import seconds_words, work_words
from analyzer.review.live_facts import LiveFacts
from analyzer.review.review import NO_RULE, Review, Reviewed, Span
from analyzer.review.rules.rule import ALL_RULES
from analyzer.review.rules.under_lock import INDEX, REWRITE, SCAN
from analyzer.review.safe_sequence.of_operations import breaks_lines
from analyzer.statements.display import one_line
from analyzer.statements.tokens import has_broken_name
from analyzer.words.durations import span_words
from analyzer.words.lists import counted
from analyzer.words.visible import visible_line

FORMAT = 1
MOST_LOCKS = 6
NOT_REVIEWED = "not reviewed"  # in the readers' remarks
UNDER_LOCK = (REWRITE.code, SCAN.code, INDEX.code)
QUIET = frozenset({Kind.SET, Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.READ, Kind.OTHER})


def review_as_text(review: Review, live: LiveFacts | None) -> str:
    parts = [_head(review, live)]
    parts += [_statement(each, review.version) for each in review.statements if not _is_quiet(each)]
    parts += [_span(span) for span in review.spans]
    parts.append(_way_back(review))
    if review.migration.remarks:
        parts.append([f"line {r.line}: {r.text}" for r in review.migration.remarks])
    parts.append([*review.not_run, verdict(review)])
    return "\n\n".join("\n".join(map(visible_line, part)) for part in parts if part) + "\n"


def review_as_json(review: Review) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "framework": review.migration.framework,
        "server_version_num": review.version,
        "assumed": review.migration.assumed or None,
        "statements": [_statement_json(each) for each in review.statements],
        "transactions": [
            {
                "first_line": span.first_line, "last_line": span.last_line, "planned_time_s": _rounded(span.seconds),
                "locks": [{"relation": name, "mode": mode.title} for name, mode in span.locks],
            }
            for span in review.spans
        ],
        "remarks": [{"line": remark.line, "text": remark.text} for remark in review.migration.remarks],
        "way_back": list(review.way_back),
        "no_way_back": list(review.no_way_back),
        "not_run": list(review.not_run),
    }  # fmt: skip


def review_as_sarif(review: Review, file: str) -> dict[str, Any]:
    """Each finding on its line."""
    rules = {code: {"shortDescription": {"text": rule.title}} for code, rule in ALL_RULES.items()}
    return findings_as_sarif(((f, SarifPlace(file, step.line)) for step, f in review.findings), rules=rules)


def verdict(review: Review) -> str:
    counts = dict.fromkeys(reversed(Severity), 0)
    for _, finding in review.findings:
        counts[finding.severity] += 1
    told = [f"{n} {severity.name.lower()}" for severity, n in counts.items() if n]
    n = len([s for s in review.statements if not _is_quiet(s)])
    without = len([s for s in review.statements if NO_RULE in s.unclear])
    but = f", {without} of them by no rule" if without else ""
    unread = len([r for r in review.migration.remarks if NOT_REVIEWED in r.text.lower()])
    but += f", {unread} not" if unread else ""
    return f"{counted(n, 'statement')} reviewed{but}: {', '.join(told) if told else 'nothing found'}."


def _head(review: Review, live: LiveFacts | None) -> list[str]:
    version = f"PostgreSQL {review.version // 10_000}"
    if live is None:
        lines = [f"Judged by rules for {version}, without a server."]
    else:
        lines = [f"Judged against database {live.schema.database}, {version}."]
        age_s = live.oldest_transaction_s
        if age_s is not None and age_s >= 60:
            lines.append(f"Its oldest open transaction began {span_words(age_s)} ago: locks wait for such.")
    return [*lines, *([review.migration.assumed] if review.migration.assumed else [])]


def _way_back(review: Review) -> list[str]:
    """Where the file holds no way back of its own."""
    if review.migration.framework != "sql" or not (review.way_back or review.no_way_back):
        return []
    lines = (
        ["Way back, where there is none yet:", *(f"   {sql};" for sql in review.way_back)] if review.way_back else []
    )
    return [*lines, *review.no_way_back]


def _is_quiet(each: Reviewed) -> bool:
    return not each.findings and not each.unclear and all(e.action.kind in QUIET for e in each.effects)


def _statement(each: Reviewed, version: int) -> list[str]:
    origin = f" ({each.step.origin})" if each.step.origin else ""
    lines = [f"line {each.step.line}{origin}: {one_line(each.step.shown, 100)}"]
    lines += [f"   {line}" for line in (*_locks(each), *_works(each), *_taken_back(each), *each.unclear)]
    for finding in each.findings:
        lines += _finding(finding)
    if each.safe is not None:
        sequence = each.safe.rstrip("\n")
        is_broken = has_broken_name(sequence) and breaks_lines(sequence)  # the body of DO, which we lay out, is not
        parts = [sequence] if is_broken else sequence.split("\n")
        lines += ["   Safe sequence:", *(f"     {line}" for line in parts)]
    return lines


def _locks(each: Reviewed) -> Iterator[str]:
    """The strongest of each relation over the statement's actions."""
    strongest: dict[str, tuple[int, str]] = {}
    for effect in each.effects:
        for lock in effect.locks:
            if each.known.is_new(lock.relation):
                continue
            name = each.known.key(lock.relation)
            why = f" ({lock.why})" if lock.why else ""
            blocks = lock.mode.blocks
            if lock.table is not None:
                indexes = sum(other.table == lock.table for other in effect.locks)
                table = each.known.key(lock.table)
                name = f"{indexes} indexes of {table}" if indexes > 1 else f"index {lock.relation}"
                blocks = f"{blocks} of {table} that plan with {'them' if indexes > 1 else 'it'}"
            if name not in strongest or strongest[name][0] < lock.mode:
                strongest[name] = lock.mode, f"{name}{why}: {lock.mode.title}, {blocks}"
    lines = [text for _, text in sorted(strongest.values(), key=lambda pair: -pair[0])]
    yield from lines[:MOST_LOCKS]
    if len(lines) > MOST_LOCKS:
        yield f"and {len(lines) - MOST_LOCKS} more relations"


def _taken_back(each: Reviewed) -> Iterator[str]:
    if each.taken_back is not None and any(e.action.kind not in QUIET for e in each.effects):
        held = ": its locks are held until there" if any(e.locks for e in each.effects) else ""
        yield f"Line {each.taken_back} takes it back, so nothing of it stays{held}."


def _works(each: Reviewed) -> Iterator[str]:
    if any(finding.code in UNDER_LOCK for finding in each.findings):  # which say it
        return
    for effect in each.effects:
        for work in effect.work:
            if not each.known.is_new(work.relation):
                yield f"{work_words(work, each.known)}: {work.why}"


def _finding(finding: Finding) -> list[str]:
    return [
        f"   {finding.severity.name.lower()} {finding.code}: {finding.title}",
        f"     {finding.message}",
        f"     {finding.hint}",
    ]


def _span(span: Span) -> list[str]:
    locks = "; ".join(f"{name} {mode.title}" for name, mode in span.locks)
    took = "" if span.seconds is not None and span.seconds < 1 else f" (work on rows: {seconds_words(span.seconds)})"
    return [f"Transaction of lines {span.first_line} to {span.last_line}{took} holds until its end: {locks}."]


def _statement_json(each: Reviewed) -> dict[str, Any]:
    known = each.known
    return {
        "line": each.step.line,
        "sql": each.step.shown,
        "origin": each.step.origin or None,
        "transaction": each.step.transaction or None,
        "locks": [
            {
                "relation": str(lock.relation) if lock.is_index else known.key(lock.relation), "mode": lock.mode.title,
                "blocks_reads": lock.mode.blocks_reads, "blocks_writes": lock.mode.blocks_writes,
                "is_index": lock.is_index, "is_new": known.is_new(lock.relation), "why": lock.why or None,
            }
            for effect in each.effects for lock in effect.locks
        ],
        "work": [
            {
                "kind": work.kind, "relation": known.key(work.relation), "why": work.why,
                "is_certain": work.is_certain, "size_bytes": known.size_bytes(work.relation),
            }
            for effect in each.effects for work in effect.work
        ],
        "planned_time_s": _rounded(each.work_seconds),
        "findings": [
            {
                "code": f.code, "title": f.title, "severity": f.severity.name.lower(), "subject": f.subject,
                "message": f.message, "hint": f.hint, "evidence": dict(f.evidence), "table": f.table,
            }
            for f in each.findings
        ],
        "safe_sequence": each.safe,
        "unclear": list(each.unclear),
        "taken_back_line": each.taken_back,
    }  # fmt: skip


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
