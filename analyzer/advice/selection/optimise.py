"""The choice as a mixed-integer programme, solved by HiGHS.

Minimise the queries' costs plus the writes', with one option per query, each option only with the indexes it needs and
without those it rules out, within the budget. Limits are counts of nodes, so the same input gives the same answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np
from highspy._core import _Highs

from analyzer.advice.selection.alternatives import Option
from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.writes import WriteModel

SCALE = 1e4  # the workload's cost in the programme: far from HiGHS' absolute tolerances of 1e-7
SPARE = 1e-6  # relative, taken off a proven bound for those tolerances


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """``cost``: of the choice as the programme sees it; ``bound``: no choice can cost less. Both per day."""

    chosen: int
    cost: float
    bound: float


@dataclass(slots=True)
class _Rows:
    """A sparse matrix with its limits, row by row: ``start`` is where each begins in ``column`` and ``value``."""

    start: list[int] = field(default_factory=list)
    column: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def add(self, terms: Sequence[tuple[int, float]], upper: float, lower: float = -math.inf) -> None:
        self.start.append(len(self.column))
        self.column += [column for column, _ in terms]
        self.value += [value for _, value in terms]
        self.lower.append(lower)
        self.upper.append(upper)


def best_choice(
    options: Sequence[tuple[float, Sequence[Option]]],
    sizes: Sequence[int],
    writes: WriteModel,
    budget_bytes: float | None,
    *,
    gap: float = 1e-4,
    most_nodes: int = 2_000,
    relaxed: bool = False,
) -> IndexChoice | None:
    """``options``: for each query its weight and its options. None where HiGHS found no choice within its nodes.

    ``relaxed``: indexes may be chosen by halves, which takes hundredths of a second and bounds nearly as well; the
    choice is then those chosen more than by half, as far as they fit, and its ``cost`` is the bound.
    """
    fixed: float = sum(weight * found[0].cost for weight, found in options if len(found) == 1)
    open_ = [(weight, found) for weight, found in options if len(found) > 1]
    named = 0
    for _, found in open_:
        for option in found:
            named |= option.needed | option.absent
            for mask in option.unless:
                named |= mask
    numbers = [n for n in bits(named) if budget_bytes is None or sizes[n] <= budget_bytes]
    never = named & ~sum(1 << n for n in numbers)
    column = {n: at for at, n in enumerate(numbers)}
    total = sum(weight * max(o.cost for o in found) for weight, found in open_)
    if not numbers or total <= 0:
        least = fixed + sum(weight * min(o.cost for o in found if not o.needed & never) for weight, found in open_)
        return IndexChoice(0, least, least)
    scale = SCALE / total
    cost = [scale * writes.linear[n] for n in numbers]
    upper = [1.0] * len(numbers)
    whole = [0 if relaxed else 1] * len(numbers)
    rows = _Rows()

    def variable(price: float, most: float) -> int:
        cost.append(price)
        upper.append(most)
        whole.append(0)
        return len(cost) - 1

    for weight, found in open_:
        least = min(o.cost for o in found)
        fixed += weight * least
        needs: dict[int, list[int]] = {}
        bars: dict[int, list[int]] = {}
        mine = []
        for option in found:
            if option.needed & never:
                continue
            at = variable(scale * weight * (option.cost - least), 1.0)
            mine.append(at)
            for n in bits(option.needed):
                needs.setdefault(n, []).append(at)
            for n in bits(option.absent & ~never):
                bars.setdefault(n, []).append(at)
            for mask in option.unless:
                if not mask & never:
                    together = [(column[n], 1.0) for n in bits(mask)]
                    rows.add([(at, 1.0), *together], float(len(together)))
        rows.add([(at, 1.0) for at in mine], 1.0, 1.0)
        for n, users in needs.items():
            rows.add([(at, 1.0) for at in users] + [(column[n], -1.0)], 0.0)
        for n, users in bars.items():
            rows.add([(at, 1.0) for at in users] + [(column[n], 1.0)], 1.0)
    if budget_bytes is not None:
        rows.add([(at, sizes[n] / 1e6) for at, n in enumerate(numbers)], budget_bytes / 1e6)
    for group in writes.groups:
        touching = [column[n] for n in bits(group.touching) if n in column]
        if not touching:
            continue
        lost = variable(scale * group.fixed, 1.0)
        for at in touching:
            rows.add([(at, 1.0), (lost, -1.0)], 0.0)
        for n, price in group.entries.items():
            if n in column:
                both = variable(scale * price, 1.0)
                rows.add([(lost, 1.0), (column[n], 1.0), (both, -1.0)], 1.0)
    answer = _solve(cost, upper, whole, rows, gap, most_nodes)
    if answer is None:
        return None
    values, objective, bound = answer
    chosen, room = 0, float("inf") if budget_bytes is None else budget_bytes
    for n in sorted(numbers, key=lambda n: (-round(values[column[n]], 6), n)):
        if values[column[n]] > 0.5 and sizes[n] <= room:
            chosen |= 1 << n
            room -= sizes[n]
    bound = bound / scale
    return IndexChoice(chosen, fixed + objective / scale, fixed + bound - SPARE * abs(fixed + bound))


def _solve(
    cost: list[float], upper: list[float], whole: list[int], rows: _Rows, gap: float, most_nodes: int
) -> tuple[list[float], float, float] | None:
    """Values, objective and bound; None where no choice was found."""
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(cost), len(rows.upper)
    model.col_cost_ = np.array(cost)
    model.col_lower_, model.col_upper_ = np.zeros(len(cost)), np.array(upper)
    model.row_lower_, model.row_upper_ = np.array(rows.lower), np.array(rows.upper)
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.array([*rows.start, len(rows.column)])
    model.a_matrix_.index_ = np.array(rows.column)
    model.a_matrix_.value_ = np.array(rows.value)
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    if any(whole):
        model.integrality_ = [kinds[w] for w in whole]
    # measured on TPC-H: presolving takes longer than it saves; for 1,000 statements all rounds take 6 s without it
    solver = _Highs()  # what highspy.Highs adds, callbacks, is not needed, and making one writes a banner to stdout
    options: dict[str, bool | int | float | str] = {
        "output_flag": False, "threads": 1, "random_seed": 0, "presolve": "off",
        "mip_rel_gap": gap, "mip_max_nodes": most_nodes,
    }  # fmt: skip
    for name, value in options.items():
        solver.setOptionValue(name, value)
    solver.passModel(model)
    solver.run()
    info = solver.getInfo()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None
    bound = info.mip_dual_bound if any(whole) else info.objective_function_value
    return list(solver.getSolution().col_value), info.objective_function_value, bound
