"""Pairs counted by a sparse product, against counting them one by one."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from segments.affinity import counting
from segments.affinity.counting import best_pairs, likelihood_ratio, matrix, threshold

BASKETS = st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=60)


def as_matrix(baskets: list[list[int]], width: int = 7):
    pairs = [(number, thing) for number, basket in enumerate(baskets) for thing in basket]
    units, things = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    return matrix(units, things, width=width)


@settings(max_examples=60, deadline=None)
@given(BASKETS)
def test_pairs_are_those_of_counting_one_by_one(baskets: list[list[int]]) -> None:
    found = best_pairs(as_matrix(baskets), top=100)
    sets = [set(basket) for basket in baskets if basket]
    single = Counter(thing for basket in sets for thing in basket)
    both = Counter(pair for basket in sets for pair in itertools.permutations(basket, 2))
    expected: Any = {
        (first, other): (number, number * len(sets) / (single[first] * single[other]))
        for (first, other), number in both.items()
        if number >= counting.LEAST_TOGETHER and number * len(sets) > single[first] * single[other]
    }
    rows = zip(found.first, found.other, found.together, found.lift, strict=True)
    assert {(a, b): (number, pytest.approx(lift)) for a, b, number, lift in rows} == expected
    assert found.units == len(sets)


def test_the_evidence_is_the_textbooks_g() -> None:
    both, first, other, units = 30, 50, 60, 400
    table = [[both, first - both], [other - both, units - first - other + both]]
    expected = chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
    found = likelihood_ratio(np.array([both]), np.array([first]), np.array([other]), units)
    assert found[0] == pytest.approx(expected)


def test_many_pairs_tested_ask_for_more_evidence() -> None:
    assert threshold(1) == pytest.approx(3.84, abs=0.01)
    assert threshold(1_000_000) == pytest.approx(29.7, abs=0.1)


def test_blocks_give_the_same_as_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    baskets = [random.choice(40, size=random.integers(1, 8), replace=False).tolist() for _ in range(3000)]
    whole = best_pairs(as_matrix(baskets, 40))
    monkeypatch.setattr(counting, "CELLS", 50)
    parts = best_pairs(as_matrix(baskets, 40))
    for name in ("first", "other", "position", "together", "lift", "evidence", "is_sure"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert whole.tested == parts.tested


def test_what_goes_together_by_chance_is_not_called_sure() -> None:
    random = np.random.default_rng(2)
    baskets = [random.choice(60, size=5, replace=False).tolist() for _ in range(4000)]
    assert not best_pairs(as_matrix(baskets, 60)).is_sure.any()
    for basket in baskets[:400]:
        basket += [3, 7]
    found = best_pairs(as_matrix(baskets, 60))
    assert {(int(a), int(b)) for a, b in zip(found.first[found.is_sure], found.other[found.is_sure], strict=True)} == {
        (3, 7),
        (7, 3),
    }


def test_a_basket_without_anything_and_ids_far_apart_are_no_trouble() -> None:
    empty = best_pairs(matrix(np.empty(0, np.int64), np.empty(0, np.int64), width=3))
    assert (len(empty.first), empty.units, empty.tested) == (0, 0, 0)
    units = np.repeat(np.arange(10, dtype=np.int64) * 10**12, 2)
    found = best_pairs(matrix(np.append(units, 5), np.append(np.tile([0, 1], 10), 2), width=3))
    assert (found.units, found.together.tolist()) == (11, [10, 10])
