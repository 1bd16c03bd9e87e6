"""Values for one statement of the gate: which texts and values are worth planning, and which real runs may be used."""

from datetime import UTC, datetime

from analyzer.monitored.catalog.column_statistics import read_statistics
from analyzer.monitored.explain.attempts import Checked, ExplainCandidate
from analyzer.monitored.explain.gate import ExplainRequest
from analyzer.monitored.explain.session import ExplainSession
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.inner_query import planned_query
from analyzer.statements.predicates import parameter_columns
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.safety import check_statement
from analyzer.statements.scalar_subqueries import depends_on_values
from analyzer.values.choose import (
    LIST_ELEMENTS,
    LONG_LIST_ELEMENTS,
    NoValues,
    ValueSet,
    choose_values,
    fixed_values,
)
from analyzer.values.like_patterns import like_patterns
from analyzer.values.partial_indexes import partial_values
from analyzer.values.rows_kept import limits_for_rows, values_for_rows


def value_sets(session: ExplainSession, checked: Checked) -> list[tuple[str, ValueSet]] | NoValues:
    """Texts and their values: typical and rare; where lists may be long, short and long ones instead."""
    short = _values_of(session, checked, checked.text, LIST_ELEMENTS)
    if isinstance(short, NoValues) or checked.long_text is None:
        return short if isinstance(short, NoValues) else [(checked.text, values) for values in short]
    long = _values_of(session, checked, checked.long_text, LONG_LIST_ELEMENTS)
    last = (checked.text, short[-1]) if isinstance(long, NoValues) else (checked.long_text, long[-1])
    first = (checked.text, short[0])
    return [first] if last[1].literals == first[1].literals else [first, last]


def _values_of(session: ExplainSession, checked: Checked, text: str, list_elements: int) -> list[ValueSet] | NoValues:
    with session.prepared(text) as name:
        types = session.parameter_types(name)
    facts = checked.request.facts
    uses = parameter_columns(text, facts)
    with session.own_path():
        statistics = read_statistics(session.connection, uses, checked.catalog.tables, facts)
    rows_per_call = checked.request.rows_per_call
    patterns = like_patterns(text, same_statement(checked.request))
    return choose_values(
        uses, types, statistics, datetime.now(UTC), fixed_values(text, facts), patterns,
        list_elements=list_elements,
        partial={**limits_for_rows(text, rows_per_call), **(partial_values(text, uses, facts) if facts else {})},
        told=values_for_rows(text, uses, statistics, facts, rows_per_call),
    )  # fmt: skip


def values_objection(candidate: ExplainCandidate) -> str | None:
    """Why a plan for chosen values must not be executed though every layer would let it: it would fail."""
    if candidate.source not in ("typical", "rare") or candidate.plan is None or not depends_on_values(candidate.text):
        return None
    for node in candidate.plan:
        is_subquery = node.raw.get("Parent Relationship") in ("InitPlan", "SubPlan")
        is_cte = str(node.raw.get("Subplan Name", "")).startswith("CTE ")
        if is_subquery and not is_cte and (node.plan_rows or 0.0) > 1:
            return (
                "With values that pgLoupe can choose, a subquery used as an expression may give more than one row,"
                " which would be an error; a run seen with its values would do."
            )
    return None


def with_long_lists(checked: Checked) -> str | None:
    """The text with lists as long as its rows a call suggest; None where it has none, or cannot be planned so.

    The same text where the lists are arrays.
    """
    if all(r.kind != "list" for r in checked.preparable.rewrites):
        uses = parameter_columns(checked.text, checked.request.facts).values()
        return checked.text if any(u.operator in ("any", "not_in") for u in uses) else None
    request = checked.request
    text = preparable_sql(
        request.sql, list_length=LONG_LIST_ELEMENTS, facts=request.facts, samples=same_statement(request)
    ).sql
    is_allowed = text is not None and check_statement(text).decision == checked.verdict.decision
    return text if is_allowed else None


def usable_sample(request: ExplainRequest) -> str | None:
    """The first sampled text that is this statement with all its values, and could itself be executed."""
    for text in same_statement(request):
        own = check_statement(text)
        if own.decision == "analyze" and not own.parameter_count:
            return text.strip().rstrip(";").rstrip()
    return None


def same_statement(request: ExplainRequest) -> list[str]:
    """Runs of the statement; of one inside a utility, its query."""
    same = (s for s in request.sampled_sqls if fingerprint(s) == request.fingerprint)
    return [planned_query(s, request.facts) or s for s in same]
