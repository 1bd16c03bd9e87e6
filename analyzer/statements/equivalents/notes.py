"""What a rewrite has to say beside its text."""

from dataclasses import dataclass, field

from analyzer.words.visible import visible_line


@dataclass(slots=True)
class Notes:
    """Collected while a tree is changed.

    ``given``: what the schema cannot tell and has to hold for the same rows: of parameters, of the session's time zone.
    ``why_not``: why something of the kind was left as it is.
    """

    given: list[str] = field(default_factory=list)
    why_not: list[str] = field(default_factory=list)

    def need(self, fact: str) -> None:
        fact = visible_line(fact)  # names of columns are in it
        if fact not in self.given:
            self.given.append(fact)

    def add(self, other: "Notes") -> None:
        for fact in other.given:
            self.need(fact)
        for reason in other.why_not:
            self.refuse(reason)

    def refuse(self, reason: str) -> bool:
        """False, for whoever asks whether the tree was changed."""
        reason = visible_line(reason)
        if reason not in self.why_not:
            self.why_not.append(reason)
        return False
