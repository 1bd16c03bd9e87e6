"""An index definition as a call of Django's index classes."""

from dataclasses import dataclass, replace

from analyzer.advice.code.change import python_call, python_list, storage_parameters
from analyzer.advice.code.django_where import FieldOf, condition, expression
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.schema.orm_models import DjangoModel, field_of
from analyzer.schema.python_source import python_string

CLASSES = {
    "btree": "BTreeIndex", "gin": "GinIndex", "gist": "GistIndex", "brin": "BrinIndex", "hash": "HashIndex",
    "spgist": "SpGistIndex",
}  # fmt: skip
# what the classes of django.contrib.postgres.indexes take, by kind of value
STORAGE: dict[str, dict[str, type]] = {
    "btree": {"fillfactor": int, "deduplicate_items": bool},
    "gin": {"fastupdate": bool, "gin_pending_list_limit": int},
    "gist": {"buffering": bool, "fillfactor": int},
    "brin": {"pages_per_range": int, "autosummarize": bool},
    "hash": {"fillfactor": int},
    "spgist": {"fillfactor": int},
}
ON, OFF = frozenset({"on", "true"}), frozenset({"off", "false"})


@dataclass(frozen=True, slots=True)
class IndexSource:
    """``models.Index(...)`` in parts; ``named`` gives it its name."""

    class_name: str
    arguments: tuple[str, ...]
    imports: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def named(self, name: str) -> "IndexSource":
        return replace(self, arguments=(*self.arguments, f"name={python_string(name)}"))

    def render(self, indent: int) -> str:
        return python_call(self.class_name, self.arguments, indent)


def index_source(definition: IndexDefinition, model: DjangoModel) -> IndexSource | None:
    """None where Django has no words for it: unique, another method, an expression or predicate in SQL only."""
    if definition.is_unique or definition.method not in CLASSES or "%" in definition.table.name:
        return None

    def field(column: str) -> str | None:
        # Django's DDL is a format string
        return None if "%" in column else field_of(definition.table, column, model)

    columns = definition.columns
    keys = _fields(columns, field) if _are_fields(columns) else _expressions(definition, field)
    storage = _storage(definition)
    include = [field(name) for name in definition.include]
    where = condition(definition.predicate, definition.table, field) if definition.predicate else ""
    if keys is None or storage is None or where is None or any(name is None for name in include):
        return None
    arguments, imports, notes = keys
    if include:
        arguments.append(f"include={python_list([python_string(name or '') for name in include])}")
    if where:
        arguments.append(f"condition={where}")
    name = "models.Index" if definition.method == "btree" and not storage else CLASSES[definition.method]
    if name != "models.Index":
        imports.append(f"from django.contrib.postgres.indexes import {name}")
    return IndexSource(name, (*arguments, *storage), tuple(dict.fromkeys(imports)), tuple(notes))


def _are_fields(columns: tuple[IndexColumn, ...]) -> bool:
    """Whether ``fields`` and ``opclasses`` say it, which is shorter than expressions."""
    return (
        not any(c.is_expression or c.nulls_first not in (None, c.descending) for c in columns)
        and len({c.opclass is None for c in columns}) == 1
    )


Keys = tuple[list[str], list[str], list[str]]  # arguments, imports, notes


def _fields(columns: tuple[IndexColumn, ...], field: FieldOf) -> Keys | None:
    names = [(field(c.name), c.descending) for c in columns]
    if any(name is None for name, _ in names):
        return None
    fields = [python_string(f"{'-' if descending else ''}{name}") for name, descending in names]
    arguments = [f"fields={python_list(fields)}"]
    opclasses = [python_string(c.opclass) for c in columns if c.opclass]
    if opclasses:
        arguments.append(f"opclasses={python_list(opclasses)}")
    return arguments, [], []


def _expressions(definition: IndexDefinition, field: FieldOf) -> Keys | None:
    arguments: list[str] = []
    imports: list[str] = []
    notes: list[str] = []
    for column in definition.columns:
        if column.is_expression:
            written = expression(column.name, definition.table, field)
            if written is None:
                return None
            source, line = written
            imports.append(line)
        else:
            name = field(column.name)
            if name is None:
                return None
            source = f"models.F({python_string(name)})"
        if column.opclass:
            source = f"OpClass({source}, name={python_string(column.opclass)})"
            imports.append("from django.contrib.postgres.indexes import OpClass")
            notes = ["OpClass needs django.contrib.postgres in INSTALLED_APPS."]
        arguments.append(source + _order(column))
    return arguments, imports, notes


def _order(column: IndexColumn) -> str:
    if column.nulls_first in (None, column.descending):
        return ".desc()" if column.descending else ""
    return ".desc(nulls_last=True)" if column.descending else ".asc(nulls_first=True)"


def _storage(definition: IndexDefinition) -> list[str] | None:
    known = STORAGE[definition.method]
    options: list[str] = []
    given = storage_parameters(definition.storage)
    for key, value in (given or {}).items():
        kind = known.get(key)
        if kind is int and value.isdecimal():
            options.append(f"{key}={int(value)}")
        elif kind is bool and value.lower() in ON | OFF:
            options.append(f"{key}={value.lower() in ON}")
        else:
            return None
    return None if given is None else options
