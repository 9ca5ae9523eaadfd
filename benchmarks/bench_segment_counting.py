"""Counting twenty typical rules, each against the best SQL for it that we can write by hand.

The hand-written statements know what the compiler has to find out: which tables a rule needs, and that nearly all
customers may be counted, so that the few who may not (merged, erased, not to be profiled) are better taken away than
looked up for everybody. Ours is the whole of :func:`segments.domain.count`: reading the rule, looking its names up,
compiling, asking.
"""

import time
from collections.abc import Iterator

from django.db import connection

from benchmarks import shop
from benchmarks.results import Result, Scale, interleaved
from benchmarks.shop import Shop
from benchmarks.typical import Typical, typical
from segments import domain

GOAL = 1.2


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        for name, one in typical(made).items():
            yield _compare(name, one, made)


def _compare(name: str, one: Typical, made: Shop) -> Result:
    rule = {"v": 1, "rule": one.rule}
    found: list[int] = []

    def ours() -> float:
        started = time.perf_counter()
        found.append(domain.count(rule=rule, now=made.now))
        return time.perf_counter() - started

    def by_hand() -> float:
        with connection.cursor() as cursor:
            started = time.perf_counter()
            cursor.execute(one.sql, one.params)
            found.append(cursor.fetchone()[0])
            return time.perf_counter() - started

    ours(), by_hand()
    compared = interleaved(ours, by_hand)
    assert len(set(found)) == 1, (name, found)
    return Result(
        name=f"counting {name} against SQL by hand",
        ratio=compared.time_ratio,
        goal=GOAL,
        better="lower",
        limit_per_s=compared.limit_per_s(1),
        more={
            "found": found[0],
            "ms": round(1000 * compared.measured_s, 1),
            "by_hand_ms": round(1000 * compared.limit_s, 1),
            "customers": made.sizes.customers,
            "runs": compared.runs,
        },
    )
