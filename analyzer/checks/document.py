"""Writes docs/checks/ from the checks themselves: ``python -m analyzer.checks.document docs/checks``.

One page a sub-package and an index; tests/checks/test_document.py fails where they are not what this writes.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from analyzer.checks import Check, all_checks, impact
from analyzer.checks.threshold import SharedThresholds, Threshold

SUBJECTS = {  # sub-package -> what its checks look at
    "plan": "One executed plan, node by node",
    "statement": "A statement's text, its figures and its behaviour over time",
    "schema": "Tables, columns, keys and constraints",
    "index": "Single indexes",
    "server": "Sessions and settings of a server",
}


def paragraphs(check: Check | SharedThresholds) -> list[str]:
    """The check's help: what it means, how to verify and mend it, when to leave it alone."""
    return [" ".join(part.split()) for part in check.doc.split("\n\n")]


def subject_of(check: Check) -> str:
    """Its sub-package, a key of SUBJECTS."""
    return check.module.split(".")[-2]


def by_subject() -> dict[str, list[Check]]:
    """Checks by sub-package, in the order of SUBJECTS."""
    groups: defaultdict[str, list[Check]] = defaultdict(list)
    for check in all_checks():
        groups[subject_of(check)].append(check)
    return {subject: groups[subject] for subject in SUBJECTS if subject in groups}


def pages() -> dict[str, str]:
    """File name -> Markdown."""
    groups = by_subject()
    index = ["# Checks", "", "Written by `python -m analyzer.checks.document docs/checks`. Each check can be switched"]
    index += ["off and its thresholds changed for a server, with a reason, on the page Checks.", ""]
    written = {}
    for subject, checks in groups.items():
        index += [f"## [{SUBJECTS[subject]}]({subject}.md)", "", "| code | check | severity |", "| --- | --- | --- |"]
        index += [f"| {c.code} | {c.title} | {c.severity.name.lower()} |" for c in checks]
        index.append("")
        lines = [f"# {SUBJECTS[subject]}", ""]
        for check in checks:
            lines += list(_of_check(check))
        written[f"{subject}.md"] = "\n".join(lines)
    shared = impact.SEVERITY_BY_TIME
    index += [f"## {shared.title}", "", *(line for part in paragraphs(shared) for line in (part, ""))]
    index += list(_table(list(shared.thresholds.items())))
    written["README.md"] = "\n".join([*index, ""])
    return written


def _of_check(check: Check) -> Iterator[str]:
    yield f"## {check.code}: {check.title}"
    yield ""
    for paragraph in paragraphs(check):
        yield paragraph
        yield ""
    if check.thresholds:
        yield from _table(list(check.thresholds.items()))
        yield ""


def _table(thresholds: Sequence[tuple[str, Threshold]]) -> Iterator[str]:
    yield "| threshold | value | where it comes from |"
    yield "| --- | --- | --- |"
    for name, threshold in thresholds:
        yield f"| {name} | {threshold.value:,.10g} {threshold.unit} | {threshold.source} |"


def main(folder: str) -> None:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (target / name).write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:2])
