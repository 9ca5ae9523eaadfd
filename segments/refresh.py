"""Membership follows the facts, and the time.

:func:`refresh_marked` evaluates all live segments for the customers whose facts changed, within seconds of a sale.
:func:`refresh_segment` evaluates everybody: after a new rule, after a large import, and once on each of the shop's
days, since time alone changes answers. What is due is read from the segments themselves, so downtime is caught up with.

Who writes membership holds a lock: all customers of one segment exclusively, some customers of all segments together.
So nobody's answer is overwritten by one read from older facts.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from crm.days import shop_day
from crm.profiles import lock_profiles
from segments import scoring
from segments.comparing import write_moves
from segments.compile import customers, member_ids
from segments.models import Segment
from segments.references import Names, follow_renames, read_names, remembered
from segments.rules import Node, RuleError, dump, parse

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
BACKOFF = timedelta(minutes=5)
BATCH = 500
"""Marks taken at once: a sale of one of these customers may have to wait while they are evaluated."""
LOCK_CLASS = 0x5E6  # advisory locks (LOCK_CLASS, segment id)

# Materialized: a plan that ran the inner query again would take more than the limit.
_TAKE = """
WITH taken AS MATERIALIZED (SELECT id FROM crm_changemark ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
DELETE FROM crm_changemark AS mark USING taken WHERE mark.id = taken.id
RETURNING mark.customer_id
"""

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


@dataclass(frozen=True)
class Moved:
    """How many came into and left a segment."""

    came: int = 0
    went: int = 0


def live_segments() -> "QuerySet[Segment]":
    """Segments whose membership follows a rule."""
    return Segment.objects.filter(is_archived=False, kind__in=[Segment.Kind.DYNAMIC, Segment.Kind.PERSONA])


def due(now: datetime) -> Q:
    """Segments to be evaluated for everybody: a rule not yet applied, or a day of the shop not yet seen."""
    return ~Q(refreshed_version=F("rule_version")) | Q(swept_on=None) | Q(swept_on__lt=shop_day(now))


def _free(now: datetime) -> Q:
    return Q(leased_until=None) | Q(leased_until__lte=now)


def refresh_segment(*, segment_id: int, now: datetime) -> Moved | None:
    """Evaluate everybody for one segment. None where another worker holds it, it follows no rule, or it failed.

    A failure is kept in ``last_error``, leaves the members as they were, and is tried again after a while.
    """
    lease = now + LEASE
    if not live_segments().filter(_free(now), pk=segment_id).update(leased_until=lease):
        return None
    try:
        return _sweep(segment_id, lease, now)
    except Exception as error:  # whatever is wrong with one segment must not stop the others
        _note_error(segment_id, error)
        Segment.objects.filter(pk=segment_id, leased_until=lease).update(leased_until=now + BACKOFF)
        return None


def _sweep(segment_id: int, lease: datetime, now: datetime) -> Moved | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, segment_id])
        segment = Segment.objects.filter(pk=segment_id, leased_until=lease).first()
        if segment is None:  # the rule was changed, or the lease ran out: somebody else sees to it
            return None
        node, names = _read(segment)
        version = segment.rule_version
        wanted = member_ids(rule=node, now=now, names=names)
        members, came, went = write_moves(wanted=wanted, segment_id=segment_id, version=version, now=now)
        Segment.objects.filter(pk=segment_id).update(
            members_count=members,
            refreshed_at=now,
            refreshed_version=version,
            swept_on=shop_day(now),
            last_error="",
            leased_until=None,
        )
        # Renamed words and what they mean, unless the rule has been changed meanwhile.
        Segment.objects.filter(pk=segment_id, rule_version=version).update(
            rule=dump(node), names=remembered(names.references(node))
        )
    return Moved(came, went)


def _read(segment: Segment) -> tuple[Node, Names]:
    """The rule and what its names mean; a category that was renamed since the last time keeps its meaning."""
    node = parse(segment.rule)
    names = read_names([node])
    renamed = follow_renames(node, names=names, known=segment.names)
    return (node, names) if renamed == node else (renamed, read_names([renamed]))


def _note_error(segment_id: int, error: Exception) -> None:
    """Keep what went wrong. Version 0: everybody is evaluated once the cause is gone."""
    message = str(error) if isinstance(error, RuleError) else _("The database could not answer this rule.")
    changed = Segment.objects.filter(pk=segment_id).exclude(last_error=message, refreshed_version=0)
    if changed.update(last_error=message, refreshed_version=0):
        log.warning("Segment %s could not be refreshed", segment_id, exc_info=error)


def ask_anew(*, segment_ids: Sequence[int] | None = None) -> None:
    """Make these segments (all live ones, where none are named) due for everybody, whatever has been refreshed.

    Waits for a refresh that is under way: it may have read older facts, and would else count as the one asked for.
    """
    asked = live_segments() if segment_ids is None else live_segments().filter(pk__in=segment_ids)
    with transaction.atomic():
        hold_against_sweeps(list(asked.order_by("pk").values_list("pk", flat=True)))
        asked.update(refreshed_version=0)


def hold_against_sweeps(segment_ids: Sequence[int]) -> None:
    """Hold these segments against an evaluation of everybody, to the end of the transaction; before any profile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(%s, id) FROM unnest(%s::int[]) AS id", [LOCK_CLASS, list(segment_ids)]
        )


def refresh_due(*, now: datetime, limit: int | None = None) -> int:
    """Evaluate everybody for the segments that are due, the longest waiting first. Returns how many were tried.

    Scores come first: a new day of the shop, or a large import, changes what the rules read.
    """
    if scoring.remake_if_due(now=now):
        refresh_marked(now=now)
    waiting = live_segments().filter(due(now), _free(now)).order_by(F("refreshed_at").asc(nulls_first=True), "pk")
    ids = list(waiting.values_list("pk", flat=True)[:limit])
    for segment_id in ids:
        refresh_segment(segment_id=segment_id, now=now)
    return len(ids)


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
        marks = [customer_id for (customer_id,) in cursor.fetchall()]
        if not marks:
            return 0
        if None in marks:
            ask_anew()
            scoring.ask()
        ids = sorted({customer_id for customer_id in marks if customer_id is not None})
        if ids:
            _follow(ids, now)
    return len(marks)


def _follow(ids: Sequence[int], now: datetime) -> None:
    """Bring all live segments up to date for these customers. The caller holds a transaction."""
    scoring.hold()
    held = list(live_segments().order_by("pk").values_list("pk", flat=True))
    hold_against_sweeps(held)
    lock_profiles(customer_ids=ids)  # whoever else evaluates these customers waits, and then sees later facts
    scoring.follow(customer_ids=ids)
    compiled = _compile_all(list(live_segments().filter(pk__in=held).order_by("pk")), ids, now)
    try:
        with transaction.atomic():
            _apply(compiled, ids, now)
    except OperationalError:  # the server's trouble, not a rule's: the marks stay for the next time
        raise
    except DatabaseError:
        for one in compiled:
            _apply_alone(one, ids, now)


Compiled = tuple[Segment, tuple[str, Sequence[Any]]]


def _compile_all(segments: Sequence[Segment], ids: Sequence[int], now: datetime) -> list[Compiled]:
    """The SQL of each segment that has one; all names looked up together."""
    trees: list[tuple[Segment, Node]] = []
    for segment in segments:
        try:
            trees.append((segment, parse(segment.rule)))
        except RuleError as error:
            _note_error(segment.pk, error)
    names = read_names(node for _segment, node in trees)
    compiled: list[Compiled] = []
    for segment, node in trees:
        try:
            found = customers(rule=node, now=now, ids=ids, names=names).order_by().values("pk").query
            compiled.append((segment, found.sql_with_params()))
        except Exception as error:  # whatever is wrong with one segment must not stop the others
            _note_error(segment.pk, error)
    return compiled


def _apply_alone(one: Compiled, ids: Sequence[int], now: datetime) -> None:
    try:
        with transaction.atomic():
            _apply([one], ids, now)
    except OperationalError:
        raise
    except DatabaseError as error:
        _note_error(one[0].pk, error)


def _apply(compiled: Sequence[Compiled], ids: Sequence[int], now: datetime) -> None:
    """One statement for all these segments, and one for their numbers."""
    if not compiled:
        return
    # Both parts are ours: an id, and what the compiler made, whose values stay parameters.
    parts = [f"SELECT {one.pk}, found.* FROM ({sql}) AS found" for one, (sql, _some) in compiled]  # noqa: S608
    params = [param for _segment, (_sql, some) in compiled for param in some]
    segment_ids = [segment.pk for segment, _query in compiled]
    versions = [segment.rule_version for segment, _query in compiled]
    with connection.cursor() as cursor:
        cursor.execute(
            _FOLLOW.format(wanted=" UNION ALL ".join(parts)),
            [segment_ids, versions, *params, list(ids), now, now],
        )
        moved = cursor.fetchall()
        cursor.execute(
            """
            UPDATE segments_segment AS segment
               SET members_count = segment.members_count + coalesce(moved.came, 0) - coalesce(moved.went, 0),
                   refreshed_at = greatest(segment.refreshed_at, %s)
              FROM (SELECT id FROM segments_segment WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) AS live
              LEFT JOIN unnest(%s::bigint[], %s::int[], %s::int[]) AS moved (id, came, went) ON moved.id = live.id
             WHERE segment.id = live.id
            """,
            [
                now,
                segment_ids,
                [row[0] for row in moved],
                [row[1] for row in moved],
                [row[2] for row in moved],
            ],
        )
