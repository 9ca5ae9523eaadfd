"""Clusters: reading everybody's figures and full k-means, against the fit alone on the same figures in memory."""

import time
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from sklearn.cluster import KMeans

from benchmarks import shop
from benchmarks.results import Result, Scale, interleaved
from crm.days import shop_day
from segments.clusters.features import USUAL, Feature
from segments.clusters.fitting import fit, logarithms
from segments.clusters.run import read

CLUSTERS = 6


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        chosen = [Feature(name, {}) for name in USUAL]
        day = shop_day(made.now) - timedelta(days=1)
        known = logarithms(read(chosen, day=day))
        spread = known.std(axis=0)
        scaled = (known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)

        def whole() -> float:
            started = time.perf_counter()
            fit(read(chosen, day=day), count=CLUSTERS)
            return time.perf_counter() - started

        def alone() -> float:
            started = time.perf_counter()
            KMeans(CLUSTERS, n_init=1, random_state=0).fit(scaled)
            return time.perf_counter() - started

        compared = interleaved(whole, alone, 5 if scale == "small" else 3)
        yield Result(
            name="clusters, reading and fitting, against the fit alone",
            ratio=compared.time_ratio,
            goal=2.5,
            better="lower",
            limit_per_s=compared.limit_per_s(len(scaled)),
            more={
                "seconds": round(compared.measured_s, 2),
                "fit_s": round(compared.limit_s, 2),
                "buyers": len(scaled),
                "features": len(chosen),
                "clusters": CLUSTERS,
                "runs": compared.runs,
                **made.said,
            },
        )
