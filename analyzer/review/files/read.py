"""Which kind of FILE it is, and its reader. Python is read, never run."""

import ast
import re

from analyzer.errors import BadInput
from analyzer.review.files.alembic import read_alembic
from analyzer.review.files.django import read_django
from analyzer.review.files.migration import Migration
from analyzer.review.files.sql import read_sql
from analyzer.schema.facts import SchemaFacts

DJANGO = re.compile(r"^class Migration\(.*Migration\):", re.MULTILINE)
ALEMBIC = re.compile(r"^def upgrade\(", re.MULTILINE)


def read_migration(
    text: str, file: str, *, single_transaction: bool = False, schema: SchemaFacts | None = None
) -> Migration:
    """``schema``: where it is known, it tells which fields of Django are foreign keys."""
    is_django, is_alembic = DJANGO.search(text) is not None, ALEMBIC.search(text) is not None
    if is_django or is_alembic:
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
            line = getattr(problem, "lineno", None)
            raise BadInput(f"{file} is no valid Python{f', in line {line}' if line else ''}.") from problem
        return read_django(text, file, schema) if is_django else read_alembic(text)
    if file.endswith(".py"):
        raise BadInput(f"{file} holds neither a Django migration nor an Alembic revision.")
    return read_sql(text, single_transaction=single_transaction)
