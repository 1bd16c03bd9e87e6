"""Queries that may run slower although their planned cost falls: by the pages they touch, or where a guess decides.

Only these are named: a plan that merely changed, or gains little, is no warning.
"""

from analyzer.advice.selection.value import SLOWER
from analyzer.checks import Threshold
from analyzer.plans import Plan
from analyzer.plans.look_ups import rows_looked_up
from analyzer.plans.work import PlanWork, WorkWeights

LIMITS = {
    "guessed_look_ups": Threshold(
        10_000, "rows", "measured: TPC-H in memory, query 09 at 24,244 instead of 320,000 took 1.2 of the time"
    ),
    "noticed": Threshold(1_000, "planner units", "measured: 2.9 microseconds each on TPC-H, so some milliseconds"),
}
GUESSED_LOOK_UPS = LIMITS["guessed_look_ups"].value
NOTICED = LIMITS["noticed"].value


def slower(before: PlanWork, after: PlanWork, weights: WorkWeights, cost_ratio: float) -> str | None:
    """Why a plan takes longer in memory, in a sentence; None where it does not, or nobody would notice."""
    then, now = weights.time(before), weights.time(after)
    if now <= (1 + SLOWER) * then or now - then < NOTICED:
        return None
    planned = "planned as dear as before" if cost_ratio > 0.99 else f"planned at {cost_ratio:.2f} of its cost"
    what = "reads and computes more"
    if weights.scattered_page * (after.scattered_pages - before.scattered_pages) > (now - then) / 2:
        what = (
            f"fetches about {after.scattered_pages:,.0f} rows from pages of their own, where"
            f" {before.scattered_pages:,.0f} are fetched now"
        )
    return (
        f"It is {planned}, but its new plan {what}: where the data lies in memory it takes about"
        f" {now / max(then, 1e-9):.1f} times as long (estimated)."
    )


def doubt(before: Plan, after: Plan, *, has_pattern: bool) -> str | None:
    """Why a plan that costs less may run longer all the same, in a sentence.

    ``has_pattern``: the statement searches inside texts, whose matches the planner guesses.
    """
    fetched = rows_looked_up(after)
    if has_pattern and fetched > 1.5 * rows_looked_up(before) and fetched >= GUESSED_LOOK_UPS:
        return (
            f"Its new plan fetches about {fetched:,.0f} rows one by one, as far as the planner guesses how many texts"
            " match its search: with more of them it may run longer."
        )
    return None
