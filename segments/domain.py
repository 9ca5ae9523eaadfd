"""What can be done with a segment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Case, F, QuerySet, When
from django.utils.translation import gettext as _

from crm.attributes import Predicate
from crm.bell import ring_after_commit
from crm.models import Customer
from segments import text
from segments.compile import customers, live_customers, member_ids, predicate, scope_for
from segments.expressions import AnyOf
from segments.models import Segment
from segments.references import read_names
from segments.refresh import ask_anew
from segments.rules import And, Node, RuleError, dump, parse

REFRESH = "segments.tasks.refresh_due"
RuleLike = Mapping[str, Any] | Node


def checked(rule: RuleLike | str) -> Node:
    """The rule as a tree, every name in it looked up; of a text, each mistake has its place. Raises RuleError."""
    if isinstance(rule, str):
        read = text.read(rule)
        try:
            return checked(read.node)
        except RuleError as error:
            raise read.located(error) from None
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
    return member_ids(rule=rule, now=now).count()


def sample(*, rule: RuleLike, now: datetime, size: int = 5, ids: Sequence[int] | None = None) -> list[Customer]:
    """Some of them, by name; among ``ids`` only, where given. Raises RuleError."""
    return list(customers(rule=rule, now=now, ids=ids).order_by("pk")[:size])


@dataclass(frozen=True)
class Effect:
    """How many a rule selects, and how many more there would be without each condition of its outermost "all of".

    ``came`` and ``went`` say how it differs from another rule: whom only this one selects, and whom only that one.
    """

    members: int
    taken_away: tuple[int, ...]
    came: int | None = None
    went: int | None = None


def effect(*, rule: RuleLike, now: datetime, saved: RuleLike | None = None, ids: Sequence[int] | None = None) -> Effect:
    """The rule's number, what each of its outermost conditions takes away, and the change against ``saved``.

    Of everybody, or of ``ids`` alone. Each condition is evaluated once for each customer; only those who meet all of
    them, or all but one, or the saved rule, are counted. Raises RuleError.
    """
    node = parse(rule) if isinstance(rule, Mapping) else rule
    parts = node.nodes if isinstance(node, And) and len(node.nodes) > 1 else (node,)
    if saved is None and len(parts) == 1:
        alone = member_ids(rule=node, now=now) if ids is None else customers(rule=node, now=now, ids=ids)
        return Effect(alone.count(), ())
    scope = scope_for(node, now=now, ids=ids)
    asked = {f"met_{place}": predicate(part, scope) for place, part in enumerate(parts)}
    if saved is not None:
        before = parse(saved) if isinstance(saved, Mapping) else saved
        asked["was"] = predicate(before, scope_for(before, now=now, ids=ids))
    people = live_customers(today=scope.today).order_by()
    counted = _answers(asked, len(parts), people if ids is None else people.filter(AnyOf("pk", ids)))
    members, gone = 0, [0] * len(parts)
    came = went = 0
    for answers, number in counted:
        met, was = answers[: len(parts)], answers[len(parts) :] == [True]
        if all(met):
            members += number
            came += 0 if was else number
            continue
        went += number if was else 0
        if met.count(False) == 1:
            gone[met.index(False)] += number
    taken_away = tuple(gone) if len(parts) > 1 else ()
    return Effect(members, taken_away) if saved is None else Effect(members, taken_away, came, went)


def _answers(
    asked: Mapping[str, Predicate], parts: int, people: "QuerySet[Customer]"
) -> Iterator[tuple[list[bool], int]]:
    """Each combination of answers with how many customers give it, unless too many parts are not met to matter."""
    flags = {name: Case(When(condition, then=True), default=False) for name, condition in asked.items()}
    answers, params = people.annotate(**flags).values_list(*flags).query.sql_with_params()
    columns = ", ".join(flags)
    matters = " + ".join(f"{name}::int" for name in list(flags)[:parts]) + " >= %s"
    matters += " OR was" if "was" in flags else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), {columns} FROM ({answers}) AS answers ({columns}) "  # noqa: S608 - compiled; values stay parameters
            f"WHERE {matters} GROUP BY {columns}",
            [*params, parts - 1],
        )
        for number, *combination in cursor.fetchall():
            yield combination, number
