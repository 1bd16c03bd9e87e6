"""Puts findings of one cause together: the same table in many tenants' schemas, small matters all over a database.

One is shown, the worst, with how many more there are; its evidence names them and its statement to copy is all theirs.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from analyzer.findings import Finding, Fix
from analyzer.schema.facts import SchemaFacts
from analyzer.words.lists import and_list

MOST_NAMES = 50  # in evidence and in statements to copy
LEAST_SCHEMAS = 3  # judgement: two schemas alike may be two versions of an application
PATIENCE = "SET lock_timeout = '5s';"


def some_of(names: Sequence[str], most: int = 3) -> str:
    """The first names for a sentence: "a, b and c", "a, b, c and 4 more"."""
    shown = list(names[:most])
    return and_list([*shown, f"{len(names) - most:,} more"] if len(names) > most else shown)


def listed(names: Sequence[str]) -> str:
    """The first 50 names, as evidence."""
    return ", ".join(names[:MOST_NAMES])


def to_copy(title: str, *statements: str) -> Fix:
    """Statements to copy that give up after 5 s where they have to wait for a lock, and with them who waits behind."""
    return Fix(title, "sql", "\n".join((PATIENCE, *statements)))


def grouped(findings: Iterable[Finding], facts: SchemaFacts, together: Collection[str]) -> list[Finding]:
    """One finding in the place of several that have one cause. ``together``: codes of which a database has one."""
    schemas = {table.qualified_name: table.schema for table in facts}
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_cause(finding, schemas, together), []).append(finding)
    result: list[Finding] = []
    for (code, *_), members in groups.items():
        if len(members) < (2 if code in together else LEAST_SCHEMAS):
            result += members
        elif code in together:
            result.append(_one(members, facts.database, "several tables", _table_or_about))
        else:
            worst = members[0]
            about = f"*{worst.about.removeprefix(schemas.get(worst.table or '', ''))}"
            result.append(_one(members, about, worst.subject, lambda f: schemas.get(f.table or "", "")))
    return result


def _cause(finding: Finding, schemas: dict[str, str], together: Collection[str]) -> tuple[str, ...]:
    if finding.code in together:
        return (finding.code,)
    schema = schemas.get(finding.table or "")
    if schema is None or not finding.about.startswith(f"{schema}."):
        return (finding.code, "", finding.about, finding.subject)
    return (finding.code, "*", finding.about[len(schema) :], finding.subject)


def _table_or_about(finding: Finding) -> str:
    return finding.table or finding.about


def _one(members: Sequence[Finding], about: str, subject: str, name: Callable[[Finding], str]) -> Finding:
    ordered = sorted(members, key=lambda f: (-f.severity, -(f.impact_s_per_day or 0.0)))
    worst, names = ordered[0], [name(finding) for finding in ordered]
    impacts = [f.impact_s_per_day for f in members if f.impact_s_per_day is not None]
    where = "in" if subject == worst.subject else "of"
    return replace(
        worst,
        about=about,
        subject=subject,
        message=f"{worst.message} The same {where} {some_of(names[1:])}.",
        evidence={**worst.evidence, "objects": len(names), "names": listed(names)},
        fixes=_fixes(ordered),
        impact_s_per_day=sum(impacts) if impacts else None,
        impact_assumed_s_per_day=sum(f.impact_assumed_s_per_day for f in members),
    )


def _fixes(findings: Sequence[Finding]) -> tuple[Fix, ...]:
    """All statements with one title in one piece; code for an ORM is the first one's alone."""
    by_title: dict[tuple[str, str], list[str]] = {}
    for finding in findings[:MOST_NAMES]:
        for fix in finding.fixes:
            by_title.setdefault((fix.title, fix.language), []).append(fix.code)
    return tuple(
        Fix(title, language, _joined(codes) if language == "sql" else codes[0])
        for (title, language), codes in by_title.items()
    )


def _joined(codes: Sequence[str]) -> str:
    begins = codes[0].startswith(PATIENCE)
    bodies = [code.removeprefix(PATIENCE).lstrip("\n") if begins else code for code in codes]
    return "\n".join([PATIENCE, *bodies] if begins else bodies)
