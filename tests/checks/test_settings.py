"""How a setting is changed, by where it comes from and who runs the server."""

import pytest

from analyzer.checks.settings import for_everybody, setting_fix
from tests.checks.builders import cluster

BUFFERS = {"value": "16384", "unit": "8kB", "context": "postmaster"}


@pytest.mark.parametrize(
    ("given", "language", "code"),
    [
        (
            {"jit": {"value": "on", "source": "default", "context": "user"}},
            "sql",
            "ALTER SYSTEM SET jit = off;\nSELECT pg_reload_conf();",
        ),
        (
            {"jit": {"value": "on", "source": "database", "context": "user"}},
            "sql",
            "ALTER DATABASE shop RESET jit;\n-- holds for new sessions",
        ),
        (
            {"jit": {"value": "on", "source": "command line"}},
            "text",
            "Given where the server is started (postgres -c jit=...): change it there.",
        ),
        ({"jit": "on", "rds.extensions": "x"}, "text", "In the DB parameter group: jit = off"),
        (
            {"jit": {"value": "on", "source": "database", "context": "user"}, "rds.extensions": "x"},
            "sql",
            "ALTER DATABASE shop RESET jit;\n-- holds for new sessions",
        ),
    ],
)
def test_a_setting_is_changed_where_it_comes_from(given: dict[str, object], language: str, code: str) -> None:
    fix = setting_fix(cluster({"settings": given}), "jit", "off")
    assert (fix.language, fix.code) == (language, code)


def test_a_restart_is_said_where_one_is_needed() -> None:
    own, cloud = ({"shared_buffers": BUFFERS}, {"shared_buffers": BUFFERS, "azure.extensions": ""})
    fixes = [setting_fix(cluster({"settings": settings}), "shared_buffers", "4GB").code for settings in (own, cloud)]
    assert fixes == [
        "ALTER SYSTEM SET shared_buffers = '4GB';\n-- takes effect after a restart of the server",
        "In the server parameters: shared_buffers = 4GB, then restart the server",
    ]


def test_what_our_login_has_is_nobody_elses() -> None:
    facts = cluster({"settings": {"jit": {"value": "off", "source": "user"}, "fsync": "on"}})
    assert for_everybody(facts, "jit") is None
    assert for_everybody(facts, "fsync") is not None
