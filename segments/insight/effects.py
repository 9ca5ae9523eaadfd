"""How much of the difference in an outcome goes with a grouping of customers, and how sure that is.

The measure is epsilon squared of ranks (the share of the variance of mid-ranks that lies between the groups, less what
as many groups would show by chance). Ranks, because spend has a heavy tail: a single builder's merchant among thousands
of customers moves the variance of spend itself, of its logarithm less, of ranks hardly; and ranks do not depend on the
currency. For an outcome that is yes or no it is the plain share of variance. It may come out below nought, as chance
has it; where nothing is there, it is nought on average.

The intervals hold together: customers are drawn anew with replacement (bootstrap), all groupings with the same draws,
and all intervals are as wide as the largest deviation of any of them demands ("max T"). So of the many attributes that
are looked at, it is 95% sure that none is credited wrongly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

DRAWS = 500
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Effect:
    """A share of the differences, with its interval. ``customers`` is on how many it rests."""

    share: float
    low: float
    high: float
    customers: int

    @property
    def is_sure(self) -> bool:
        """Whether chance alone is ruled out."""
        return self.low > 0


NOTHING = Effect(0.0, 0.0, 0.0, 0)


def mid_ranks(values: Floats) -> Floats:
    """Ranks between 0 and 1, equal values sharing theirs."""
    return np.asarray((rankdata(values) - 0.5) / max(len(values), 1), dtype=np.float64)


def share_explained(codes: Codes, outcome: Floats) -> float:
    """Epsilon squared of one grouping; customers whose outcome is not known (NaN) are left out."""
    known = ~np.isnan(outcome)
    customers = int(known.sum())
    if customers < 3:
        return 0.0
    raw, groups = _between([codes[known]], mid_ranks(outcome[known]), np.ones((customers, 1)))
    return float(_less_chance(raw, groups, customers)[0, 0])


def effects(
    groupings: Sequence[Codes],
    outcome: Floats,
    *,
    looks: int = 1,
    draws: int = DRAWS,
    seed: int = 1,
) -> list[Effect]:
    """The effect of each grouping on one outcome, with intervals that hold for all of them together.

    ``groupings`` number each customer's group from 0; ``looks`` is how many outcomes are looked at in all. The
    intervals are made on the scale of the square root, on which draws scatter alike whatever the effect.
    """
    known = ~np.isnan(outcome)
    customers = int(known.sum())
    if customers < 3 or not groupings:
        return [NOTHING] * len(groupings)
    ranks = mid_ranks(outcome[known])
    kept = [codes[known] for codes in groupings]
    raw, groups = _between(kept, ranks, np.ones((customers, 1)))
    root, drawn = np.sqrt(raw[:, 0]), np.sqrt(_drawn(kept, ranks, draws, seed))
    spread = drawn.std(axis=1)
    moving = spread > 1e-12
    width = 0.0
    if moving.any():
        apart = np.abs(drawn[moving] - drawn[moving].mean(axis=1, keepdims=True)) / spread[moving, None]
        width = float(np.quantile(apart.max(axis=0), 1 - (1 - CONFIDENCE) / looks))
    lowest, high = np.maximum(root - width * spread, 0.0) ** 2, np.minimum(root + width * spread, 1.0) ** 2
    share, low = (_less_chance(end[:, None], groups, customers)[:, 0] for end in (raw[:, 0], lowest))
    # Chance is not taken off the upper end: where few customers happen to be alike, much is still possible.
    return [Effect(float(a), float(b), float(c), customers) for a, b, c in zip(share, low, high, strict=True)]


def _less_chance(raw: Floats, groups: Floats, customers: int) -> Floats:
    """Epsilon squared from eta squared: less what as many groups show by chance."""
    found: Floats = raw - (groups - 1) * (1 - raw) / np.maximum(customers - groups, 1)
    return np.where(groups < 2, 0.0, found)


def _drawn(groupings: Sequence[Codes], ranks: Floats, draws: int, seed: int) -> Floats:
    """Eta squared (grouping x draw) among customers drawn anew."""
    random = np.random.default_rng(seed)
    customers, parts = len(ranks), []
    for start in range(0, draws, 50):  # in parts, so that the weights stay small
        size = min(50, draws - start)
        picked = random.integers(0, customers, size=(size, customers))
        weights = np.stack([np.bincount(row, minlength=customers) for row in picked], axis=1)
        parts.append(_between(groupings, ranks, weights.astype(np.float64))[0])
    return np.concatenate(parts, axis=1)


def _between(groupings: Sequence[Codes], ranks: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Eta squared of each grouping under each column of weights, and how many groups anybody is in."""
    sizes = [int(codes.max()) + 1 for codes in groupings]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.arange(len(ranks))
    columns = np.concatenate([codes + start for codes, start in zip(groupings, starts, strict=False)])
    shape = (len(ranks), int(starts[-1]))
    ones = np.ones(len(columns))
    belongs = sparse.csr_matrix((ones, (np.tile(rows, len(groupings)), columns)), shape=shape).T.tocsr()
    counts, sums = belongs @ weights, belongs @ (weights * ranks[:, None])
    everybody, total = weights.sum(axis=0), ranks @ weights
    overall = (ranks**2) @ weights - total**2 / everybody
    between = np.divide(sums**2, counts, out=np.zeros_like(sums), where=counts > 0)
    found, groups = (np.zeros((len(groupings), weights.shape[1])) for _ in range(2))
    for place, (start, end) in enumerate(pairwise(starts)):
        explained = np.maximum(between[start:end].sum(axis=0) - total**2 / everybody, 0.0)
        found[place] = np.divide(explained, overall, out=np.zeros_like(overall), where=overall > 1e-12)
        groups[place] = (counts[start:end] > 0).sum(axis=0)
    return found, groups
