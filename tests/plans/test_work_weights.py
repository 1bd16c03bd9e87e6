"""Weights learnt from executed plans."""

import random

import pytest

from analyzer.plans.work import PlanWork, WorkWeights
from analyzer.plans.work_weights import learnt_weights


def executed(weight, plans=40, noise=0.2, pages=True):
    """Plans on a server where a scattered page takes ``weight`` units of 5 microseconds."""
    dice = random.Random(1)
    found = []
    for n in range(plans):
        work = PlanWork(
            dice.uniform(1e3, 1e5), dice.uniform(1e4, 1e6) if pages and n % 2 else 0.0, dice.uniform(0, 1e4)
        )
        time_ms = 0.005 * WorkWeights(weight).time(work) * dice.lognormvariate(0, noise)
        found.append((work, time_ms))
    return found


@pytest.mark.parametrize("weight", [0.1, 0.3, 1.0, 3.3])
def test_weight_is_found(weight):
    assert learnt_weights(executed(weight)).scattered_page == pytest.approx(weight, rel=0.55)


@pytest.mark.parametrize(
    "plans",
    [
        [],
        executed(3.3, plans=19),
        executed(3.3, pages=False),
        [(PlanWork(), 5.0)] * 40,
        [(PlanWork(1000), 0.0)] * 40,
    ],
)
def test_with_too_little_to_go_by_the_usual_ones_stand(plans):
    assert learnt_weights(plans) == WorkWeights()


def test_noise_teaches_nothing():
    assert learnt_weights(executed(0.3, noise=3.0)) == WorkWeights()
