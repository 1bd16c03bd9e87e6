"""Which kind of FILE it is, and its reader. Python is read, never run."""

import ast
import re

from analyzer.errors import BadInput
from analyzer.review.files.alembic import functions_of, read_alembic
from analyzer.review.files.django import is_migration, read_django
from analyzer.review.files.migration import Migration
from analyzer.review.files.sql import read_sql
from analyzer.schema.facts import SchemaFacts

DJANGO = re.compile(r"^class Migration\(.*Migration\):", re.MULTILINE)
INSTEAD = "give the output of manage.py sqlmigrate or alembic upgrade --sql instead"
ALEMBIC = re.compile(r"^def upgrade\(", re.MULTILINE)


def read_migration(
    text: str, file: str, *, single_transaction: bool = False, schema: SchemaFacts | None = None
) -> Migration:
    """``schema``: where it is known, it tells which fields of Django are foreign keys."""
    if DJANGO.search(text) is not None or ALEMBIC.search(text) is not None:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
            line = getattr(problem, "lineno", None)
            raise BadInput(f"{file} is no valid Python{f', in line {line}' if line else ''}.") from problem
        try:
            if any(is_migration(node) for node in tree.body):
                return read_django(text, file, schema)
            if "upgrade" in functions_of(tree):
                return read_alembic(text)
        except (TypeError, ValueError, RecursionError, MemoryError) as problem:
            raise BadInput(f"{file} holds values that cannot be read; {INSTEAD}.") from problem
    if file.endswith(".py"):
        raise BadInput(f"{file} holds neither a Django migration nor an Alembic revision.")
    return read_sql(text, single_transaction=single_transaction)
