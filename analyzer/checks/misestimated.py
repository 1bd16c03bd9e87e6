"""The misestimates of a plan, worked out once for all checks that explain them, and what they cost."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from analyzer.checks.work_mem import spilled_ratio
from analyzer.plans import Plan, PlanNode
from analyzer.plans.cut_short import Comparable, comparable
from analyzer.plans.estimates import Misestimate, Sufferer, misestimates
from analyzer.plans.payers import RETURNS
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier

_known: WeakKeyDictionary[Plan, tuple[Misestimate, ...]] = WeakKeyDictionary()
_comparable: WeakKeyDictionary[Plan, Comparable] = WeakKeyDictionary()
_returned: WeakKeyDictionary[Plan, frozenset[int]] = WeakKeyDictionary()


def misestimates_of(plan: Plan) -> tuple[Misestimate, ...]:
    found = _known.get(plan)
    if found is None:
        found = _known[plan] = misestimates(plan)
    return found


def comparable_rows(plan: Plan) -> Comparable:
    """Which nodes' rows tell of their estimates."""
    found = _comparable.get(plan)
    if found is None:
        found = _comparable[plan] = comparable(plan)
    return found


def cost_ms(sufferers: Sequence[Sufferer]) -> float | None:
    """What the nodes took that would have been planned otherwise, no part of it twice; None without times.

    An upper bound of what a right estimate saves: the other plan takes time, too.
    """
    parts = [suffered_ms(s) for s in sufferers if s.kind != "memoize_evictions"]  # part of the inner side's runs
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def suffered_ms(sufferer: Sufferer) -> float | None:
    """What it took; of a hashed Aggregate that spilled the share that did."""
    if sufferer.kind != "aggregate_on_disk" or sufferer.time_ms is None:
        return sufferer.time_ms
    return sufferer.time_ms * spilled_ratio(sufferer.node)


def rows_in_words(misestimate: Misestimate) -> str:
    """ "was planned with 2,000 rows and gave 400,000 (200 times as many)"."""
    estimate, runs = misestimate.estimate, misestimate.node.loops or 1
    each = " in each run" if runs > 1 else ""
    times = f"{estimate.factor:,.0f} times {'as many' if misestimate.direction == 'under' else 'fewer'}"
    return f"was planned with {estimate.planned_rows:,.0f} rows and gave {estimate.actual_rows:,.0f}{each} ({times})"


def statement_parameters(plan: Plan, numbers: frozenset[int]) -> frozenset[int]:
    """Those of ``$n`` that stand for the statement's values: up to 16 results of InitPlans are printed alike."""
    returned = _returned.get(plan)
    if returned is None:
        matches = [RETURNS.search(node.subplan_name) for node in plan if node.subplan_name]
        returned = frozenset(int(name.strip(" $")) for match in matches if match for name in match[1].split(","))
        _returned[plan] = returned
    return numbers - returned


def table_sql(node: PlanNode) -> str:
    """The scanned table's name as SQL."""
    name = node.relation_name or ""
    return qualified(node.schema, name) if node.schema else quote_identifier(name)


def table_facts(node: PlanNode, facts: SchemaFacts | None) -> TableFacts | None:
    return facts.find_table(node.relation_name, node.schema) if facts is not None and node.relation_name else None
