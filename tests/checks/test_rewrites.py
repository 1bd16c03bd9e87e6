"""Code for an ORM is shown where it says what the statement written otherwise says."""

from dataclasses import dataclass

import pytest

from analyzer.checks.rewrites import rewrites
from analyzer.schema.facts import SchemaFacts
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
