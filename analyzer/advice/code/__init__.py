"""An index change as code to commit: SQL, Django, Alembic, SQLAlchemy, SQLModel.

code_for(definition, facts, CodeOptions(date=...))     the tabs for an index to create
code_for_drop(index, table, facts, options)            the tabs for an index to drop
parse_map(text)                                        the user's map of tables to models and classes
"""

from collections.abc import Collection
from dataclasses import replace

from analyzer.advice.code.alembic import alembic_tab
from analyzer.advice.code.change import Change, CodeFile, CodeOptions, CodeTab, creation, in_each_schema, removal
from analyzer.advice.code.django import django_tab
from analyzer.advice.code.models_map import parse_map, parse_models
from analyzer.advice.code.sql import sql_tab
from analyzer.advice.code.sqlalchemy import sqlalchemy_tab
from analyzer.advice.code.sqlmodel import sqlmodel_tab
from analyzer.advice.ddl import in_each_schema as said_of_schemas
from analyzer.advice.definition import IndexDefinition
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.orm_models import DjangoModel, MappedClass, Models, known_orm

__all__ = [
    "CodeFile", "CodeOptions", "CodeTab", "DjangoModel", "MappedClass", "Models", "code_for", "code_for_drop",
    "known_orm", "parse_map", "parse_models",
]  # fmt: skip
MIGRATIONS = (django_tab, alembic_tab, sqlalchemy_tab, sqlmodel_tab)


def code_for(
    definition: IndexDefinition,
    facts: SchemaFacts,
    options: CodeOptions,
    *,
    planned: Collection[str] = (),
    name: str | None = None,
) -> list[CodeTab]:
    """``planned`` and ``name`` as for ``ddl.create_index``: give those the suggestion's DDL was made with."""
    return _tabs(creation(definition, facts, planned, name), options)


def code_for_drop(index: IndexFacts, table: TableFacts, facts: SchemaFacts, options: CodeOptions) -> list[CodeTab]:
    return _tabs(removal(index, table, facts), options)


def _tabs(change: Change, options: CodeOptions) -> list[CodeTab]:
    if not change.definition or not change.definition.also:
        return [sql_tab(change, options), *(tab(change, options) for tab in MIGRATIONS)]
    # the SQL has the statements of all schemas; a migration is written for one and runs in each
    first = next(in_each_schema(change))
    note = (
        f"{said_of_schemas(change.definition)} The migration is for one of them: run it in each, as django-tenants'"
        " migrate_schemas does; where it names a schema, put each in its place."
    )
    others = (tab(first, options) for tab in MIGRATIONS)
    return [sql_tab(change, options), *(replace(tab, notes=(note, *tab.notes)) for tab in others)]
