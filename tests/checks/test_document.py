"""docs/checks/ says what the checks say."""

from pathlib import Path

from analyzer.checks import all_checks
from analyzer.checks.document import pages, paragraphs

DOCS = Path(__file__).parents[2] / "docs" / "checks"
BY_HAND = "field_notes.md"


def test_the_documents_are_fresh() -> None:
    kept = {path.name: path.read_text() for path in DOCS.glob("*.md") if path.name != BY_HAND}
    assert kept == pages(), "run: python -m analyzer.checks.document docs/checks"


def test_every_check_is_documented_with_help() -> None:
    text = "".join(pages().values())
    for check in all_checks():
        assert f"## {check.code}: {check.title}" in text
        assert len(paragraphs(check)) >= 2, f"{check} has a title for its help and nothing more"
