"""JIT compilation takes a large part of the run.

Compiling pays off only when the compiled code then runs over very many rows. It is decided by the plan's cost alone
(jit_above_cost, jit_inline_above_cost, jit_optimize_above_cost), so an overestimate, or a plan over many partitions,
compiles much and runs little. To verify, run the statement twice in one session with ``SET jit = off`` and on: the
first JIT of a session also loads LLVM. Turn it off for the role that runs short statements, or raise the limits above
this plan's cost. Leave it alone where the statement is slower without. The processes of a parallel plan compile at
the same time: their sum is divided by their number.
"""

import math
from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import jit_milliseconds, jit_time_ms, run_time_ms
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.plans import Plan
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="PL074",
    title="JIT compilation takes much of the run",
    severity=Severity.WARNING,
    time=Threshold(5, "ms", "judgement: less is not felt"),
    ratio=Threshold(0.20, "JIT time / execution time", "judgement: compiling seldom saves more than a fifth"),
)


@check.on(Plan)
def jit_takes_long(plan: Plan) -> Iterator[Finding]:
    run_ms, total_ms, each_ms = run_time_ms(plan.root), jit_milliseconds(plan, "Total"), jit_time_ms(plan)
    if plan.jit is None or total_ms is None or each_ms is None or not run_ms:
        return
    processes = max(node.processes for node in plan)
    time_ms = min(each_ms, run_ms)
    if time_ms < check["time"] or time_ms < run_ms * check["ratio"]:
        return
    functions = plan.jit.get("Functions")
    evidence: dict[str, Quantity] = {
        "jit_ms": round(time_ms, 3),
        "jit_ratio": round(time_ms / run_ms, 3),
        "functions": functions if isinstance(functions, int) else None,
        "processes": round(processes) if processes > 1 else None,
        "total_cost": plan.root.total_cost,
    }
    dear = [
        f"{time_words(ms)} {word}"
        for name, word in (("Inlining", "inlining"), ("Optimization", "optimising"), ("Emission", "emitting"))
        if (ms := jit_milliseconds(plan, name)) and ms >= total_ms * check["ratio"]
    ]
    cost = plan.root.total_cost
    yield check.finding(
        subject="JIT",
        message=(
            f"JIT compilation took {time_words(time_ms)} of {time_words(run_ms)}"
            f"{f' in each of {processes:.0f} processes' if processes > 1 else ''}"
            f"{': ' if dear else ''}{', '.join(dear)}{' in all' if dear and processes > 1 else ''}."
        ),
        hint="Run it without JIT; if that is faster, turn JIT off for its role or raise jit_above_cost above its cost.",
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_ms,
        fixes=(
            Fix("Without JIT in this transaction", "sql", "SET LOCAL jit = off;"),
            *(
                [Fix("JIT for dearer plans only", "sql", f"SET LOCAL jit_above_cost = {_above(cost)};")]
                if cost is not None
                else []
            ),
        ),
    )


def _above(cost: float) -> int:
    """A round number above twice the cost: costs vary with the values."""
    wanted = max(1.0, cost * 2)
    unit = 10.0 ** math.floor(math.log10(wanted))
    return int(math.ceil(wanted / unit) * unit)
