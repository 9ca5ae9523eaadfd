"""The nightly proof: everybody is evaluated once more, and nothing should change.

Correctness does not need it: facts leave marks, and :mod:`segments.day` sees to time. Where it does find a difference
that no mark explains, something is wrong with one of those: it is mended, and told to whoever looks after the program.
"""

import logging
from datetime import datetime, time

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from crm.days import shop_day
from crm.models import ChangeMark
from segments.follow import live_segments
from segments.models import OutOfStep, Segment
from segments.refresh import free, refresh_segment

log = logging.getLogger(__name__)

FROM = time(3)
"""The shop's hour from which on the proof is made; later, if the program did not run then."""


def prove_due(*, now: datetime, limit: int | None = None) -> int:
    """Compare everybody with the members, of those segments that have not been proved today. Returns how many."""
    if timezone.localtime(now, timezone.get_default_timezone()).time() < FROM:
        return 0
    today = shop_day(now)
    right = live_segments().filter(refreshed_version=F("rule_version"), swept_on=today)
    waiting = right.filter(Q(proved_on=None) | Q(proved_on__lt=today)).filter(free(now)).order_by("proved_on", "pk")
    ids = list(waiting.values_list("pk", flat=True)[:limit])
    return sum(prove(segment_id=segment_id, now=now) for segment_id in ids)


def prove(*, segment_id: int, now: datetime) -> bool:
    """Compare everybody with the segment's members; mend and report what differs. False where it could not be done.

    Differences of customers whose marks still wait are no fault.
    """
    if ChangeMark.objects.filter(customer=None).exists():
        return False  # everybody waits to be evaluated: nothing can be proved now
    return refresh_segment(segment_id=segment_id, now=now, noting=report) is not None


_UNEXPLAINED = """
SELECT count(*) FILTER (WHERE entered), count(*) FILTER (WHERE NOT entered)
  FROM segments_membershipevent AS event
 WHERE segment_id = %s AND happened_at = %s
   AND NOT EXISTS (SELECT FROM crm_changemark AS mark
                    WHERE mark.customer_id IS NULL OR mark.customer_id = event.customer_id)
"""


def report(segment: Segment, now: datetime) -> None:
    """Tell of those who were moved by a comparison at this moment, though no mark of theirs waited.

    Called in the transaction of the comparison: whoever takes marks away then waits for it before they are gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNEXPLAINED, [segment.pk, now])
        missing, surplus = cursor.fetchone()
    if missing or surplus:
        OutOfStep.objects.create(segment=segment, found_at=now, missing=missing, surplus=surplus)
        log.error(
            "Segment %s (%s) was out of step: %s members were missing, %s too many. It is mended.",
            segment.pk,
            segment.name,
            missing,
            surplus,
        )


def unseen() -> list[OutOfStep]:
    """Faults that nobody has looked at yet, the newest of each segment."""
    found = OutOfStep.objects.filter(seen_at=None).select_related("segment")
    return list(found.order_by("segment_id", "-found_at", "-pk").distinct("segment_id"))


def see(*, segment: Segment, now: datetime) -> None:
    """Somebody has looked at the segment's faults."""
    OutOfStep.objects.filter(segment=segment, seen_at=None).update(seen_at=now)
