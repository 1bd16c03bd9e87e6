"""What the checks say of a stored plan, kept with it until what that depends on changes; the impact is put in later."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from analyzer.checks import Context, Outcome, Rules, checks_of, find, impact, version
from analyzer.findings import Finding
from analyzer.models import Database, PlanRecord
from analyzer.plans import Plan, PlanError, parse_plan
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.figures_changed import figures_digest
from analyzer.statements.inner_query import planned_query
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import schemas

logger = logging.getLogger(__name__)

PLANS_AT_ONCE = 200  # judgement: read from the store together; 3 kB each on the demo, 4 MB at most


def judged_with(database: Database, rules: Rules) -> str:
    """Changes with whatever a plan's findings depend on, the plan aside."""
    parts = [version(), repr(sorted(rules.off)), repr(sorted(rules.thresholds.items())), schemas.in_force(database)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def is_due(record: PlanRecord, facts: SchemaFacts | None, judged_with: str) -> bool:
    """Whether the plan is to be judged: what its findings depend on changed, or figures moved that they tell of."""
    if record.judged_with != judged_with:
        return True
    standing: Mapping[str, str] = record.judgement.get("standing", {})
    return facts is not None and any(figures_digest(facts, table) != before for table, before in standing.items())


def judge(records: Sequence[PlanRecord], facts: SchemaFacts | None, rules: Rules, judged_with: str) -> None:
    """Fill ``judgement`` of the records and keep it with them."""
    for start in range(0, len(records), PLANS_AT_ONCE):
        batch = records[start : start + PLANS_AT_ONCE]
        whole = PlanRecord.objects.select_related("statement").in_bulk([r.pk for r in batch])
        for record in batch:
            record.judged_with = judged_with
            record.judgement = _to_json(_judged(whole[record.pk], facts, rules), facts) if record.pk in whole else {}
        PlanRecord.objects.bulk_update(batch, ["judgement", "judged_with"])


def _judged(record: PlanRecord, facts: SchemaFacts | None, rules: Rules) -> Outcome:
    statement = record.statement
    if not record.plan:  # too large to be kept: nothing of it is known, so nothing is gone
        return _unjudged(statement.fingerprint, "the plan is too large to be kept")
    try:
        plan = parse_plan(record.plan)
    except PlanError as error:
        logger.warning("plan %s cannot be read: %s", record.pk, error)
        return _unjudged(statement.fingerprint, "the plan cannot be read")
    sql = planned_query(statement.normalized_sql, facts) or statement.normalized_sql
    context = Context(facts=facts, fingerprint=statement.fingerprint, normalized_sql=sql)
    return find(plan, context, rules=rules, stop_on=STOP_ON)


def _unjudged(fingerprint: str, why: str) -> Outcome:
    return Outcome(not_run={check.code: {fingerprint: why} for check in checks_of(Plan)})


def _to_json(outcome: Outcome, facts: SchemaFacts | None) -> dict[str, Any]:
    """{} of a plan that every check judged and none found anything in: most are such."""
    codes = {check.code for check in checks_of(Plan) if check.reads_figures}
    told = {finding.table for finding in outcome.findings if finding.code in codes and finding.table}
    kept = {
        "standing": {table: figures_digest(facts, table) for table in sorted(told)} if facts is not None else {},
        "findings": [finding.to_json() for finding in outcome.findings],
        "not_run": outcome.not_run,
        "failed": outcome.failed,
    }
    return {name: value for name, value in kept.items() if value}


def kept(record: PlanRecord) -> Outcome:
    """What the record's judgement says, not rated."""
    said: Mapping[str, Any] = record.judgement
    return Outcome(
        [Finding.from_json(finding) for finding in said.get("findings", ())],
        {code: dict(things) for code, things in said.get("not_run", {}).items()},
        {code: dict(things) for code, things in said.get("failed", {}).items()},
    )


def current(record: PlanRecord, rules: Rules) -> Outcome | None:
    """The same of a plan by itself, rated without calls; None where its judgement is not of now."""
    if record.judged_with != judged_with(record.database, rules):
        return None
    outcome = kept(record)
    outcome.findings = impact.rated(outcome.findings, impact.Load(), rules.severity_limits)
    return outcome
