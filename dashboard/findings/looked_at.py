"""Which checks look at a server: what "no finding" says."""

from dataclasses import dataclass

from analyzer.checks.document import by_subject
from analyzer.models import Server
from analyzer.store.check_rules import rules_of
from analyzer.words.lists import and_list

OF = {"plan": "plans", "statement": "statements", "schema": "tables", "index": "indexes", "server": "the server itself"}


@dataclass(frozen=True, slots=True)
class LookedAt:
    """``words``: "79 checks of plans, 24 of statements and 35 of the server itself"; ``off``: switched off here."""

    words: str
    off: int


def looked_at(server: Server) -> LookedAt:
    off = rules_of(server).off
    numbers = {subject: sum(check.code not in off for check in checks) for subject, checks in by_subject().items()}
    parts = [f"{number} of {OF[subject]}" for subject, number in numbers.items() if number]
    first, *others = parts or [""]
    return LookedAt(and_list([first.replace(" of ", " checks of ", 1), *others]), len(off))
