"""How sure it is that two records are one person: a sum of evidence, field by field, after Fellegi and Sunter.

Each field of a pair is the same, near, or different; each of that is so much likelier among records of one person
than among others. There are two kinds of others. Strangers share a value as often as it occurs: a rare surname says
more than a common one. People of one household share surname, address and phone as a matter of course, and are told
apart by first names and birth dates: so two sisters with one phone are two. What is unknown says nothing.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, JaroWinkler

from crm.duplicates.keys import sound
from crm.duplicates.nicknames import same_nickname
from crm.duplicates.records import Record

SAME, NEAR, HINT, DIFFERENT, UNKNOWN = "same", "near", "hint", "different", "unknown"

_DIGITS = re.compile(r"\d+")

Shares = Mapping[tuple[str, str], float]
"""(field, value) -> the share of all customers who have it, where that was counted."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely a level is: for records of one person, of two strangers, of two of one household.

    ``strangers`` of the level "same" is used where the value's own share was not counted.
    """

    one: float
    strangers: float
    housemates: float


_ODDS: dict[str, dict[str, Odds]] = {
    "first_name": {
        SAME: Odds(0.82, 0.01, 0.01),
        NEAR: Odds(0.13, 0.004, 0.012),
        HINT: Odds(0.03, 0.03, 0.04),
        DIFFERENT: Odds(0.02, 0.956, 0.938),
    },
    "last_name": {
        SAME: Odds(0.80, 0.003, 0.65),
        NEAR: Odds(0.12, 0.002, 0.05),
        HINT: Odds(0.02, 0.02, 0.02),
        DIFFERENT: Odds(0.06, 0.975, 0.28),
    },
    "birth_date": {
        SAME: Odds(0.87, 1 / 20_000, 0.004),
        NEAR: Odds(0.10, 0.003, 0.003),
        DIFFERENT: Odds(0.03, 0.997, 0.993),
    },
    "email": {
        SAME: Odds(0.55, 1e-6, 0.10),
        NEAR: Odds(0.06, 1e-4, 0.01),
        DIFFERENT: Odds(0.39, 0.9999, 0.89),
    },
    "phone": {
        SAME: Odds(0.65, 1e-6, 0.30),
        NEAR: Odds(0.05, 1e-4, 0.005),
        DIFFERENT: Odds(0.30, 0.9999, 0.695),
    },
    "address": {
        SAME: Odds(0.60, 1e-4, 0.88),
        NEAR: Odds(0.17, 0.001, 0.09),
        HINT: Odds(0.03, 0.02, 0.01),
        DIFFERENT: Odds(0.20, 0.979, 0.02),
    },
    "postcode": {
        SAME: Odds(0.80, 0.002, 0.96),
        NEAR: Odds(0.08, 0.01, 0.03),
        DIFFERENT: Odds(0.12, 0.988, 0.01),
    },
    "city": {
        SAME: Odds(0.85, 0.10, 0.96),
        NEAR: Odds(0.05, 0.02, 0.03),
        DIFFERENT: Odds(0.10, 0.88, 0.01),
    },
    "gender": {SAME: Odds(0.98, 0.5, 0.45), DIFFERENT: Odds(0.02, 0.5, 0.55)},
}
FIELDS = tuple(_ODDS)

SWAPPED = 0.2
"""Names the wrong way round are rare with everybody; this much rarer with one person than by a chance of words."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected before anything is looked at: so many pairs a customer are one person, and so many housemates.

    Both are learned from the shop's own customers (:mod:`crm.duplicates.learning`).
    """

    doubles: float = 0.05
    housemates: float = 0.5

    def logs(self, customers: int) -> tuple[float, float, float]:
        """The prior of any pair among so many customers, in bits: one person, strangers, housemates."""
        each = 2 / max(customers, FEWEST)
        return math.log2(self.doubles * each), 0.0, math.log2(self.housemates * each)


FEWEST = 1_000
"""In a shop of fewer customers even these are expected to be mostly strangers."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How likely what was found in a pair is, in bits: for one person, for strangers, for housemates."""

    levels: dict[str, str]
    odds: dict[str, Odds]
    logs: tuple[float, float, float]
    swapped: bool

    def score(self, expected: Expected, customers: int) -> float:
        """The probability that they are one person, from 0 to 1."""
        return score(self.logs, expected.logs(customers))

    def evidence(self, expected: Expected, customers: int) -> dict[str, object]:
        """As a pair keeps it: each known field's level, and by how many bits it speaks for one person or against.

        Against is whatever else they would most likely be: strangers, or housemates.
        """
        _one, strangers, housemates = (
            log + prior for log, prior in zip(self.logs, expected.logs(customers), strict=True)
        )
        fields = {}
        for name, level in self.levels.items():
            if odds := self.odds.get(name):
                against = odds.housemates if housemates > strangers else odds.strangers
                fields[name] = [level, round(math.log2(odds.one / against), 1)]
            elif level != UNKNOWN:
                fields[name] = [level, 0.0]
        return {"fields": fields, "swapped": self.swapped}


def score(logs: tuple[float, float, float], priors: tuple[float, float, float]) -> float:
    """The share of "one person" among the three, all in bits."""
    sums = [log + prior for log, prior in zip(logs, priors, strict=True)]
    highest = max(sums)
    likely = [2 ** (value - highest) for value in sums]
    return likely[0] / sum(likely)


def compare(one: Record, other: Record, *, shares: Shares) -> Comparison:
    """Weigh all fields of two records."""
    first, last, swapped = _names(one, other)
    levels = {"first_name": first[0], "last_name": last[0], **levels_of(one, other)}
    values = {
        "first_name": first[1],
        "last_name": last[1],
        "email": one.email,
        "phone": one.phone,
        "postcode": one.postcode,
        "city": one.city,
    }
    odds = {
        name: _odds(name, level, shares.get((name, values.get(name, ""))))
        for name, level in levels.items()
        if level != UNKNOWN
    }
    for name in _said_already(levels):
        odds.pop(name, None)
    logs = (
        sum(math.log2(each.one) for each in odds.values()) + (math.log2(SWAPPED) if swapped else 0),
        sum(math.log2(each.strangers) for each in odds.values()),
        sum(math.log2(each.housemates) for each in odds.values()),
    )
    return Comparison(levels, odds, logs, swapped)


def _said_already(levels: Mapping[str, str]) -> list[str]:
    """Fields that add nothing: the city to the same postcode, and to a move that both of them are other ones, too."""
    said = ["city"] if levels["postcode"] == SAME else []
    if levels["address"] in (HINT, DIFFERENT):
        said += [name for name in ("postcode", "city") if levels[name] == DIFFERENT]
    elif levels["postcode"] == DIFFERENT:
        said += ["city"]
    return said


def _odds(field: str, level: str, share: float | None) -> Odds:
    odds = _ODDS[field][level]
    if level != SAME or share is None:
        return odds
    return Odds(odds.one, min(max(share, 1e-7), 0.5), max(odds.housemates, min(share, 0.5)))


def levels_of(one: Record, other: Record) -> dict[str, str]:
    """How each field but the names compares."""
    return {
        "birth_date": _birth_dates(one, other),
        "email": _emails(one.email, other.email),
        "phone": _phones(one.phone, other.phone),
        "address": _addresses(one.address, other.address),
        "postcode": _codes(one.postcode, other.postcode),
        "city": _cities(one.city, other.city),
        "gender": _levels(one.gender, other.gender, lambda: DIFFERENT),
    }


def _levels(one: object, other: object, otherwise: Callable[[], str]) -> str:
    if not one or not other:
        return UNKNOWN
    return SAME if one == other else otherwise()


def _birth_dates(one: Record, other: Record) -> str:
    a, b = one.birth_date, other.birth_date
    if a is None or b is None:
        return UNKNOWN
    if a == b:
        return SAME
    if (a.year, a.month, a.day) == (b.year, b.day, b.month):
        return NEAR
    if (a.month, a.day) == (b.month, b.day) and abs(a.year - b.year) == 1:
        return NEAR
    return NEAR if OSA.distance(f"{a:%Y%m%d}", f"{b:%Y%m%d}", score_cutoff=1) <= 1 else DIFFERENT


def _emails(one: str, other: str) -> str:
    def near() -> str:
        if _DIGITS.findall(one) != _DIGITS.findall(other):
            return DIFFERENT  # anna76 and anna67 are two people's, whom the provider told apart
        (local, _, domain), (local_other, _, domain_other) = one.rpartition("@"), other.rpartition("@")
        same_local = local == local_other and len(local) > 4
        if same_local or (domain == domain_other and len(local) > 4 and OSA.distance(local, local_other) == 1):
            return NEAR
        return NEAR if OSA.distance(one, other, score_cutoff=1) <= 1 else DIFFERENT

    return _levels(one, other, near)


def _phones(one: str, other: str) -> str:
    def near() -> str:
        if min(len(one), len(other)) >= 7 and (one.endswith(other[-8:]) or other.endswith(one[-8:])):
            return NEAR
        return NEAR if len(one) > 6 and OSA.distance(one, other, score_cutoff=1) <= 1 else DIFFERENT

    return _levels(one, other, near)


def _addresses(one: str, other: str) -> str:
    def near() -> str:
        whole = max(fuzz.token_sort_ratio(one, other), fuzz.ratio(one.replace(" ", ""), other.replace(" ", "")))
        numbers, numbers_other = _numbers(one), _numbers(other)
        if whole >= 90 and numbers == numbers_other:
            return SAME
        if max(whole, fuzz.token_set_ratio(one, other)) < 75:
            return DIFFERENT
        # Of one street, another house is not nearly the same one.
        return NEAR if numbers & numbers_other or not (numbers and numbers_other) else HINT

    return _levels(one, other, near)


def _numbers(address: str) -> set[str]:
    return {word for word in address.split() if any(char.isdigit() for char in word)}


def _codes(one: str, other: str) -> str:
    return _levels(one, other, lambda: NEAR if OSA.distance(one, other, score_cutoff=1) <= 1 else DIFFERENT)


def _cities(one: str, other: str) -> str:
    def near() -> str:
        alike = JaroWinkler.similarity(one, other) >= 0.9 or sound(one) == sound(other)
        return NEAR if alike else DIFFERENT

    return _levels(one, other, near)


Name = tuple[str, str]
"""The level, and what is the same."""


def _names(one: Record, other: Record) -> tuple[Name, Name, bool]:
    """First and last names, the right way round or, where only that fits, the wrong way."""
    straight = (_name(one.first, other.first), _name(one.last, other.last))
    crossed = (_name(one.first, other.last), _name(one.last, other.first))
    if _fit(straight) or not _fit(crossed):
        return (*straight, False)
    return (*crossed, True)


def _fit(names: tuple[Name, Name]) -> bool:
    """Whether one of the two is the same, or all that is known is near."""
    known = [level for level, _value in names if level != UNKNOWN]
    return SAME in known or (bool(known) and all(level == NEAR for level in known))


def _name(one: tuple[str, ...], other: tuple[str, ...]) -> Name:
    if not one or not other:
        return UNKNOWN, ""
    if one == other or "".join(one) == "".join(other):
        return SAME, " ".join(one)
    shared = [word for word in one if word in other]
    if shared and len(shared) == min(len(one), len(other)):  # Anna and Anna Maria, Garcia and Garcia Lopez
        return NEAR, ""
    return max((_word(a, b) for a in one for b in other), key=(DIFFERENT, HINT, NEAR).index), ""


def _word(one: str, other: str) -> str:
    """How near two words are that are not the same."""
    if one == other or same_nickname(one, other):
        return NEAR
    short, long = sorted((one, other), key=len)
    if len(short) == 1:
        return HINT if long[0] == short else DIFFERENT
    if len(short) >= 4 and OSA.distance(one, other, score_cutoff=2) <= (1 if len(short) < 8 else 2):
        return NEAR
    likeness = JaroWinkler.similarity(one, other)
    if len(short) >= 4 and (likeness >= 0.93 or (likeness >= 0.7 and sound(one) == sound(other))):
        return NEAR
    if len(short) > 3 and long.startswith(short):
        return HINT
    if len(short) >= 4 and likeness >= 0.86:
        return HINT
    if len(short) == 3 and OSA.distance(one, other, score_cutoff=1) <= 1:
        return NEAR if short[0] == long[0] and len(long) > 3 else HINT  # Ana and Anna, but not Ian and Jan
    return DIFFERENT
