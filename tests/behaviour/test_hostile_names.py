"""Code to copy for tables and columns that are called anything: the same code as for plain names, and never more."""

import ast
from dataclasses import replace

import pglast
import pytest

from analyzer.behaviour.fixes import FetchStep, fixes, loop_fixes
from analyzer.behaviour.pairs import Link, Multiplicity
from analyzer.checks.schema.foreign_key_without_index import _fixes as key_fixes
from analyzer.findings import Fix
from analyzer.schema.facts import ForeignKeyFacts, SchemaFacts
from analyzer.schema.orm_models import Models, is_name
from analyzer.schema.python_source import python_name
from tests.advice.test_ddl import HOSTILE_NAMES
from tests.behaviour.test_check import table

NAMES = [
    *HOSTILE_NAMES, " ", "class", "None", "class_id", "_id", "a_id", '"', "a\\", "\u2028", "a.b", "a-b", "1_id",
    '").delete()#', "id)\nimport os\nos.system('x')\n(", "x'''\"\"\"", "id); drop table t; --", "#", "é_id", "1", "=",
]  # fmt: skip


def made_of(name: str) -> list[Fix]:
    """Every fix for tables and a column of this name."""
    found: list[Fix] = []
    for shape in Multiplicity:
        parent, child = table(1, f"{name}_parent", "id"), table(2, f"{name}_child", "id")
        step, facts = (
            FetchStep(Link(shape, parent, child, name, name, by_constraint=True)),
            SchemaFacts("shop", 180_000, ()),
        )
        for is_admin in (False, True):
            found += fixes(parent, [step], facts, Models(), is_admin=is_admin)
    single = table(1, name, "id")
    for each in (single, replace(single, unique_keys=((name,),))):
        found += loop_fixes(each, name, SchemaFacts("shop", 180_000, ()), Models())
    return found


def skeleton(code: str) -> str:
    """Its syntax alone: names and texts are all the same."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        for part, value in ast.iter_fields(node):
            if isinstance(value, str):
                setattr(node, part, "x")
    return ast.dump(tree)


def tokens(sql: str) -> list[str]:
    return ["IDENT" if token.kind == "UNRESERVED_KEYWORD" else token.name for token in pglast.scan(sql)]


PLAIN = made_of("b")


@pytest.mark.parametrize("name", NAMES)
def test_code_is_what_it_is_for_a_plain_name(name: str) -> None:
    for fix, plain in zip(made_of(name), PLAIN, strict=True):
        if fix.language == "sql":
            assert len(pglast.parse_sql(fix.code.replace("...", "*"))) == 1
            assert tokens(fix.code) == tokens(plain.code), fix.code
        else:
            assert skeleton(fix.code) == skeleton(plain.code), fix.code


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [1, 2])
def test_code_for_a_key_is_one_line_of_python(name: str, columns: int) -> None:
    for fix in key_fixes(ForeignKeyFacts("fk", (name,) * columns, 1, "public", name, ("id",) * columns)):
        assert len(ast.parse(fix.code).body) == len(fix.code.splitlines()) == 1, fix.code


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plain", "plain"), ("Größe", "Größe"), ("_", "_"), ("two words", "two_words"), ("class", "class_field"),
        ("1st", "number_1st"), ("", "unnamed"), ("😀", "unnamed"), ("a-b\nc", "a_b_c"), ("$dollar", "dollar"),
        ("import os; x", "import_os__x"), ("__dunder__", "__dunder__"),
    ],
)  # fmt: skip
def test_a_name_is_kept_or_made_one(text: str, name: str) -> None:
    assert python_name(text) == name
    assert is_name(name)


@pytest.mark.parametrize(
    ("column", "django", "sqlalchemy"),
    [
        ("order_id", "order = models.ForeignKey(..., db_index=True)",
         "order_id = mapped_column(ForeignKey(...), index=True)"),
        ("class_id", 'class_field = models.ForeignKey(..., db_column="class_id", db_index=True)',
         "class_id = mapped_column(ForeignKey(...), index=True)"),
        ("parent", 'parent = models.ForeignKey(..., db_column="parent", db_index=True)',
         "parent = mapped_column(ForeignKey(...), index=True)"),
        ("the parent", 'the_parent = models.ForeignKey(..., db_column="the parent", db_index=True)',
         'the_parent = mapped_column("the parent", ForeignKey(...), index=True)'),
    ],
)  # fmt: skip
def test_a_field_says_its_column_where_its_name_does_not(column: str, django: str, sqlalchemy: str) -> None:
    found = key_fixes(ForeignKeyFacts("fk", (column,), 1, "public", "parent", ("id",)))
    assert [fix.code for fix in found] == [django, sqlalchemy]
