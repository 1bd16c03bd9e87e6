"""Nights in which a zone's clock skips midnight, or repeats the hour after it."""

import pytest

from analyzer.statements.equivalents import RANGE, Equivalent, rewritten
from tests.statements.equivalents.tables import DDL, FACTS


@pytest.mark.postgres
def test_a_zone_that_repeats_midnight_is_why_it_is_named(scratch_database, postgres18) -> None:  # type: ignore[no-untyped-def]
    sql = "select id from t where tz::date = '2024-11-03'"
    found = rewritten(RANGE, sql, FACTS)
    assert isinstance(found, Equivalent)
    assert "Havana" in found.assumptions[0]
    database = scratch_database(postgres18)
    database.execute(*DDL, "insert into t (id, tz) values (1, '2024-11-03 04:30+00'), (2, '2024-11-03 05:30+00')")
    with database.connect() as connection:
        connection.execute("set timezone to 'America/Havana'")
        assert [len(connection.execute(text).fetchall()) for text in (sql, found.sql)] == [2, 1]
        connection.execute("set timezone to 'UTC'")
        assert [len(connection.execute(text).fetchall()) for text in (sql, found.sql)] == [2, 2]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("zone_name", "unit", "first"),
    [("America/Santiago", "day", "2024-09-08"), ("Africa/Cairo", "day", "2024-04-26"),
     ("America/Asuncion", "month", "2023-10-01")],
)  # fmt: skip
def test_a_day_without_midnight_ends_at_the_next(
    zone_name: str, unit: str, first: str, scratch_database, postgres18
) -> None:  # type: ignore[no-untyped-def]
    sql = f"select id from t where date_trunc('{unit}', tz) = '{first}'"
    found = rewritten(RANGE, sql, FACTS)
    assert isinstance(found, Equivalent)
    database = scratch_database(postgres18)
    database.execute(*DDL)
    with database.connect() as connection:
        connection.execute(f"set timezone to '{zone_name}'")
        connection.execute(
            "insert into t (id, tz) select n, %s::timestamptz + n * interval '10 minutes'"
            " from generate_series(-200, 5000) n",
            [first],
        )
        before, after = (connection.execute(text).fetchall() for text in (sql, found.sql))
        assert sorted(before) == sorted(after)
        assert len(before) > 100
