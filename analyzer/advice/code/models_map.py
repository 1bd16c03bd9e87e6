"""Which Django model a table belongs to: by Django's naming, or by a map that the user gives."""

import json
import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.errors import BadInput
from analyzer.facts import TableFacts

MAX_MAP_BYTES = 2_000_000  # judgement: 10,000 tables with their columns
# prints the map of a whole project, to paste; -v 0: Django 5.2's shell says on stdout what it imports
MODELS_COMMAND = (
    "python manage.py shell -v 0 -c 'import json; from django.apps import apps; print(json.dumps({m._meta.db_table:"
    ' {"model": m._meta.label, "fields": {f.column: f.name for f in m._meta.local_concrete_fields}}'
    " for m in apps.get_models() if not m._meta.proxy}))'"
)


@dataclass(frozen=True, slots=True)
class DjangoModel:
    """``app`` label and ``model`` class; ``fields``: column -> field, where the user gave them."""

    app: str
    model: str
    fields: Mapping[str, str] = field(default_factory=dict)
    is_guess: bool = False


def parse_models(text: str) -> dict[str, DjangoModel]:
    """A map of tables, as JSON or as lines ``table = app.Model``; ``#`` starts a comment.

    JSON: ``{"orders": "shop.Order", "archive.orders": {"model": "archive.Order", "fields": {"cust": "customer"}}}``.
    Raises BadInput with the line or the table at fault.
    """
    if len(text.encode(errors="replace")) > MAX_MAP_BYTES:
        raise BadInput(f"The map of models is larger than {MAX_MAP_BYTES // 1_000_000} MB.")
    stripped = text.strip().removeprefix("\ufeff")
    if stripped.startswith(("{", "[")):
        return _from_json(stripped)
    found: dict[str, DjangoModel] = {}
    for number, line in enumerate(stripped.splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        table, model = _split_line(line)
        if not table or not model:
            raise BadInput(f"Line {number} of the map of models is not of the form: table = app.Model")
        found[table] = _model(model, f"Line {number} of the map of models")
    return found


def _split_line(line: str) -> tuple[str, str]:
    for sign in ("=", ":"):
        if sign in line:
            table, _, model = line.rpartition(sign)
            return table.strip().strip("\"'"), model.strip().strip("\"',")
    parts = line.split()
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def _from_json(text: str) -> dict[str, DjangoModel]:
    try:
        data: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "."
        raise BadInput(f"The map of models is not valid JSON{where}") from error
    if not isinstance(data, dict):
        raise BadInput('The map of models must be a JSON object: {"table": "app.Model"}')
    found = {}
    for table, value in data.items():
        where = f"The map's entry for table {table!r}"
        fields: Any = {}
        if isinstance(value, dict):
            fields = value.get("fields", {})
            value = value.get("model")
        if not isinstance(value, str):
            raise BadInput(f'{where} must be "app.Model" or {{"model": "app.Model", "fields": {{...}}}}')
        if not isinstance(fields, dict) or not all(isinstance(f, str) and is_field(f) for f in fields.values()):
            raise BadInput(f'{where}: "fields" must map columns to names of fields')
        found[table] = _model(value, where, fields)
    return found


def _model(text: str, where: str, fields: Mapping[str, str] | None = None) -> DjangoModel:
    app, dot, model = text.partition(".")
    if not dot or not all(part.isidentifier() and not keyword.iskeyword(part) for part in (app, model)):
        raise BadInput(f"{where}: {text!r} is not of the form app.Model, for example shop.Order")
    return DjangoModel(app, model, dict(fields or {}))


def is_field(name: str) -> bool:
    """Whether Django takes it as a field's name: system checks E001 and E002 of fields."""
    return name.isidentifier() and not keyword.iskeyword(name) and "__" not in name and not name.endswith("_")


def model_of(table: TableFacts, models: Mapping[str, DjangoModel]) -> DjangoModel | None:
    """The user's word, else Django's default name ``app_model``; None where the name does not tell.

    The class's capitals are not in the table's name: a guess is ``Orderline`` for shop_orderline, and migrations,
    which compare in lower case, take it.
    """
    given = models.get(table.qualified_name) or models.get(table.name)
    if given:
        return given
    app, _, model = table.name.rpartition("_")
    if not (app.isidentifier() and model.isidentifier() and table.name.islower() and table.name.isascii()):
        return None
    return DjangoModel(app, model.capitalize(), is_guess=True)


def through_app(table: TableFacts) -> str | None:
    """The app of a ManyToManyField's own table, which has no model to name: app_model_field."""
    keys = {key.columns[0]: key for key in table.foreign_keys if len(key.columns) == 1}
    if len(keys) != 2 or {c.name for c in table.columns} != {"id", *keys}:
        return None
    for key in keys.values():
        if table.name.startswith(f"{key.referenced_table}_") and "_" in key.referenced_table:
            return key.referenced_table.rpartition("_")[0]
    return None


def field_of(table: TableFacts, column: str, model: DjangoModel) -> str | None:
    """The field's name; None where the column's cannot be one. ForeignKey ``customer`` has column customer_id."""
    if column in model.fields:
        return model.fields[column]
    is_key = any(key.columns == (column,) for key in table.foreign_keys)
    name = column.removesuffix("_id") if is_key else column
    return name if is_field(name) else None
