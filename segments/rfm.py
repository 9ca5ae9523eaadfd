"""Recency, frequency, money: who bought lately, often and for much, set against all other buyers.

Each of the three is scored from 1 to 5 among buyers: 1 + the whole part of 5 x the share of buyers who are strictly
worse; so ties share a score, and a score may be nobody's. *Recency* looks at the day of the last sale, *frequency* at
how many sales, *money* at net spend, the last two over a stretch of months that the shop sets (24). Those with the most
recent purchase always have the recency 5.

The scores are read from cut points, made at night and after imports: the least value that earns each score. So a sale
changes one customer's figures and moves nobody else.

Frequency and money together, rounded up from their mean, make the columns of a table of which recency makes the rows;
each of its 25 fields has a name (:data:`GROUPS_BY_CELL`). Only "New" looks at something else: one receipt ever, and
recently.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SCORES = (1, 2, 3, 4, 5)
RECENT = 4
"""The least recency with which somebody who bought once is new."""


class RfmGroup(StrEnum):
    """The groups, the dearest first."""

    CHAMPIONS = "Champions"
    LOYAL = "Loyal"
    POTENTIAL = "Potential"
    NEW = "New"
    NEEDS_ATTENTION = "Needs attention"
    AT_RISK = "At risk"
    CANT_LOSE = "Can't lose"
    HIBERNATING = "Hibernating"
    LOST = "Lost"


LABELS: Mapping[str, "StrOrPromise"] = {
    RfmGroup.CHAMPIONS: _("Champions"),
    RfmGroup.LOYAL: _("Loyal"),
    RfmGroup.POTENTIAL: _("Potential"),
    RfmGroup.NEW: _("New"),
    RfmGroup.NEEDS_ATTENTION: _("Needs attention"),
    RfmGroup.AT_RISK: _("At risk"),
    RfmGroup.CANT_LOSE: _("Can't lose"),
    RfmGroup.HIBERNATING: _("Hibernating"),
    RfmGroup.LOST: _("Lost"),
}
MEANINGS: Mapping[str, "StrOrPromise"] = {
    RfmGroup.CHAMPIONS: _("Bought lately, often and for much. Thank them; ask for a review."),
    RfmGroup.LOYAL: _("Come again and again. Show them what fits what they buy."),
    RfmGroup.POTENTIAL: _("Bought lately, more than once, not yet often. Give them a reason to come back."),
    RfmGroup.NEW: _("Bought once, lately. The second purchase decides: welcome them."),
    RfmGroup.NEEDS_ATTENTION: _("Neither lately nor long ago, not often. Remind them of you."),
    RfmGroup.AT_RISK: _("Used to buy well, and have been away for long. Ask what is missing."),
    RfmGroup.CANT_LOSE: _("Were among the best, and have stayed away longest. Write to them in person."),
    RfmGroup.HIBERNATING: _("Bought little, long ago. A small push, no great effort."),
    RfmGroup.LOST: _("Bought little, longest ago. Let them go, or ask once."),
}

_C, _L, _P = RfmGroup.CHAMPIONS, RfmGroup.LOYAL, RfmGroup.POTENTIAL
_N, _A, _X = RfmGroup.NEEDS_ATTENTION, RfmGroup.AT_RISK, RfmGroup.CANT_LOSE
_H, _O = RfmGroup.HIBERNATING, RfmGroup.LOST

GROUPS_BY_CELL: Mapping[int, tuple[RfmGroup, ...]] = {
    5: (_P, _P, _L, _C, _C),
    4: (_P, _P, _L, _C, _C),
    3: (_N, _N, _N, _L, _L),
    2: (_H, _H, _A, _A, _A),
    1: (_O, _O, _A, _X, _X),
}
"""Recency -> the groups of frequency-and-money 1 to 5."""


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """The least values that earn 2, 3, 4 and 5; fewer where no buyer reached them."""

    months: int
    recency: tuple[date, ...]
    frequency: tuple[int, ...]
    money: tuple[int, ...]


def together(f: int, m: int) -> int:
    """Frequency and money as one score: their mean, halves up."""
    return (f + m + 1) // 2


def group_of(*, r: int, f: int, m: int, receipts_ever: int) -> RfmGroup:
    """The one group of a buyer with these scores."""
    if receipts_ever == 1 and r >= RECENT:
        return RfmGroup.NEW
    return GROUPS_BY_CELL[r][together(f, m) - 1]


def table_in_words() -> str:
    """The whole table for a help text: a row of groups for each recency."""
    rows = (
        gettext("recency %(score)d: %(groups)s")
        % {"score": r, "groups": ", ".join(str(LABELS[one]) for one in GROUPS_BY_CELL[r])}
        for r in reversed(SCORES)
    )
    return "; ".join(rows)
