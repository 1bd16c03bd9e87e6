"""Triggers of tables, as facts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriggerFacts:
    """A row of pg_trigger; those that keep foreign keys are left out."""

    name: str
    function: str  # schema.name
    definition: str = ""  # pg_get_triggerdef; "" where the table was locked
    is_for_each_row: bool = True
    when: str = "AFTER"  # BEFORE, AFTER, INSTEAD OF
    events: tuple[str, ...] = ()  # INSERT, UPDATE, DELETE, TRUNCATE
    enabled: str = "O"  # pg_trigger.tgenabled: O origin, D disabled, R replica, A always
