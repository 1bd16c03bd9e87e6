"""Modules stay short enough to be read at one go, or say why not."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_LINES = 330
REASON = "\nLong: "  # in the module's docstring


def test_a_long_module_says_why() -> None:
    modules = [path for package in ("analyzer", "dashboard") for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 500
    unexplained, needless = [], []
    for path in modules:
        if path.parent.name == "migrations":
            continue
        text = path.read_text()
        lines = text.count("\n")
        has_reason = REASON in (ast.get_docstring(ast.parse(text)) or "")
        if lines > MOST_LINES and not has_reason:
            unexplained.append(f"{path.relative_to(ROOT)}: {lines}")
        if lines < MOST_LINES - 30 and has_reason:
            needless.append(f"{path.relative_to(ROOT)}: {lines}")
    assert not unexplained, 'split them, or end the docstring with "Long: ..." and the reason'
    assert not needless, "they are short again: strike the reason"
