"""K-means on made-up customers: clusters that are there are found, and keep their names."""

import itertools

import numpy as np
import pytest

from segments.clusters.fitting import fit, logarithms, matched, new_names


def customers(seed: int = 0, each: int = 300) -> np.ndarray:
    """Three kinds of customers: seldom and cheap, often and cheap, seldom and dear."""
    random = np.random.default_rng(seed)
    kinds = [(2, 500), (60, 600), (3, 60_000)]
    return np.concatenate([
        np.column_stack([random.poisson(often, each) + 1, random.lognormal(np.log(spent), 0.3, each)])
        for often, spent in kinds
    ])  # fmt: skip


def test_the_number_of_clusters_is_the_one_that_is_there() -> None:
    found = fit(customers())
    assert max(found.silhouettes, key=lambda number: found.silhouettes[number]) == 3
    assert len(found.centres) == 3
    kinds = [set(found.labels[start : start + 300]) for start in (0, 300, 600)]
    assert [len(kind) for kind in kinds] == [1, 1, 1]
    assert len(set.union(*kinds)) == 3


def test_asked_for_two_there_are_two() -> None:
    assert len(fit(customers(), count=2).centres) == 2


@pytest.mark.parametrize("figures", [np.ones((100, 3)), np.tile([[1.0, 2.0], [5.0, 9.0]], (60, 1))])
def test_customers_of_whom_there_are_only_one_or_two_kinds_are_no_trouble(figures: np.ndarray) -> None:
    found = fit(figures)
    assert np.isfinite(found.centres).all()
    assert len(found.labels) == len(figures)


def test_a_large_shop_gets_the_same_clusters_as_its_sample() -> None:
    small, large = fit(customers(each=300)), fit(customers(each=4_000), count=3)
    assert len(matched({str(row): list(centre) for row, centre in enumerate(small.centres)}, large.centres)) == 3


def test_names_stay_with_their_clusters_however_the_rows_come() -> None:
    first, again = fit(customers(1)), fit(customers(2)[::-1])
    before = dict(zip("ABC", first.centres.tolist(), strict=True))
    names = matched(before, again.centres)
    assert sorted(names.values()) == ["A", "B", "C"]
    for row, name in names.items():
        assert np.linalg.norm(again.centres[row] - np.array(before[name])) < 0.3


def test_a_cluster_that_is_another_one_gets_no_old_name() -> None:
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    before = {"A": [0.1, 0.0], "B": [4.0, 0.2], "C": [9.0, 9.0]}
    assert matched(before, centres) == {0: "A", 1: "B"}
    assert matched({}, centres) == {}


def test_names_are_never_given_twice() -> None:
    names = list(itertools.islice(new_names({"A", "C"}), 26))
    assert (names[:3], names[-2:]) == (["B", "D", "E"], ["A2", "B2"])


def test_logarithms_keep_the_sign_and_nought() -> None:
    assert logarithms(np.array([-9.0, 0.0, 9.0])).tolist() == pytest.approx([-np.log(10), 0.0, np.log(10)])
