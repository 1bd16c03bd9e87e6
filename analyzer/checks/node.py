"""What checks of plan nodes share: the time a node takes itself and how much of the run that is, what may be shown."""

from collections.abc import Mapping, Sequence

from analyzer.findings import Finding, Quantity
from analyzer.plans import Plan, PlanNode, redact_expression
from analyzer.plans.exclusive import MOST_ERROR_RATIO

MOST_SHOWN = 300  # characters of an expression in a sentence


def own_time_ms(*nodes: PlanNode) -> float | None:
    """Wall-clock time of the nodes themselves, together; None where it was not measured or rounding hides it."""
    time_ms = error_ms = 0.0
    for node in nodes:
        if node.exclusive_time_ms is None:
            return None
        time_ms += node.exclusive_time_ms
        error_ms += node.exclusive_time_error_ms or 0.0
    return time_ms if time_ms > 0 and error_ms <= time_ms * MOST_ERROR_RATIO else None


def run_time_ms(node: PlanNode) -> float | None:
    """Of the whole run the node was seen in; the root's time where EXPLAIN printed no Execution Time."""
    if node.plan is None:
        return None
    return node.plan.execution_time_ms if node.plan.execution_time_ms is not None else node.plan.root.total_time_ms


def jit_time_ms(plan: Plan) -> float | None:
    """What JIT compilation took: the processes compile at the same time, so their sum by their number."""
    total_ms = jit_milliseconds(plan, "Total")
    return None if total_ms is None else total_ms / max(node.processes for node in plan)


def jit_milliseconds(plan: Plan, name: str) -> float | None:
    """Over all processes."""
    timing = plan.jit.get("Timing") if plan.jit is not None else None
    value = timing.get(name) if isinstance(timing, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def time_ratio(time_ms: float | None, node: PlanNode) -> float | None:
    """``time_ms`` as a share of the run, at most 1; None where either is unknown."""
    run_ms = run_time_ms(node)
    return None if time_ms is None or not run_ms else min(1.0, time_ms / run_ms)


def time_evidence(time_ms: float | None, node: PlanNode) -> dict[str, Quantity]:
    """``exclusive_time_ms`` and its ratio, as far as they are known, for ``Finding.evidence``."""
    evidence: dict[str, Quantity] = {}
    if time_ms is not None:
        evidence["exclusive_time_ms"] = round(time_ms, 3)
    if (ratio := time_ratio(time_ms, node)) is not None:
        evidence["exclusive_time_ratio"] = round(ratio, 3)
    return evidence


def shown(expression: str, most: int = MOST_SHOWN) -> str:
    """The expression without its literals, cut where it is long: it may hold a customer's data."""
    text = redact_expression(expression)
    return text if len(text) <= most else f"{text[:most]}..."


def shown_keys(node: PlanNode, name: str) -> str | None:
    """``Sort Key``, ``Group Key``, ``Cache Key`` without literals: "customer_id, created_at DESC"; None without one."""
    keys = node.raw.get(name)
    texts = keys if isinstance(keys, list) else [keys]
    joined = ", ".join(text for text in texts if isinstance(text, str))
    return shown(joined, 200) if joined else None


def place(node: PlanNode) -> str:
    """Where the node is in its plan's shape: ``0.1`` is the second input of the root's first."""
    return node.plan.places[id(node)][0] if node.plan else ""


def unique_label(node: PlanNode) -> str:
    """The node's label; with its number in EXPLAIN's order where it is not the first: two sorts are two things."""
    nth = node.plan.places[id(node)][1] if node.plan else 1
    return node.label if nth == 1 else f"{node.label} (no. {nth} of the plan)"


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """The dearest first: by what it costs a day where that is known, by its time of a run, then by severity."""
    return sorted(
        findings,
        key=lambda f: (f.impact_s_per_day or 0.0, f.time_ms or 0.0, f.severity),
        reverse=True,
    )
