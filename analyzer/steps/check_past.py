"""Statements against their own past -> findings: part of the step ``check``."""

from collections.abc import Mapping
from datetime import datetime

from analyzer.behaviour.past import StatementPast
from analyzer.checks import Outcome, Rules, checks_of, run_checks
from analyzer.models import Database, FindingRecord, Server, Statement
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import findings
from analyzer.store.series.past import pasts
from analyzer.store.series.totals import StatementRate
from analyzer.store.statements_not_run import ChecksOfServer

LOOKED_AT = 300  # judgement: what costs less than so many others is nobody's worry


def check_pasts(
    server: Server,
    database: Database,
    daily: Mapping[int, StatementRate],
    rules: Rules,
    now: datetime,
    seen_from: datetime,
) -> Outcome:
    """The statements that took the most time of the day, and those of which something is said already."""
    costliest = sorted(daily, key=lambda pk: (-daily[pk].total_time_s_per_day, pk))[:LOOKED_AT]
    codes = [check.code for check in checks_of(StatementPast)]
    told = FindingRecord.objects.filter(database=database, code__in=codes, closed_at__isnull=True)
    looked_at = {*costliest, *daily.keys() & set(told.values_list("statement_id", flat=True))}
    statements = Statement.objects.filter(pk__in=looked_at, kind__in=Statement.PLANNABLE)
    outcome, fingerprints = Outcome(), set()
    for past in pasts(database, dict(statements.values_list("pk", "fingerprint")), now):
        fingerprints.add(past.fingerprint)
        outcome.add(run_checks(past, rules=rules, stop_on=STOP_ON))
    findings.keep_outcome(
        server, database, outcome, StatementPast, now, ChecksOfServer(fingerprints, seen_from, rules.off)
    )
    return outcome
