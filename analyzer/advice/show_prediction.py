"""Predictions as a report for a terminal and as JSON for scripts (docs/cli.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analyzer.advice.predicted import LikedIndex, NotPredicted, Prediction, TableRead
from analyzer.plans import Plan
from analyzer.plans.compare import cost_figure, cost_words
from analyzer.plans.show import plan_as_json
from analyzer.words.sizes import size_words
from analyzer.words.visible import visible_line

FORMAT = 1
MOST_SQL = 100  # characters of a statement in the report for a terminal


@dataclass(frozen=True, slots=True)
class PredictionInFile:
    """``line``: of the file, from 1 on, where the statement begins."""

    line: int
    prediction: Prediction | NotPredicted


def predictions_as_text(predictions: Sequence[PredictionInFile], problems: Sequence[str] = ()) -> str:
    parts = [_one(number, each) for number, each in enumerate(predictions, start=1)]
    if problems:
        parts.append(["Left out:", *(f"   {problem}" for problem in problems)])
    return "\n\n".join("\n".join(map(visible_line, part)) for part in parts) + "\n"


def predictions_as_json(predictions: Sequence[PredictionInFile], problems: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "statements": [{"line": each.line, **_as_json(each.prediction)} for each in predictions],
        "problems": list(problems),
    }


def _one(number: int, each: PredictionInFile) -> list[str]:
    prediction = each.prediction
    lines = [f"{number}. line {each.line}: {_short(prediction.sql)}"]
    if isinstance(prediction, NotPredicted):
        return [*lines, f"   Not planned: {prediction.reason}"]
    values = "planned without values" if prediction.values == "generic" else "planned with its values"
    if prediction.planner != "twin":
        values += f" by {prediction.planner} on the server, since the twin cannot plan it"
    rows = prediction.plan.root.plan_rows or 0
    lines += [
        f"   Cost {prediction.total_cost:,.0f}, {rows:,.0f} {'row' if rows == 1 else 'rows'} expected, {values}.",
        "",
    ]
    if prediction.assumed:
        lines[-1:] = [f"   {prediction.assumed}.", ""]
    lines += [f"   {line}" for line in _tree(prediction.plan)]
    lines += ["", *(f"   {read_words(read)}." for read in prediction.reads)]
    for finding in prediction.findings:
        lines.append(f"   {finding.severity.name.lower()} {finding.code}: {finding.message} {finding.hint}")
    lines.append("")
    for rewrite in (rewrite for rewrite in prediction.rewrites if rewrite.is_cheaper):
        lines += [f"   Written otherwise, {rewrite.words}. {rewrite.provided}:"]
        lines += [*(f"      {line}" for line in rewrite.sql.splitlines()), ""]
    if not prediction.likes:
        return [*lines, f"   No index to suggest: {prediction.why_none}"]
    for liked in prediction.likes:
        lines += [f"   {statement};" for statement in liked.ddl.statements]
    size_bytes = sum(liked.size_bytes for liked in prediction.likes)
    before, after = prediction.cost_without or 0.0, prediction.cost_with or 0.0
    what = f"{prediction.change.what}. " if prediction.change else ""
    over = "" if prediction.values == "given" else ", on average over typical and rare values"
    lines.append(
        f"   {what}With {'it' if len(prediction.likes) == 1 else 'them'} ({size_words(size_bytes)}) the cost falls from"
        f" {cost_figure(before)} to {cost_figure(after)}{over}: {cost_words(before, after)}."
    )
    return [*lines, f"   {prediction.at_risk}"] if prediction.at_risk else lines


def read_words(read: TableRead) -> str:
    """ "Seq Scan on public.orders: 12 of about 1,200,000 rows expected"."""
    using = f" using {', '.join(read.indexes)}" if read.indexes else ""
    where = f"{read.partitions} partitions of {read.table}" if read.partitions > 1 else read.table
    of = "" if read.table_rows is None else f" of about {read.table_rows:,.0f}"
    return f"{read.node_type} on {where}{using}: {read.plan_rows:,.0f}{of} rows expected"


def _tree(plan: Plan) -> list[str]:
    """Cost and rows before each node."""
    rows = [("cost", "rows", "node")]
    for node in plan:
        subplan = f"{node.subplan_name}: " if node.subplan_name else ""
        label = f"Parallel {node.label}" if node.is_parallel_aware else node.label
        arrow = "  " * node.depth + ("-> " if node.parent else "")
        rows.append((f"{node.total_cost or 0:,.0f}", f"{node.plan_rows or 0:,.0f}", f"{arrow}{subplan}{label}"))
    cost, count = (max(len(row[at]) for row in rows) for at in (0, 1))
    return [f"{row[0]:>{cost}}  {row[1]:>{count}}  {row[2]}" for row in rows]


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= MOST_SQL else f"{text[: MOST_SQL - 3]}..."


def _as_json(prediction: Prediction | NotPredicted) -> dict[str, Any]:
    if isinstance(prediction, NotPredicted):
        return {"sql": prediction.sql, "problem": prediction.reason}
    return {
        "sql": prediction.sql,
        "problem": None,
        "kind": prediction.kind,
        "values": prediction.values,
        "planner": prediction.planner,
        "total_cost": prediction.total_cost,
        "plan_rows": prediction.plan.root.plan_rows,
        "plan": plan_as_json(prediction.plan)["nodes"],
        "explain": prediction.plan_json,
        "reads": [
            {
                "table": read.table,
                "node_type": read.node_type,
                "indexes": list(read.indexes),
                "plan_rows": read.plan_rows,
                "table_rows": read.table_rows,
                "partitions": read.partitions,
            }
            for read in prediction.reads
        ],
        "findings": [
            {"code": f.code, "severity": f.severity.name.lower(), "message": f.message, "hint": f.hint}
            for f in prediction.findings
        ],
        "rewrites": [
            {
                "kind": each.kind,
                "sql": each.sql,
                "given": list(each.assumptions),
                "cost_before": each.cost_before,
                "cost_after": each.cost_after,
                "problem": each.problem,
            }
            for each in prediction.rewrites
        ],
        "indexes": [_index(liked) for liked in prediction.likes],
        "cost_before": prediction.cost_without,
        "cost_after": prediction.cost_with,
        "change": prediction.change_words or None,
        "why_no_index": prediction.why_none,
        "at_risk": prediction.at_risk,
        "assumed": prediction.assumed,
    }


def _index(liked: LikedIndex) -> dict[str, Any]:
    return {
        "name": liked.ddl.name,
        "table": liked.table,
        "definition": liked.definition,
        "statements": list(liked.ddl.statements),
        "undo_statements": list(liked.ddl.undo_statements),
        "size_bytes": liked.size_bytes,
    }


__all__ = ["PredictionInFile", "predictions_as_json", "predictions_as_text", "read_words"]
