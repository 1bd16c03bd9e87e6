"""How many values ANALYZE's sample must have missed, told by the shares of the most common ones."""

import math

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.sizing.rare_values import falls_by_rank, values_by_rank
from analyzer.advice.sizing.reserve import LIMITS, reserve_ratio
from analyzer.schema.facts import ColumnFacts, TableFacts, packed_freqs

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


def test_shares_that_fall_but_do_not_tell_how_they_go_on_keep_more_of_a_budget_free():
    def reserve(freqs, observed):
        known = {"n_distinct": observed, "null_frac": 0.0, "common_freqs": packed_freqs(freqs)}
        word = ColumnFacts("word", 1, "text", 25, not_null=True, table_rows=ROWS, **known)
        table = TableFacts(1, "public", "visit", "r", ROWS, 80_000_000, columns=(word,))
        return reserve_ratio(IndexDefinition(table, (IndexColumn("word"),)))

    assert reserve(shares(1.0, 200_000), 15_900) == LIMITS["skewed"].value
    assert reserve(shares(0.5, 100, of=0.4), 5_000) == LIMITS["undecided"].value > LIMITS["skewed"].value
