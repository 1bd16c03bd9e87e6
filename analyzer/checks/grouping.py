"""Puts findings of one cause together: the same table in many tenants' schemas, small matters all over a database.

One is shown, the worst, with how many more there are; its evidence names them and its statement to copy is all theirs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.words.lists import some_of

MOST_NAMES = 50  # in evidence and in statements to copy
LEAST_ALIKE = 3  # judgement: two schemas alike may be two versions of an application
PATIENCE = "SET lock_timeout = '5s';"
NO_LIMIT = "SET lock_timeout = 0;"


def listed(names: Sequence[str]) -> str:
    """The first 50 names, as evidence."""
    return ", ".join(names[:MOST_NAMES])


def left_out(shown: int, count: int) -> tuple[str, ...]:
    """A last line of statements to copy, where they are the first of more."""
    return (f"-- the first {shown:,} of {count:,}: look again once they are done",) if shown < count else ()


def to_copy(title: str, *statements: str) -> Fix:
    """Statements to copy that give up after 5 s where they have to wait for a lock, and with them who waits behind."""
    return Fix(title, "sql", "\n".join((PATIENCE, *statements)))


def to_copy_concurrently(title: str, *statements: str) -> Fix:
    """Statements that wait as long as it takes: given up, CONCURRENTLY leaves an invalid index; nobody waits behind."""
    return Fix(title, "sql", "\n".join((NO_LIMIT, *statements)))


def grouped(findings: Iterable[Finding], facts: SchemaFacts, together: Mapping[str, Severity]) -> list[Finding]:
    """One finding in the place of several that have one cause.

    ``together``: codes of which a database has one, of findings no more severe than this. Its key is the same of one
    table and of several.
    """
    tables = {table.qualified_name: table for table in facts}
    groups: dict[_Cause, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_cause(finding, facts, tables.get(finding.table or ""), together), []).append(finding)
    result: list[Finding] = []
    for cause, members in groups.items():
        if cause.is_everywhere:
            several = _one(members, facts.database, "several tables", "of", _table_or_about)
            shown = several if len(members) > 1 else members[0]
            result.append(replace(shown, group=several.group, members=several.members))
        elif len(members) < LEAST_ALIKE:
            result += members
        elif cause.parent:
            result.append(_one(members, cause.parent, cause.subject, "of", _table_or_about))
        else:
            result.append(_one(members, f"*{cause.about}", cause.subject, "in", lambda f: tables[f.table or ""].schema))
    return result


@dataclass(frozen=True, slots=True)
class _Cause:
    """``about`` without its schema, for the same thing in several; ``parent``: the table of a partition."""

    code: str
    about: str = ""
    subject: str = ""
    parent: str = ""

    @property
    def is_everywhere(self) -> bool:
        return not self.about and not self.parent


def _cause(finding: Finding, facts: SchemaFacts, table: TableFacts | None, together: Mapping[str, Severity]) -> _Cause:
    most = together.get(finding.code)
    if most is not None and finding.severity <= most:
        return _Cause(finding.code)
    parent = facts.table(table.parent_oid) if table is not None and table.parent_oid is not None else None
    if table is not None and parent is not None and finding.about == table.qualified_name:
        return _Cause(finding.code, "", finding.subject.replace(table.name, parent.name), parent.qualified_name)
    if table is None or not finding.about.startswith(f"{table.schema}."):
        return _Cause(finding.code, f" {finding.about}", finding.subject)
    return _Cause(finding.code, finding.about[len(table.schema) :], finding.subject)


def _table_or_about(finding: Finding) -> str:
    return finding.table or finding.about


def _one(members: Sequence[Finding], about: str, subject: str, of: str, name: Callable[[Finding], str]) -> Finding:
    # what is known of the first is said of all: one of which less is known stands for them
    ordered = sorted(members, key=lambda f: (-f.severity, _is_planned(f), -(f.impact_s_per_day or 0.0)))
    worst, names = ordered[0], list(dict.fromkeys(name(finding) for finding in ordered))
    shown = [_with_columns(f, worst, name(f)) for f in ordered] if len(names) == len(ordered) else names
    others = some_of(shown[1:]) if len(names) > 1 else f"{len(ordered) - 1:,} more there"
    impacts = [f.impact_s_per_day for f in members if f.impact_s_per_day is not None]
    return replace(
        worst,
        group=f"{about}:{subject}",
        about=about,
        subject=subject,
        message=f"{worst.message} The same {of} {others}.",
        evidence={**worst.evidence, "objects": len(ordered), "names": listed(names)},
        fixes=_fixes(ordered),
        impact_s_per_day=sum(impacts) if impacts else None,
        impact_assumed_s_per_day=sum(f.impact_assumed_s_per_day for f in members),
        members=tuple(dict.fromkeys(f.object_key for f in members)),
    )


def _with_columns(finding: Finding, first: Finding, table: str) -> str:
    """ "public.t (a, b)", where those are others than the first finding says of its own table."""
    columns = finding.evidence.get("columns")
    if not isinstance(columns, str) or columns == first.evidence.get("columns"):
        return table
    names = columns.split(", ")
    return f"{table} ({some_of(names) if len(names) < MOST_NAMES else ', '.join((*names[:3], '...'))})"


def _is_planned(finding: Finding) -> bool:
    return finding.evidence.get("statements_planned") is not None


def _fixes(findings: Sequence[Finding]) -> tuple[Fix, ...]:
    """All statements with one title in one piece; code for an ORM is the first one's alone."""
    by_title: dict[tuple[str, str], list[str]] = {}
    for finding in findings[:MOST_NAMES]:
        for fix in finding.fixes:
            by_title.setdefault((fix.title, fix.language), []).append(fix.code)
    counts = Counter((fix.title, fix.language) for finding in findings for fix in finding.fixes)
    return tuple(
        Fix(title, language, _joined(codes, counts[title, language]) if language == "sql" else codes[0])
        for (title, language), codes in by_title.items()
    )


def _joined(codes: Sequence[str], count: int) -> str:
    """The limit of the first, which all of one title have, is set once."""
    limit = next((limit for limit in (PATIENCE, NO_LIMIT) if codes[0].startswith(limit)), None)
    if limit is None:
        return "\n".join((*codes, *left_out(len(codes), count)))
    return "\n".join((limit, *(code.removeprefix(limit).lstrip("\n") for code in codes), *left_out(len(codes), count)))
