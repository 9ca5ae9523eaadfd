"""Counting what is bought together: a sparse product, the best pairs of each thing, and whether they are chance.

``units`` are purchases or customers, ``things`` products or categories. All pairs of things are counted at once as the
product of the units-by-things matrix with itself, some rows of it at a time, so that memory is bounded whatever the
number of pairs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import xlogy
from scipy.stats import chi2

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

TOP = 10
LEAST_TOGETHER = 5
"""A pair that fewer units have together is not looked at."""
CONFIDENCE = 0.95
CELLS = 4_000_000
"""About how many pairs are held at once."""


@dataclass(frozen=True)
class Pairs:
    """The best pairs, by columns: ``first`` and ``other`` are numbers of things, ``position`` is from 1 for each first.

    ``tested`` pairs (in both directions one) were looked at; ``is_sure`` holds for all of them together.
    """

    first: Integers
    other: Integers
    position: Integers
    together: Integers
    lift: Floats
    evidence: Floats
    is_sure: NDArray[np.bool_]
    counts: Integers
    units: int
    tested: int


def matrix(units: Integers, things: Integers, *, width: int) -> sparse.csr_matrix:
    """Who has what, once: units by things. ``units`` may be any ids; rows of units without anything are left out."""
    if not len(units):
        return sparse.csr_matrix((0, width), dtype=np.int32)
    first, last = int(units.min()), int(units.max())
    if last - first < 4 * len(units) + 1_000_000:  # ids lie close: no need to sort them
        rows, height = units - first, last - first + 1
    else:
        found, rows = np.unique(units, return_inverse=True)
        height = len(found)
    ones = np.ones(len(rows), dtype=np.int32)
    has = sparse.csr_matrix((ones, (rows.astype(np.int32), things.astype(np.int32))), shape=(height, width))
    has.sum_duplicates()
    has.data[:] = 1
    return has[np.diff(has.indptr) > 0] if height > 2 * len(rows) else has


def best_pairs(
    has: sparse.csr_matrix,
    *,
    excluded: Callable[[Integers, Integers], NDArray[np.bool_]] | None = None,
    top: int = TOP,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pairs:
    """For each thing the others that most surely go with it, oftener than chance has it.

    They are ranked by evidence (the log-likelihood ratio G of the two-by-two table), so that a rare pair that happened
    to meet does not come before a common one. ``excluded`` says which pairs are none (a category and what it holds).
    """
    counts = np.asarray(has.sum(axis=0)).ravel().astype(np.int64)
    units = int((np.diff(has.indptr) > 0).sum())
    by_thing = has.T.tocsr()
    parts: list[tuple[NDArray, ...]] = []
    tested = 0
    for start, end in _stretches(by_thing, has):
        progress(start, has.shape[1])
        both = by_thing[start:end] @ has
        # Most pairs met too seldom to be looked at: their rows are not even worked out.
        often = np.flatnonzero(both.data >= LEAST_TOGETHER)
        first = np.searchsorted(both.indptr, often, side="right") - 1 + start
        other, together = both.indices[often].astype(np.int64), both.data[often].astype(np.int64)
        apart = first != other
        first, other, together = first[apart], other[apart], together[apart]
        if excluded is not None:
            apart = ~excluded(first, other)
            first, other, together = first[apart], other[apart], together[apart]
        tested += len(first)
        parts.append(_top(first, other, together, counts, units, top))
    return _finish(parts, counts, units, tested // 2, top)


def _stretches(by_thing: sparse.csr_matrix, has: sparse.csr_matrix) -> Iterator[tuple[int, int]]:
    """Rows of the product, as many at a time as surely stay below CELLS."""
    width = has.shape[1]
    per_unit = np.diff(has.indptr).astype(np.int64)
    # Cells that a row of the product may have: what its units have in all, and never more than there are things.
    summed = np.concatenate([[0], np.cumsum(per_unit[by_thing.indices])])
    most = np.minimum(summed[by_thing.indptr[1:]] - summed[by_thing.indptr[:-1]], width)
    start, held = 0, 0
    for row in range(width):
        held += int(most[row])
        if held > CELLS and row > start:
            yield start, row
            start, held = row, int(most[row])
    if start < width:
        yield start, width


def _top(
    first: Integers, other: Integers, together: Integers, counts: Integers, units: int, top: int
) -> tuple[NDArray, ...]:
    """The best of each first. The ranking takes one logarithm a pair: what G comes to where a pair is a small part."""
    expected = counts[first] * (counts[other] / max(units, 1))
    oftener = together > expected
    first, other, together, expected = first[oftener], other[oftener], together[oftener], expected[oftener]
    if not len(first):
        return first, other, together
    score = together * np.log(together / expected) - (together - expected)
    # The rows come in their order: each one's best are found apart, without sorting everything.
    order = np.argsort(first, kind="stable") if np.any(np.diff(first) < 0) else None
    if order is not None:
        first, other, together, score = first[order], other[order], together[order], score[order]
    edges = np.flatnonzero(np.diff(first, prepend=first[0] - 1))
    chosen = []
    for begin, end in zip(edges, [*edges[1:], len(first)], strict=True):
        if end - begin > 2 * top:  # twice as many: the exact measure decides among them
            chosen.append(begin + np.argpartition(score[begin:end], end - begin - 2 * top)[-2 * top :])
        else:
            chosen.append(np.arange(begin, end))
    picked = np.concatenate(chosen)
    return first[picked], other[picked], together[picked]


def _finish(parts: list[tuple[NDArray, ...]], counts: Integers, units: int, tested: int, top: int) -> Pairs:
    first, other, together = (
        np.concatenate([part[place] for part in parts]) if parts else np.empty(0, dtype=np.int64) for place in range(3)
    )
    evidence = likelihood_ratio(together, counts[first], counts[other], units)
    order = np.lexsort((other, -evidence, first))
    first, other, together, evidence = first[order], other[order], together[order], evidence[order]
    new = np.diff(first, prepend=-1) != 0
    starts = np.maximum.accumulate(np.where(new, np.arange(len(first)), 0))
    position = np.arange(len(first)) - starts + 1
    kept = position <= top
    first, other, together, evidence = first[kept], other[kept], together[kept], evidence[kept]
    lift = together * float(units) / np.maximum(counts[first] * counts[other].astype(np.float64), 1)
    return Pairs(
        first=first,
        other=other,
        position=position[kept],
        together=together,
        lift=lift,
        evidence=evidence,
        is_sure=evidence > threshold(tested),
        counts=counts,
        units=units,
        tested=tested,
    )


def likelihood_ratio(together: Integers, first: Integers, other: Integers, units: int) -> Floats:
    """G of the table of two things: twice the log of how much likelier it is if they have to do with each other."""
    both = together.astype(np.float64)
    only_first, only_other = first - both, other - both
    neither = np.maximum(units - first - other + both, 0.0)

    def entropy(*parts: Floats) -> Floats:
        return np.sum([xlogy(part, part) for part in parts], axis=0)

    rows = entropy(first.astype(np.float64), units - first.astype(np.float64))
    columns = entropy(other.astype(np.float64), units - other.astype(np.float64))
    cells = entropy(both, only_first, only_other, neither)
    found: Floats = 2 * (cells - rows - columns + xlogy(float(units), float(units)))
    return np.maximum(found, 0.0)


def threshold(tested: int) -> float:
    """From which evidence on a pair is no chance, so many having been tested (Bonferroni)."""
    return float(chi2.isf((1 - CONFIDENCE) / max(tested, 1), df=1))
