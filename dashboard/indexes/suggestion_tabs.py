"""An index suggestion as texts to copy: DDL, rollout script, code to commit; to create the index, or to drop it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pglast.parser import ParseError

from analyzer.advice.code import CodeFile, CodeOptions, CodeTab, Models, code_for, code_for_drop
from analyzer.advice.code.change import Change, creation, removal
from analyzer.advice.outcome import definition_from_json
from analyzer.advice.rollout.script import rollout
from analyzer.models import SuggestionRecord
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts

State = SuggestionRecord.State
APPLIED = (
    "The index is on the server already. Apply the migration with migrate --fake (Django) or alembic stamp, so that"
    " your code knows of it too."
)
# the tabs that lead, by the ORM of the database
FIRST = {"django": ("django",), "sqlalchemy": ("alembic", "sqlalchemy"), "sqlmodel": ("alembic", "sqlmodel")}


@dataclass(frozen=True, slots=True)
class SuggestionTabs:
    """``tabs`` are in the order shown; ``why_few`` says why there is no code but the DDL; "" where there is."""

    tabs: tuple[CodeTab, ...]
    why_few: str = ""
    is_drop: bool = False
    note: str = ""


def suggestion_tabs(
    record: SuggestionRecord, facts: SchemaFacts | None, models: Models, now: datetime
) -> SuggestionTabs:
    """``now``: in the reader's time zone; it goes into the names of files."""
    options = CodeOptions(now, models.django, models.classes)
    if record.state == State.NOT_USED and not record.outcome.get("kept_for"):
        built = _built(record, facts)
        if built is None or facts is None:
            ddl = CodeTab("ddl", "SQL", "", "sql", record.outcome.get("drop_ddl") or "")
            return SuggestionTabs((ddl,) if ddl.code else (), "The index is not in the newest reading.", is_drop=True)
        table, index = built
        change = removal(index, table, facts)
        files = code_for_drop(index, table, facts, options)
        return SuggestionTabs(_tabs(change, files, {}, record, now), is_drop=True)
    if facts is None or not record.definition:
        why = "There is no reading of the schema" if facts is None else "An older version made this suggestion"
        return SuggestionTabs(_ddl_alone(record), f"{why}, so the code to commit cannot be written.")
    definition = definition_from_json(record.definition, facts)
    if definition is None:
        return SuggestionTabs(_ddl_alone(record), "The table is not in the newest reading of the schema.")
    name = record.built_index_name or record.name
    try:
        change = creation(definition, facts, name=name)
        files = code_for(definition, facts, options, name=name)
        sizes = {} if record.estimated_size_bytes is None else {name: record.estimated_size_bytes}
        tabs = _tabs(change, files, sizes, record, now)
    except ParseError:
        return SuggestionTabs(_ddl_alone(record), "This index cannot be read as SQL, so there is no code to commit.")
    return SuggestionTabs(tabs, note=APPLIED if record.state in SuggestionRecord.FOLLOWED else "")


def _tabs(
    change: Change, files: list[CodeTab], sizes: Mapping[str, int], record: SuggestionRecord, now: datetime
) -> tuple[CodeTab, ...]:
    script = rollout([change], now, sizes, database=record.database.name)
    ddl = CodeTab(
        "ddl", "SQL", "", "sql", change.ddl.text, change.ddl.notes, (CodeFile("Undo", "", "sql", change.ddl.undo_text),)
    )
    rolled = CodeTab(  # "psql" has no colours: those of two scripts of 300 lines took 0.2 s
        "rollout", "Rollout script", script.file_name, "psql", script.script,
        (
            "For psql: it looks who is in the way, waits, tries again where a lock timed out, drops what a broken-off"
            " build left, and says at the end whether the index is valid. It may run twice.",
        ),
        (CodeFile("Undo", script.undo_file_name, "psql", script.undo),),
    )  # fmt: skip
    plain, *others = files
    pair = replace(plain, title="SQL files")
    first = FIRST.get(record.database.code_first, ())
    return tuple(sorted((ddl, rolled, *others, pair), key=lambda tab: tab.key not in first))


def _ddl_alone(record: SuggestionRecord) -> tuple[CodeTab, ...]:
    undo = (CodeFile("Undo", "", "sql", record.undo_ddl),) if record.undo_ddl else ()
    return (CodeTab("ddl", "SQL", "", "sql", record.ddl, (), undo),)


def _built(record: SuggestionRecord, facts: SchemaFacts | None) -> tuple[TableFacts, IndexFacts] | None:
    definition = definition_from_json(record.definition, facts) if facts and record.definition else None
    if definition is None:
        return None
    named = (i for i in definition.table.indexes if i.name == record.built_index_name)
    index = next(named, None)
    return (definition.table, index) if index else None
