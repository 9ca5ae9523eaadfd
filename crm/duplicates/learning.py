"""What a shop's own customers teach about doubles: how many there are to expect, and how many share a household.

The records of a chain with family cards and those of a fair's guest book are not alike. Expectation and maximisation in
turn: with what is expected each compared pair is judged, and the judgements say what to expect. Pairs that share no key
are strangers, all of them.
"""

from collections.abc import Sequence

from crm.duplicates.comparing import Expected
from crm.models import DuplicateExpectation

Logs = tuple[float, float, float]

ROUNDS = 25
WEIGHT = 500
"""What was expected before weighs as much as so many customers."""
ENOUGH = 500
"""From fewer customers nothing is learned."""
LEAST = 0.02
"""Housemates and doubles a customer are always possible, even where none have been seen."""


def known() -> Expected:
    """What has been learned before, if anything has."""
    found = DuplicateExpectation.objects.filter(pk=1).first()
    return Expected(found.doubles, found.housemates) if found else Expected()


def learn(pairs: Sequence[Logs], *, looked_at: int, customers: int) -> Expected:
    """What to expect after these pairs, of ``looked_at`` customers among all ``customers``; kept for the next time."""
    before = known()
    if looked_at < ENOUGH:
        return before
    expected = before
    for _round in range(ROUNDS):
        doubles, housemates = _judged(pairs, expected, customers)
        expected = Expected(
            max((doubles + WEIGHT * before.doubles) / (looked_at + WEIGHT), LEAST),
            max((housemates + WEIGHT * before.housemates) / (looked_at + WEIGHT), LEAST),
        )
    DuplicateExpectation.objects.update_or_create(
        pk=1, defaults={"doubles": expected.doubles, "housemates": expected.housemates}
    )
    return expected


def _judged(pairs: Sequence[Logs], expected: Expected, customers: int) -> tuple[float, float]:
    one_prior, _zero, home_prior = expected.logs(customers)
    doubles = housemates = 0.0
    for one, strangers, home in pairs:
        highest = max(one + one_prior, strangers, home + home_prior)
        likely = 2 ** (one + one_prior - highest)
        at_home = 2 ** (home + home_prior - highest)
        total = likely + at_home + 2 ** (strangers - highest)
        doubles += likely / total
        housemates += at_home / total
    return doubles, housemates
