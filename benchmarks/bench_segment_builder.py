"""The builder's live figures: each of the twenty typical rules, alone and with two conditions added, within half a
second: the number, what each condition takes away, the sentence, and five of the members.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import shop
from benchmarks.results import Result, Scale
from benchmarks.shop import Shop
from benchmarks.typical import ask, both, typical
from segments import builder

MOST_MS = 500
RUNS = 3


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        rules = [one.rule for one in typical(made).values()]
        more = (ask("consent_email", "is", True), ask("bought", "is", True, category="D6", last="12 months"))
        for name, asked in (("one condition", rules), ("three conditions", [both(rule, *more) for rule in rules])):
            yield _result(name, [_previewed(rule, made) for rule in asked for _ in range(RUNS)], made)


def _previewed(rule: dict[str, Any], made: Shop) -> float:
    started = time.perf_counter()
    shown = builder.preview(rule={"v": 1, "rule": rule}, now=made.now, with_names=True)
    took = 1000 * (time.perf_counter() - started)
    assert not shown["problems"], shown["problems"]
    return took


def _result(name: str, milliseconds: list[float], made: Shop) -> Result:
    p95 = statistics.quantiles(milliseconds, n=20)[-1]
    return Result(
        name=f"the builder's live figures of rules of {name}: the 95th of a hundred against {MOST_MS} ms",
        ratio=p95 / MOST_MS,
        goal=1.0,
        better="lower",
        limit_per_s=1000 / MOST_MS,
        more={
            "p95_ms": round(p95, 1),
            "median_ms": round(statistics.median(milliseconds), 1),
            "worst_ms": round(max(milliseconds), 1),
            **made.said,
        },
    )
