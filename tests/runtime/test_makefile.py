"""`make up DSN=...` hands on what was typed, whatever the password holds."""

import os
import subprocess
from pathlib import Path

import pytest

from analyzer.management.commands.up import dsns_in
from tests.environment import IN_VAIN_S

ROOT = Path(__file__).parent.parent.parent
PASSWORDS = (
    "p$a(b)", "p$$a", "p#a", "p'a", 'p"a', "p%25a", "p a", "p\\a", "p`id`", "p$(shell id)", "p;id", "$", "a:=b", "$@",
)  # fmt: skip


@pytest.fixture
def make(tmp_path: Path):
    """The Makefile's own recipe, with a Python that tells what it was given."""
    recipe = (ROOT / "Makefile").read_text().split("\nup: export", 1)[1].split("\n\n", 1)[0]
    (tmp_path / "Makefile").write_text(f"up: export{recipe}\n")
    teller = tmp_path / "teller"
    teller.write_text("#!/bin/sh\nprintf '%s' \"$PGLOUPE_DSN\"; printf '\\0'; env -u PGLOUPE_DSN\n")
    teller.chmod(0o755)

    def run(dsn: str, *, by_environment: bool) -> tuple[str, str]:
        arguments = [] if by_environment else [f"DSN={dsn}"]
        environment = {**os.environ, "DSN": dsn} if by_environment else dict(os.environ)
        done = subprocess.run(
            ["make", "-s", "up", f"RUN={teller}", "READY=", *arguments], cwd=tmp_path, capture_output=True, text=True,
            env=environment, check=True, timeout=IN_VAIN_S,
        )  # fmt: skip
        given, _, rest = done.stdout.partition("\0")
        return given, rest

    return run


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_dsn_arrives_as_typed_and_stands_nowhere_else(make, password: str) -> None:
    dsn = f"postgresql://u:{password}@db.example.com/app"
    for by_environment in (False, True):
        given, rest = make(dsn, by_environment=by_environment)
        assert given == dsn
        assert "db.example.com" not in rest


def test_several_dsns_and_one_of_key_value_pairs() -> None:
    assert dsns_in("") == []
    assert dsns_in(" postgresql://a/b \n postgres://c/d ") == ["postgresql://a/b", "postgres://c/d"]
    assert dsns_in("host=h user=u password='a b' dbname=d") == ["host=h user=u password='a b' dbname=d"]
