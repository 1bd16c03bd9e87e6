"""Django's operations as SQL; None of what is not written plainly, or depends on more than the file.

What only Python says (a condition, what RunPython does) stands as a mark that ``Step.is_read`` knows.
"""

import ast
from collections.abc import Callable

from analyzer.review.files.django_alter import altered
from analyzer.review.files.django_fields import read_field
from analyzer.review.files.django_names import DjangoNames
from analyzer.review.files.migration import Remark
from analyzer.review.files.python_values import UNREAD, argument, last_name, text, texts, value
from analyzer.schema.quoting import quote_identifier

EXTENSIONS = frozenset({
    "CreateExtension", "BloomExtension", "BtreeGinExtension", "BtreeGistExtension", "CITextExtension",
    "CryptoExtension", "HStoreExtension", "TrigramExtension", "UnaccentExtension",
})  # fmt: skip

Read = Callable[[DjangoNames, ast.Call], "list[str] | None"]


def _run_sql(names: DjangoNames, call: ast.Call) -> list[str] | None:
    literal = value(argument(call, "sql", 0))
    if argument(call, "reverse_sql", 1) is None:
        names.no_way_back.append(Remark(call.lineno, "RunSQL has no reverse_sql, so the migration cannot go back."))
    if isinstance(literal, str):
        return [] if not literal.strip() else [literal]
    if not isinstance(literal, (list, tuple)):
        return None
    parts = [part[0] if isinstance(part, (list, tuple)) and part else part for part in literal]
    return list(parts) if all(isinstance(part, str) for part in parts) else None


def _run_python(names: DjangoNames, call: ast.Call) -> list[str] | None:
    if argument(call, "reverse_code", 1) is None:
        text_ = "RunPython has no reverse_code, so the migration cannot go back."
        names.no_way_back.append(Remark(call.lineno, text_))
    return ["DO $$ $$"]


def _add_index(names: DjangoNames, call: ast.Call) -> list[str] | None:
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
    target = f"{names.table(model)} USING {method} ({names.columns(model, fields)})"
    return [f"CREATE INDEX {how}{quote_identifier(name) if name else ''} ON {target}{where}"]


def _remove_index(names: DjangoNames, call: ast.Call) -> list[str] | None:
    how = "CONCURRENTLY " if last_name(call).endswith("Concurrently") else ""
    name = text(call, "name", 1)
    return [f"DROP INDEX {how}IF EXISTS {quote_identifier(name)}"] if name else None


def _add_field(names: DjangoNames, call: ast.Call) -> list[str] | None:
    model, name, node = text(call, "model_name", 0), text(call, "name", 1), argument(call, "field", 2)
    field = read_field(name, node, names.key) if node is not None else None
    if field is None or not model or not name:
        return None
    table = names.table(model)
    if field.through:
        return _through(names, model, name, field.through) if field.through != "-" else []
    commands: list[str] = [f"ALTER TABLE {table} ADD COLUMN {field.sql}"]
    if field.has_default:
        commands.append(f"ALTER TABLE {table} ALTER COLUMN {quote_identifier(field.column)} DROP DEFAULT")
    if field.index_column:
        commands.append(f"CREATE INDEX ON {table} ({quote_identifier(field.index_column)})")
    return commands


def _alter_field(names: DjangoNames, call: ast.Call) -> list[str] | None:
    """By the column as the server has it: what the field was before only the project knows."""
    model, name, node = text(call, "model_name", 0), text(call, "name", 1), argument(call, "field", 2)
    table = names.schema.find_table(names.table_name(model)) if names.schema is not None else None
    field = read_field(name, node, names.key) if node is not None else None
    if table is None or field is None or field.through:
        return None
    commands = altered(field, table, names.table(model))
    return None if commands is None else list(commands)


def _together(names: DjangoNames, call: ast.Call) -> list[str] | None:
    """Of a model that this file makes."""
    return [] if text(call, "name", 0).lower() in names.made else None


def _through(names: DjangoNames, model: str, name: str, to: str) -> list[str]:
    table = quote_identifier(f"{names.table_name(model)}_{name}".lower())
    ends = (names.table(model), names.table(to))
    columns = "".join(f", end_{n} bigint NOT NULL UNIQUE REFERENCES {end} (id)" for n, end in enumerate(ends))
    return [f"CREATE TABLE {table} (id bigint PRIMARY KEY{columns})"]


def _create_model(names: DjangoNames, call: ast.Call) -> list[str] | None:
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
        names.tables[name.lower()] = db_table
    names.made.add(name.lower())
    columns, after = [], []
    table = names.table(name)
    for each in fields.elts:
        is_pair = isinstance(each, ast.Tuple) and len(each.elts) == 2
        field_name = value(each.elts[0]) if is_pair and isinstance(each, ast.Tuple) else UNREAD
        if not isinstance(field_name, str) or not isinstance(each, ast.Tuple):
            return None
        field = read_field(field_name, each.elts[1], names.key)
        if field is None:
            return None
        if field.through:
            after += _through(names, name, field_name, field.through) if field.through != "-" else []
            continue
        columns.append(field.sql)
        if field.index_column:
            after.append(f"CREATE INDEX ON {table} ({quote_identifier(field.index_column)})")
    return [f"CREATE TABLE {table} ({', '.join(columns)})", *after]


def _add_constraint(names: DjangoNames, call: ast.Call) -> list[str] | None:
    model, constraint = text(call, "model_name", 0), argument(call, "constraint", 1)
    if not isinstance(constraint, ast.Call):
        return None
    table, name, kind = (
        names.table(model),
        quote_identifier(text(constraint, "name") or "unnamed"),
        last_name(constraint),
    )
    if kind == "CheckConstraint":  # its condition is Python
        how = " NOT VALID" if last_name(call) == "AddConstraintNotValid" else ""
        return [f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (true){how}"]
    fields = texts(constraint, "fields")
    if kind != "UniqueConstraint" or not fields or constraint.args:
        return None
    columns = names.columns(model, fields)
    if argument(constraint, "condition") is not None:
        return [f"CREATE UNIQUE INDEX {name} ON {table} ({columns}) WHERE true"]
    return [f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE ({columns})"]


def _of_model(sql: str, *arguments: str) -> Read:
    """A statement on the model's table, with names of the operation's arguments filled in."""

    def read(names: DjangoNames, call: ast.Call) -> list[str] | None:
        model = text(call, "model_name", 0) or text(call, "name", 0)
        given = {name: text(call, name, at) for at, name in enumerate(arguments, start=1)}
        table = names.known_table(model) if model and "name" in given and "COLUMN" in sql else None
        is_unknown = table is not None and table.column(names.column(model, given["name"])) is None
        if not model or not all(given.values()) or is_unknown:  # a ManyToManyField has no column
            return None
        filled = {n: quote_identifier(names.column(model, g)) for n, g in given.items()}
        return [sql.format(table=names.table(model), **filled)]

    return read


def _rename_model(names: DjangoNames, call: ast.Call) -> list[str] | None:
    old, new = text(call, "old_name", 0), text(call, "new_name", 1)
    if not old or not new:
        return None
    return [f"ALTER TABLE {names.table(old)} RENAME TO {names.table(new)}"]


def _alter_table_name(names: DjangoNames, call: ast.Call) -> list[str] | None:
    name, table = text(call, "name", 0), text(call, "table", 1)
    return [f"ALTER TABLE {names.table(name)} RENAME TO {quote_identifier(table)}"] if name and table else None


def _extension(names: DjangoNames, call: ast.Call) -> list[str] | None:
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
