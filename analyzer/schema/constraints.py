"""Constraints of tables other than foreign keys, as facts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConstraintFacts:
    """A row of pg_constraint. ``columns``: those it names, in order."""

    name: str
    kind: str  # pg_constraint.contype: c check, p primary key, u unique, x exclusion, n not null (18)
    columns: tuple[str, ...] = ()
    definition: str = ""  # pg_get_constraintdef; "" where the table was locked
    is_validated: bool = True
    is_enforced: bool = True  # 18
    is_deferrable: bool = False
    is_inherited: bool = False  # nothing of the table's own: it came with its parent
