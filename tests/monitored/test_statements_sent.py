"""docs/security.md lists every statement we send, from the heads of the files; nothing else is sent.

UPDATE_DOCS=1 writes the list anew.
"""

import os
import re
from pathlib import Path

import pytest

from analyzer.monitored.loader import SQL_DIR, find, head, load, mark

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- statements: begin -->", "<!-- statements: end -->"
FILES = sorted(SQL_DIR.glob("*.sql"))


def what_and_rights(path):
    lines = head(path)
    needs = next(number for number, line in enumerate(lines) if line.startswith("Needs "))
    return " ".join(lines[:needs]), " ".join(lines[needs:])


def the_list():
    rows = ["| file in `analyzer/monitored/sql/` | what it reads | needs |", "| --- | --- | --- |"]
    for path in FILES:
        what, rights = (text.replace("|", "\\|") for text in what_and_rights(path))
        rows.append(f"| `{path.name}` | {what} | {rights.removeprefix('Needs ')} |")
    return "\n".join(rows)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_says_what_it_reads_and_what_it_needs(path):
    what, rights = what_and_rights(path)
    assert what.endswith((".", "?"))
    assert rights.startswith("Needs ")


def test_document_lists_every_statement():
    text = DOCUMENT.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    expected = f"{before}{BEGIN}\n{the_list()}\n{END}{after}"
    if os.environ.get("UPDATE_DOCS"):
        DOCUMENT.write_text(expected, "utf-8")
    assert text == expected or os.environ.get("UPDATE_DOCS"), "run again with UPDATE_DOCS=1, and read the change"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_statement_reads_only_and_alone(path):
    statement = "\n".join(line for line in path.read_text("utf-8").splitlines() if not line.startswith("--"))
    assert ";" not in statement.strip().rstrip(";")
    assert re.match(r"(select|with|copy \()\b", statement.strip(), re.IGNORECASE) or statement.startswith("copy (")


def test_variants_follow_what_is_installed():
    def name(version_num, extension=None, statement="statement_counters"):
        return find(statement, version_num, extension).name

    assert [name(180_000, v) for v in ("1.8", "1.9", "1.10", "1.11", "1.12")] == [
        "statement_counters.sql", "statement_counters.v1_9.sql", "statement_counters.v1_10.sql",
        "statement_counters.v1_11.sql", "statement_counters.v1_12.sql",
    ]  # fmt: skip
    newest = max(SQL_DIR.glob("statement_counters.v*.sql"), key=lambda path: int(path.stem.rpartition("_")[2]))
    assert name(180_000, "1.99") == name(180_000, "2.0") == newest.name
    assert name(130_023, None, "activity") == "activity.sql"
    assert name(140_000, None, "activity") == name(180_006, None, "activity") == "activity.pg14.sql"


def test_marker_stands_behind_the_first_word():
    assert load("names", 180_000).startswith("select /* pgloupe */ 'database' as kind")
    assert mark("BEGIN READ ONLY") == "BEGIN /* pgloupe */ READ ONLY"
    assert mark(mark("select 1")) == "select /* pgloupe */ 1"
