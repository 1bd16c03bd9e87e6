"""The fit on simulated hours with known truth: real N+1 pages, and everything that looks like one."""

import numpy as np
import pytest

from analyzer.nplusone.fit import fit_parents

INTERVALS = 60


def _traffic(generator: np.random.Generator, level: float) -> np.ndarray:
    """Calls per interval of one endpoint: its own slow wave, then chance."""
    wave = np.exp(np.cumsum(generator.normal(0, 0.15, INTERVALS)))
    return generator.poisson(level * wave / wave.mean()).astype(float)


def _rows(generator: np.random.Generator, calls: np.ndarray, rows_per_call: float) -> np.ndarray:
    return np.array([generator.poisson(rows_per_call, int(n)).sum() for n in calls], dtype=float)


@pytest.mark.parametrize("seed", range(40))
def test_lookups_that_follow_rows_are_explained_by_them(seed: int) -> None:
    generator = np.random.default_rng(seed)
    calls = _traffic(generator, 20)
    rows = _rows(generator, calls, 15)
    load = _traffic(generator, 500)
    child = generator.binomial(rows.astype(int), 0.9).astype(float)
    (fit,) = fit_parents(child, [(rows, calls)], load)
    assert fit.share > 0.5
    assert fit.partial_r2 > 0.15
    assert 0.4 < fit.children_per_row < 1.2


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", ["per request", "polling", "once per parent call", "independent"])
def test_look_alikes_are_not(kind: str, seed: int) -> None:
    generator = np.random.default_rng(100 + seed)
    calls = _traffic(generator, 20)
    rows = _rows(generator, calls, 15)
    load = _traffic(generator, 300) + calls
    child = {
        "per request": lambda: generator.poisson(load * 0.5).astype(float),
        "polling": lambda: generator.poisson(200, INTERVALS).astype(float),
        "once per parent call": lambda: calls.copy(),
        "independent": lambda: _traffic(generator, 300),
    }[kind]()
    (fit,) = fit_parents(child, [(rows, calls)], load)
    plausible = 0.1 <= fit.children_per_row <= 1.2 and fit.children_per_call >= 5
    found = plausible and fit.share >= 0.3 and fit.partial_r2 >= 0.15
    assert not found, fit


def test_pages_that_are_always_full_are_read_off_the_calls() -> None:
    generator = np.random.default_rng(1)
    calls = _traffic(generator, 20)
    rows = calls * 25
    (fit,) = fit_parents(rows.copy(), [(rows, calls)], _traffic(generator, 500))
    assert fit.inseparable
    assert fit.children_per_call == pytest.approx(25, rel=0.05)


def test_of_two_parents_the_real_one_is_named() -> None:
    generator = np.random.default_rng(2)
    real_calls, other_calls = _traffic(generator, 15), _traffic(generator, 15)
    real, other = _rows(generator, real_calls, 20), _rows(generator, other_calls, 20)
    fits = fit_parents(real * 1.0, [(other, other_calls), (real, real_calls)], _traffic(generator, 400))
    assert fits[1].share > 0.9
    assert fits[0].share < 0.1
