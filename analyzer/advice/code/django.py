"""A Django migration that creates or drops an index CONCURRENTLY, with the line for ``Meta.indexes``.

Where Django's classes cannot say the index, or its operation would do nothing (django_place.py), the migration runs
SQL and Django's state stays as it is. Timeouts are switched off for its session and put back: CREATE INDEX CONCURRENTLY
takes no lock that anybody queues behind, and a timeout half-way would leave an invalid index.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.advice.code.change import (
    Change,
    CodeFile,
    CodeOptions,
    CodeTab,
    invalid_index_check,
    missing_index_check,
    python_call,
    python_comment,
    python_list,
)
from analyzer.advice.code.django_index import IndexSource, index_source
from analyzer.advice.code.django_place import place_of
from analyzer.schema.index_names import fits
from analyzer.schema.orm_models import DjangoModel
from analyzer.schema.python_source import python_string

# schema_editor._create_index_name() for db_index and ForeignKey; Index.set_name_with_model() for unnamed Meta.indexes
NAME_OF_DB_INDEX = re.compile(r"_[0-9a-f]{8}(_like|_uniq)?$")
SET = ("SET statement_timeout = 0", "SET lock_timeout = 0")
RESET = ("RESET statement_timeout", "RESET lock_timeout")
NO_WORDS = "Django's classes cannot say this index, so the migration runs SQL and Meta.indexes stays as it is."


@dataclass(frozen=True, slots=True)
class Operation:
    """``source`` of the operations; ``imports`` only where they are Django's own."""

    source: str
    imports: tuple[str, ...] = ()


def django_tab(change: Change, options: CodeOptions) -> CodeTab:
    place = place_of(change, options)
    model = place.model
    source = index_source(change.definition, model) if model and change.definition else None
    operation, more_notes = _remove(change, model, source) if change.is_drop else _add(change, model, source)
    more: tuple[CodeFile, ...] = ()
    if source is not None and model is not None and operation.imports:
        more = (_meta(change, model, source.named(change.name)),)
    notes = [*place.notes, *more_notes]
    notes.append("Run migrate over a direct connection, not through a transaction pooler: it sets timeouts.")
    code = _migration(change, operation, place.dependencies)
    file_name = f"{place.app or 'yourapp'}/migrations/{place.number}_{change.slug}.py"
    return CodeTab("django", "Django", file_name, "python", code, tuple(notes), more)


def _add(change: Change, model: DjangoModel | None, source: IndexSource | None) -> tuple[Operation, list[str]]:
    if source is None or model is None:
        return _add_by_sql(change), [NO_WORDS] if model else []
    arguments = [f"model_name={python_string(model.model.lower())}"]
    arguments.append(f"index={source.named(change.name).render(12)}")
    parts = [python_call("AddIndexConcurrently", arguments, 8)]
    if change.before:  # an invalid index that an earlier attempt left has the name this one takes
        comment = ""
        if any(s.startswith("CREATE EXTENSION") for s in change.before):
            comment = "# as TrigramExtension(), which on the way back drops what other indexes may use\n        "
        parts.insert(0, comment + _run_sql(change.before, ()).source)
    if model.is_managed is None:
        parts.append(_run_sql([missing_index_check(change.table.schema, change.name)], ()).source)
    if change.after:
        parts.append(_run_sql(change.after, ()).source)
    imports = ("from django.contrib.postgres.operations import AddIndexConcurrently", *source.imports)
    return Operation(",\n        ".join(parts), imports), list(source.notes)


def _add_by_sql(change: Change) -> Operation:
    checks = [invalid_index_check(b.table.schema, b.name) for b in change.ddl.builds]
    if change.table.kind == "p":
        return _run_sql([*change.ddl.statements, *checks], change.ddl.undo_statements)
    statements = [*change.before, *(b.sql for b in change.ddl.builds), *checks, *change.after]
    return _run_sql(statements, change.ddl.undo_statements)


def _remove(change: Change, model: DjangoModel | None, source: IndexSource | None) -> tuple[Operation, list[str]]:
    by_sql = _run_sql(change.ddl.statements, change.ddl.undo_statements)
    is_from_field = NAME_OF_DB_INDEX.search(change.name) is not None
    if model is None or is_from_field or source is None or not fits(change.name):
        notes = []
        if is_from_field:
            notes.append(
                "Its name is the one Django gives for db_index=True or a ForeignKey. Apply this migration first, then"
                " set db_index=False on the field: the AlterField of makemigrations finds nothing left to drop."
            )
        return by_sql, notes
    arguments = [f"model_name={python_string(model.model.lower())}", f"name={python_string(change.name)}"]
    text = python_call("RemoveIndexConcurrently", arguments, 8)
    notes = [
        "For an index that Meta.indexes lists: delete its line there too. For one made by hand Django stops with"
        f" 'No index named {change.name}': run the SQL tab's statements with migrations.RunSQL instead."
    ]
    return Operation(text, ("from django.contrib.postgres.operations import RemoveIndexConcurrently",)), notes


def _run_sql(forwards: Sequence[str], backwards: Sequence[str]) -> Operation:
    """A list, so that each statement is sent alone: several at once would be one transaction."""
    lists = [python_list([python_string(s) for s in each], 12) for each in (forwards, backwards)]
    back = lists[1] if backwards else "migrations.RunSQL.noop"
    return Operation(python_call("migrations.RunSQL", [f"sql={lists[0]}", f"reverse_sql={back}"], 8))


def _migration(change: Change, operation: Operation, dependencies: Sequence[str]) -> str:
    imports = sorted({*operation.imports, "from django.db import migrations"})
    if "models." in operation.source:
        imports = [line.replace("import migrations", "import migrations, models") for line in imports]
    standard = "import datetime\n\n" if "datetime.date(" in operation.source else ""
    session = [_run_sql(SET, RESET).source, _run_sql(RESET, SET).source]
    return (
        f"{python_comment(change.title)}"
        f"{standard}{chr(10).join(imports)}\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    atomic = False  # CONCURRENTLY cannot run inside a transaction\n\n"
        f"    dependencies = [\n{''.join(f'        {line}{chr(10)}' for line in dependencies)}    ]\n\n"
        "    operations = [\n"
        "        # a timeout half-way would leave an invalid index\n"
        f"        {session[0]},\n        {operation.source},\n        {session[1]},\n    ]\n"
    )


def _meta(change: Change, model: DjangoModel, source: IndexSource) -> CodeFile:
    verb = "delete this line from" if change.is_drop else "add this line to"
    imports = [i for i in source.imports if i != "from django.db import models"]
    code = (
        f"{python_comment(f'{verb} the indexes of class Meta')}"
        f"{''.join(f'{line}{chr(10)}' for line in ['from django.db import models', *sorted(imports)])}\n\n"
        f"class {model.model}(models.Model):\n    # ...\n"
        f"    class Meta:\n        indexes = [\n            {source.render(12)},\n        ]\n"
    )
    standard = "import datetime\n\n" if "datetime.date(" in code else ""
    return CodeFile("Meta.indexes", f"{model.app}/models.py", "python", standard + code)
