"""Evaluating everybody for one segment that holds 60% of all customers, against the bare reading it cannot do without.

- The first fill, against the bare SELECT of the rule's ids.
- A refresh after which one member in a hundred is another one, against reading the rule's ids and the members.

Both end with their commit. For a rule on the profile, whose reading is as cheap as any, and for one on the last year's
receipts.
"""

import time
from collections.abc import Iterator
from typing import Any

from django.db import connection

from benchmarks import shop
from benchmarks.results import Result, Scale, interleaved
from benchmarks.shop import Shop
from benchmarks.typical import ask
from segments import refresh
from segments.compile import customers, member_ids
from segments.models import Segment

SHARE = 0.6
CHANGED = 150
"""One member in so many is missing, and as many are there who do not belong: 1.3% of the members change."""


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        yield from _measure("spend >= X", _by_spend(made), made)
        yield from _measure("spend(last: 24 months) >= X", _by_spend(made, last="24 months"), made)


def _by_spend(made: Shop, **filters: str) -> dict[str, Any]:
    """The rule with the threshold that leaves the wanted share in."""
    low, high = 0, 1_000_000
    while low < high:
        middle = (low + high + 1) // 2
        rule = {"v": 1, "rule": ask("spend", ">=", middle, **filters)}
        enough = customers(rule=rule, now=made.now).count() >= SHARE * made.sizes.customers
        low, high = (middle, high) if enough else (low, middle - 1)
    return {"v": 1, "rule": ask("spend", ">=", max(low, 1), **filters)}


def _measure(name: str, rule: dict[str, Any], made: Shop) -> Iterator[Result]:
    segment = Segment.objects.create(name=name, rule=rule)
    bare = _Bare(segment, made)

    def first_fill() -> float:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE segments_membership, segments_membershipevent")
        return _refresh(segment, made)

    filled = interleaved(first_fill, bare.rule)
    yield _result(f"first fill of a segment by {name} against the bare SELECT", filled, 5.0, segment, made)

    def after_changes() -> float:
        _disturb(segment, made)
        return _refresh(segment, made)

    changed = interleaved(after_changes, bare.rule_and_members)
    yield _result(f"refresh of a segment by {name} against bare reading", changed, 1.5, segment, made)


def _result(name: str, compared: Any, goal: float, segment: Segment, made: Shop) -> Result:
    segment.refresh_from_db()
    return Result(
        name=name,
        ratio=compared.time_ratio,
        goal=goal,
        better="lower",
        limit_per_s=compared.limit_per_s(segment.members_count),
        more={
            "members": segment.members_count,
            "ms": round(1000 * compared.measured_s),
            "bare_ms": round(1000 * compared.limit_s),
            "runs": compared.runs,
            **made.said,
        },
    )


def _refresh(segment: Segment, made: Shop) -> float:
    started = time.perf_counter()
    moved = refresh.refresh_segment(segment_id=segment.pk, now=made.now)
    took = time.perf_counter() - started
    assert moved is not None, Segment.objects.get(pk=segment.pk).last_error
    return took


def _disturb(segment: Segment, made: Shop) -> None:
    """Some members missing, as many strangers in, as a day's facts leave it; and the table in a shop's usual state."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM segments_membership WHERE segment_id = %s AND customer_id %% %s = 7", [segment.pk, CHANGED]
        )
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
            SELECT %(segment)s, customer.id, %(now)s, 1 FROM crm_customer AS customer
             WHERE NOT EXISTS (SELECT FROM segments_membership
                                WHERE segment_id = %(segment)s AND customer_id = customer.id)
               AND customer.id %% %(every)s = 11
             LIMIT %(most)s
            """,
            {
                "segment": segment.pk,
                "now": made.now,
                "every": CHANGED // 2,
                "most": int(SHARE * made.sizes.customers / CHANGED),
            },
        )
        cursor.execute("VACUUM (ANALYZE) segments_membership")


class _Bare:
    """Reading, and nothing else, inside the database."""

    def __init__(self, segment: Segment, made: Shop) -> None:
        self.segment = segment
        found = member_ids(rule=segment.rule, now=made.now).query
        self.sql, self.params = found.sql_with_params()

    def rule(self) -> float:
        with connection.cursor() as cursor:
            started = time.perf_counter()
            cursor.execute(f"SELECT count(id), sum(id) FROM ({self.sql}) AS wanted (id)", self.params)
            return time.perf_counter() - started

    def rule_and_members(self) -> float:
        took = self.rule()
        with connection.cursor() as cursor:
            started = time.perf_counter()
            cursor.execute(
                "SELECT count(customer_id), sum(customer_id) FROM segments_membership WHERE segment_id = %s",
                [self.segment.pk],
            )
            return took + time.perf_counter() - started
