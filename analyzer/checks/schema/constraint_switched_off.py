"""Triggers or foreign keys that are switched off.

ALTER TABLE ... DISABLE TRIGGER ALL turns off the checks of foreign keys along with the triggers: children may come in
without a parent, and no error says so. It is done to load data fast, and forgotten. A constraint NOT ENFORCED (from 18
on) is likewise not checked, but says so where it is declared. To verify, psql's \\d lists disabled triggers.

Enable them (ENABLE TRIGGER ALL also enables what was turned off by name, and makes triggers ALWAYS or REPLICA ordinary
ones), then look for rows that came in meanwhile: a foreign key is checked again by dropping it and adding it NOT
VALID, then VALIDATE CONSTRAINT. Leave a trigger alone that somebody turned off on purpose, and mute this.
"""

from collections.abc import Iterable, Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.schema.triggers import TriggerFacts
from analyzer.words.lists import some_of

check = Check(__name__, code="SC033", title="Triggers or foreign keys switched off", severity=Severity.WARNING)
DISABLED = "D"
HOW_ENABLED = {"A": "ALWAYS", "R": "REPLICA"}


@check.on(TableFacts)
def constraint_switched_off(table: TableFacts) -> Iterator[Finding]:
    if table.kind not in "rpfv":
        return
    if table.triggers is None:
        raise NotRun("needs the tables' triggers")
    triggers = [trigger.name for trigger in table.triggers if trigger.enabled == DISABLED]
    keys = [key.name for key in table.foreign_keys if key.is_disabled and not key.is_inherited]
    if not triggers and not keys:
        return
    said = [f"foreign key {name}" for name in keys] + [f"trigger {name}" for name in triggers]
    yield check.finding(
        subject=table.name,
        message=(
            f"{some_of(said)} of {table.qualified_name} {'is' if len(said) == 1 else 'are'} switched off."
            + (" Rows without a parent come in unseen." if keys else "")
        ),
        hint="Enable them, and look at the rows that came in meanwhile." if keys else "Enable or drop it.",
        evidence={"foreign_keys": listed(keys), "triggers": listed(triggers), "table_rows": table.rows},
        table=table.qualified_name,
        fixes=(_enable_all(table, table.triggers) if keys else _enable(table, triggers),),
    )


def _enable(table: TableFacts, names: list[str]) -> Fix:
    on = qualified(table.schema, table.name)
    return to_copy(
        "Enable (SHARE ROW EXCLUSIVE, for a moment)",
        *(f"ALTER TABLE {on} ENABLE TRIGGER {quote_identifier(name)};" for name in names),
    )


def _enable_all(table: TableFacts, triggers: Iterable[TriggerFacts]) -> Fix:
    """A foreign key's triggers cannot be named apart; ALL makes those ALWAYS or REPLICA ordinary ones."""
    on = qualified(table.schema, table.name)
    again = [
        f"ALTER TABLE {on} ENABLE {HOW_ENABLED[trigger.enabled]} TRIGGER {quote_identifier(trigger.name)};"
        for trigger in triggers
        if trigger.enabled in HOW_ENABLED
    ]
    title = "Enable every trigger of the table (a superuser; SHARE ROW EXCLUSIVE, for a moment)"
    return to_copy(
        f"{title}, then those ALWAYS or REPLICA as they were; in one transaction" if again else title,
        f"ALTER TABLE {on} ENABLE TRIGGER ALL;",
        *again,
    )
