"""Bringing all segments up to date for some customers: the incremental path.

One statement for the segments that ask for no other one, then one for those that ask for these, and so on; the rest is
the same number of statements for one segment and customer as for a hundred of each.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.days import shop_day
from crm.profiles import lock_profiles
from segments import scoring
from segments.compile import customers
from segments.models import Segment
from segments.reading import Read, in_order, keep_names, read_rules
from segments.references import Names
from segments.tree import RuleError
from segments.unite import follow_merges

log = logging.getLogger(__name__)

LOCK_CLASS = 0x5E6
"""Advisory locks (LOCK_CLASS, segment id); id 0 is held by whoever evaluates some customers for all segments."""

_FOLLOW = """
WITH live (id, rule_version) AS MATERIALIZED (SELECT * FROM unnest(%s::bigint[], %s::int[])),
     wanted (segment_id, customer_id) AS MATERIALIZED ({wanted}),
     member AS MATERIALIZED (
        SELECT segment_id, customer_id FROM segments_membership
         WHERE customer_id = ANY(%s) AND segment_id IN (SELECT id FROM live)
     ),
     differs AS MATERIALIZED (
        SELECT coalesce(wanted.segment_id, member.segment_id) AS segment_id,
               coalesce(wanted.customer_id, member.customer_id) AS customer_id,
               member.customer_id IS NULL AS entered
          FROM wanted
          FULL JOIN member ON member.segment_id = wanted.segment_id AND member.customer_id = wanted.customer_id
         WHERE wanted.customer_id IS NULL OR member.customer_id IS NULL
     ),
     gone AS (
        DELETE FROM segments_membership AS known USING differs
         WHERE NOT differs.entered AND known.segment_id = differs.segment_id AND known.customer_id = differs.customer_id
     ),
     come AS (
        INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
        SELECT segment_id, customer_id, %s, live.rule_version FROM differs JOIN live ON live.id = segment_id
         WHERE entered
     ),
     noted AS (
        INSERT INTO segments_membershipevent (segment_id, customer_id, entered, happened_at, rule_version)
        SELECT segment_id, customer_id, entered, %s, live.rule_version FROM differs JOIN live ON live.id = segment_id
     )
SELECT segment_id, count(*) FILTER (WHERE entered), count(*) FILTER (WHERE NOT entered)
  FROM differs GROUP BY segment_id ORDER BY segment_id
"""

_COUNT = """
UPDATE segments_segment AS segment
   SET members_count = segment.members_count + coalesce(moved.came, 0) - coalesce(moved.went, 0),
       refreshed_at = greatest(segment.refreshed_at, %s)
  FROM (SELECT id FROM segments_segment WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) AS live
  LEFT JOIN unnest(%s::bigint[], %s::int[], %s::int[]) AS moved (id, came, went) ON moved.id = live.id
 WHERE segment.id = live.id
"""


def live_segments() -> "QuerySet[Segment]":
    """Segments whose membership follows a rule."""
    return Segment.objects.filter(is_archived=False, kind__in=[Segment.Kind.DYNAMIC, Segment.Kind.PERSONA])


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
    held = list(live_segments().order_by("pk").values_list("pk", flat=True))
    hold_against_sweeps([0, *held])
    lock_profiles(customer_ids=ids)  # whoever else evaluates these customers waits, and then sees later facts
    follow_merges(ids, now)
    scoring.follow(customer_ids=ids)
    segments = list(live_segments().filter(pk__in=held).order_by("pk"))
    at = moment(now, [segment.opened_on for segment in segments])
    steps = _compile(segments, ids, at)
    try:
        with transaction.atomic():
            _apply(steps, ids, now)
    except OperationalError:  # the server's trouble, not a rule's: the marks stay for the next time
        raise
    except DatabaseError:
        for step in steps:
            for one in step:
                _apply_alone(one, ids, now)


@dataclass(frozen=True)
class Compiled:
    segment: Segment
    sql: str
    params: Sequence[Any]


def _compile(segments: Sequence[Segment], ids: Sequence[int], at: datetime) -> list[list[Compiled]]:
    """The SQL of each segment that has one, in the order in which they can be evaluated; all names read together."""
    rules, names = read_rules(segments, failed=note_error)
    keep_names([one for one in rules if one.renamed])
    return [
        [compiled for one in group if (compiled := _compiled(one, names, ids, at)) is not None]
        for group in in_order(rules, failed=note_error)
    ]


def _compiled(one: Read, names: Names, ids: Sequence[int], at: datetime) -> Compiled | None:
    try:
        found = customers(rule=one.node, now=at, ids=ids, names=names).order_by().values("pk").query
        return Compiled(one.segment, *found.sql_with_params())
    except Exception as error:  # whatever is wrong with one segment must not stop the others
        note_error(one.segment.pk, error)
        return None


def _apply_alone(one: Compiled, ids: Sequence[int], now: datetime) -> None:
    try:
        with transaction.atomic():
            _apply([[one]], ids, now)
    except OperationalError:
        raise
    except DatabaseError as error:
        note_error(one.segment.pk, error)


def _apply(steps: Sequence[Sequence[Compiled]], ids: Sequence[int], now: datetime) -> None:
    """One statement for each step, and one for the numbers of all."""
    moved: list[tuple[int, int, int]] = []
    with connection.cursor() as cursor:
        for step in filter(None, steps):
            # Both parts are ours: an id, and what the compiler made, whose values stay parameters.
            parts = [f"SELECT {one.segment.pk}, found.* FROM ({one.sql}) AS found" for one in step]  # noqa: S608
            params = [param for one in step for param in one.params]
            segment_ids = [one.segment.pk for one in step]
            versions = [one.segment.rule_version for one in step]
            cursor.execute(
                _FOLLOW.format(wanted=" UNION ALL ".join(parts)),
                [segment_ids, versions, *params, list(ids), now, now],
            )
            moved += cursor.fetchall()
        applied = [one.segment.pk for step in steps for one in step]
        if applied:
            columns = [[row[place] for row in moved] for place in range(3)]
            cursor.execute(_COUNT, [now, applied, *columns])
