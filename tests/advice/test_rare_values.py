"""How many values ANALYZE's sample must have missed, told by the shares of the most common ones."""

import math

import pytest

from analyzer.advice.sizing.rare_values import falls_by_rank, values_by_rank

ROWS, SAMPLED = 1_000_000.0, 30_000.0


def shares(power, values, common=100, of=1.0):
    falling = [n**-power for n in range(1, values + 1)]
    return tuple(of * share / sum(falling) for share in falling[:common])


@pytest.mark.parametrize(
    ("power", "values", "observed", "there"), [(1.0, 200_000, 15_900, 121_000), (0.8, 100_000, 29_600, 96_600)]
)
def test_shares_that_go_on_falling_tell_of_the_values_missed(power, values, observed, there):
    tail = values_by_rank(shares(power, values), observed, ROWS, SAMPLED)
    seen = 100 + sum(count * -math.expm1(-ROWS * share) for count, share in tail)
    assert seen == pytest.approx(there, rel=0.2)
    assert 100 * shares(power, values)[99] < sum(count * share for count, share in tail) < 1


@pytest.mark.parametrize(
    ("power", "observed"), [(0.5, 15_900), (0.5, 13_400), (0.5, 5_000), (0.7, 13_400), (1.0, 5_000)]
)
def test_a_few_hot_values_before_many_equal_ones_are_left_to_analyze(power, observed):
    hot = shares(power, 100, of=0.4)
    assert falls_by_rank(hot)
    assert values_by_rank(hot, observed, ROWS, SAMPLED) == []
