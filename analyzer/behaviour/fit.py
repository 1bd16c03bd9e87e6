"""How many of a lookup's calls come in bursts: several for each call of a statement that marks a page.

    calls_C[i] = sum_k beta_k * column_k[i] + delta * load[i] + alpha

A column is the rows or the calls of another statement that runs at most a fifth as often as the lookup: what runs about
as often (the page's other lookups) says nothing about bursts. The columns are chosen one by one, by how much of the
change from one interval to the next they explain, and fitted together without negative coefficients; then those go that
the others make superfluous. ``load`` (statements that are no lookups) and the constant take away what only follows the
traffic or the clock.

Two endpoints whose traffic only drifts the same way fit well in levels and not at all in changes from one interval to
the next: real children share their parent's every jump. So the fit is made on both and the weaker one counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
MOST_COLUMNS = 10  # pages that one lookup is repeated on; judgement
EXPLAINED = 1e-3  # of the squared error: nothing more to look for
LEAST_CORRELATION, LEAST_GAIN = 0.2, 0.1  # below, a column is not worth fitting: the last word is needed_r2
# Two pages whose traffic has one wave do not share the chance in it: the changes' coefficient is a fraction then.
CHANGE_RATIO = (0.5, 4.0)
ONE_SIDED_95 = 1.645  # standard errors: in 19 of 20 cases it is more
TRIED = 6  # columns tried in each round, those that go best with what is unexplained


@dataclass(frozen=True, slots=True)
class Regressor:
    """A statement, by its place, as a regressor: its rows where a call returns several, else its calls."""

    at: int
    values: Series
    per_call: float  # of the values: rows per call, or 1
    is_linked: bool  # to the lookup by a foreign key: enough with less statistical evidence


@dataclass(frozen=True, slots=True)
class Burst:
    """``per_call``: lookups for each call of the column's statement; ``share`` of all the lookup's calls, 0 to 1."""

    column: Regressor
    per_call: float
    share: float
    partial_r2: float  # how much worse the fit is without: of levels or of changes, the smaller
    change_ratio: float  # the coefficient of the changes over that of the levels: 1 for real children
    standard_error_ratio: float = 0.0  # of the coefficient, over it

    @property
    def sure_per_call(self) -> float:
        """No fewer by the levels' error, nor by the changes: what only follows the traffic is in the levels."""
        return self.per_call * min(self.change_ratio, 1 - ONE_SIDED_95 * self.standard_error_ratio)


def bursts(calls: Series, columns: Sequence[Regressor], load: Series, least_per_call: float) -> list[Burst]:
    """The columns that explain the calls best together, each with at least ``least_per_call`` lookups per call."""
    if not columns:
        return []
    fit, changes = _Fit(calls, load), np.diff([c.values for c in columns], axis=1)
    chosen: list[Regressor] = []
    while len(chosen) < MOST_COLUMNS:
        column = _next(fit, chosen, columns, changes, least_per_call)
        if column is None:
            break
        chosen.append(column)
    rivals = {True: sum(c.is_linked for c in columns), False: len(columns)}
    while chosen:
        judged = fit.judge(chosen)
        few = [
            b
            for b in judged
            if b.sure_per_call < least_per_call or not CHANGE_RATIO[0] <= b.change_ratio <= CHANGE_RATIO[1]
        ]
        weak = [b for b in judged if b.partial_r2 < needed_r2(b.column, len(calls), rivals[b.column.is_linked])]
        if not few and not weak:
            return judged
        worst = min(few or weak, key=lambda b: b.partial_r2)
        chosen = [c for c in chosen if c is not worst.column]
    return []


def needed_r2(column: Regressor, intervals: int, columns: int) -> float:
    """The best of many columns explains 2 ln(columns) / intervals by chance: twice that and something more.

    A column with a foreign key to the lookup is one of few: only such are counted then.
    """
    if column.is_linked:
        return needed_of_few(intervals, columns)
    return float(min(0.95, 0.25 + 2 * _by_chance(intervals, columns)))


def needed_of_few(intervals: int, rivals: int) -> float:
    """Of rivals that foreign keys chose."""
    chance = _by_chance(intervals, rivals)
    return float(min(0.95, 0.15 + chance + 1.5 * chance**2))


def _by_chance(intervals: int, columns: int) -> float:
    return float(2 * np.log(max(2, columns)) / intervals)


def _next(
    fit: "_Fit", chosen: Sequence[Regressor], columns: Sequence[Regressor], changes: Series, least_per_call: float
) -> Regressor | None:
    """The column that makes the error of the changes smallest; None where none makes it much smaller."""
    rest = fit.residual_changes(chosen)
    lengths = np.sqrt((changes**2) @ fit.change_weights**2) * np.sqrt(rest @ rest) + 1e-12
    correlations = changes @ (fit.change_weights * rest) / lengths
    correlations += [0.02 * c.is_linked - 2.0 * any(c is other for other in chosen) for c in columns]
    before = fit.error_of_changes(chosen)
    if before <= EXPLAINED * fit.error_of_changes(()):
        return None  # what is left is rounding
    best: tuple[float, Regressor] | None = None
    # of equals, the one that runs least: once where others run twice for each call of the page
    calls = [c.values.sum() / c.per_call for c in columns]
    for place in np.lexsort((calls, -np.round(correlations, 3)))[:TRIED]:
        column = columns[place]
        if correlations[place] < LEAST_CORRELATION:
            break
        # of equals, the one with a foreign key
        error = fit.error_of_changes([*chosen, column]) * (1.0 if column.is_linked else 1.02)
        if best is not None and error >= best[0] * (1 - EXPLAINED):
            continue
        if fit.coefficient([*chosen, column]) * column.per_call >= least_per_call:
            best = error, column
    return best[1] if best is not None and best[0] < before * (1 - LEAST_GAIN) else None


class _Fit:
    """The same weighted, non-negative least squares with one set of columns after another."""

    def __init__(self, calls: Series, load: Series) -> None:
        self.calls, self.load = calls, load
        self.weights = 1 / np.sqrt(calls + 0.05 * float(np.mean(calls)) + 1)
        self.change_weights = np.sqrt(self.weights[1:] * self.weights[:-1])

    def _levels(self, columns: Sequence[Regressor]) -> Series:
        return np.column_stack([*(c.values for c in columns), self.load, np.ones_like(self.calls)])

    def changes(self, columns: Sequence[Regressor]) -> tuple[Series, float]:
        """Coefficients and the error of the fit of the changes."""
        design = np.diff(self._levels(columns)[:, :-1], axis=0)
        return _solve(design, np.diff(self.calls), self.change_weights)

    def error_of_changes(self, columns: Sequence[Regressor]) -> float:
        return self.changes(columns)[1]

    def coefficient(self, columns: Sequence[Regressor]) -> float:
        """Of the last column, in levels."""
        return float(_solve(self._levels(columns), self.calls, self.weights)[0][len(columns) - 1])

    def residual_changes(self, columns: Sequence[Regressor]) -> Series:
        design = np.diff(self._levels(columns)[:, :-1], axis=0)
        coefficients, _ = self.changes(columns)
        return np.asarray((np.diff(self.calls) - design @ coefficients) * self.change_weights)

    def judge(self, columns: Sequence[Regressor]) -> list[Burst]:
        design = self._levels(columns)
        coefficients, error = _solve(design, self.calls, self.weights)
        of_changes, change_error = self.changes(columns)
        total = float(self.calls.sum())
        judged = []
        for place, column in enumerate(columns):
            others = [c for c in columns if c is not column]
            without = _solve(self._levels(others), self.calls, self.weights)[1]
            beta = float(coefficients[place])
            partial_r2 = min(_gain(error, without), _gain(change_error, self.error_of_changes(others)))
            judged.append(
                Burst(
                    column,
                    per_call=beta * column.per_call,
                    share=min(1.0, beta * float(column.values.sum()) / total) if total else 0.0,
                    partial_r2=partial_r2,
                    change_ratio=float(of_changes[place]) / beta if beta > 0 else 0.0,
                    standard_error_ratio=_standard_error(partial_r2, len(self.calls) - design.shape[1]),
                )
            )
        return judged


def explained(values: Series, marker: Series, load: Series) -> tuple[float, float]:
    """How many of ``values`` come for each of ``marker``, and how much of their changes that explains, 0 to 1."""
    fit, column = _Fit(values, load), Regressor(0, marker, 1.0, is_linked=False)
    (burst,) = fit.judge([column])
    return burst.per_call, burst.partial_r2


def _solve(design: Series, target: Series, weights: Series) -> tuple[Series, float]:
    from scipy.optimize import nnls  # half a second to import, and only the workers need it

    # Columns differ by orders of magnitude (rows against a constant): scaled so that none is lost to rounding.
    scale = np.maximum(np.abs(design).max(axis=0), 1e-12)
    coefficients, norm = nnls(design / scale * weights[:, None], target * weights)
    return coefficients / scale, float(norm) ** 2


def _standard_error(partial_r2: float, degrees: int) -> float:
    """Of a coefficient, over it: 1 / t, which follows from how much worse the fit is without."""
    return float(np.sqrt(max(0.0, 1 - partial_r2) / max(1e-9, partial_r2) / max(1, degrees)))


def _gain(error: float, error_without: float) -> float:
    return 1 - error / error_without if error_without > 0 else 0.0
