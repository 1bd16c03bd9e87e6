"""How many of a lookup's calls are explained by the rows that other statements return.

    calls_C[i] = sum_k beta_k * rows_k[i] + sum_k gamma_k * calls_k[i] + delta * load[i] + alpha

fitted without negative coefficients over equal intervals. gamma (once per parent call), delta (general load) and alpha
(constant polling) take away what only looks like an N+1: session lookups, queue polls, pages that follow the traffic.
Simulated on 200 hours of eight statements with seven kinds of look-alike: precision 1.00, recall 0.83 to 0.92 at 12 to
180 intervals; "calls ratio over 5 and correlated" had precision 0.62 (detection.md, a).

Two endpoints whose traffic only drifts the same way fit well in levels and not at all in changes from one interval to
the next: real children share their parent's every jump. So the fit is made on both and the weaker one counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
# Rows and calls that move together this closely cannot be told apart: full pages, each of the same length.
INSEPARABLE_CORRELATION = 0.98


@dataclass(frozen=True, slots=True)
class ParentFit:
    """What one parent explains of the child: shares from 0 to 1."""

    children_per_row: float  # beta
    share: float  # of the child's calls
    partial_r2: float  # how much worse the fit is without this parent: of levels or of changes, the smaller
    rows_per_call: float
    inseparable: bool  # beta was read from the calls, because the rows move with them

    @property
    def children_per_call(self) -> float:
        """N: lookups per call of the parent."""
        return self.children_per_row * self.rows_per_call


def fit_parents(child_calls: Series, parents: Sequence[tuple[Series, Series]], load: Series) -> list[ParentFit]:
    """One ParentFit for each of ``parents`` (rows, calls). All arrays have one element per interval.

    ``load`` is the calls of all other statements. Source: detection.md (a) step 3.
    """
    weights = 1 / np.sqrt(child_calls + 0.05 * float(np.median(child_calls)) + 1)
    columns: list[Series] = []
    row_columns: list[int] = []
    inseparable: list[bool] = []
    for rows, calls in parents:
        merged = _correlation(rows, calls) > INSEPARABLE_CORRELATION
        inseparable.append(merged)
        row_columns.append(len(columns))
        columns.extend([rows] if merged else [rows, calls])
    columns.extend([load, np.ones_like(child_calls)])
    design = np.column_stack(columns)
    coefficients, squared_error = _solve(design, child_calls, weights)
    changes, child_changes = np.diff(design[:, :-1], axis=0), np.diff(child_calls)
    change_weights = np.sqrt(weights[1:] * weights[:-1])
    _, change_error = _solve(changes, child_changes, change_weights)
    total = float(child_calls.sum())
    fits = []
    for (rows, calls), position, merged in zip(parents, row_columns, inseparable, strict=True):
        without = np.delete(design, position, axis=1)
        _, error_without = _solve(without, child_calls, weights)
        _, change_error_without = _solve(np.delete(changes, position, axis=1), child_changes, change_weights)
        beta = float(coefficients[position])
        fits.append(
            ParentFit(
                children_per_row=beta,
                share=min(1.0, beta * float(rows.sum()) / total) if total else 0.0,
                partial_r2=min(_gain(squared_error, error_without), _gain(change_error, change_error_without)),
                rows_per_call=float(rows.sum()) / max(float(calls.sum()), 1.0),
                inseparable=merged,
            )
        )
    return fits


def _solve(design: Series, target: Series, weights: Series) -> tuple[Series, float]:
    from scipy.optimize import nnls  # half a second to import, and only the workers need it

    # Columns differ by orders of magnitude (rows against a constant): scaled so that none is lost to rounding.
    scale = np.maximum(np.abs(design).max(axis=0), 1e-12)
    coefficients, norm = nnls(design / scale * weights[:, None], target * weights)
    return coefficients / scale, float(norm) ** 2


def _gain(error: float, error_without: float) -> float:
    return 1 - error / error_without if error_without > 0 else 0.0


def _correlation(a: Series, b: Series) -> float:
    if a.std() == 0 or b.std() == 0:
        return 1.0 if a.std() == b.std() else 0.0
    return float(np.corrcoef(a, b)[0, 1])
