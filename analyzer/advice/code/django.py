"""A Django migration that creates or drops an index CONCURRENTLY, with the line for ``Meta.indexes``.

Where Django's classes cannot say the index, or the table's model is not known, the migration runs SQL. Timeouts are
switched off for its session and put back: CREATE INDEX CONCURRENTLY takes no lock that anybody queues behind, and a
timeout half-way would leave an invalid index. Django's own limit for names is 30 characters (Index.max_name_length).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.advice.code.change import (
    Change,
    CodeFile,
    CodeOptions,
    CodeTab,
    creation,
    invalid_index_check,
    python_call,
    python_comment,
    python_list,
    python_string,
)
from analyzer.advice.code.django_index import IndexSource, index_source
from analyzer.advice.code.models_map import DjangoModel, model_of, through_app
from analyzer.advice.ddl import MAX_NAME_BYTES

MAX_NAME_CHARACTERS = 30
# schema_editor._create_index_name() for db_index and ForeignKey; Index.set_name_with_model() for unnamed Meta.indexes
NAME_OF_DB_INDEX = re.compile(r"_[0-9a-f]{8}(_like|_uniq)?$")
SET = ("SET statement_timeout = 0", "SET lock_timeout = 0")
RESET = ("RESET statement_timeout", "RESET lock_timeout")


@dataclass(frozen=True, slots=True)
class Operation:
    source: str
    imports: tuple[str, ...] = ()


def django_tab(change: Change, options: CodeOptions) -> CodeTab:
    through = through_app(change.table)
    model = None if through else model_of(change.table, options.django_models)
    app = through or (model.app if model else None)
    source = _source(change, model)
    notes = _model_notes(change, model, through)
    if change.is_drop:
        operation, more_notes = _remove(change, model, source)
    else:
        change, operation, more_notes = _add(change, model, source)
    notes += more_notes
    number, dependency = _previous(app, options)
    more: tuple[CodeFile, ...] = ()
    if source is not None and model is not None and operation.imports:
        more = (_meta(change, model, source.named(change.name)),)
    notes.append("Run migrate over a direct connection, not through a transaction pooler: it sets timeouts.")
    code = _migration(change, operation, dependency)
    file_name = f"{app or 'yourapp'}/migrations/{number}_{change.slug}.py"
    return CodeTab("django", "Django", file_name, "python", code, tuple(notes), more)


def django_name(name: str) -> str:
    """Within 30 characters, and PostgreSQL's 63 bytes; longer ones end in a mark of the whole name."""
    if len(name) <= MAX_NAME_CHARACTERS and len(name.encode()) <= MAX_NAME_BYTES and name[0] not in "_0123456789":
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    head = (name if name[0] not in "_0123456789" else f"ix{name}")[: MAX_NAME_CHARACTERS - len(mark) - 1]
    while len(head.encode()) > MAX_NAME_BYTES - len(mark) - 1:
        head = head[:-1]
    return f"{head.rstrip('_')}_{mark}"


def _source(change: Change, model: DjangoModel | None) -> IndexSource | None:
    """The index in Django's classes; None where SQL has to say it."""
    if model is None or change.definition is None or change.table.kind == "p":
        return None
    return index_source(change.definition, model)


def _add(change: Change, model: DjangoModel | None, source: IndexSource | None) -> tuple[Change, Operation, list[str]]:
    short = django_name(change.name)
    if source is None or model is None or change.definition is None:
        statements = [s for s in change.ddl.statements if not s.startswith(("SET ", "RESET "))]
        if change.table.kind == "p":
            statements = list(change.ddl.statements)
        checks = [invalid_index_check(b.table.schema, b.name) for b in change.ddl.builds]
        notes = ["Django's classes cannot say this index, so the migration runs SQL and Meta.indexes stays as it is."]
        return change, _run_sql([*statements, *checks], change.ddl.undo_statements), notes if model else []
    notes = []
    if short != change.name:
        notes.append(
            f"Django allows 30 characters, so the index is called {short} here and {change.name} in the DDL."
            " Use one of the two, not both: they would be the same index twice."
        )
        change = creation(change.definition, change.facts, change.planned, short)
    drops = [s for s in change.ddl.statements if s.startswith("DROP ")]
    arguments = [f"model_name={python_string(model.model.lower())}"]
    arguments.append(f"index={source.named(short).render(12)}")
    text = python_call("AddIndexConcurrently", arguments, 8)
    if drops:  # the invalid index an earlier attempt left has the name this one takes
        text = f"{_run_sql(drops, ()).source},\n        {text}"
    imports = ("from django.contrib.postgres.operations import AddIndexConcurrently", *source.imports)
    return change, Operation(text, imports), notes + list(source.notes)


def _remove(change: Change, model: DjangoModel | None, source: IndexSource | None) -> tuple[Operation, list[str]]:
    by_sql = _run_sql(change.ddl.statements, change.ddl.undo_statements)
    is_from_field = NAME_OF_DB_INDEX.search(change.name) is not None
    if model is None or is_from_field or source is None or len(change.name) > MAX_NAME_CHARACTERS:
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


def _migration(change: Change, operation: Operation, dependency: str) -> str:
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
        f"    dependencies = [\n        {dependency}\n    ]\n\n"
        "    operations = [\n"
        "        # a timeout half-way would leave an invalid index\n"
        f"        {session[0]},\n        {operation.source},\n        {session[1]},\n    ]\n"
    )


def _previous(app: str | None, options: CodeOptions) -> tuple[str, str]:
    """The new migration's number, and its dependency."""
    label = python_string(app or "yourapp")
    if options.django_previous is None:
        return "NNNN", f'({label}, "0001_initial"),  # put the latest migration of the app here'
    digits = re.match(r"\d+", options.django_previous)
    number = f"{int(digits[0]) + 1:0{len(digits[0])}}" if digits else "NNNN"
    return number, f"({label}, {python_string(options.django_previous)}),"


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


def _model_notes(change: Change, model: DjangoModel | None, through: str | None) -> list[str]:
    table = change.table.qualified_name
    if through:
        return [f"{table} looks like the table of a ManyToManyField: it has no model, so the migration runs SQL."]
    if model is None:
        return [
            f"The name of {table} does not tell its model. Give a map (table = app.Model) to get AddIndexConcurrently;"
            " until then the migration runs SQL and can stand in any app."
        ]
    if model.is_guess:
        return [
            f"App {model.app} and model {model.model} are read from the table's name, fields from the columns."
            " A map (table = app.Model) says it for certain."
        ]
    return []
