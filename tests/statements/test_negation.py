"""What PostgreSQL makes of NOT: the same rows, NULLs included."""

import psycopg
import pytest

from analyzer.statements.negation import pushed_down
from analyzer.statements.tree import parse, text_of

CONDITIONS = {
    "not (n <> 1)": "n = 1",
    "not (n < 2 or n is null)": "n >= 2 AND n IS NOT NULL",
    "not (n is not null and not (n > 1 and t like 'a%'))": "n IS NULL OR (n > 1 AND t LIKE 'a%')",
    "not (n in (1, 2))": "n NOT IN (1, 2)",
    "not (n not in (1, null))": "n IN (1, NULL)",
    "not (n <> all (array[1, 2]))": "n = ANY(ARRAY[1, 2])",
    "not (n >= any (array[2, null]))": "n < ALL(ARRAY[2, NULL])",
    "not (n between 1 and 2)": "n NOT BETWEEN 1 AND 2",
    "not (n not between 1 and 2)": "n BETWEEN 1 AND 2",
    "not (t not ilike 'A%')": "t ILIKE 'A%'",
    "not (t !~ '^a')": "t ~ '^a'",
    "not ((n = 1) is true)": "n = 1 IS NOT TRUE",
    "not ((n = 1) is not unknown)": "n = 1 IS UNKNOWN",
    "not (not (b))": "b",
    "not (b and n = 1)": "NOT b OR n <> 1",
    # not pushed down by the planner either
    "not ((n, n) = (1, 2))": None,
    "not (n is distinct from 1)": None,
    "not ((n, t) is null)": None,
    "not exists (select)": None,
}
ROWS = "(values (1, 'ab', true), (2, 'A', false), (3, 'b', null), (null, 'a', true), (1, null, false)) v (n, t, b)"


def _pushed(condition: str) -> str:
    return text_of(pushed_down(parse(f"select where {condition}")[0].stmt.whereClause))


@pytest.mark.parametrize(("condition", "pushed"), CONDITIONS.items())
def test_not_is_pushed_down_to_the_comparisons(condition: str, pushed: str | None) -> None:
    whole = parse(f"select where {condition}")[0].stmt.whereClause
    assert text_of(pushed_down(whole)) == (pushed or text_of(whole))
    assert text_of(whole) == text_of(parse(f"select where {condition}")[0].stmt.whereClause)


def test_a_nest_too_deep_stays_as_it_is() -> None:
    node = parse("select where " + "not (" * 2_000 + "a = 1" + ")" * 2_000)[0].stmt.whereClause
    assert pushed_down(node) is node


@pytest.mark.postgres
def test_what_is_pushed_down_is_true_of_the_same_rows(postgres18) -> None:
    with psycopg.connect(postgres18.dsn()) as connection:
        for condition in CONDITIONS:
            sql = f"select count(*) from {ROWS} where ({condition}) is distinct from ({_pushed(condition)})"
            assert connection.execute(sql).fetchone() == (0,), condition
