"""Patterns and lists whose normal text hides what they were: planned both ways on real servers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from analyzer.monitored.connection import ConnectionSettings
from analyzer.monitored.explain.explain import ExplainLimits, ExplainOutcome, ExplainRequest, explain_statement
from analyzer.statements.fingerprint import fingerprint
from tests.servers import ScratchDatabase, Server

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module", params=[13, 18], ids=lambda version: f"pg{version}")
def shop(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Iterator[ScratchDatabase]:
    database = ScratchDatabase(postgres(request.param))
    try:
        database.execute(
            "create table item as select n as id, n % 120 as kind, md5(n::text) as name"
            " from generate_series(1, 30000) n",
            "alter table item add primary key (id)",
            "create index on item (upper(name) text_pattern_ops)",
            "create index on item (kind)",
            "analyze item",
        )
        yield database
    finally:
        database.drop()


def explain(database: ScratchDatabase, sql: str, **request: Any) -> list[ExplainOutcome]:
    settings = ConnectionSettings.from_dsn(database.dsn)
    return explain_statement(settings, ExplainRequest(sql, fingerprint(sql) or "", **request), ExplainLimits(cores=64))


def nodes(outcome: ExplainOutcome) -> set[str]:
    assert outcome.plan is not None
    return {node.node_type for node in outcome.plan}


def test_a_pattern_is_planned_at_the_start_and_in_the_middle(shop: ScratchDatabase) -> None:
    icontains = "select id from item where upper(name::text) like upper($1)"
    start, middle = explain(shop, icontains)
    assert (start.decision, middle.decision) == ("executed", "executed")
    assert nodes(start) & {"Index Scan", "Bitmap Heap Scan"}
    assert nodes(middle) == {"Seq Scan"}
    assert start.rewrites == ("a LIKE pattern of unknown shape was taken as 'abc%'",)
    assert middle.rewrites == ("a LIKE pattern of unknown shape was taken as '%abc%'",)
    for outcome in (start, middle):
        assert outcome.plan is not None
        assert (outcome.plan.root.actual_rows or 0) > 0  # values of the column match their own pattern


def test_a_real_run_leaves_nothing_to_assume(shop: ScratchDatabase) -> None:
    icontains = "select id from item where upper(name::text) like upper($1)"
    ran = "select id from item where upper(name::text) like upper('%zzz%')"
    outcomes = explain(shop, icontains, sampled_sqls=[ran])
    # a longer text of the same shape may have another plan, so it is tried too
    assert [(o.values_source, nodes(o), o.rewrites) for o in outcomes] == [
        ("sampled", {"Seq Scan"}, ()),
        ("rare", {"Seq Scan"}, ()),
    ]


@pytest.mark.parametrize("condition", ["kind in ($1 /*, ... */)", "kind = any($1::int[])"])
def test_many_rows_a_call_mean_a_long_list(shop: ScratchDatabase, condition: str) -> None:
    sql = f"select * from item where {condition}"
    for rows_per_call in (None, 5.0):
        assert all("100 elements" not in str(o.rewrites) for o in explain(shop, sql, rows_per_call=rows_per_call))
    short, long = explain(shop, sql, rows_per_call=3000.0)
    assert (short.decision, long.decision) == ("executed", "executed")
    assert short.rewrites == ("a list of unknown length was given 5 elements",)
    assert long.rewrites == ("a list of unknown length was given 100 elements",)
    assert nodes(short) != nodes(long)  # the planner's choice flips
    assert short.plan is not None
    assert long.plan is not None
    assert (short.plan.root.actual_rows, long.plan.root.actual_rows) == (1250, 25_000)


def test_the_length_of_a_real_list_is_known(shop: ScratchDatabase) -> None:
    sql = "select * from item where kind in ($1 /*, ... */)"
    outcomes = explain(
        shop, sql, rows_per_call=3000.0, sampled_sqls=["select * from item where kind in (1, 2, 3, 4, 5, 6, 7)"]
    )
    assert (outcomes[0].values_source, outcomes[0].rewrites) == ("sampled", ())
    assert "100 elements" not in str(outcomes)
    assert outcomes[0].plan is not None
    assert outcomes[0].plan.root.actual_rows == 1750
