"""A subquery counts all rows where the question is whether there is one.

``(SELECT count(*) ...) > 0`` visits every row that fits, for each row outside; EXISTS stops at the first, and the
planner can make a semi join of it. Whether the count is compared with 0 is not in pg_stat_statements' text: an
executed plan tells.
"""

import re
from collections.abc import Iterator

from pglast import ast, enums

from analyzer.checks import Check, Fix, NotRun, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.checks.rewrites import rewrites
from analyzer.findings import EvidenceLevel, Finding, Severity
from analyzer.statements.equivalents import COUNT
from analyzer.statements.tree import Node, function_name, operator_name, walk
from analyzer.words.durations import rate_words

check = Check(
    __name__,
    code="ST036",
    title="Rows are counted to see whether there is one",
    severity=Severity.INFO,
    time=Threshold(60, "s/day", "judgement: a minute of a day"),
)
# as EXPLAIN prints conditions; up to 18 "SubPlan 1", later with a name
WHETHER_ANY = re.compile(r"\((?:SubPlan|InitPlan) [\w ]+\)(?:\.col1)?\s*(?:>|<>|=) '?0'?|\(SubPlan [\w ]+\) >= '?1'?")
COMPARED = frozenset({">", ">=", "=", "<>", "<", "<="})


@check.on(StatementFacts)
def count_asks_for_existence(statement: StatementFacts) -> Iterator[Finding]:
    if (statement.time_s_per_day or 0.0) < check["time"] or "count" not in statement.normalized_sql.lower():
        return
    if not any(_compares_count(node) for node in walk(statement.tree)):
        return
    if not statement.plans:
        raise NotRun("no executed plan yet: with what the count is compared is not known")
    conditions = [text for plan in statement.plans for node in plan for text in node.conditions.values()]
    if not any(WHETHER_ANY.search(text) for text in conditions):
        return
    yield check.finding(
        subject="count",
        message=(
            "A subquery counts all its rows, and the count is only compared with 0;"
            f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)}."
        ),
        hint="Write EXISTS, which stops at the first row.",
        evidence={"calls_per_day": round(statement.calls_per_day or 0.0)},
        level=EvidenceLevel.EXECUTED,
        fixes=rewrites(statement, COUNT)
        or (
            Fix(
                "Whether there is one",
                "sql",
                "EXISTS (SELECT FROM ... WHERE ...) -- instead of: (SELECT count(*) ...) > 0",
            ),
        ),
        **statement.load,
    )


def _compares_count(node: Node) -> bool:
    """(SELECT count(*) ...) compared with a constant."""
    if not isinstance(node, ast.A_Expr) or operator_name(node) not in COMPARED or node.lexpr is None:
        return False
    for one, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
        if not isinstance(one, ast.SubLink) or one.subLinkType != enums.SubLinkType.EXPR_SUBLINK:
            continue
        targets: list[Node] = list(getattr(one.subselect, "targetList", None) or ())
        call = targets[0].val if len(targets) == 1 else None
        is_count = isinstance(call, ast.FuncCall) and function_name(call) == "count" and not call.agg_distinct
        if is_count and isinstance(other, (ast.ParamRef, ast.A_Const)):
            return True
    return False
