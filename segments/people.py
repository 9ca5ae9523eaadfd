"""Segments that follow no rule: picked by hand, or frozen as another one was. All else treats them like any segment."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm import addresses
from crm.bell import ring_after_commit
from crm.days import shop_day
from crm.marks import MANY, mark_customers
from crm.models import Customer, LoyaltyCard
from crm.profiles import lock_profiles
from crm.text import clean
from segments.compile import live_customers
from segments.dependencies import dependents
from segments.domain import REFRESH, free_name
from segments.models import Segment
from segments.refresh import ask_anew, hold_against_sweeps

FOLLOW = "segments.tasks.refresh_marked"
MOST_AT_ONCE = 10_000
"""So many people may be put in by one list."""

_ADD = """
WITH come AS (
        INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
        SELECT %(segment)s, id, %(now)s, 1 FROM unnest(%(ids)s::bigint[]) AS wanted (id) ORDER BY id
            ON CONFLICT DO NOTHING
        RETURNING customer_id
     ),
     noted AS (
        INSERT INTO segments_membershipevent (segment_id, customer_id, entered, happened_at, rule_version)
        SELECT %(segment)s, customer_id, true, %(now)s, 1 FROM come
     )
SELECT customer_id FROM come
"""

_REMOVE = """
WITH gone AS (
        DELETE FROM segments_membership WHERE segment_id = %(segment)s AND customer_id = ANY(%(ids)s)
        RETURNING customer_id
     ),
     noted AS (
        INSERT INTO segments_membershipevent (segment_id, customer_id, entered, happened_at, rule_version)
        SELECT %(segment)s, customer_id, false, %(now)s, 1 FROM gone
     )
SELECT customer_id FROM gone
"""

_COPY = """
WITH come AS (
        INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
        SELECT %(to)s, member.customer_id, %(now)s, 1
          FROM segments_membership AS member JOIN crm_customer AS customer ON customer.id = member.customer_id
         WHERE member.segment_id = %(from)s
           AND customer.merged_into_id IS NULL AND customer.erased_at IS NULL AND NOT customer.no_profiling
        RETURNING customer_id
     ),
     noted AS (
        INSERT INTO segments_membershipevent (segment_id, customer_id, entered, happened_at, rule_version)
        SELECT %(to)s, customer_id, true, %(now)s, 1 FROM come
     )
UPDATE segments_segment SET members_count = (SELECT count(*) FROM come) WHERE id = %(to)s
"""


@dataclass(frozen=True)
class Told:
    """Whom the lines of a list mean; ``unclear`` ones more than one person."""

    customer_ids: list[int]
    unknown: list[str]
    unclear: list[str]


def lines_of(text: str) -> list[str]:
    """What a pasted list names, a line (or a cell) each, once each."""
    parts = re.split(r"[\r\n\t;,]+", text)
    return list(dict.fromkeys(cleaned for part in parts if (cleaned := clean(part)[:100])))


def named_by(*, lines: Sequence[str]) -> Told:
    """Whom these lines mean: each a customer number, a card or an e-mail address. Three queries, however many lines."""
    meant: dict[str, set[int]] = {line: set() for line in lines}
    by_mail: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if "@" in line:
            by_mail[addresses.email_key(line)].append(line)
    people = Customer.objects.filter(erased_at=None).order_by()
    lives_on = Coalesce("merged_into", "pk")
    for number, pk in people.filter(number__in=lines).values_list("number", lives_on):
        meant[number].add(pk)
    cards = LoyaltyCard.objects.filter(number__in=lines, status=LoyaltyCard.Status.ACTIVE).order_by()
    for number, pk in cards.values_list("number", "customer"):
        meant[number].add(pk)
    for key, pk in people.filter(email_key__in=by_mail).exclude(email_key="").values_list("email_key", lives_on):
        for line in by_mail[key]:
            meant[line].add(pk)
    return Told(
        customer_ids=sorted({pk for found in meant.values() if len(found) == 1 for pk in found}),
        unknown=[line for line, found in meant.items() if not found],
        unclear=[line for line, found in meant.items() if len(found) > 1],
    )


class NotPicked(ValueError):
    """People are put in and taken out by hand only where they were picked by hand."""


@transaction.atomic
def freeze(*, segment: Segment, by: User | None, now: datetime, name: str = "") -> Segment:
    """A new segment that keeps the people who are in this one now. It remembers the rule by which they were found."""
    day = date_format(shop_day(now), "DATE_FORMAT")
    stem = name or _("%(name)s, frozen on %(day)s") % {"name": segment.name[:140], "day": day}
    return _copied(segment, kind=Segment.Kind.FROZEN, name=free_name(stem), by=by, now=now)


@transaction.atomic
def duplicate_people(*, segment: Segment, by: User | None, now: datetime) -> Segment:
    """A segment of the same kind and people (of one that follows no rule) under a name that is free."""
    stem = _("Copy of %(name)s") % {"name": segment.name}
    return _copied(segment, kind=segment.kind, name=free_name(stem), by=by, now=now)


def _copied(segment: Segment, *, kind: str, name: str, by: User | None, now: datetime) -> Segment:
    made = _new(name=name, kind=kind, by=by, now=now, description=segment.description)
    if kind == Segment.Kind.FROZEN:
        Segment.objects.filter(pk=made.pk).update(rule=segment.rule, names=segment.names)
    hold_against_sweeps([segment.pk])
    with connection.cursor() as cursor:
        cursor.execute(_COPY, {"from": segment.pk, "to": made.pk, "now": now})
    made.refresh_from_db()
    return made


def _new(*, name: str, kind: str, by: User | None, now: datetime, description: str) -> Segment:
    return Segment.objects.create(
        name=name,
        kind=kind,
        description=description,
        refreshed_version=1,
        refreshed_at=now,
        swept_on=shop_day(now),
        created_by=by,
        created_at=now,
        changed_at=now,
    )


@transaction.atomic
def pick(
    *, name: str, customer_ids: Iterable[int] = (), by: User | None, now: datetime, description: str = ""
) -> Segment:
    """A new segment of exactly these people."""
    segment = _new(name=name, kind=Segment.Kind.PICKED, by=by, now=now, description=description)
    add_people(segment=segment, customer_ids=customer_ids, now=now)
    segment.refresh_from_db()
    return segment


def add_people(*, segment: Segment, customer_ids: Iterable[int], now: datetime) -> int:
    """Put these in; of a merged record the one it went up in. Returns how many came.

    Whoever is erased, a child, or does not want to be profiled stays out. Raises NotPicked.
    """
    return _move(segment, _ADD, customer_ids, now, sign=1)


def _allowed(ids: Sequence[int], now: datetime) -> list[int]:
    """Those of them who may be grouped; instead of a merged record the one it went up in."""
    roots = Customer.objects.order_by().filter(pk__in=ids).values_list(Coalesce("merged_into", "pk"), flat=True)
    found = live_customers(today=shop_day(now)).filter(pk__in=list(roots)).order_by("pk")
    return list(found.values_list("pk", flat=True))


def remove_people(*, segment: Segment, customer_ids: Iterable[int], now: datetime) -> int:
    """Take these out. Returns how many left. Raises NotPicked."""
    return _move(segment, _REMOVE, customer_ids, now, sign=-1)


@transaction.atomic
def _move(segment: Segment, statement: str, customer_ids: Iterable[int], now: datetime, *, sign: int) -> int:
    if segment.kind != Segment.Kind.PICKED:
        raise NotPicked(segment.pk)
    ids = sorted(set(customer_ids))
    lock_profiles(customer_ids=ids)  # nobody is erased or merged meanwhile
    if sign > 0:
        ids = _allowed(ids, now)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": ids, "segment": segment.pk, "now": now})
        moved = [customer_id for (customer_id,) in cursor.fetchall()]
    if moved:
        Segment.objects.filter(pk=segment.pk).update(
            members_count=F("members_count") + sign * len(moved), refreshed_at=now
        )
        _tell_dependents(segment, moved)
    return len(moved)


def _tell_dependents(segment: Segment, moved: Sequence[int]) -> None:
    using = dependents(segment.pk)
    if using and len(moved) < MANY:
        mark_customers(customer_ids=moved)
        ring_after_commit(FOLLOW)
    elif using:
        ask_anew(segment_ids=sorted(using))
        ring_after_commit(REFRESH)
