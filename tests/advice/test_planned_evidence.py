"""The planner's evidence and the curve as they are kept: what older versions wrote reads as well."""

from typing import Any

import pytest

from analyzer.advice.kept_point import KeptDrop, KeptIndex, KeptPoint, readable
from analyzer.advice.planned_evidence import HurtStatement, PlannedEvidence, StatementCosts

COSTS: dict[str, Any] = {"fingerprint": "f1", "cost_before": 100, "cost_after": 2.5}


def test_what_is_kept_reads_as_it_was_written() -> None:
    evidence = PlannedEvidence(
        "twin", ("ix_a",), 3.0, 1.0, statements=(StatementCosts("f1", 100.0, 2.5, "Index Scan"),),
        hurt=(HurtStatement("f2", 1.0, 2.0, "rare"),), build_time_s=None,
    )  # fmt: skip
    assert PlannedEvidence.from_json(evidence.to_json()) == evidence
    assert evidence.to_json()["together_with"] == ["ix_a"]


@pytest.mark.parametrize(
    ("kept", "evidence"),
    [
        ({}, None),  # no planner was asked
        ({"statements": []}, PlannedEvidence()),
        (
            {"planner": "twin", "statements": [COSTS], "hurt": [COSTS], "plans": [{"of": "an older version"}]},
            PlannedEvidence(
                "twin", statements=(StatementCosts("f1", 100.0, 2.5),), hurt=(HurtStatement("f1", 100.0, 2.5),)
            ),
        ),
        ({"planner": ["nobody", "wrote this"]}, PlannedEvidence()),
    ],
)
def test_what_older_versions_kept_reads(kept: dict[str, Any], evidence: PlannedEvidence | None) -> None:
    assert PlannedEvidence.from_json(kept) == evidence


def test_a_point_of_the_curve_reads_as_it_was_written_and_without_what_an_older_version_lacked() -> None:
    index = KeptIndex("k", "ix", "public.t", "(a)", ("CREATE INDEX ix ON t (a)",), 8192, helps=("f1",))
    drop = KeptDrop("public.old", "public.t", "covered", ("DROP INDEX old",), proof="as planned")
    point = KeptPoint(8192, 0.5, None, 0.1, {"now_s_per_day": None, "watched_s": 60.0}, (index,), (drop,))
    assert KeptPoint.from_json(point.to_json()) == point
    older = point.to_json()
    del older["hurt"], older["at_risk"], older["time"], older["drops"][0]["proof"]
    older["assumed"] = {"f1": "what only it kept"}
    read = KeptPoint.from_json(older)
    assert (read.time, read.hurt, read.drops[0].proof, read.bought) == (None, (), "", ({"k"}, {"public.old"}))


def test_sizes_that_were_kept_with_a_fraction_read_and_what_is_no_point_is_counted() -> None:
    index = KeptIndex("k", "ix", "public.t", "(a)", (), 8192)
    kept = KeptPoint(8192, 0.5, 10_000, indexes=(index,)).to_json()
    floating = kept | {
        "size_bytes": 8192.4,
        "budget_bytes": 1e4,
        "indexes": [kept["indexes"][0] | {"size_bytes": 8191.9}],
    }
    points, unreadable = readable([floating, kept | {"size_bytes": "much"}, {"indexes": [[]]}, None, [1]])
    assert (points, unreadable) == ([KeptPoint.from_json(kept)], 4)
