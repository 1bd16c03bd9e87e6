"""The fit on simulated hours with known truth: real N+1 pages, and everything that looks like one."""

import numpy as np
import pytest

from analyzer.behaviour.fit import Regressor, bursts

INTERVALS = 60


def _traffic(generator: np.random.Generator, level: float) -> np.ndarray:
    """Calls per interval of one endpoint: its own slow wave, then chance."""
    wave = np.exp(np.cumsum(generator.normal(0, 0.15, INTERVALS)))
    return generator.poisson(level * wave / wave.mean()).astype(float)


def _rows(generator: np.random.Generator, calls: np.ndarray, rows_per_call: float) -> np.ndarray:
    return np.array([generator.poisson(rows_per_call, int(n)).sum() for n in calls], dtype=float)


def _columns(rows: np.ndarray, calls: np.ndarray) -> list[Regressor]:
    return [Regressor(0, calls, 1.0, True), Regressor(0, rows, float(rows.sum() / calls.sum()), True)]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("per_row", [0.9, 2, 4])
def test_lookups_that_follow_rows_are_explained_by_them(seed: int, per_row: float) -> None:
    generator = np.random.default_rng(seed)
    calls = _traffic(generator, 20)
    rows = _rows(generator, calls, 15)
    child = generator.binomial(rows.astype(int), per_row).astype(float) if per_row < 1 else rows * per_row
    (burst,) = bursts(child, _columns(rows, calls), _traffic(generator, 500), 5)
    assert burst.per_call == pytest.approx(15 * per_row, rel=0.2)
    assert burst.share > 0.8
    assert burst.partial_r2 > 0.5


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", ["per request", "polling", "once per parent call", "independent", "same wave"])
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
        "same wave": lambda: generator.poisson(15 * np.convolve(calls, np.ones(5) / 5, "same")).astype(float),
    }[kind]()
    assert bursts(child, _columns(rows, calls), load, 5) == []


@pytest.mark.parametrize("seed", range(40))
def test_three_a_call_are_not_taken_for_five(seed: int) -> None:
    """The other callers' traffic happens to follow the page's for a while."""
    generator = np.random.default_rng(300 + seed)
    calls = _traffic(generator, 12)
    child = 3 * calls + generator.poisson(10 * np.convolve(calls, np.ones(5) / 5, "same")) + _traffic(generator, 40)
    assert bursts(child, _columns(calls * 3, calls), _traffic(generator, 500), 5) == []


def test_a_page_is_marked_by_what_runs_once_for_each_call() -> None:
    generator = np.random.default_rng(5)
    calls = _traffic(generator, 20)
    columns = [Regressor(at, calls * n, 1.0, False) for at, n in enumerate((3, 2, 1))]
    (burst,) = bursts(calls * 12, columns, _traffic(generator, 500), 2)
    assert (burst.column.at, burst.per_call) == (2, pytest.approx(12))


def test_pages_that_are_always_full_are_read_off_the_calls() -> None:
    generator = np.random.default_rng(1)
    calls = _traffic(generator, 20)
    rows = calls * 25
    (burst,) = bursts(rows.copy(), _columns(rows, calls), _traffic(generator, 500), 5)
    assert burst.per_call == pytest.approx(25, rel=0.05)


def test_a_lookup_that_several_pages_repeat_is_shared_out_among_them() -> None:
    generator = np.random.default_rng(2)
    pages = [_traffic(generator, level) for level in (10, 20, 30, 15, 25)]
    noise = [_traffic(generator, 20) for _ in range(100)]
    child = np.sum([calls * per_call for calls, per_call in zip(pages, (24, 8, 12, 16, 9), strict=True)], axis=0)
    columns = [Regressor(at, calls, 1.0, False) for at, calls in enumerate([*pages, *noise])]
    found = {b.column.at: b.per_call for b in bursts(child, columns, _traffic(generator, 500), 5)}
    assert found == {at: pytest.approx(n, rel=0.1) for at, n in enumerate((24, 8, 12, 16, 9))}
