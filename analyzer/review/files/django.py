"""A Django migration's operations as the statements they run, read from its code: as far as that tells.

What an operation runs may depend on the project's state (AlterField) or be Python (RunPython): such is named.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TypeGuard

from analyzer.review.files.django_names import DjangoNames
from analyzer.review.files.django_operations import OPERATIONS
from analyzer.review.files.migration import (
    Migration,
    MigrationStep,
    Remark,
    in_transactions,
    refuse_too_many,
    split,
    steps_of_sql,
)
from analyzer.review.files.python_values import argument, code_of, last_name, lines_of, value
from analyzer.schema.facts import SchemaFacts

Items = Iterator[MigrationStep | Remark]

DEPENDING = frozenset({"AlterField", "AlterUniqueTogether", "AlterIndexTogether"})
NO_DATABASE = frozenset({"AlterModelOptions", "AlterModelManagers"})
BY_NAME = "Tables are named as Django does without db_table: app_model."
SQLMIGRATE = "give the output of manage.py sqlmigrate {app} {name} instead"


def read_django(source: str, file: str, schema: SchemaFacts | None) -> Migration:
    path = PurePath(file)
    app = path.parent.parent.name if path.parent.name == "migrations" else ""
    tree = ast.parse(source)
    migration_class = next(n for n in tree.body if is_migration(n))
    assigned = [n for n in migration_class.body if isinstance(n, (ast.Assign, ast.AnnAssign)) and n.value]
    attributes = {
        target.id: node.value
        for node in assigned
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    reader = _Reader(lines_of(source), path.stem if app else "", DjangoNames(app, schema))
    operations = attributes.get("operations")
    items = list(reader.operations(operations)) if isinstance(operations, ast.List) else []
    if not isinstance(operations, ast.List):
        items = [Remark(migration_class.lineno, "The operations are no plain list, so they are not reviewed.")]
    if not app and reader.names.needs_app:
        said = "The app's label is the name of the folder above migrations/: give the file by its path there."
        items.append(Remark(migration_class.lineno, said))
    steps, remarks = split(items)
    is_atomic = value(attributes.get("atomic"), True) is not False
    steps, _ = in_transactions(steps, is_atomic)
    assumed = BY_NAME if reader.names.needs_app else ""
    no_way_back = tuple(reader.names.no_way_back)
    return Migration("django", tuple(steps), tuple(remarks), no_way_back, assumed, is_wrapped=is_atomic)


def is_migration(node: ast.stmt) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and node.name == "Migration"


@dataclass
class _Reader:
    lines: list[str]
    name: str
    names: DjangoNames
    count: int = 0  # of operations

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
        self.count += 1
        refuse_too_many(self.count)
        read = OPERATIONS.get(name)
        items = read(self.names, call) if read is not None else None
        if items is None:
            depends = read is None or name in DEPENDING
            why = "what it runs depends on the project" if depends else "not all of it is written plainly"
            instead = SQLMIGRATE.format(app=self.names.app or "APP", name=self.name or "NAME")
            yield Remark(call.lineno, f"{name or 'An operation'} is not reviewed: {why}; {instead}.")
            return
        code = code_of(self.lines, call)
        for sql in items:
            for step in steps_of_sql(sql, call.lineno, name):
                yield replace(step, source=code) if isinstance(step, MigrationStep) else step
