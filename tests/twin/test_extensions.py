"""Which version of an extension the twin has."""

import pytest

from analyzer.monitored.catalog.planner_facts import CatalogMarks, PlannerFacts
from analyzer.twin.cluster import SCHEMA
from analyzer.twin.extensions import create_extensions

HERE = [("pg_trgm", "1.5"), ("pg_trgm", "1.6"), ("hstore", "1.8"), ("citext", "1.6")]


class Recording:
    def __init__(self):
        self.made = []

    def execute(self, statement):
        self.made += [statement.decode()] if isinstance(statement, bytes) else []
        return self

    def fetchall(self):
        return HERE


@pytest.mark.parametrize(
    ("server", "installed", "made"),
    [
        (130_023, {}, f"create extension \"pg_trgm\" with schema {SCHEMA} version '1.5'"),
        (150_018, {}, f'create extension "pg_trgm" with schema {SCHEMA}'),
        (150_018, {"pg_trgm": "1.5"}, "create extension \"pg_trgm\" with schema public version '1.5'"),  # never updated
        (180_006, {"pg_trgm": "1.6"}, "create extension \"pg_trgm\" with schema public version '1.6'"),
        (180_006, {"pg_trgm": "9.9"}, 'create extension "pg_trgm" with schema public'),
    ],
)
def test_an_extension_is_made_in_the_servers_version(server, installed, made):
    facts = PlannerFacts(
        "", server, "UTF8", "C", "C", "c", None, CatalogMarks("", ""), (), {},
        extensions=tuple((name, "public") for name in installed), extension_versions=installed,
    )  # fmt: skip
    connection = Recording()
    assert create_extensions(connection, facts) == {}
    assert connection.made == [made]
