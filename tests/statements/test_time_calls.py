"""A plan tells which part of a time a recorded statement asks for, where no doubt is left."""

import pytest

from analyzer.plans import parse_plan
from analyzer.plans.conditions import read_condition
from analyzer.statements.equivalents import RANGE, Equivalent, rewritten
from analyzer.statements.time_calls import parts_in_plan
from tests.statements.equivalents.tables import DDL, FACTS

# WHERE as it ran -> as pg_stat_statements has it, and the parts that the plan tells
RAN = {
    "extract(year from ts) = 2024": ("extract($1 from ts) = $2", {1: "year"}),
    "date_part('year', u.tz) < 2024": ("date_part($1, u.tz) < $2", {1: "year"}),
    "date_trunc('month', ts) between '2024-01-01' and now()": ("date_trunc($1, ts) between $2 and now()", {1: "month"}),
    "g = 1 and date_trunc('DAY', tz) = date_trunc('day', now())": (
        "g = $1 and date_trunc($2, tz) = date_trunc($3, now())", {2: "day", 3: "day"},
    ),
    "date_trunc('week', tz) = date_trunc('week', current_date)": (
        "date_trunc($1, tz) = date_trunc($2, current_date)", {1: "week", 2: "week"},
    ),
    "extract(month from ts) = 2 and extract(year from ts) = 2024": (
        "extract($1 from ts) = $2 and extract($3 from ts) = $4", {},
    ),
    "extract(year from ts) = extract(year from tz)": (
        "extract($1 from ts) = extract($2 from tz)", {1: "year", 2: "year"},
    ),
    "date_trunc('month', ts) = '2024-01-01' and exists (select from t k where date_trunc('year', k.ts) < '2024-01-01')":
        ("date_trunc($1, ts) = $2 and exists (select from t k where date_trunc($3, k.ts) < $4)", {}),
}  # fmt: skip


@pytest.mark.postgres
@pytest.mark.parametrize("version", [13, 18])
def test_a_plan_tells_the_part(version: int, scratch_database, postgres) -> None:  # type: ignore[no-untyped-def]
    database = scratch_database(postgres(version))
    database.execute(*DDL)
    with database.connect() as connection:
        connection.execute("set enable_indexscan = off")
        for ran, (recorded, parts) in RAN.items():
            ((plan,),) = connection.execute(f"explain (format json) select id from t u where {ran}").fetchall()
            scan = next(node for node in parse_plan(plan) if node.raw.get("Alias") == "u")
            condition = read_condition(scan.filter or "")
            assert condition is not None
            assert parts_in_plan(f"select id from t u where {recorded}", condition.time_calls) == parts, ran


T_CREATED = "(date_trunc('month', t.created) >= '2024-01-01') AND (date_trunc('month', t.created) <= '2024-02-01')"


@pytest.mark.parametrize(
    ("recorded", "planned", "parts"),
    [
        (
            "from t join u on u.k = t.k where date_trunc($1, t.created) between $2 and $3"
            " and date_trunc($4, u.created) = $5",
            T_CREATED,
            {},
        ),
        ("from t join u on u.k = t.k where date_trunc($1, t.created) between $2 and $3", T_CREATED, {1: "month"}),
        ("from t join u on u.k = t.k where date_trunc($1, u.created) = $2", T_CREATED, {}),
        ("from t join u on u.k = t.k where date_trunc($1, created) = $2", T_CREATED, {}),
        ("from t, generate_series($1, $2) u(created) where date_trunc($3, u.created) = $4", T_CREATED, {}),
        ("from t where date_trunc($1, t.created) between $2 and $3 and date_trunc($4, created) < $5", T_CREATED, {}),
        ("from t where date_trunc($1, created) not between symmetric $2 and $3", T_CREATED, {}),
        ("from t where date_trunc($1, t.created) >= $2 and date_trunc($3, created) <= $4", T_CREATED,
         {1: "month", 3: "month"}),
    ],
)  # fmt: skip
def test_of_several_tables_the_plan_tells_what_names_the_same(
    recorded: str, planned: str, parts: dict[int, str]
) -> None:
    condition = read_condition(planned)
    assert condition is not None
    assert parts_in_plan(f"select {recorded}", condition.time_calls) == parts


def test_the_range_says_what_the_plan_told_and_how_its_parameters_are_called() -> None:
    found = rewritten(RANGE, "select $1 from t where extract($2 from ts) = $3 and g = $4", FACTS, {2: "year"})
    assert isinstance(found, Equivalent)
    assert found.sql == (
        "SELECT $1 FROM t WHERE ts >= make_date(CAST($2 AS integer), 1, 1)"
        " AND ts < make_date(CAST($2 AS integer) + 1, 1, 1) AND g = $3"
    )
    assert found.assumptions == (
        "the statement's $2 is 'year', as in the plan",
        "$2 is a whole year, from 1 on",
        "the statement's $3 and $4 are $2 and $3 here",
    )
