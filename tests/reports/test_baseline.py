"""What is new since an earlier run of analyze."""

from dataclasses import replace

import pytest

from analyzer.findings import Finding, Severity
from analyzer.reports.baseline import Baseline
from analyzer.reports.findings_as_text import finding_as_json

ONE = Finding("SC019", "Key", Severity.WARNING, "id", "m", "h", {}, about="public.a")
TWO = Finding("SC053", "Old", Severity.INFO, "a", "m", "h", {}, about="public.a", group="shop:several tables",
              members=("public.a:a", "public.b:b"))  # fmt: skip


def written(*findings: Finding, older: bool = False) -> Baseline:
    data = [finding_as_json(finding) for finding in findings]
    for finding in data if older else ():
        del finding["members"], finding["group"]
    return Baseline.from_json({"findings": data})


@pytest.mark.parametrize(
    ("finding", "is_known"),
    [
        (ONE, True),
        (replace(ONE, severity=Severity.INFO), True),
        (replace(ONE, severity=Severity.CRITICAL), False),
        (replace(ONE, about="public.b"), False),
        (TWO, True),
        (replace(TWO, members=("public.b:b",)), True),
        (replace(TWO, members=("public.a:a", "public.b:b", "public.c:c")), False),
    ],
)
def test_known_is_what_was_there_and_as_severe(finding: Finding, is_known: bool) -> None:
    assert written(ONE, TWO).knows(finding) is is_known


def test_an_older_version_did_not_write_for_what_a_finding_stands() -> None:
    more = replace(TWO, members=(*TWO.members, "public.c:c"))
    assert written(TWO, older=True).knows(more)
    alone = replace(TWO, group="", members=())  # its key was of its table
    assert written(alone, older=True).knows(replace(TWO, members=("public.a:a",)))
    assert not written(alone, older=True).knows(TWO)
