"""Checks of plans that tell of a table's figures say so: else what they said stays when the figures moved."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from analyzer.checks import Check, Context, all_checks, run_checks
from analyzer.plans import Plan
from analyzer.schema.facts import SchemaFacts, TableActivity, TableFacts
from analyzer.schema.figures_changed import figures_digest
from analyzer.schema.storage import StorageFacts
from tests.checks.builders import build, context, facts
from tests.checks.test_cases import each_case

AT = datetime(2026, 3, 4, 10, tzinfo=UTC)


def moved(table: TableFacts, by: int) -> TableFacts:
    columns = [replace(c, null_frac=0.5, n_distinct=7.0, avg_width_bytes=by % 1000, correlation=0.5)
               for c in table.columns]  # fmt: skip
    return replace(
        table, rows=float(by), size_bytes=by * 8192, columns=tuple(columns),
        activity=TableActivity(**dict.fromkeys(TableActivity.__dataclass_fields__, by)),
    )  # fmt: skip


@pytest.mark.parametrize("check", [c for c in all_checks() if c.kind.container is Plan], ids=repr)
def test_what_tells_of_figures_says_so(check: Check) -> None:
    def judge(_: Check, case: dict[str, Any]) -> None:
        known = context(case)
        if known.facts is None or check.reads_figures:
            return
        before = run_checks(build(case), known, checks=[check]).findings
        for by in (0, 10**9):
            other: Context = replace(known, facts=replace(known.facts, tables=tuple(moved(t, by) for t in known.facts)))
            assert run_checks(build(case), other, checks=[check]).findings == before

    each_case(check, judge)


def of(**fields: Any) -> SchemaFacts:
    known = facts({"tables": [{"name": "t", "columns": ["a"], "kind": "p"}, {"name": "t1", "parent": "t"}]})
    return replace(known, tables=(known.tables[0], replace(known.tables[1], **fields)))


def test_a_table_stands_as_it_did_until_it_is_analysed_written_anew_or_vacuumed() -> None:
    of_day = TableActivity(live_rows=1_000, dead_rows=10, updated_rows=1_000, hot_updated_rows=950)
    before = figures_digest(of(size_bytes=2**25, activity=of_day), "public.t")
    later = replace(of_day, live_rows=1_050, dead_rows=60, updated_rows=1_100, hot_updated_rows=1_040)
    assert figures_digest(of(size_bytes=2**25 + 8192, activity=later, rows=1_050.0), "public.t") == before
    for fields in (
        {"size_bytes": 2**23},
        {"storage": StorageFacts(last_autoanalyze=AT)},
        {"activity": replace(of_day, dead_rows=5_000)},
        {"activity": replace(of_day, updated_rows=2_000)},
    ):
        assert figures_digest(of(**{"size_bytes": 2**25, "activity": of_day, **fields}), "public.t") != before
    assert figures_digest(of(), "public.gone") == ""


def test_what_stands_is_told_of_a_schema_with_a_dot_and_without_going_over_all_tables() -> None:
    tables = [{"name": "t", "schema": "odd.one", "kind": "p"}, {"name": "t1", "schema": "odd.one", "parent": "t"}]
    known = facts({"tables": tables})
    before = figures_digest(known, "odd.one.t")
    assert before != ""
    grown = replace(known, tables=(known.tables[0], replace(known.tables[1], size_bytes=2**30)))
    assert figures_digest(grown, "odd.one.t") != before
    object.__setattr__(known, "tables", ())  # what it needs is known by now
    assert figures_digest(known, "odd.one.t") == before
