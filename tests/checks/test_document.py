"""docs/checks/ says what the checks say."""

import re
from pathlib import Path

from analyzer.checks import all_checks
from analyzer.checks.document import pages, paragraphs, subject_of

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


def test_the_help_of_plan_checks_says_how_to_verify_and_when_to_leave_it_alone() -> None:
    for check in all_checks():
        if subject_of(check) == "plan":
            text = " ".join(paragraphs(check))
            assert re.search(r"\b[Tt]o verify,", text), f"{check} does not say how to verify what it found"
            assert re.search(r"\b[Ll]eave it alone\b", text), f"{check} does not say when to leave it alone"
            assert len(text.split(". ")) > 4, f"{check} says hardly more than what it found"  # how to mend it, too
