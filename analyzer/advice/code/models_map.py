"""A map of tables to the application's classes, as a user gives it: of Django, SQLAlchemy or SQLModel.

It is what a command of models_commands.py prints, or lines of a person: ``orders = shop.Order`` (Django's label of the
model), ``orders = shop.models:Order`` (module and class).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.errors import BadInput
from analyzer.schema.orm_models import DjangoModel, MappedClass, Models, is_field, is_name
from analyzer.words.sizes import MB, size_words

MAX_MAP_BYTES = 2 * MB  # judgement: 10,000 tables with their columns
WORDS: dict[str, dict[str, Any]] = {"unmanaged": {"managed": False}, "site-packages": {"own": False}}
FORM = 'must be "app.Model" or {"model": "app.Model", "fields": {...}}, with "module:Class" for SQLAlchemy'


def parse_models(text: str) -> Mapping[str, DjangoModel]:
    """The Django models of ``parse_map``."""
    return parse_map(text).django


def parse_map(text: str) -> Models:
    """A map as JSON or as lines ``table = app.Model``; ``#`` starts a comment.

    JSON: ``{"orders": "shop.Order", "archive.orders": {"model": "archive.Order", "fields": {"cust": "customer"}}}``,
    with "class": "module:Class" in place of "model" for SQLAlchemy. A line of a model may end in ``, unmanaged`` or
    ``, site-packages``. Raises BadInput with the line or the table at fault.
    """
    if len(text.encode(errors="replace")) > MAX_MAP_BYTES:
        raise BadInput(f"The map of models is larger than {size_words(MAX_MAP_BYTES)}.")
    stripped = text.strip().removeprefix("\ufeff")
    models: dict[str, DjangoModel] = {}
    classes: dict[str, MappedClass] = {}
    for table, entry, where in _json(stripped) if stripped.startswith(("{", "[")) else _lines(stripped):
        # a Django model of another schema's table has the dot between quotes: archive"."orders
        name = table.replace('"."', ".").strip('"')
        if "model" in entry:
            models[name] = _django(entry, where)
        else:
            classes[name] = _class(entry, where)
    return Models(models, classes)


Entries = Iterator[tuple[str, dict[str, Any], str]]  # table, what is said of it, and where, for errors


def _lines(text: str) -> Entries:
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        where = f"Line {number} of the map of models"
        line, *words = (part.strip(" \"'") for part in line.rstrip(",").split(","))
        table, model = _split_line(line)
        if not table or not model:
            raise BadInput(f"{where} is not of the form: table = app.Model")
        entry = _by_text(model)
        for word in words:
            if word not in WORDS:
                raise BadInput(f"{where}: {word!r} is neither unmanaged nor site-packages")
            entry |= WORDS[word]
        yield table, entry, where


def _split_line(line: str) -> tuple[str, str]:
    for sign in ("=", ":"):
        if sign in line:
            table, _, model = line.partition(sign)
            return table.strip().strip("\"'"), model.strip().strip("\"'")
    parts = line.split()
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def _by_text(text: str) -> dict[str, Any]:
    return {"class": text} if ":" in text else {"model": text}


def _json(text: str) -> Entries:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError alone
        where = f" at line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "."
        raise BadInput(f"The map of models is not valid JSON{where}") from error
    if not isinstance(data, dict):
        raise BadInput('The map of models must be a JSON object: {"table": "app.Model"}')
    for table, value in data.items():
        where = f"The map's entry for table {table!r}"
        entry = _by_text(value) if isinstance(value, str) else value
        names = ("model", "class")
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name, ""), str) for name in names):
            raise BadInput(f"{where} {FORM}")
        if not entry.keys() & {*names, "one", "reverse", "m2m"}:
            raise BadInput(f"{where} {FORM}")
        yield table, entry, where


def _django(entry: Mapping[str, Any], where: str) -> DjangoModel:
    text = entry["model"]
    app, dot, model = text.partition(".")
    if not dot or not all(map(is_name, (app, model))):
        raise BadInput(f"{where}: {text!r} is not of the form app.Model, for example shop.Order")
    migration = entry.get("migration")
    if migration is not None and not (isinstance(migration, str) and f"m{migration}".isidentifier()):
        raise BadInput(f'{where}: "migration" must be the name of one, for example 0009_more')
    fields, reverse, m2m = (_names(entry, key, where) for key in ("fields", "reverse", "m2m"))
    managed = entry.get("managed")
    return DjangoModel(
        app, model, fields, is_managed=None if managed is None else managed is not False,
        is_own=entry.get("own") is not False,
        is_auto=entry.get("auto") is True, migration=migration, reverse=reverse, m2m=m2m,
    )  # fmt: skip


def _class(entry: Mapping[str, Any], where: str) -> MappedClass:
    text = entry.get("class", "")
    module, colon, name = text.partition(":")
    if text and not (colon and all(map(is_name, [*module.split("."), *name.split(".")]))):
        raise BadInput(f"{where}: {text!r} is not of the form module:Class, for example shop.models:Order")
    fields, one, reverse, m2m = (_names(entry, key, where) for key in ("fields", "one", "reverse", "m2m"))
    return MappedClass(module, name, fields, entry.get("sqlmodel") is True, one, reverse, m2m)


def _names(entry: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    names = entry.get(key, {})
    if not isinstance(names, dict) or not all(isinstance(name, str) and is_field(name) for name in names.values()):
        raise BadInput(f'{where}: "{key}" must map columns to names of fields')
    return names
