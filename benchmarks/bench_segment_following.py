"""All of a hundred live segments (benchmarks/hundred.py) for customers whose facts changed, against one look-up.

The look-up reads the customer's profile by its primary key, with one statement of psycopg and nothing else. Ours is
measured twice, both without the commit: the statement that answers for all segments and writes who came and went, with
the look whether the rules or what their names mean have changed; and all that a worker does with the marks that it has
taken, which also holds segments and profiles, scores the customer anew, looks after merges, and counts. Each customer
has just lost one membership and got one that is not theirs, so there is something to write.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from django.db import connection, transaction

from benchmarks import hundred, shop
from benchmarks.results import Result, Scale
from benchmarks.shop import Shop
from segments import refresh, standing
from segments.follow import follow
from segments.models import Segment

ONE_BY_ONE = 60
BATCH = 1_000
RUNS = 5
GOAL_ONE, GOAL_BATCH = 15.0, 3.0
_LOOKUP = "SELECT * FROM crm_customerprofile WHERE customer_id = %s"


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        for name, rule in hundred.mix().items():
            Segment.objects.create(name=name, rule={"v": 1, "rule": rule})
        started = time.perf_counter()
        refresh.refresh_due(now=made.now)
        filled = time.perf_counter() - started
        broken = Segment.objects.exclude(last_error="").values_list("name", "last_error")
        assert not broken, list(broken)
        Segment.objects.update(members_count=10 * made.sizes.customers)  # what is put in below is not counted
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) segments_membership, segments_membershipevent")
        chance = random.Random(5)
        for name, work in (("the statement", _statement), ("all that a worker does", _whole)):
            one, look_up = _one_by_one(made, chance, work)
            more = {"filled_s": round(filled, 1)}
            yield _result(f"100 segments for one changed customer ({name})", one, look_up, GOAL_ONE, more)
        some = [chance.sample(range(1, made.sizes.customers + 1), BATCH) for _ in range(RUNS)]
        batch = [_followed(made, ids, _whole) / BATCH for ids in some]
        yield _result(f"100 segments for each of {BATCH:,} changed customers", batch, look_up, GOAL_BATCH, made.said)


def _result(
    name: str, ours: Sequence[float], look_up: Sequence[float], goal: float, more: Mapping[str, float]
) -> Result:
    mine, limit = statistics.median(ours), statistics.median(look_up)
    return Result(
        name=f"{name} against one look-up by key",
        ratio=mine / limit,
        goal=goal,
        better="lower",
        limit_per_s=1 / limit,
        more={"ms": round(1000 * mine, 3), "look_up_ms": round(1000 * limit, 3), "runs": len(ours), **more},
    )


Work = Callable[[Sequence[int], datetime], float]
"""Evaluates these customers for that moment; returns the seconds that count."""


def _whole(ids: Sequence[int], now: datetime) -> float:
    started = time.perf_counter()
    follow(ids, now)
    return time.perf_counter() - started


def _statement(ids: Sequence[int], now: datetime) -> float:
    """Only the look whether anything is another, and what evaluates, compares and writes."""
    held = list(Segment.objects.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        started = time.perf_counter()
        known, _as_of = standing.standing(cursor, held=held, moment=lambda _opened: now)
        known.apply(cursor, ids, now)
        return time.perf_counter() - started


def _one_by_one(made: Shop, chance: random.Random, work: Work) -> tuple[list[float], list[float]]:
    """Both in turns, after some turns that count for neither: plans and caches are there in a worker."""
    ours, limit = [], []
    for customer in chance.sample(range(1, made.sizes.customers + 1), ONE_BY_ONE + 10):
        ours.append(_followed(made, [customer], work))
        with connection.cursor() as cursor:
            started = time.perf_counter()
            cursor.execute(_LOOKUP, [customer])
            cursor.fetchone()
            limit.append(time.perf_counter() - started)
    return ours[10:], limit[10:]


def _followed(made: Shop, ids: Sequence[int], work: Work) -> float:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM segments_membership AS member
             USING (SELECT DISTINCT ON (customer_id) segment_id, customer_id FROM segments_membership
                     WHERE customer_id = ANY(%(ids)s) ORDER BY customer_id, segment_id DESC) AS gone
             WHERE member.segment_id = gone.segment_id AND member.customer_id = gone.customer_id
            """,
            {"ids": list(ids)},
        )
        cursor.execute(
            """
            INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
            SELECT (SELECT min(id) + 50 FROM segments_segment), id, %(now)s, 1 FROM unnest(%(ids)s) AS id
                ON CONFLICT DO NOTHING
            """,
            {"ids": list(ids), "now": made.now},
        )
        return work(sorted(ids), made.now)
