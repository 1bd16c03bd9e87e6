"""Function or expression that is evaluated for each row and takes most of the statement's time.

The time of a scan beyond what reading its rows can explain goes into the functions its condition or its output calls:
each call of a PL/pgSQL function takes microseconds, one that runs a query more. To verify, run the statement without
the call and compare. To fix it: cheaper conditions first (``COST`` tells the planner what a function costs); call it
for the rows that are left (after the LIMIT, in an outer query); mark it IMMUTABLE or STABLE where that is true, so that
an index on the expression or a value computed once can serve; write it in SQL so that it can be inlined. Leave it alone
where the work has to be done for each row. An aggregate's arguments are computed where the rows come together: of
``sum(f(x))`` the calls of f for each row that comes in are meant, and not the sum. The time is the node's own, less a
microsecond for each block it touched (the whole run still needs to read them).
"""

import re
from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import own_time_ms, run_time_ms, shown, time_evidence, time_ratio
from analyzer.checks.own_functions import CHEAP, calls_of, if_immutable, own_functions
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import read_condition
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.tree import Unparsable, function_name, parse, walk
from analyzer.words.durations import time_words

BLOCK_MS = 0.001  # measured: 0.1 to 1 us to pin a cached block
CALL = re.compile(r"[\w\"$]\(")
BRACKETED_CALL = re.compile(r"\([\w$\".]+(?=\()")
RESULT_ENDS = re.compile(r"(?: OVER (?:\w+|\(\?\)))?\)(?![:[.])")
AGGREGATES = frozenset(
    ("count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "array_agg", "string_agg", "json_agg",
     "jsonb_agg", "json_object_agg", "jsonb_object_agg", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop",
     "var_samp")
)  # fmt: skip
UNPRINTED = (
    "EXPLAIN (ANALYZE, VERBOSE) prints what it computes: look for a function of your own in an aggregate's arguments,"
    " for large values put together (json_agg, string_agg), and for DISTINCT or ORDER BY in an aggregate, which sorts."
)

check = Check(
    __name__,
    code="PL018",
    title="Function called for each row takes the time",
    severity=Severity.WARNING,
    # an index computes nothing for rows that it does not find; a sort on disk for DISTINCT is told by itself
    gives_way_to=("PL004", "PL014", "PL015", "PL016", "PL055"),
    row_us=Threshold(
        10, "us per row", "measured: reading a cached row takes 0.05 to 1 us, a PL/pgSQL call 0.5 us or more"
    ),
    time_ratio=Threshold(0.30, "time / execution time", "judgement"),
    rows=Threshold(100, "rows", "judgement: fewer calls hardly repeat"),
    unprinted_rows=Threshold(10_000, "rows", "judgement: of fewer, a pause of the machine looks the same"),
)


@check.on(
    PlanNode, "Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Subquery Scan", "CTE Scan", "Result",
    "ProjectSet", "Nested Loop", "Hash Join", "Merge Join", "Aggregate",
)  # fmt: skip
def slow_function_per_row(node: PlanNode, context: Context) -> Iterator[Finding]:
    time_ms = own_time_ms(node)
    if time_ms is None or (time_ratio(time_ms, node) or 0) < check["time_ratio"]:
        return
    blocks = node.exclusive_buffers
    if blocks is not None and ((blocks.temp_written_blocks or 0) or (blocks.temp_read_blocks or 0)):
        return
    rows = max(node.total_rows_scanned or 0.0, node.total_rows_removed_by_join_filter or 0.0)
    if node.node_type == "Aggregate":
        rows = sum(child.total_actual_rows or 0.0 for child in node.inputs)
    read_blocks = blocks.shared_read_blocks if blocks is not None else None
    if rows < check["rows"] or (read_blocks or 0) > rows * 0.01:
        return  # reading from the disk explains the time
    spent_ms = (time_ms - (node.touched_blocks or 0) * BLOCK_MS) * node.processes  # over all processes, as rows are
    row_us = spent_ms * 1000 / rows
    if row_us < check["row_us"]:
        return
    slow = _in_aggregates(node) if node.node_type == "Aggregate" else _functions(node)
    if slow is None and (rows < check["unprinted_rows"] or not _is_unprinted(node)):
        return
    spent_ms = min(time_ms, spent_ms / node.processes)
    if slow is not None:
        where, functions = slow
        doing, hint = f"where {where} calls {calls_of(functions)}", _hint(functions, context.facts)
    else:  # which, only VERBOSE prints
        doing, hint = "far more than adding up or grouping takes", UNPRINTED
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} spent {time_words(row_us / 1000)} on each of {rows:,.0f} rows, {doing}:"
            f" {time_words(spent_ms)} of the statement's {time_words(run_time_ms(node))}."
        ),
        hint=hint,
        evidence={**rounded(rows=rows), "row_time_us": round(row_us, 1), **time_evidence(spent_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=spent_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
    )


def _is_unprinted(node: PlanNode) -> bool:
    """Whether an Aggregate may compute what only VERBOSE prints, and nothing else is seen that takes long."""
    is_on_disk = any(groups.batches > 1 or groups.disk_bytes for groups in node.hash_aggregates)
    is_compiled = node.plan is not None and node.plan.jit is not None  # which takes its time in some node
    return (
        node.node_type == "Aggregate"
        and not is_on_disk
        and not is_compiled
        and node.raw.keys().isdisjoint(("Output", "Filter"))
    )


def _hint(functions: tuple[str, ...], facts: SchemaFacts | None) -> str:
    names = calls_of(functions)
    fewer = f"Call {names} for fewer rows: cheaper conditions first, the call in an outer query after LIMIT."
    own = own_functions(functions, facts, "sv")
    if not own:
        return (
            f"{fewer} A generated column, or an index on the expression, can hold results that are always the same for"
            " the same arguments."
        )
    return f"{fewer} {if_immutable(own)} A function with a query inside is better written as a join."


def _functions(node: PlanNode) -> tuple[str, tuple[str, ...]] | None:
    """Where functions are called, without values, and which; None without any that could be slow."""
    for key in ("Filter", "Join Filter"):
        text = node.expression(key)
        here = _called_here(text) if text is not None else ""
        condition = read_condition(here) if CALL.search(here) else None
        if text is not None and condition is not None and (names := condition.functions - CHEAP - AGGREGATES):
            return f"its condition {shown(text, 150)}", tuple(sorted(names))
    output = node.raw.get("Output")
    for text in output if isinstance(output, list) else ():
        if not isinstance(text, str) or text.startswith("(") or not CALL.search(text):
            continue  # in brackets: worked out below
        condition = read_condition(text)
        if condition is not None and (names := condition.functions - CHEAP):
            return f"its output {shown(text, 150)}", tuple(sorted(names))
    return None


def _called_here(text: str) -> str:
    """Without calls that have brackets of their own, as in ``((sum(x)) > (rank() OVER w))``: those are the results of a
    node below. A cast's or a subscript's brackets are its own."""
    at = 0
    while (call := BRACKETED_CALL.search(text, at)) is not None:
        depth, end = 0, call.end()
        for end in range(call.end(), len(text)):
            depth += (text[end] == "(") - (text[end] == ")")
            if depth == 0:
                break
        result = RESULT_ENDS.match(text, end + 1)
        text = f"{text[: call.start()]}true{text[result.end() :]}" if result is not None else text
        at = call.start() + 1
    return text


def _in_aggregates(node: PlanNode) -> tuple[str, tuple[str, ...]] | None:
    """The same of the arguments of PostgreSQL's own aggregates; whether another function is one, no plan says."""
    output = node.raw.get("Output")
    for text in output if isinstance(output, list) else ():
        if not isinstance(text, str) or not CALL.search(text):
            continue
        tree = parse(f"SELECT {text.removeprefix('PARTIAL ')}")
        calls = [] if isinstance(tree, Unparsable) else [n for n in walk(tree) if isinstance(n, ast.FuncCall)]
        names = {
            function_name(inner)
            for call in calls
            if function_name(call) in AGGREGATES
            for inner in walk(call.args)
            if isinstance(inner, ast.FuncCall)
        }
        if names := names - CHEAP - AGGREGATES:
            return f"its output {shown(text, 150)}", tuple(sorted(names))
    return None
