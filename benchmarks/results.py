"""What a benchmark reports, and how it measures: interleaved with its limit, so that a busy machine troubles both."""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

SCALES = ("small", "full")
Scale = Literal["small", "full"]


@dataclass(frozen=True)
class Result:
    """One line of the report. `ratio` is ours against the limit; `better` says in which direction it improves."""

    name: str
    ratio: float
    goal: float
    better: Literal["lower", "higher"]
    limit_per_s: float
    more: dict[str, Any] = field(default_factory=dict)
    """Whatever else helps to read the line: sizes, seconds, units."""

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal if self.better == "lower" else self.ratio >= self.goal

    def line(self) -> str:
        numbers = {"name": self.name, "ratio": round(self.ratio, 3), "goal": self.goal, "better": self.better}
        return json.dumps({**numbers, "met": self.met, "limit_per_s": round(self.limit_per_s, 1), **self.more})


@dataclass(frozen=True)
class Comparison:
    """Ours and the limit, run in turns. Seconds are medians; `time_ratio` is the median of the pairs' ratios."""

    measured_s: float
    limit_s: float
    time_ratio: float
    """How many times as long as the limit ours takes: lower is better."""
    runs: int

    def per_s(self, units: int) -> float:
        return units / self.measured_s

    def limit_per_s(self, units: int) -> float:
        return units / self.limit_s


def interleaved(measured: Callable[[], float], limit: Callable[[], float], runs: int = 5) -> Comparison:
    """Run both in turns, `runs` times each; both do the same amount of work and return the seconds that count.

    They time themselves, so that making room (deleting the rows of the last run, say) stays outside. The order within a
    pair alternates: whoever comes second finds warmer caches.
    """
    pairs: list[tuple[float, float]] = []
    for turn in range(runs):
        if turn % 2:
            bare = limit()
            pairs.append((measured(), bare))
        else:
            ours = measured()
            pairs.append((ours, limit()))
    return Comparison(
        measured_s=statistics.median(ours for ours, _bare in pairs),
        limit_s=statistics.median(bare for _ours, bare in pairs),
        time_ratio=statistics.median(ours / bare for ours, bare in pairs),
        runs=runs,
    )
