"""Pure packages take what they judge as arguments: no clock, no environment, no settings."""

import ast
from pathlib import Path

import pytest

ANALYZER = Path(__file__).parents[1] / "analyzer"
PURE = ("advice", "behaviour", "checks", "plans", "reports", "review", "schema", "statements", "values", "words")
IMPURE = {"os.environ", "os.getenv", "time.time", "datetime.now", "datetime.utcnow", "date.today", "timezone.now"}


@pytest.mark.parametrize("package", PURE)
def test_nothing_asks_the_clock_or_the_environment(package: str) -> None:
    asked = [
        f"{path.relative_to(ANALYZER)}:{node.lineno}"
        for path in sorted((ANALYZER / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in IMPURE
    ]
    assert asked == []
