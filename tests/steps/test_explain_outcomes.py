"""What is kept of an EXPLAIN's outcomes."""

import copy

import pytest
from django.utils import timezone

from analyzer.models import Database, PlanRecord, Server, Statement
from analyzer.monitored.explain.gate import ExplainOutcome
from analyzer.plans import parse_plan
from analyzer.steps.explain import ToExplain
from analyzer.steps.explain_outcomes import keep_outcomes
from analyzer.store.series.totals import StatementRate

pytestmark = pytest.mark.django_db
SCAN = {"Plan": {"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t", "Actual Startup Time": 0.1,
                 "Actual Total Time": 40.0, "Actual Rows": 1, "Actual Loops": 1}, "Execution Time": 41.0}  # fmt: skip


def executed(values_source, time_ms: float) -> ExplainOutcome:
    plan = copy.deepcopy(SCAN)
    plan["Execution Time"] = time_ms
    return ExplainOutcome("executed", "", "", values_source, [plan], parse_plan(plan))


@pytest.mark.parametrize("order", [("sampled", "typical", "rare"), ("rare", "sampled")])
def test_of_plans_with_one_shape_that_of_real_values_stays(order):
    server = Server.objects.create(name="one", slug="one", host="h", user="u", dbname="shop")
    database = Database.objects.create(server=server, oid=5, name="shop")
    now = timezone.now()
    statement = Statement.objects.create(
        server=server, fingerprint="f", normalized_sql="select 1", kind="select", first_seen=now, last_seen=now
    )
    times = {"sampled": 41.0, "typical": 0.2, "rare": 0.1}
    item = ToExplain(statement, StatementRate(1.0, 1.0, 1.0, 1.0), "", "")
    keep_outcomes(server, database, item, [executed(source, times[source]) for source in order], now)
    record = PlanRecord.objects.get()
    assert (record.values_source, record.execution_time_ms, record.times_seen) == ("sampled", 41.0, len(order))
