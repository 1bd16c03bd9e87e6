"""docs/cli.md lists the formats that each command takes, and nothing sends people to files that no package holds."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import load_command_class

ROOT = Path(__file__).parents[2]
CLI = (ROOT / "docs" / "cli.md").read_text("utf-8")
OF_DOCS = re.compile(r"\bdocs/\w+")
DOCUMENT = re.compile(r"[\w./-]*\w\.md\b(?!5)")
COMMENT = re.compile(r"(?m:#.*$)|(?s:\"\"\".*?\"\"\")")
FOLDERS = ("analyzer", "dashboard", "tests", "bench")


@pytest.mark.parametrize("name", re.findall(r"^## manage\.py (\w+)", CLI, re.MULTILINE))
def test_documented_formats_are_those_that_it_takes(name: str) -> None:
    (section,) = re.findall(rf"^## manage\.py {name}\b.*?(?=^## )", CLI, re.MULTILINE | re.DOTALL)
    documented = [word for row in re.findall(r"`--format ([^`]+)`", section) for word in row.split("\\|")]
    parser = load_command_class("analyzer", name).create_parser("manage.py", name)
    taken = [list(action.choices or ()) for action in parser._actions if "--format" in action.option_strings]
    assert sorted(documented) == sorted(taken[0] if taken else [])


def _sentences(path: Path) -> list[str]:
    """All strings of a module that people may read; a check's docstring is on its page."""
    tree = ast.parse(path.read_text("utf-8"))
    hidden = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            is_page = isinstance(node, ast.Module) and "checks" in path.parts
            hidden |= set() if is_page else {id(node.body[0].value)}  # type: ignore[attr-defined]
    texts = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return [str(node.value) for node in texts if id(node) not in hidden]


def test_no_sentence_sends_people_to_files_that_no_package_holds() -> None:
    sent = [
        (path.name, text)
        for folder in ("analyzer", "dashboard")
        for path in (ROOT / folder).rglob("*.py")
        for text in _sentences(path)
        if OF_DOCS.search(text) and "postgresql.org" not in text and path.name != "document.py"
    ]
    for path in (ROOT / "templates").rglob("*.html"):
        shown = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"))
        sent += [(path.name, line) for line in shown.splitlines() if OF_DOCS.search(line) and "http" not in line]
    assert sent == []


def test_every_document_that_the_code_names_is_there() -> None:
    named = {
        (path.relative_to(ROOT), name)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for comment in COMMENT.findall(path.read_text("utf-8"))
        for name in DOCUMENT.findall(comment)
    }
    assert [(str(path), name) for path, name in sorted(named) if not (ROOT / name).is_file()] == []
