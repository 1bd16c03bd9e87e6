"""Does the twin plan a statement as the server did? Asked of every plan in the store, it is the trust in all advice.

Both have to be asked the same: the text as the gate made it plannable, the settings that its EXPLAIN (SETTINGS)
printed (the gate plans without the parallel workers that an application may have), and the same values. What the store
keeps is redacted, so values have to come from elsewhere:

    values_source   sql                                 values
    none, generic   the statement's text                None
    sampled         the newest sample, decrypted        None: they are in the text
    typical, rare   the statement's text                as chosen again from the twin's statistics, by the same rule

A sample may be newer than the plan, and statistics may have changed since it was made: a difference then says so too.
"""

from collections.abc import Sequence
from typing import Any

from analyzer.advice.planner import Query, Refused
from analyzer.plans import Plan, PlanError, parse_plan, redact_plan
from analyzer.plans.compare import Sameness, sameness
from analyzer.plans.redact import REDACTED
from analyzer.statements.preparable import preparable_sql
from analyzer.twin.twin import Twin

# printed only where it is not PostgreSQL's default
WORKERS, DEFAULT_WORKERS = "max_parallel_workers_per_gather", "2"


def compare_with_server(
    twin: Twin, sql: str, values: Sequence[str | None] | None, server_plan: Any
) -> Sameness | Refused:
    """``server_plan``: as ``PlanRecord.plan``, EXPLAIN's JSON with or without its literals; executed or not.

    ``values``: texts of ``$1``, ``$2``, ... of the plannable text; None for a generic plan, or where ``sql`` has no
    parameters. Refused: there is no plan to compare, and why. A ratio of costs is the twin's to the server's.
    """
    try:
        there = parse_plan(server_plan)
    except PlanError as error:
        return Refused(f"The server's plan cannot be read: {error}")
    preparable = preparable_sql(sql)
    if preparable.sql is None:
        return Refused(preparable.reason or "The text cannot be made plannable.")
    query = Query(sql, sql, preparable.sql, 0.0, tuple(values) if values is not None else None)
    answer = twin.explain(query, settings=printed_settings(there))
    if isinstance(answer, Refused):
        return answer
    return sameness(there, parse_plan(redact_plan(answer)))


def printed_settings(plan: Plan) -> dict[str, str]:
    """What a plan was made with, as far as EXPLAIN (SETTINGS) said it."""
    printed = {name: value for name, value in plan.settings.items() if value != REDACTED}
    return {WORKERS: DEFAULT_WORKERS, **printed}
