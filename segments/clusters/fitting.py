"""K-means on scaled logarithms, how many clusters, and which of them were there before. No database here."""

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

LEAST, MOST = 2, 9
SAMPLE = 4_000
JUDGED = 1_500
"""The silhouette looks at all pairs of so many."""
STARTS = 5


@dataclass(frozen=True)
class Fit:
    """``centres`` on the scale of ``mean`` and ``spread`` of the logarithms; ``labels`` of the customers by row.

    ``silhouettes`` are by number of clusters, from a sample: near 1 they lie well apart, near 0 they touch.
    """

    mean: Floats
    spread: Floats
    centres: Floats
    labels: Codes
    silhouettes: Mapping[int, float]


def logarithms(figures: Floats) -> Floats:
    """What is ten times as much lies as far off, wherever one starts; the sign is kept."""
    found: Floats = np.sign(figures) * np.log1p(np.abs(figures))
    return found


def fit(figures: Floats, *, count: int | None = None, seed: int = 0) -> Fit:
    """Clusters of the rows of figures, all of them known; ``count`` of them, or as many as lie apart best.

    The number and the starting centres are found on a sample, from several starts; then all rows are clustered.
    """
    scaled = logarithms(figures)
    mean, spread = scaled.mean(axis=0), scaled.std(axis=0)
    spread[spread < 1e-9] = 1.0
    scaled -= mean
    scaled /= spread
    random = np.random.default_rng(seed)
    sample = scaled if len(scaled) <= SAMPLE else scaled[np.sort(random.choice(len(scaled), SAMPLE, replace=False))]
    distinct = len(np.unique(sample, axis=0))
    counts = [count] if count else list(range(LEAST, MOST + 1))
    counts = [one for one in counts if one < min(distinct, len(sample))] or [1]
    tried = {one: KMeans(one, n_init=STARTS, random_state=seed).fit(sample) for one in counts}
    silhouettes = {
        one: _apart(sample, found.labels_, seed) for one, found in tried.items() if len(set(found.labels_)) > 1
    }
    best = max(silhouettes, key=lambda one: silhouettes[one]) if silhouettes else counts[0]
    if len(sample) == len(scaled):
        return Fit(mean, spread, tried[best].cluster_centers_, tried[best].labels_, silhouettes)
    found = KMeans(best, init=tried[best].cluster_centers_, n_init=1, random_state=seed).fit(scaled)
    return Fit(mean, spread, found.cluster_centers_, found.labels_, silhouettes)


def _apart(sample: Floats, labels: Codes, seed: int) -> float:
    """The mean silhouette, judged by some of the sample; by all of it where those are of one cluster only."""
    judged = np.random.default_rng(seed).permutation(len(sample))[:JUDGED]
    if not 1 < len(set(labels[judged])) < len(judged):
        judged = np.arange(len(sample))
    return float(silhouette_score(sample[judged], labels[judged])) if len(set(labels)) < len(judged) else 0.0


def matched(before: Mapping[str, Sequence[float]], centres: Floats) -> dict[int, str]:
    """Which new centre is which old cluster: row -> name, each name once.

    The assignment that is nearest on the whole (Hungarian), but none that lies farther off than half the way between
    the new centres: that is another cluster. ``before`` gives the old centres on the new scale.
    """
    if not before or not len(centres):
        return {}
    names = list(before)
    apart = cdist(centres, np.array([before[name] for name in names]))
    between = cdist(centres, centres)
    reach = between[between > 0].min() / 2 if len(centres) > 1 else np.inf
    rows, columns = linear_sum_assignment(apart)
    return {int(row): names[column] for row, column in zip(rows, columns, strict=True) if apart[row, column] <= reach}


def new_names(taken: set[str]) -> Iterator[str]:
    """A, B, C..., then A2, B2..., without those that were ever given: a rule must not come to mean another cluster."""
    for round_ in range(1, 1000):
        for letter in string.ascii_uppercase:
            name = letter if round_ == 1 else f"{letter}{round_}"
            if name not in taken:
                yield name
