"""A schema with a bit of everything, and plans of it as shapes to compare."""

from pathlib import Path

import pytest

from analyzer.monitored.connection_settings import ConnectionSettings
from tests.environment import reachable_dir

SCHEMA = (Path(__file__).parent / "schema.sql").read_text()
OBJECTS = (Path(__file__).parent / "objects.sql").read_text()


def settings_of(dsn):
    return ConnectionSettings.from_dsn(dsn, allow_local=True)


def shape(plan, names=None):
    """Nested (node type, relation, index, children): what makes two plans the same."""
    index = plan.get("Index Name")
    return (
        plan["Node Type"],
        plan.get("Relation Name"),
        (names or {}).get(index, index),
        tuple(shape(child, names) for child in plan.get("Plans", ())),
    )


@pytest.fixture(scope="module")
def var_dir():
    """As reachable for the server's own user as pgLoupe's directory is."""
    return reachable_dir("twin")
