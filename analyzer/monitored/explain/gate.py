"""What goes into the gate and what comes out, and the layer that looks at a plan before it is executed.

The layers in their order: text and tree (``analyzer.statements.safety``), catalog (``gate_catalog``), plan (here),
load (``load_guard``), run (``explain`` with ``watchdog``). Each stops with one plain sentence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from analyzer.monitored.explain.gate_limits import ExplainLimits
from analyzer.plans import Plan, PlanNode
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.folding import FoldedSizes
from analyzer.values.choose import ValuesSource
from analyzer.words.sizes import size_words

OutcomeDecision = Literal["executed", "plan_only", "refused", "failed"]

# Nodes that keep all their rows at once, in memory or in temporary files.
HOARDING = ("Sort", "Hash", "Materialize", "Aggregate", "HashAggregate", "CTE Scan", "WindowAgg", "SetOp")
AGGREGATES = ("Aggregate", "GroupAggregate", "HashAggregate", "MixedAggregate", "WindowAgg")
WIDE_BYTES = 1_000.0  # judgement: smaller values change no sort by much


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """``sql``: the statement with ``$n``; ``sampled_sqls``: whole texts with real values, kept in memory only.

    ``search_path``: schemas that the application's unqualified names are looked up in. ``rewrites``: how ``sql``
    differs from what the application sent, in words.
    """

    sql: str
    fingerprint: str
    sampled_sqls: Sequence[str] = field(default=(), repr=False)
    mode: Literal["analyze", "plain"] = "analyze"
    mean_exec_time_ms: float | None = None
    max_exec_time_ms: float | None = None
    rows_per_call: float | None = None
    search_path: Sequence[str] = ("public",)
    facts: SchemaFacts | None = None
    rewrites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExplainOutcome:
    """One decision of the gate. ``reason`` says why it was not executed, or, executed, that all layers let it.

    ``layer`` that decided: text, ast, login, catalog, rights, values, mode, plan, load, pooler, connection, run,
    conflict (a replica's), watchdog; "" when executed. ``plan_json`` is redacted, and ``plan`` made of it.
    ``duration_ms``: the time of our EXPLAINs on the server as seen from here. ``text_hash``: sha256 of the text sent,
    without literals. ``is_for_twin``: the server was not asked for a plan and must not be; the planner twin may be.
    ``is_by_twin``: it was.
    """

    decision: OutcomeDecision
    layer: str
    reason: str
    values_source: ValuesSource = "none"
    plan_json: Any = None
    plan: Plan | None = field(default=None, repr=False)
    rewrites: tuple[str, ...] = ()
    duration_ms: float = 0.0
    text_hash: str = ""
    is_for_twin: bool = False
    is_by_twin: bool = False


def plan_objection(
    plan: Plan,
    request: ExplainRequest,
    limits: ExplainLimits,
    temp_limit_bytes: int | None,
    is_recursive: bool,
    sizes: FoldedSizes | None = None,
) -> str | None:
    """Why a statement with this plan must not be executed; None when nothing speaks against it."""
    for what, time_ms in (("mean", request.mean_exec_time_ms), ("longest", request.max_exec_time_ms)):
        if time_ms is not None and time_ms > limits.statement_timeout_ms * limits.timeout_share_ratio:
            return (
                f"Its {what} execution took {time_ms / 1000:.1f} s, more than half of the"
                f" {limits.statement_timeout_ms / 1000:g} s an EXPLAIN ANALYZE may take."
            )
    if is_recursive and request.max_exec_time_ms is None:
        return "It is recursive, and how long it ran so far is not known."
    cost = plan.root.total_cost
    if cost is None:
        return "Its plan shows no costs."
    if cost > limits.cost_ceiling:
        return f"Its planned cost of {cost:,.0f} is above the ceiling of {limits.cost_ceiling:,.0f}."
    workers = 0
    for node in plan:
        objection = _node_objection(node, limits, temp_limit_bytes, sizes or FoldedSizes())
        if objection:
            return objection
        workers += _whole(node.raw, "Workers Planned")
    if workers > limits.max_parallel_workers:
        return f"Its plan wants {workers} parallel workers; {limits.max_parallel_workers} are allowed."
    return None


def _node_objection(
    node: PlanNode, limits: ExplainLimits, temp_limit_bytes: int | None, sizes: FoldedSizes
) -> str | None:
    if node.node_type in ("ModifyTable", "LockRows"):
        return f"Its plan holds {node.node_type}, which changes or locks rows."
    if "Foreign Scan" in node.node_type:
        return "Its plan reads a foreign table, which works on another server."
    if node.node_type == "Custom Scan":
        return "Its plan holds a Custom Scan of an extension, whose effects pgLoupe does not know."
    rows = node.plan_rows or 0.0
    if rows > limits.rows_ceiling:
        return f"{node.label} is planned to give {rows:,.0f} rows; {limits.rows_ceiling:,.0f} are allowed."
    ceiling = min(limits.temp_bytes_ceiling, temp_limit_bytes or limits.temp_bytes_ceiling)
    width = node.plan_width_bytes or 0
    is_collected = node.parent_relationship in ("InitPlan", "SubPlan") or (
        node.parent is not None and node.parent.node_type in AGGREGATES
    )
    if sizes.collected is not None and is_collected:
        kept = rows * sizes.collected.bytes(width)
        if kept > limits.memory_bytes_ceiling:
            return (
                f"Its aggregates may keep {size_words(kept)} of {node.label} in memory;"
                f" {size_words(limits.memory_bytes_ceiling)} are allowed."
            )
    # the planner takes an expression's values for 32 bytes, whatever it makes
    size = rows * (width + (sizes.row.fixed_bytes if sizes.row.fixed_bytes > WIDE_BYTES else 0.0))
    if node.node_type in HOARDING and size > ceiling:
        return f"{node.label} may need {size_words(size)} of temporary files; {size_words(ceiling)} are allowed."
    return None


def _whole(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    return value if isinstance(value, int) else 0
