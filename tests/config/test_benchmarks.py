"""How benchmarks measure and report."""

import json
from collections.abc import Callable

from benchmarks.results import Comparison, Result, interleaved


def test_interleaved_alternates_and_takes_medians() -> None:
    order: list[str] = []

    def timed(name: str, seconds: list[float]) -> Callable[[], float]:
        def once() -> float:
            order.append(name)
            return seconds.pop(0)

        return once

    ours, bare = timed("ours", [2.0, 4.0, 9.0]), timed("bare", [1.0, 1.0, 3.0])
    assert interleaved(ours, bare, runs=3) == Comparison(measured_s=4.0, limit_s=1.0, time_ratio=3.0, runs=3)
    assert order == ["ours", "bare", "bare", "ours", "ours", "bare"]


def test_result_line_says_whether_the_goal_is_met_in_its_direction() -> None:
    lower = Result("load", ratio=2.5, goal=3.0, better="lower", limit_per_s=1000.04, more={"rows": 10})
    higher = Result("send", ratio=0.4, goal=0.5, better="higher", limit_per_s=5)
    assert json.loads(lower.line()) == {
        "name": "load",
        "ratio": 2.5,
        "goal": 3.0,
        "better": "lower",
        "met": True,
        "limit_per_s": 1000.0,
        "rows": 10,
    }
    assert not higher.met
