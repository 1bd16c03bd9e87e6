"""What the planner said of the recorded statements without one of the indexes: the proof that it may go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WithoutIndex:
    """``statements``: recorded ones that read the table, planned with the index and without it.

    Nothing is said of statements that were not recorded, nor of the ``not_planned``. ``dearer``: fingerprint of a
    statement whose plan would cost more than the planner takes as equal, from ``cost_before`` to ``cost_after``; None
    where none would. ``is_key_check``: the dearer one is a check of a foreign key. ``days_ago``: when it was planned;
    None: just now.
    """

    oid: int
    name: str
    statements: int
    not_planned: int = 0
    dearer: str | None = None
    cost_before: float | None = None
    cost_after: float | None = None
    is_key_check: bool = False
    days_ago: float | None = None

    @property
    def may_go(self) -> bool:
        return self.dearer is None

    @property
    def is_proved(self) -> bool:
        """Whether each recorded statement that reads the table was planned, and there are some."""
        return self.may_go and self.statements > 0 and not self.not_planned


def planned_words(verdicts: Iterable[WithoutIndex]) -> str:
    """ "planned", or, where it was not today, "planned 3 days ago"."""
    days = round(max((verdict.days_ago or 0.0 for verdict in verdicts), default=0.0))
    return f"planned {days} day{'s' if days > 1 else ''} ago" if days else "planned"


Proofs = Mapping[int, WithoutIndex]  # by the index's oid


def proof_words(verdicts: Iterable[WithoutIndex], *, is_one_table: bool = True) -> str:
    """Of indexes that may go, in a sentence. Statements are counted where all indexes are of one table."""
    verdicts = list(verdicts)
    most = max((verdict.statements for verdict in verdicts), default=0)
    missing = max((verdict.not_planned for verdict in verdicts), default=0)
    planned = planned_words(verdicts)
    without, table = "them" if len(verdicts) > 1 else "it", "the table" if is_one_table else "the tables"
    if not most:
        said = f"No recorded statement that could be planned reads {table}"
    elif not is_one_table:
        said = f"No recorded statement that reads {table} gets dearer without {without} ({planned})"
    elif most == 1:
        said = f"The one recorded statement that reads the table gets no dearer without {without} ({planned})"
    else:
        said = f"None of the {most:,} recorded statements that read the table gets dearer without {without} ({planned})"
    return f"{said}; not all could be planned." if missing else f"{said}."
