"""Fixes that are the statement written otherwise: once for a plan, with code for an ORM where it says the same."""

from dataclasses import dataclass

import pytest

from analyzer.checks import Context, run_checks
from analyzer.checks.rewrites import rewrites
from analyzer.plans import parse_plan
from analyzer.schema.facts import SchemaFacts
from analyzer.statements import equivalents
from analyzer.statements.equivalents import COUNT, FIRST_ROWS, INTERVAL, RANGE
from tests.statements.equivalents.tables import FACTS

NUMBERED = "select * from (select e.*, row_number() over (partition by a_id order by id) rn from e) q where"


@dataclass(frozen=True)
class Known:
    normalized_sql: str
    facts: SchemaFacts = FACTS


@pytest.mark.parametrize(
    ("kind", "sql", "shown"),
    [
        (COUNT, "select * from a where (select count(*) from b where b.a_id = a.id) > 0", True),
        (COUNT, "select * from a where (select count(*) from b where b.a_id = a.id) = 0", False),
        (COUNT, "select (select count(*) from b where b.a_id = a.id) > 0 from a", False),
        (FIRST_ROWS, f"{NUMBERED} rn = 1", True),
        (FIRST_ROWS, f"{NUMBERED} rn <= 3", False),
        (FIRST_ROWS, "select * from (select a.*, row_number() over (order by id) rn from a) q where rn <= 3", False),
        (RANGE, "select * from t where ts::date = $1", True),
        (RANGE, "select * from t where ts::date < $1", False),
        (RANGE, "select * from t where ts::date between $1 and $2", False),
        (RANGE, "select * from t where date_trunc('month', ts) = $1", False),
        (INTERVAL, "select * from t where tz + interval '1 day' > now()", True),
        (INTERVAL, "select * from t where tz + interval '1 day' < now()", False),
    ],
)
def test_code_is_shown_for_the_form_it_is_of(kind: str, sql: str, shown: bool) -> None:
    fixes = rewrites(Known(sql), kind)  # type: ignore[arg-type]
    assert [fix.language for fix in fixes][:1] == ["sql"]
    assert ("django" in [fix.language for fix in fixes]) is shown


SCAN = """  ->  Seq Scan on t{0}  (cost=0.00..900.00 rows=1 width=4) (actual time=9.0..90.0 rows=1 loops=1)
        Filter: ({1})
        Rows Removed by Filter: 100000
"""
TWICE = "".join(
    ("Append  (cost=0.00..1800.00 rows=2 width=4) (actual time=9.0..180.0 rows=2 loops=1)\n",
     SCAN.format("", "date(ts) = '2024-01-01'::date"), SCAN.format(" t_1", "EXTRACT(year FROM ts) = '2024'::numeric"),
     "Execution Time: 181.0 ms\n")
)  # fmt: skip


def test_the_findings_of_a_plan_share_what_was_written_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    written, changed = [], equivalents._changed
    monkeypatch.setattr(
        equivalents, "_changed", lambda kind, *rest, **more: written.append(kind) or changed(kind, *rest, **more)
    )
    sql = "select id from t where date(ts) = $1 union all select id from t t_1 where extract(year from ts) = $2"
    found = run_checks(parse_plan(TWICE), Context(facts=FACTS, normalized_sql=sql, calls_per_day=9e4)).findings
    rewritten = [finding for finding in found if any(fix.language == "sql" for fix in finding.fixes)]
    assert len(rewritten) == 2
    assert sorted(written) == sorted(set(written))
