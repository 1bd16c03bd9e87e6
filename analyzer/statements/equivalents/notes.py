"""What a rewrite has to say beside its text."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pglast import ast

from analyzer.words.visible import visible_line

# forms of a kind: what is said of one need not hold of the other
ONE_DAY, OTHER_SPAN = "one day", "another span"
SINCE, UNTIL = "rows since a time", "rows until a time"
ANY_ROW, NO_ROW, ROW_SHOWN = "any row", "no row", "in the output whether there is a row"
FIRST_OF_GROUP, FIRST_FEW = "the first of each group", "the first few"
NO_TIES = "no two rows of a group tie in its ORDER BY, or any of them will do"

ANY_ROWS = "any rows will do where LIMIT takes them without ORDER BY"
ANY_ORDER = "no aggregate or window function goes by an order of rows that its ORDER BY leaves open"
NO_TIES_AT_LIMIT = "no two rows tie in ORDER BY where LIMIT ends, or any of them will do"
DETERMINISTIC = "the collation of {} is deterministic, as all are that are not declared otherwise"
ANY_LENGTH = "IN ($1) stands for a list of any length"


@dataclass(slots=True)
class Notes:
    """Collected while a tree is changed.

    ``assumptions``: what the schema cannot tell and has to hold for the same rows: of parameters, of the session's
    time zone.
    ``forms``: which of a kind's forms were written, for what is said of one form alone.
    ``why_not``: why something of the kind was left as it is.
    ``parts``: parameter -> the part of a time that it holds in the plan at hand (``time_calls.py``).
    ``whole``: the statement, of which a SELECT that is changed may be a part.
    ``locks_rows``: whether FOR UPDATE or the like stands anywhere in the statement.
    """

    assumptions: list[str] = field(default_factory=list)
    why_not: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    parts: Mapping[int, str] = field(default_factory=dict)
    locks_rows: bool = False
    whole: ast.Node | None = None

    def need(self, fact: str) -> None:
        fact = visible_line(fact)  # names of columns are in it
        if fact not in self.assumptions:
            self.assumptions.append(fact)

    def form(self, name: str) -> None:
        if name not in self.forms:
            self.forms.append(name)

    def add(self, other: "Notes") -> None:
        for fact in other.assumptions:
            self.need(fact)
        for name in other.forms:
            self.form(name)
        for reason in other.why_not:
            self.refuse(reason)

    def refuse(self, reason: str) -> bool:
        """False, for whoever asks whether the tree was changed."""
        reason = visible_line(reason)
        if reason not in self.why_not:
            self.why_not.append(reason)
        return False
