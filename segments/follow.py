"""Bringing all segments up to date for some customers: the incremental path.

One statement for the segments that ask for no other one, then one for those that ask for these, and so on; the rest is
the same number of statements for one segment and customer as for a hundred of each.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.days import shop_day
from crm.profiles import lock_profiles
from segments import scoring, standing
from segments.models import Segment
from segments.tree import RuleError
from segments.unite import follow_merges

log = logging.getLogger(__name__)

LOCK_CLASS = 0x5E6
"""Advisory locks (LOCK_CLASS, segment id); id 0 is held by whoever evaluates some customers for all segments."""

_HOLD = """
SELECT id, pg_advisory_xact_lock_shared(%(class)s, id::int)
  FROM (SELECT 0 AS id UNION ALL SELECT id FROM segments_segment WHERE NOT is_archived AND kind = ANY(%(kinds)s)
         ORDER BY id) AS held
"""

_COUNT = """
UPDATE segments_segment AS segment
   SET members_count = segment.members_count + coalesce(moved.came, 0) - coalesce(moved.went, 0),
       refreshed_at = greatest(segment.refreshed_at, %(now)s)
  FROM (SELECT id FROM segments_segment
         WHERE id = ANY(%(moved)s) OR id = ANY(%(all)s) AND (refreshed_at IS NULL OR refreshed_at < %(old)s)
         ORDER BY id FOR NO KEY UPDATE) AS live
  LEFT JOIN unnest(%(moved)s::bigint[], %(came)s::int[], %(went)s::int[]) AS moved (id, came, went)
    ON moved.id = live.id
 WHERE segment.id = live.id
"""
NEWS_AFTER = timedelta(minutes=1)
"""How old "as of" may look: to write every segment for each sale would cost more than to evaluate it."""


def live_segments() -> "QuerySet[Segment]":
    """Segments whose membership follows a rule."""
    return Segment.objects.filter(is_archived=False, kind__in=standing.FOLLOWING)


def hold_against_sweeps(segment_ids: Sequence[int]) -> None:
    """Hold these segments against an evaluation of everybody, to the end of the transaction; before any profile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(%s, id) FROM unnest(%s::int[]) AS id", [LOCK_CLASS, list(segment_ids)]
        )


def moment(now: datetime, opened: Sequence[Any]) -> datetime:
    """The moment to evaluate for: ``now``, or the beginning of the next day where that was opened already.

    A worker that was held up over midnight must not answer for a day that the segments have left behind. A day further
    ahead comes from a clock that was wrong, and is not followed.
    """
    today = shop_day(now)
    if any(day == today + timedelta(days=1) for day in opened):
        return timezone.make_aware(datetime.combine(today + timedelta(days=1), time()), timezone.get_default_timezone())
    return now


def note_error(segment_id: int, error: Exception) -> None:
    """Keep what went wrong. Version 0: everybody is evaluated once the cause is gone."""
    message = str(error) if isinstance(error, RuleError) else _("The database could not answer this rule.")
    changed = Segment.objects.filter(pk=segment_id).exclude(last_error=message, refreshed_version=0)
    if changed.update(last_error=message, refreshed_version=0):
        log.warning("Segment %s could not be refreshed", segment_id, exc_info=error)


def follow(ids: Sequence[int], now: datetime) -> None:
    """Bring all live segments up to date for these customers. The caller holds a transaction."""
    scoring.hold()
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, {"class": LOCK_CLASS, "kinds": list(standing.FOLLOWING)})
        held = [segment_id for segment_id, _lock in cursor.fetchall() if segment_id]
        lock_profiles(customer_ids=ids)  # whoever else evaluates these customers waits, and then sees later facts
        follow_merges(ids, now)
        scoring.follow(customer_ids=ids)
        known, as_of = standing.standing(cursor, held=held, moment=partial(moment, now))
        for segment_id, error in known.broken:
            note_error(segment_id, error)
        try:
            moves = _apply(known, ids, now)
        except OperationalError:  # the server's trouble, not a rule's: the marks stay for the next time
            raise
        except DatabaseError:  # one of them cannot be answered: find out which
            standing.forget()
            for segment_id in known.segment_ids:
                _follow_alone(cursor, segment_id, ids, now)
            return
        if moves or as_of is None or as_of < now - NEWS_AFTER:
            _count(cursor, known.segment_ids, moves, now)


def _apply(known: standing.Standing, ids: Sequence[int], now: datetime) -> standing.Moves:
    with transaction.atomic(), connection.cursor() as cursor:
        return known.apply(cursor, ids, now)


def _follow_alone(cursor: Any, segment_id: int, ids: Sequence[int], now: datetime) -> None:
    """One segment by itself: what is wrong with it harms no other."""
    try:
        with transaction.atomic():
            days = Segment.objects.values_list("opened_on", flat=True)
            known = standing.made(cursor, held=[segment_id], at=moment(now, list(days)))
            for _segment_id, error in known.broken:
                raise error
            _count(cursor, known.segment_ids, known.apply(cursor, ids, now), now)
    except OperationalError:
        raise
    except Exception as error:
        note_error(segment_id, error)


def _count(cursor: Any, segment_ids: Sequence[int], moves: standing.Moves, now: datetime) -> None:
    """Bring the numbers of segments up to date, and of all that have not said for a while as of when they are."""
    came_and_went: dict[int, list[int]] = {}
    for segment_id, came, went in moves:
        known = came_and_went.setdefault(segment_id, [0, 0])
        known[0] += came
        known[1] += went
    cursor.execute(
        _COUNT,
        {
            "now": now,
            "old": now - NEWS_AFTER,
            "all": list(segment_ids),
            "moved": list(came_and_went),
            "came": [came for came, _went in came_and_went.values()],
            "went": [went for _came, went in came_and_went.values()],
        },
    )
