"""Triggers of tables, as facts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriggerFacts:
    """A row of pg_trigger, without its arguments; those that keep foreign keys are left out."""

    name: str
    function: str  # schema.name
    is_for_each_row: bool = True
    when: str = "AFTER"  # BEFORE, AFTER, INSTEAD OF
    events: tuple[str, ...] = ()  # INSERT, UPDATE, DELETE, TRUNCATE
    enabled: str = "O"  # pg_trigger.tgenabled: O origin, D disabled, R replica, A always
