"""What an analysis finds out about an attribute or a segment, as plain data that a run keeps; what to make of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

WORTH = 0.02
"""From this share of the differences on, groups are worth telling apart."""
STILL_POSSIBLE = 0.05
"""Where the interval reaches so far, "nothing there" can't be said."""
MOSTLY_KNOWN = 0.5
HOLDS = 0.5
MOSTLY = 0.7


class Verdict(StrEnum):
    """In the order in which attributes are listed."""

    YES = "yes"
    LITTLE = "little"
    UNCLEAR = "unclear"
    NO = "no"
    ALIKE = "alike"  # nobody's is known, or everybody's is the same


@dataclass(frozen=True, kw_only=True)
class Explained:
    """How much of the differences in one outcome goes with the groups. All shares are of one."""

    share: float
    low: float
    high: float
    customers: int
    by_known: float = 0.0  # what whether the attribute is known at all explains
    earlier: float | None = None  # the share in the time before
    agreement: float | None = None  # whether the groups stood in the same order then: 1 the same, -1 reversed

    @property
    def is_sure(self) -> bool:
        return self.low > 0

    @property
    def holds(self) -> bool | None:
        """Whether it was so in the time before too; None where that can't be told."""
        if self.earlier is None or self.share <= 0:
            return None
        same_order = self.agreement is None or self.agreement >= HOLDS
        return self.earlier >= HOLDS * self.share and same_order


@dataclass(frozen=True, kw_only=True)
class Part:
    """A group, how many customers it has, and its average in each outcome (None where nobody has one)."""

    group: Mapping[str, Any]
    customers: int
    share: float
    averages: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """``evenness`` is 1 where all known groups are of the same size, towards 0 where nearly everybody is in one."""

    known: float
    evenness: float
    parts: Sequence[Part]
    outcomes: Mapping[str, Explained]
    bars: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @property
    def best(self) -> str:
        """The outcome that it tells most about, the first one where it tells of none."""
        sure = [name for name, one in self.outcomes.items() if one.is_sure]
        return max(sure, key=lambda name: self.outcomes[name].share) if sure else next(iter(self.outcomes), "")

    @property
    def verdict(self) -> Verdict:
        if len(self.parts) < 2 or not self.outcomes or not self.known:
            return Verdict.ALIKE
        best = self.outcomes[self.best]
        if best.is_sure:
            return Verdict.YES if best.share >= WORTH else Verdict.LITTLE
        widest = max(one.high for one in self.outcomes.values() if one.customers)
        return Verdict.UNCLEAR if widest >= STILL_POSSIBLE else Verdict.NO

    @property
    def is_mostly_known(self) -> bool:
        return self.known >= MOSTLY_KNOWN

    @property
    def is_about_being_known(self) -> bool:
        """Whether most of what it explains is explained by its being known at all."""
        best = self.outcomes.get(self.best)
        return best is not None and best.is_sure and best.by_known >= MOSTLY * best.share

    @property
    def order(self) -> tuple[int, float, float]:
        best = self.outcomes.get(self.best)
        place = list(Verdict).index(self.verdict)
        return (place, -best.low, -best.share) if best else (place, 0.0, 0.0)

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def read(data: Mapping[str, Any]) -> Finding:
    """What :meth:`Finding.as_data` wrote."""
    return Finding(
        known=data["known"],
        evenness=data["evenness"],
        parts=[Part(**part) for part in data["parts"]],
        outcomes={name: Explained(**one) for name, one in data["outcomes"].items()},
        bars=data["bars"],
    )
