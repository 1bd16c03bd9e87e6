"""Statements against their own past -> findings: part of the step ``check``."""

from collections.abc import Mapping
from datetime import datetime

from analyzer.behaviour.past import StatementPast
from analyzer.checks import Outcome, Rules, run_checks
from analyzer.models import Database, Server, Statement
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import findings
from analyzer.store.series.past import pasts
from analyzer.store.series.totals import StatementRate

LOOKED_AT = 300  # judgement: what costs less than so many others is nobody's worry


def check_pasts(
    server: Server, database: Database, daily: Mapping[int, StatementRate], rules: Rules, now: datetime
) -> Outcome:
    """The statements that took the most time of the day."""
    costliest = sorted(daily, key=lambda pk: (-daily[pk].total_time_s_per_day, pk))[:LOOKED_AT]
    statements = Statement.objects.filter(pk__in=costliest, kind__in=Statement.PLANNABLE)
    outcome = Outcome()
    for past in pasts(database, dict(statements.values_list("pk", "fingerprint")), now):
        outcome.add(run_checks(past, rules=rules, stop_on=STOP_ON))
    findings.keep_outcome(server, database, outcome, StatementPast, now)
    return outcome
