"""A new day of the shop: time alone lets customers come in and leave.

Only those are evaluated whose answer may differ from the day for which it was right: each condition says who is due
between the two days, however far they are apart. Nothing is stored a customer: a worker that dies begins again.

Order is kept over midnight: the new day is *opened* first, for everybody who evaluates, and only then are the due
looked for. So no answer for the old day is written after that look.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from crm.days import shop_day
from crm.models import Customer
from segments.compile import due_queries, scope_for
from segments.follow import LOCK_CLASS, follow, live_segments, note_error
from segments.models import Segment
from segments.reading import Read, read_rules
from segments.references import Names

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
BATCH = 500
"""Customers evaluated at once: a sale of one of them may have to wait for the others."""
TOO_MANY = 5
"""From a fifth of all customers on it is quicker to evaluate everybody."""
FEW = 5_000
"""So many are evaluated one batch after the other, whatever share of the customers they are."""


def see_to_day(*, now: datetime, between: Callable[[datetime], object] | None = None) -> int:
    """Bring the segments that are right for an earlier day to today's. Returns how many there were.

    ``between`` is called with the time between two batches, so that nothing waits for all of them.
    """
    clock = _Clock(now)
    segments = _take(shop_day(now), clock)
    if not segments:
        return 0
    try:
        _evaluate_due(segments, clock, now, between)
    except OperationalError:  # the server's trouble: begun again at the next bell
        raise
    except Exception:  # never stuck: everybody is evaluated instead
        log.exception("The new day could not be seen to")
        _held(segments, clock).update(refreshed_version=0)
    finally:
        _held(segments, clock).update(leased_until=None)
    return len(segments)


def _evaluate_due(
    segments: Sequence[Segment], clock: "_Clock", now: datetime, between: Callable[[datetime], object] | None
) -> None:
    today = shop_day(now)
    _open(today, segments)
    ids = _due(segments, now)
    if len(ids) > FEW and len(ids) * TOO_MANY > Customer.objects.count():
        _held(segments, clock).update(refreshed_version=0)
        return
    for start in range(0, len(ids), BATCH):
        if start and between is not None:
            between(clock.now())
        if not _renew(segments, clock):
            return  # held up for so long that somebody else has begun
        with transaction.atomic():
            follow(ids[start : start + BATCH], now)
    # Not where it was given another rule meanwhile, could not be answered, or was evaluated for everybody.
    done = _held(segments, clock).filter(refreshed_version=F("rule_version"), swept_on__lt=today)
    done.update(swept_on=today, refreshed_at=now)


class _Clock:
    """The time that goes on from ``now`` while work is done, and the lease held last."""

    def __init__(self, now: datetime) -> None:
        self._began, self._ticks = now, time.monotonic()
        self.lease = now + LEASE

    def now(self) -> datetime:
        return self._began + timedelta(seconds=time.monotonic() - self._ticks)


def behind(today: date) -> "QuerySet[Segment]":
    """Live segments whose answers are right for an earlier day than this."""
    return live_segments().filter(refreshed_version=F("rule_version"), swept_on__lt=today)


def _take(today: date, clock: _Clock) -> list[Segment]:
    """Those behind, leased; without those that another worker is at."""
    free = Q(leased_until=None) | Q(leased_until__lte=clock.now())
    with transaction.atomic():
        found = list(behind(today).filter(free).order_by("pk").select_for_update(no_key=True))
        Segment.objects.filter(pk__in=[one.pk for one in found]).update(leased_until=clock.lease)
    return found


def _held(segments: Sequence[Segment], clock: _Clock) -> "QuerySet[Segment]":
    return Segment.objects.filter(pk__in=[one.pk for one in segments], leased_until=clock.lease)


def _renew(segments: Sequence[Segment], clock: _Clock) -> bool:
    """Keep the lease a while longer; False where none of it is left. A changed rule takes its segment out."""
    lease = clock.now() + LEASE
    renewed = _held(segments, clock).update(leased_until=lease)
    clock.lease = lease
    return bool(renewed)


def _open(today: date, segments: Sequence[Segment]) -> None:
    """From now on nobody evaluates for an earlier day; waits for whoever does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_CLASS])
        Segment.objects.filter(pk__in=[one.pk for one in segments]).update(opened_on=today)


def _due(segments: Sequence[Segment], now: datetime) -> list[int]:
    """Everybody whose answer may have changed since each segment's day, in one statement."""
    rules, names = read_rules(segments, failed=note_error)
    queries = {one.segment.pk: list(_queries(one, names, now)) for one in rules}
    try:
        return _union(query for some in queries.values() for query in some)
    except OperationalError:
        raise
    except DatabaseError:
        found: set[int] = set()
        for segment_id, some in queries.items():
            try:
                found |= set(_union(some))
            except OperationalError:
                raise
            except DatabaseError as error:
                note_error(segment_id, error)  # and so everybody is evaluated for it
        return sorted(found)


Query = tuple[str, tuple[Any, ...]]


def _queries(one: Read, names: Names, now: datetime) -> Iterator[Query]:
    try:
        scope = scope_for(one.node, now=now, names=names)
        for query in due_queries(one.node, scope, since=one.segment.swept_on or scope.today):
            sql, params = query.order_by().query.sql_with_params()
            yield sql, params
    except Exception as error:  # whatever is wrong with one segment must not stop the others
        note_error(one.segment.pk, error)


def _union(queries: Any) -> list[int]:
    """The customers that any of these finds; the same question of several segments is asked once."""
    asked: dict[str, Query] = {repr(query): query for query in queries}
    if not asked:
        return []
    parts = [f"SELECT * FROM ({sql}) AS found (id)" for sql, _params in asked.values()]  # noqa: S608 - compiled; values stay parameters
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT id FROM ({' UNION ALL '.join(parts)}) AS due WHERE id IS NOT NULL ORDER BY id",  # noqa: S608 - see above
            [param for _sql, params in asked.values() for param in params],
        )
        return [customer_id for (customer_id,) in cursor.fetchall()]
