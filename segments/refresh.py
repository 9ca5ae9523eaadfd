"""Membership follows the facts, and the time.

:func:`refresh_marked` evaluates all live segments for the customers whose facts changed, within seconds of a sale.
:func:`refresh_segment` evaluates everybody: after a new rule, and after a large import. What time alone changes is seen
to by :mod:`segments.day`. What is due is read from the segments themselves, so downtime is caught up with.

Who writes membership holds a lock: all customers of one segment exclusively, some customers of all segments together.
So nobody's answer is overwritten by one read from older facts. A segment that asks for others is evaluated while those
stand still, and follows whenever somebody comes into them or leaves.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q

from crm import marks
from crm.days import shop_day
from segments import day, scoring
from segments.comparing import write_moves
from segments.compile import member_ids
from segments.dependencies import dependents, levels, needed, remembered_needs
from segments.follow import LOCK_CLASS, follow, hold_against_sweeps, live_segments, moment, note_error
from segments.models import Segment
from segments.reading import Read, keep_names, read_rules
from segments.references import Names

__all__ = ["hold_against_sweeps", "live_segments"]

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
BACKOFF = timedelta(minutes=5)
LONGEST_BACKOFF = timedelta(hours=6)
BATCH = 500
"""Marks taken at once: a sale of one of these customers may have to wait while they are evaluated."""

# Materialized: a plan that ran the inner query again would take more than the limit.
_TAKE = """
WITH taken AS MATERIALIZED (SELECT id FROM crm_changemark ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
DELETE FROM crm_changemark AS mark USING taken WHERE mark.id = taken.id
RETURNING mark.customer_id
"""


@dataclass(frozen=True)
class Moved:
    """How many came into and left a segment."""

    came: int = 0
    went: int = 0


def due(now: datetime) -> Q:
    """Segments to be evaluated for everybody: never yet by this rule, or for a day that is still far ahead."""
    ahead = shop_day(now) + timedelta(days=1)  # the clock was wrong, and has been put right
    return ~Q(refreshed_version=F("rule_version")) | Q(swept_on=None) | Q(swept_on__gt=ahead) | Q(opened_on__gt=ahead)


def stale(now: datetime) -> Q:
    """Segments whose members may still be those of an earlier rule, or of an earlier day of the shop."""
    return due(now) | Q(swept_on__lt=shop_day(now))


def free(now: datetime) -> Q:
    """Segments that no worker holds, and that do not wait after a failure."""
    return Q(leased_until=None) | Q(leased_until__lte=now)


Noting = Callable[[Segment, datetime], None]


def refresh_segment(*, segment_id: int, now: datetime, noting: Noting | None = None) -> Moved | None:
    """Evaluate everybody for one segment. None where another worker holds it, it follows no rule, or it failed.

    ``noting`` is called in the same transaction where anybody came or went.

    A failure is kept in ``last_error``, leaves the members as they were, and is tried again after a while, the longer
    the more often it failed.
    """
    lease = now + LEASE
    if not live_segments().filter(free(now), pk=segment_id).update(leased_until=lease):
        return None
    try:
        return _sweep(segment_id, lease, now, noting)
    except Exception as error:  # whatever is wrong with one segment must not stop the others
        note_error(segment_id, error)
        held = Segment.objects.filter(pk=segment_id, leased_until=lease)
        failures = held.values_list("failures", flat=True).first() or 0
        held.update(leased_until=now + backoff(failures), failures=failures + 1)
        return None


def backoff(failures: int) -> timedelta:
    """How long to wait after that many failures before: twice as long each time, within bounds."""
    return min(BACKOFF * 2 ** min(failures, 10), LONGEST_BACKOFF)


def _sweep(segment_id: int, lease: datetime, now: datetime, noting: Noting | None) -> Moved | None:
    asked = _read(Segment.objects.get(pk=segment_id))[0]
    with transaction.atomic(), connection.cursor() as cursor:
        _hold(cursor, segment_id, needed(asked.node, asked.references))
        segment = Segment.objects.filter(pk=segment_id, leased_until=lease).first()
        if segment is None or segment.rule_version != asked.segment.rule_version:
            return None  # the rule was changed, or the lease ran out: somebody else sees to it
        rule, names = _read(segment)
        if needed(rule.node, rule.references) != needed(asked.node, asked.references):
            return None
        at = moment(now, list(live_segments().values_list("opened_on", flat=True)))
        version = segment.rule_version
        wanted = member_ids(rule=rule.node, now=at, names=names)
        members, came, went = write_moves(wanted=wanted, segment_id=segment_id, version=version, now=now)
        Segment.objects.filter(pk=segment_id).update(
            members_count=members,
            refreshed_at=now,
            refreshed_version=version,
            swept_on=shop_day(at),
            opened_on=shop_day(at),
            proved_on=shop_day(at),
            last_error="",
            failures=0,
            leased_until=None,
        )
        keep_names([rule])
        if came or went:
            if noting is not None:
                noting(segment, now)
            _tell_dependents(cursor, segment_id, came + went, now)
    return Moved(came, went)


def _hold(cursor: Any, segment_id: int, needs: set[int]) -> None:
    """Hold the segment for itself alone, and those that it asks for as they are; in the order that all keep."""
    for one in sorted({segment_id, *needs}):
        kind = "" if one == segment_id else "_shared"
        cursor.execute(f"SELECT pg_advisory_xact_lock{kind}(%s, %s)", [LOCK_CLASS, one])


def _read(segment: Segment) -> tuple[Read, Names]:
    """The rule and what its names mean; a category that was renamed since the last time keeps its meaning."""

    def failed(_segment_id: int, error: Exception) -> None:
        raise error

    (read,), names = read_rules([segment], failed=failed)
    return read, names


def _tell_dependents(cursor: Any, segment_id: int, moved: int, now: datetime) -> None:
    """Let those that ask for this segment follow: by marks of whoever came and went, or altogether if that is many."""
    following = dependents(segment_id)
    if not following:
        return
    if moved >= marks.MANY:
        Segment.objects.filter(pk__in=following).update(refreshed_version=0)
        return
    cursor.execute(
        "INSERT INTO crm_changemark (customer_id) SELECT DISTINCT customer_id FROM segments_membershipevent"
        " WHERE segment_id = %s AND happened_at = %s ORDER BY customer_id",
        [segment_id, now],
    )


def ask_anew(*, segment_ids: Sequence[int] | None = None) -> None:
    """Make these segments (all live ones, where none are named) due for everybody, whatever has been refreshed.

    Waits for a refresh that is under way: it may have read older facts, and would else count as the one asked for.
    """
    asked = live_segments() if segment_ids is None else live_segments().filter(pk__in=segment_ids)
    with transaction.atomic():
        hold_against_sweeps(list(asked.order_by("pk").values_list("pk", flat=True)))
        asked.update(refreshed_version=0)


def refresh_due(*, now: datetime, limit: int | None = None) -> int:
    """See to the new day, then evaluate everybody for the segments that are due. Returns how many were tried.

    Scores come first: a new day of the shop, or a large import, changes what the rules read. Of the segments, what
    others ask for comes first, then whoever has waited longest.
    """
    if scoring.remake_if_due(now=now):
        refresh_marked(now=now)
    seen = day.see_to_day(now=now, between=lambda later: refresh_marked(now=later))
    waiting = live_segments().filter(due(now), free(now)).order_by(F("refreshed_at").asc(nulls_first=True), "pk")
    ids = list(waiting.values_list("pk", flat=True))
    if len(ids) > 1:
        needs = remembered_needs()
        place = {pk: number for number, group in enumerate(levels(needs)[0]) for pk in group}
        ids.sort(key=lambda pk: place.get(pk, len(needs)))
    for segment_id in ids[:limit]:
        refresh_segment(segment_id=segment_id, now=now)
    return seen + len(ids[:limit])


def refresh_all(*, now: datetime) -> int:
    """Evaluate everybody for every live segment. Returns how many were tried."""
    ask_anew()
    return refresh_due(now=now)


def refresh_marked(*, now: datetime) -> int:
    """Evaluate all live segments for the customers whose facts changed. Returns how many marks were dealt with.

    The mark "all" makes every segment due; :func:`refresh_due` does the work.
    """
    dealt = 0
    while taken := _refresh_batch(now):
        dealt += taken
        if taken < BATCH:
            break
    return dealt


def _refresh_batch(now: datetime) -> int:
    """One transaction: a crash before its end leaves the marks where they were."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, [BATCH])
        taken = [customer_id for (customer_id,) in cursor.fetchall()]
        if not taken:
            return 0
        if None in taken:
            ask_anew()
            scoring.ask()
        ids = sorted({customer_id for customer_id in taken if customer_id is not None})
        if ids:
            follow(ids, now)
    return len(taken)
