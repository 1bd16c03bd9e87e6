"""A Django migration's operations as the statements they run, read from its code: as far as that tells.

What an operation runs may depend on the project's state (AlterField) or be Python (RunPython): such is named.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from analyzer.review.files.django_alter import altered
from analyzer.review.files.django_fields import read_field
from analyzer.review.files.migration import Migration, Remark, Step, in_transactions, split, steps_of_sql
from analyzer.review.files.python_values import UNREAD, argument, code_of, last_name, sql_list, text, texts, value
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier

Items = Iterator[Step | Remark]

DEPENDING = frozenset({"AlterField", "AlterUniqueTogether", "AlterIndexTogether"})
NO_DATABASE = frozenset({"AlterModelOptions", "AlterModelManagers"})
EXTENSIONS = frozenset({
    "CreateExtension", "BloomExtension", "BtreeGinExtension", "BtreeGistExtension", "CITextExtension",
    "CryptoExtension", "HStoreExtension", "TrigramExtension", "UnaccentExtension",
})  # fmt: skip
BY_NAME = "Tables are named as Django does without db_table: app_model."
SQLMIGRATE = "give the output of manage.py sqlmigrate {app} {name} instead"


def read_django(source: str, file: str, schema: SchemaFacts | None) -> Migration:
    path = PurePath(file)
    app = path.parent.parent.name if path.parent.name == "migrations" else ""
    tree = ast.parse(source)
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Migration")
    attributes = {
        target.id: node.value for node in found.body if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    reader = _Reader(source, app, path.stem if app else "", schema)
    operations = attributes.get("operations")
    items = list(reader.operations(operations)) if isinstance(operations, ast.List) else []
    if not isinstance(operations, ast.List):
        items = [Remark(found.lineno, "The operations are no plain list, so they are not reviewed.")]
    if not app and reader.needs_app:
        said = "The app's label is the name of the folder above migrations/: give the file by its path there."
        items.append(Remark(found.lineno, said))
    steps, remarks = split(items)
    is_atomic = value(attributes.get("atomic"), True) is not False
    steps, _ = in_transactions(steps, is_atomic)
    return Migration(
        "django", tuple(steps), tuple(remarks), tuple(reader.no_way_back), BY_NAME if reader.needs_app else "",
        is_wrapped=is_atomic,
    )  # fmt: skip


@dataclass
class _Reader:
    source: str
    app: str
    name: str
    schema: SchemaFacts | None

    def __post_init__(self) -> None:
        self.no_way_back: list[Remark] = []
        self.tables: dict[str, str] = {}  # model -> its db_table, of this file
        self.made: set[str] = set()  # models, in lower case
        self.needs_app = False

    def operations(self, node: ast.List) -> Items:
        for each in node.elts:
            if isinstance(each, ast.Call):
                yield from self._operation(each)
            else:
                yield Remark(each.lineno, "An operation that is no call is not reviewed.")

    def _operation(self, call: ast.Call) -> Items:
        name = last_name(call)
        if name == "SeparateDatabaseAndState":
            inner = argument(call, "database_operations", 0)
            yield from self.operations(inner) if isinstance(inner, ast.List) else ()
            return
        if name in NO_DATABASE:
            return
        read = OPERATIONS.get(name)
        found = read(self, call) if read is not None else None
        if found is None:
            depends = read is None or name in DEPENDING
            why = "what it runs depends on the project" if depends else "not all of it is written plainly"
            instead = SQLMIGRATE.format(app=self.app or "APP", name=self.name or "NAME")
            yield Remark(call.lineno, f"{name or 'An operation'} is not reviewed: {why}; {instead}.")
            return
        code = code_of(self.source, call)
        for item in found:
            if isinstance(item, str):
                for step in steps_of_sql(item, call.lineno, name):
                    yield replace(step, source=code) if isinstance(step, Step) else step
            else:
                yield item

    # -- names --------------------------------------------------------------------------------------------

    def table(self, model: str) -> str:
        """Quoted; as the model's db_table says, or as Django names it."""
        return quote_identifier(self.table_name(model))

    def table_name(self, model: str) -> str:
        app, _, name = model.rpartition(".")
        self.needs_app = self.needs_app or model.lower() not in self.tables
        return self.tables.get(model.lower()) or f"{(app or self.app or 'app').lower()}_{name.lower()}"

    def key(self, model: str) -> tuple[str, str]:
        """What a foreign key references: the table, quoted, and its key's type, bigint where nobody tells."""
        found = self.schema.find_table(self.table_name(model)) if self.schema is not None else None
        column = found.column(found.primary_key[0]) if found is not None and len(found.primary_key) == 1 else None
        return self.table(model), column.type_name if column is not None else "bigint"

    def column(self, model: str, field: str) -> str:
        """A foreign key's column ends in _id: the server tells which a field is."""
        found = self.schema.find_table(self.table_name(model)) if self.schema is not None else None
        if found is not None and found.column(field) is None and found.column(f"{field}_id") is not None:
            return f"{field}_id"
        return field

    def columns(self, model: str, fields: list[str]) -> str:
        return sql_list([self.column(model, f.lstrip("-")) for f in fields])


Read = Callable[[_Reader, ast.Call], "list[str | Step | Remark] | None"]


def _run_sql(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    found = value(argument(call, "sql", 0))
    if argument(call, "reverse_sql", 1) is None:
        reader.no_way_back.append(Remark(call.lineno, "RunSQL has no reverse_sql, so the migration cannot go back."))
    if isinstance(found, str):
        return [] if not found.strip() else [found]
    if not isinstance(found, (list, tuple)):
        return None
    parts = [part[0] if isinstance(part, (list, tuple)) and part else part for part in found]
    return list(parts) if all(isinstance(part, str) for part in parts) else None


def _run_python(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    if argument(call, "reverse_code", 1) is None:
        text_ = "RunPython has no reverse_code, so the migration cannot go back."
        reader.no_way_back.append(Remark(call.lineno, text_))
    return ["DO $$ $$"]


def _add_index(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    index, model = argument(call, "index", 1), text(call, "model_name", 0)
    if not isinstance(index, ast.Call):
        return None
    fields, name = texts(index, "fields"), text(index, "name")
    if fields is None or not fields or index.args:
        return None
    how = "CONCURRENTLY " if last_name(call).endswith("Concurrently") else ""
    method = {"GinIndex": "gin", "GistIndex": "gist", "BrinIndex": "brin", "HashIndex": "hash", "SpGistIndex": "spgist",
              "BloomIndex": "bloom"}.get(last_name(index), "btree")  # fmt: skip
    # the condition is Python: some condition, so that nobody takes the index for one of all rows
    where = " WHERE true" if argument(index, "condition") is not None else ""
    target = f"{reader.table(model)} USING {method} ({reader.columns(model, fields)})"
    return [f"CREATE INDEX {how}{quote_identifier(name) if name else ''} ON {target}{where}"]


def _remove_index(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    how = "CONCURRENTLY " if last_name(call).endswith("Concurrently") else ""
    name = text(call, "name", 1)
    return [f"DROP INDEX {how}IF EXISTS {quote_identifier(name)}"] if name else None


def _add_field(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    model, name, node = text(call, "model_name", 0), text(call, "name", 1), argument(call, "field", 2)
    field = read_field(name, node, reader.key) if node is not None else None
    if field is None or not model or not name:
        return None
    table = reader.table(model)
    if field.through:
        return _through(reader, model, name, field.through) if field.through != "-" else []
    found: list[str | Step | Remark] = [f"ALTER TABLE {table} ADD COLUMN {field.sql}"]
    if field.has_default:
        found.append(f"ALTER TABLE {table} ALTER COLUMN {quote_identifier(field.column)} DROP DEFAULT")
    if field.index_column:
        found.append(f"CREATE INDEX ON {table} ({quote_identifier(field.index_column)})")
    return found


def _alter_field(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    """By the column as the server has it: what the field was before only the project knows."""
    model, name, node = text(call, "model_name", 0), text(call, "name", 1), argument(call, "field", 2)
    table = reader.schema.find_table(reader.table_name(model)) if reader.schema is not None else None
    field = read_field(name, node, reader.key) if node is not None else None
    if table is None or field is None or field.through:
        return None
    found = altered(field, table, reader.table(model))
    return None if found is None else list(found)


def _together(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    """Of a model that this file makes."""
    return [] if text(call, "name", 0).lower() in reader.made else None


def _through(reader: _Reader, model: str, name: str, to: str) -> list[str | Step | Remark]:
    table = quote_identifier(f"{reader.table_name(model)}_{name}".lower())
    ends = (reader.table(model), reader.table(to))
    columns = "".join(f", end_{n} bigint NOT NULL UNIQUE REFERENCES {end} (id)" for n, end in enumerate(ends))
    return [f"CREATE TABLE {table} (id bigint PRIMARY KEY{columns})"]


def _create_model(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    name, fields, options = text(call, "name", 0), argument(call, "fields", 1), argument(call, "options", 2)
    given = {}
    if isinstance(options, ast.Dict):
        given = {value(k): v for k, v in zip(options.keys, options.values, strict=True) if k is not None}
    if value(given.get("proxy"), False) or value(given.get("managed"), True) is False:
        return []
    if not isinstance(fields, ast.List) or not name:
        return None
    db_table = value(given.get("db_table"))
    if isinstance(db_table, str):
        reader.tables[name.lower()] = db_table
    reader.made.add(name.lower())
    columns, after = [], []
    table = reader.table(name)
    for each in fields.elts:
        is_pair = isinstance(each, ast.Tuple) and len(each.elts) == 2
        field_name = value(each.elts[0]) if is_pair and isinstance(each, ast.Tuple) else UNREAD
        if not isinstance(field_name, str) or not isinstance(each, ast.Tuple):
            return None
        field = read_field(field_name, each.elts[1], reader.key)
        if field is None:
            return None
        if field.through:
            after += _through(reader, name, field_name, field.through) if field.through != "-" else []
            continue
        columns.append(field.sql)
        if field.index_column:
            after.append(f"CREATE INDEX ON {table} ({quote_identifier(field.index_column)})")
    return [f"CREATE TABLE {table} ({', '.join(columns)})", *after]


def _add_constraint(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    model, constraint = text(call, "model_name", 0), argument(call, "constraint", 1)
    if not isinstance(constraint, ast.Call):
        return None
    table, name, kind = (
        reader.table(model),
        quote_identifier(text(constraint, "name") or "unnamed"),
        last_name(constraint),
    )
    if kind == "CheckConstraint":  # its condition is Python
        how = " NOT VALID" if last_name(call) == "AddConstraintNotValid" else ""
        return [f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (true){how}"]
    fields = texts(constraint, "fields")
    if kind != "UniqueConstraint" or not fields or constraint.args:
        return None
    columns = reader.columns(model, fields)
    if argument(constraint, "condition") is not None:
        return [f"CREATE UNIQUE INDEX {name} ON {table} ({columns}) WHERE true"]
    return [f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE ({columns})"]


def _of_model(sql: str, *names: str) -> Read:
    """A statement on the model's table, with names of the operation's arguments filled in."""

    def read(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
        model = text(call, "model_name", 0) or text(call, "name", 0)
        given = {name: text(call, name, at) for at, name in enumerate(names, start=1)}
        if not model or not all(given.values()):
            return None
        filled = {n: quote_identifier(reader.column(model, g)) for n, g in given.items()}
        return [sql.format(table=reader.table(model), **filled)]

    return read


def _rename_model(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    old, new = text(call, "old_name", 0), text(call, "new_name", 1)
    if not old or not new:
        return None
    return [f"ALTER TABLE {reader.table(old)} RENAME TO {reader.table(new)}"]


def _alter_table_name(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    name, table = text(call, "name", 0), text(call, "table", 1)
    return [f"ALTER TABLE {reader.table(name)} RENAME TO {quote_identifier(table)}"] if name and table else None


def _extension(reader: _Reader, call: ast.Call) -> list[str | Step | Remark] | None:
    """Which one it is makes no difference to locks."""
    return []


OPERATIONS: dict[str, Read] = {
    "RunSQL": _run_sql, "RunPython": _run_python, "AddIndex": _add_index, "AddIndexConcurrently": _add_index,
    "RemoveIndex": _remove_index, "RemoveIndexConcurrently": _remove_index, "AddField": _add_field,
    "CreateModel": _create_model, "AlterField": _alter_field, "AlterUniqueTogether": _together,
    "AlterIndexTogether": _together, "AddConstraint": _add_constraint, "AddConstraintNotValid": _add_constraint,
    "ValidateConstraint": _of_model("ALTER TABLE {table} VALIDATE CONSTRAINT {name}", "name"),
    "RemoveConstraint": _of_model("ALTER TABLE {table} DROP CONSTRAINT {name}", "name"),
    "RemoveField": _of_model("ALTER TABLE {table} DROP COLUMN {name} CASCADE", "name"),
    "RenameField": _of_model("ALTER TABLE {table} RENAME COLUMN {old_name} TO {new_name}", "old_name", "new_name"),
    "DeleteModel": _of_model("DROP TABLE {table} CASCADE"),
    "RenameModel": _rename_model, "AlterModelTable": _alter_table_name,
    **dict.fromkeys(EXTENSIONS, _extension),
}  # fmt: skip
