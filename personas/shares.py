"""Shares, how sure one can be of them, and what they say beside everybody's."""

import math
import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Share:
    """``number`` of ``of`` matched customers, beside ``all_number`` of ``all_of`` customers."""

    number: int
    of: int
    all_number: int = 0
    all_of: int = 0

    @property
    def share(self) -> float:
        return self.number / self.of if self.of else 0.0

    @property
    def all_share(self) -> float:
        return self.all_number / self.all_of if self.all_of else 0.0

    @property
    def index(self) -> float | None:
        return index(self.share, self.all_share)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the share."""
        return wilson(self.number, self.of)


def index(share: float | None, all_share: float | None) -> float | None:
    """100 where the matched are like everybody; None where everybody's is nothing."""
    return 100 * share / all_share if share is not None and all_share else None


def distinctness(share: float, all_share: float) -> float:
    """How much a share tells: large and unusual counts, tiny or ordinary doesn't (its part of the relative entropy)."""
    return share * math.log(share / all_share) if share > 0 and all_share > 0 else 0.0


def wilson(number: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval (95% unless told) for ``number`` of ``of``."""
    if not of:
        return 0.0, 1.0
    share, z2 = number / of, z * z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = z * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def band_order(value: str) -> tuple[float, str]:
    """Bands in the order of their lower ends ("Under 15K" first), other words by the alphabet after them."""
    first = re.search(r"\d+", value)
    if first is None:
        return math.inf, value
    below = value.lower().startswith(("under", "below", "less", "<"))
    return float(first.group()) - (0.5 if below else 0.0), value
