"""What checks could not judge, in words: for commands and pages, and as the note of a step.

A note begins with the checks that failed, by code, kind of error and number alone: the page about pgLoupe itself reads
them back from there, so nothing that a server names may stand before them or among them.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.checks.engine import Outcome

FAILED = "Checks failed: "
ONE = re.compile(r"(?P<code>[A-Z]{2}\d{3}) \((?P<error>\w+)\) on (?P<things>\d+)")


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """``error``: its kind; ``subjects``: how many the check failed on."""

    code: str
    error: str
    subjects: int


def in_words(outcome: Outcome) -> list[str]:
    """What was not judged, a sentence for each check and reason; what failed first."""
    said = []
    for reasons, verb in ((outcome.failed, "failed"), (outcome.not_run, "not run")):
        for code, by_thing in sorted(reasons.items()):
            for reason, count in Counter(by_thing.values()).most_common():
                only = next(thing for thing, why in by_thing.items() if why == reason)
                where = f" on {count:,} things" if count > 1 else f" on {only}" if only else ""
                said.append(f"{code} {verb}{where}: {reason}")
    return said


def note(outcomes: Iterable[Outcome], others: Iterable[str] = ()) -> str:
    """Of a step that ran checks; ``others``: sentences of its own."""
    outcomes = list(outcomes)
    failed = Outcome()
    counts: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        failed.add(Outcome(failed=outcome.failed))
        counts.update((code, error) for code, by_thing in outcome.failed.items() for error in by_thing.values())
    listed = [f"{code} ({error}) on {things}" for (code, error), things in sorted(counts.items())]
    first = [FAILED + ", ".join(listed)] if listed else []
    rest = [sentence for outcome in outcomes for sentence in in_words(Outcome(not_run=outcome.not_run))]
    return "; ".join(dict.fromkeys([*first, *in_words(failed), *others, *rest]))


def failed_checks(text: str) -> list[FailedCheck]:
    """Those that a step's note begins with."""
    if not text.startswith(FAILED):
        return []
    parts = ONE.finditer(text.removeprefix(FAILED).partition(";")[0])
    return [FailedCheck(part["code"], part["error"], int(part["things"])) for part in parts]
