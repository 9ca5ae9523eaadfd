"""The live number of a rule, within the time that somebody waits: exact where that is cheap, else from a sample.

A shop of :data:`SMALL` customers or fewer is counted in full. In a larger one every figure comes from a uniform random
sample of its live customers (each as likely as any other, the same ones from one change of the rule to the next, so
that figures move only because the rule did), as large as the time allows; the number itself is exact all the same where
the planner expects it to be cheap. An estimate comes with the limits between which the true number lies 95 times of a
hundred (Clopper and Pearson's interval, which never promises too much, narrowed for a sample that is a good part of
the whole).
"""

import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Max, Min
from scipy.special import betaincinv

from crm.models import Customer
from segments import domain
from segments.asking import TooSlow, patience
from segments.compile import live_customers, member_ids
from segments.expressions import AnyOf
from segments.tree import Node

SMALL = 20_000
"""So many customers are simply counted."""
FIRST = 1_000
MOST = 20_000
"""Customers in the smallest and the largest sample."""
WAIT_MS = 320
"""How long the figures may take altogether; the rest of half a second is for names, words and the way there."""
EXACT_MS = 130
CHEAP = 60_000.0
"""What the planner may expect of an exact count, in its own units, for it to be tried for :data:`EXACT_MS`."""
REMEMBERED_S = 300
CONFIDENCE = 0.95
_SEED = "regulars"


@dataclass(frozen=True)
class Figure:
    """A number of customers: ``value``, and the limits between which the true one lies; all the same if exact."""

    value: int
    low: int
    high: int

    @property
    def exact(self) -> bool:
        return self.low == self.high


def exactly(number: int) -> Figure:
    return Figure(number, number, number)


@dataclass(frozen=True)
class Look:
    """What a rule selects, as far as it could be told in time.

    ``looked_at`` are the customers of the sample, None where everybody was counted.
    """

    members: Figure
    customers: int
    taken_away: tuple[Figure, ...]
    came: Figure | None
    went: Figure | None
    looked_at: Sequence[int] | None = None


def look(*, rule: Node, now: datetime, patience_ms: int, saved: Node | None = None) -> Look:
    """The rule's figures, and who came and went against the ``saved`` one. Raises RuleError and TooSlow."""
    everybody = population()
    if everybody <= SMALL:
        with patience(milliseconds=patience_ms):
            return _exact(domain.effect(rule=rule, now=now, saved=saved), everybody)
    return _estimated(rule, now, saved, everybody, time.monotonic() + WAIT_MS / 1000)


def population() -> int:
    """How many live customers there are; of a large shop, as of some minutes ago."""
    known: int | None = cache.get("segments:population")
    if known is None:
        known = live_customers().count()
        if known > SMALL:
            cache.set("segments:population", known, REMEMBERED_S)
    return known


def _exact(effect: domain.Effect, everybody: int) -> Look:
    def told(number: int | None) -> Figure | None:
        return None if number is None else exactly(number)

    taken_away = tuple(exactly(number) for number in effect.taken_away)
    return Look(exactly(effect.members), everybody, taken_away, told(effect.came), told(effect.went))


def _estimated(rule: Node, now: datetime, saved: Node | None, everybody: int, until: float) -> Look:
    drawn = sample()
    members = _if_cheap(rule, now)
    began = time.monotonic()
    looked_at = drawn[:FIRST]
    with patience(milliseconds=1000):
        effect = domain.effect(rule=rule, now=now, saved=saved, ids=looked_at)
    took, left = time.monotonic() - began, until - time.monotonic()
    larger = drawn[: int(FIRST * left * 0.6 / took)] if left > 0 else []
    if len(larger) >= 2 * FIRST:
        try:
            with patience(milliseconds=max(50, int(left * 1000))):
                effect, looked_at = domain.effect(rule=rule, now=now, saved=saved, ids=larger), larger
        except TooSlow:
            pass  # the smaller sample has been counted

    def about(found: int) -> Figure:
        return scaled(found=found, looked_at=len(looked_at), everybody=everybody)

    return Look(
        members or about(effect.members),
        everybody,
        tuple(about(number) for number in effect.taken_away),
        None if effect.came is None else about(effect.came),
        None if effect.went is None else about(effect.went),
        looked_at,
    )


def _if_cheap(rule: Node, now: datetime) -> Figure | None:
    """The exact number where the planner thinks little of it and proves right."""
    found = member_ids(rule=rule, now=now)
    plan: Any = json.loads(found.explain(format="json"))
    if plan[0]["Plan"]["Total Cost"] > CHEAP:
        return None
    try:
        with patience(milliseconds=EXACT_MS):
            return exactly(found.count())
    except TooSlow:
        return None


def sample(*, size: int | None = None, seed: str = _SEED) -> list[int]:
    """Ids of live customers in a random order that stays the same for a while; any first part is a fair sample too."""
    size = size or MOST
    key = f"segments:sample:{size}:{seed}"
    known: list[int] | None = cache.get(key)
    if known is None:
        known = _draw(size, seed)
        cache.set(key, known, REMEMBERED_S)
    return known


def _draw(size: int, seed: str) -> list[int]:
    """Numbers drawn between the first id and the last; whoever is live among them has had the same chance as all."""
    ends = live_customers().order_by().aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return []
    span = ends["last"] - ends["first"] + 1
    coarse = 1 << max(0, span.bit_length() - 6)  # so that a few more customers leave the draw as it was
    span = -(-span // coarse) * coarse
    density = max(population(), 1) / span
    asked = min(span, int(1.1 * size / density) + 100)
    if asked > 20 * size:
        return _draw_from_pages(size, seed)
    draw = random.Random(seed).sample(  # noqa: S311 - a fair draw, not a secret
        range(ends["first"], ends["first"] + span), asked
    )
    return _live(draw)[:size]


def _draw_from_pages(size: int, seed: str) -> list[int]:
    """Where ids have large gaps the table itself is read, and each row taken by chance."""
    percent = min(100.0, 110 * size / max(population(), 1))
    table = Customer._meta.db_table
    sql = f"SELECT id FROM {table} TABLESAMPLE BERNOULLI (%s) REPEATABLE (%s)"  # noqa: S608 - the model's own table
    found = _live([row.pk for row in Customer.objects.raw(sql, [percent, len(seed)])])
    random.Random(seed).shuffle(found)  # noqa: S311
    return found[:size]


def _live(ids: Sequence[int]) -> list[int]:
    """Those of them who may be counted, in the same order."""
    live = set(live_customers().order_by().filter(AnyOf("pk", ids)).values_list("pk", flat=True))
    return [pk for pk in ids if pk in live]


def scaled(*, found: int, looked_at: int, everybody: int) -> Figure:
    """What ``found`` of ``looked_at`` customers drawn at random say of ``everybody``."""
    if looked_at >= everybody or looked_at == 0:
        return exactly(found) if looked_at else Figure(0, 0, everybody)
    missed = looked_at - found
    weight = (everybody - 1) / (everybody - looked_at)  # a sample of half of all says more than one of a few
    hits, misses, tail = found * weight, missed * weight, (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, misses + 1, tail)) if found else 0.0
    high = float(betaincinv(hits + 1, misses, 1 - tail)) if missed else 1.0
    return Figure(
        round(everybody * found / looked_at),
        max(found, math.floor(low * everybody)),
        min(everybody - missed, math.ceil(high * everybody)),
    )
