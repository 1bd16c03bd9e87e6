"""How many values an integer key has, and how far a sequence is into them."""

from dataclasses import dataclass

from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.schema.objects import SequenceFacts
from analyzer.schema.pace import DaysUntil

MOST_OF_TYPE = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class KeySpace:
    """A column that a sequence fills: ``most`` is what both can hold."""

    column: ColumnFacts
    sequence: SequenceFacts
    most: int

    @property
    def used_ratio(self) -> float | None:
        """Of 0 to 1; None where the last value is not known."""
        if self.sequence.last_value is None:
            return None
        return max(0, self.sequence.last_value) / self.most if self.most > 0 else None

    @property
    def room(self) -> int | None:
        """Values up to the last."""
        return None if self.sequence.last_value is None else self.most - self.sequence.last_value

    @property
    def is_used_up(self) -> bool:
        """No value is left to take. It no longer grows then, which is no sign of peace."""
        return self.room is not None and self.room < self.sequence.increment

    def lasts(self, days: float) -> bool:
        """Whether even the fast end of its own pace takes so long; False where that is not known."""
        fast = self.sequence.pace.high_per_day if self.sequence.pace is not None else None
        return fast is not None and self.room is not None and not self.is_used_up and self.room >= fast * days

    @property
    def reached(self) -> DaysUntil | None:
        """When the last value is, at the sequence's own pace."""
        pace = self.sequence.pace
        return pace.reaches(self.room) if pace is not None and self.room is not None else None


def integer_type(column: ColumnFacts) -> str | None:
    """smallint, integer or bigint, below any domain; None of other types."""
    name = column.declared_type or column.type_name
    return name if name in MOST_OF_TYPE else None


def key_spaces(facts: SchemaFacts, table: TableFacts) -> list[KeySpace]:
    """The integer columns of a table that a sequence of theirs fills upwards and never anew."""
    spaces = []
    for sequence in facts.sequences_of(table):
        column = table.column(sequence.column or "")
        if column is None or sequence.is_cycled or sequence.increment < 0:
            continue
        of_type = MOST_OF_TYPE.get(integer_type(column) or "")
        if of_type is not None:
            spaces.append(KeySpace(column, sequence, min(of_type, sequence.max_value)))
    return spaces
