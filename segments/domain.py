"""What can be done with a segment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Case, F, When
from django.utils.translation import gettext as _

from crm.bell import ring_after_commit
from crm.models import Customer
from segments.compile import customers, live_customers, predicate, scope_for
from segments.models import Segment
from segments.references import read_names
from segments.refresh import ask_anew
from segments.rules import And, Node, dump, parse

REFRESH = "segments.tasks.refresh_due"
RuleLike = Mapping[str, Any] | Node


def checked(rule: RuleLike) -> Node:
    """The rule as a tree, every name in it looked up. Raises RuleError."""
    node = parse(rule if isinstance(rule, Mapping) else dump(rule))
    read_names([node]).references(node)
    return node


def create_segment(
    *,
    name: str,
    rule: RuleLike,
    by: User | None,
    kind: str = Segment.Kind.DYNAMIC,
    description: str = "",
) -> Segment:
    """A new segment; its members are there as soon as a worker has evaluated everybody. Raises RuleError."""
    node = checked(rule)
    segment = Segment.objects.create(name=name, description=description, rule=dump(node), kind=kind, created_by=by)
    ring_after_commit(REFRESH)
    return segment


def change_rule(*, segment: Segment, rule: RuleLike, by: User | None, now: datetime) -> Segment:
    """Give the segment another rule, to be applied soon. The same rule changes nothing. Raises RuleError."""
    written = dump(checked(rule))
    Segment.objects.filter(pk=segment.pk).exclude(rule=written).update(
        rule=written, rule_version=F("rule_version") + 1, changed_at=now, last_error="", leased_until=None
    )
    segment.refresh_from_db()
    ring_after_commit(REFRESH)
    return segment


def rename(*, segment: Segment, name: str, description: str, now: datetime) -> Segment:
    """Change what the segment is called, not whom it selects."""
    Segment.objects.filter(pk=segment.pk).update(name=name, description=description, changed_at=now)
    segment.refresh_from_db()
    return segment


def duplicate(*, segment: Segment, by: User | None) -> Segment:
    """A segment of the same rule under a name that is free."""
    stem = _("Copy of %(name)s") % {"name": segment.name}
    taken = set(Segment.objects.filter(name__startswith=stem[:190]).values_list("name", flat=True))
    tries = (stem[:190] if number == 1 else f"{stem[:190]} {number}" for number in range(1, len(taken) + 2))
    name = next(one for one in tries if one not in taken)
    return create_segment(name=name, rule=segment.rule, by=by, description=segment.description)


def archive(*, segment: Segment, now: datetime) -> None:
    """Put the segment away: its members stay as they are, and follow nothing any more."""
    Segment.objects.filter(pk=segment.pk).update(is_archived=True, changed_at=now)
    segment.refresh_from_db()


def restore(*, segment: Segment, now: datetime) -> None:
    """Take an archived segment up again; everybody is evaluated anew."""
    Segment.objects.filter(pk=segment.pk).update(is_archived=False, changed_at=now)
    ask_anew(segment_ids=[segment.pk])
    segment.refresh_from_db()
    ring_after_commit(REFRESH)


def count(*, rule: RuleLike, now: datetime) -> int:
    """How many customers the rule selects. Raises RuleError."""
    return customers(rule=rule, now=now).count()


def sample(*, rule: RuleLike, now: datetime, size: int = 5) -> list[Customer]:
    """Some of them, by name. Raises RuleError."""
    return list(customers(rule=rule, now=now).order_by("pk")[:size])


@dataclass(frozen=True)
class Effect:
    """How many a rule selects, and how many more there would be without each condition of its outermost "all of"."""

    members: int
    taken_away: tuple[int, ...]


def effect(*, rule: RuleLike, now: datetime) -> Effect:
    """The rule's number, and what each of its outermost conditions takes away. Raises RuleError.

    Each condition is evaluated once for each customer; only those who meet all of them, or all but one, are counted.
    """
    node = parse(rule) if isinstance(rule, Mapping) else rule
    if not isinstance(node, And) or len(node.nodes) < 2:
        return Effect(customers(rule=node, now=now).count(), ())
    scope = scope_for(node, now=now)
    met = {
        f"met_{place}": Case(When(predicate(child, scope), then=True), default=False)
        for place, child in enumerate(node.nodes)
    }
    answers, params = live_customers().order_by().annotate(**met).values_list(*met).query.sql_with_params()
    columns, how_many = ", ".join(met), " + ".join(f"{name}::int" for name in met)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), {columns} FROM ({answers}) AS answers ({columns}) "  # noqa: S608 - compiled; values stay parameters
            f"WHERE {how_many} >= %s GROUP BY {columns}",
            [*params, len(met) - 1],
        )
        counted = {tuple(answer): number for number, *answer in cursor.fetchall()}
    everything = tuple(True for _ in met)
    lacking = (tuple(place != other for other in range(len(met))) for place in range(len(met)))
    return Effect(counted.get(everything, 0), tuple(counted.get(answer, 0) for answer in lacking))
