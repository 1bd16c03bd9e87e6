"""The check on half an hour of two real projects at a low rate, as ``python -m bench nplus`` recorded it.

Recorded by bench/projects.py with PostgreSQL 18.6, Django 5.2.19, FastAPI 0.165.0 and SQLAlchemy 2.1.9.
"""

import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from analyzer.checks import run_checks
from analyzer.checks.statement.n_plus_one_burst import check
from tests.apps.recorded import INTERVALS, from_json, judge

RECORDINGS = Path(__file__).parent / "projects"
PROJECTS = ("library", "festival")


@cache
def recording(name):
    return from_json(json.loads(gzip.decompress((RECORDINGS / f"{name}.json.gz").read_bytes())))


def judged(name, *, tagged, intervals=INTERVALS):
    found = recording(name)
    return judge(found, run_checks(found.workload(intervals, tagged=tagged), checks=[check]).findings)


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("name", PROJECTS)
def test_every_planted_page_is_named_and_nothing_else(name, tagged):
    found = judged(name, tagged=tagged)
    assert [f.message for f in found.false] == []
    assert len(found.pages) == found.planted == 10
    assert found.missed == set()
    assert {f.evidence["confidence"] for f in found.findings} <= {"confirmed", "likely"}


@pytest.mark.parametrize("name", PROJECTS)
def test_each_finding_names_its_own_route_and_file(name):
    found = judged(name, tagged=True)
    assert found.wrong_routes == []
    assert sum("route" in f.evidence for f in found.findings) >= 9
    places = {"views.py", "admin.py"}
    assert all(
        Path(f.evidence["file"].partition(":")[0]).name in places for f in found.findings if "file" in f.evidence
    )


@pytest.mark.parametrize("intervals", [8, 12, 16])
@pytest.mark.parametrize("name", PROJECTS)
def test_what_is_said_early_is_true(name, intervals):
    assert judged(name, tagged=True, intervals=intervals).false == []


def test_what_is_said_early_is_much_of_it():
    assert sum(len(judged(name, tagged=True, intervals=14).pages) for name in PROJECTS) >= 5


def test_the_call_to_write_is_that_of_the_page():
    found = {f.evidence.get("route"): f for f in judged("library", tagged=True).findings}
    codes = {route: f.fixes[0].code for route, f in found.items()}
    both = 'Loan.objects.select_related("handled_by", "member")'
    assert (codes["loans"], codes["handovers"]) == (both, both)
    undecided = "Which of handled_by_id and member_id brings the keys cannot be seen: the call fetches by each of them."
    assert [route for route, f in found.items() if undecided in f.hint and route in ("loans", "handovers")] == ["loans"]
    assert codes["shelves"] == 'Shelf.objects.prefetch_related("copy_set")'
    assert codes["serialized"] == 'Book.objects.select_related("author__country")'
    assert codes["by_year"] == 'Book.objects.prefetch_related("genres")'
    assert codes["admin:library_loan_changelist"].endswith('list_select_related = ("handled_by", "member")')
