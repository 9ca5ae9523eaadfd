"""What can be done with a segment. (Those that follow no rule: :mod:`segments.people`.)"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Case, F, QuerySet, When
from django.utils.translation import gettext as _

from crm.attributes import Predicate
from crm.bell import ring_after_commit
from crm.models import Customer
from segments import text
from segments.compile import customers, live_customers, member_ids, predicate, scope_for
from segments.dependencies import dependents, refuse_circle
from segments.expressions import AnyOf
from segments.follow import LOCK_CLASS
from segments.models import Segment, SegmentVersion
from segments.reading import keep_names, read_rules
from segments.references import follow_renames, read_names, remembered
from segments.refresh import ask_anew
from segments.rules import And, Node, RuleError, dump, parse
from segments.tree import Problem

REFRESH = "segments.tasks.refresh_due"
FOLLOW_RULES = (Segment.Kind.DYNAMIC, Segment.Kind.PERSONA)
RuleLike = Mapping[str, Any] | Node


def checked(rule: RuleLike | str, *, segment_id: int | None = None) -> Node:
    """The rule as a tree, every name in it looked up, and no circle of segments in it; of a text, each mistake has its
    place. Raises RuleError.

    ``segment_id`` is whose rule it is to be, where that one is there already.
    """
    if isinstance(rule, str):
        read = text.read(rule)
        try:
            return checked(read.node, segment_id=segment_id)
        except RuleError as error:
            raise read.located(error) from None
    return _settled(rule, segment_id)[0]


def _settled(rule: RuleLike, segment_id: int | None) -> tuple[Node, dict[str, int]]:
    node = parse(rule if isinstance(rule, Mapping) else dump(rule))
    references = read_names([node]).references(node)
    refuse_circle(node, references, segment_id=segment_id)
    return node, remembered(references)


@transaction.atomic
def create_segment(
    *,
    name: str,
    rule: RuleLike,
    by: User | None,
    kind: str = Segment.Kind.DYNAMIC,
    description: str = "",
) -> Segment:
    """A new segment; its members are there as soon as a worker has evaluated everybody. Raises RuleError."""
    node, names = _settled(rule, None)
    segment = Segment.objects.create(
        name=name, description=description, rule=dump(node), names=names, kind=kind, created_by=by
    )
    SegmentVersion.objects.create(segment=segment, number=1, rule=segment.rule, names=names, made_by=by)
    ring_after_commit(REFRESH)
    return segment


@transaction.atomic
def change_rule(*, segment: Segment, rule: RuleLike, by: User | None, now: datetime) -> Segment:
    """Give the segment another rule, to be applied soon. The same rule changes nothing. Raises RuleError."""
    if segment.kind not in FOLLOW_RULES:
        raise RuleError(Problem(_("This segment follows no rule.")))
    with connection.cursor() as cursor:
        # One rule after the other: two at once could close a circle that neither sees.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, -1)", [LOCK_CLASS])
    node, names = _settled(rule, segment.pk)
    written = dump(node)
    changed = Segment.objects.filter(pk=segment.pk).exclude(rule=written)
    if changed.update(
        rule=written,
        names=names,
        rule_version=F("rule_version") + 1,
        changed_at=now,
        last_error="",
        failures=0,
        leased_until=None,
    ):
        number = Segment.objects.values_list("rule_version", flat=True).get(pk=segment.pk)
        SegmentVersion.objects.create(
            segment=segment, number=number, rule=written, names=names, made_by=by, made_at=now
        )
    segment.refresh_from_db()
    ring_after_commit(REFRESH)
    return segment


def restore_version(*, segment: Segment, number: int, by: User | None, now: datetime) -> Segment:
    """Take up a rule that the segment had before, as a new version; what was renamed since stays itself.

    Raises RuleError where it can't be used any more, and SegmentVersion.DoesNotExist.
    """
    version = SegmentVersion.objects.get(segment=segment, number=number)
    node = parse(version.rule)
    (present,) = follow_renames([(node, version.names)], names=read_names([node]))
    return change_rule(segment=segment, rule=present, by=by, now=now)


@transaction.atomic
def rename(*, segment: Segment, name: str, description: str, now: datetime) -> Segment:
    """Change what the segment is called, not whom it selects; the rules that ask for it follow."""
    Segment.objects.filter(pk=segment.pk).update(name=name, description=description, changed_at=now)
    if name != segment.name:
        follow_name(segment_id=segment.pk)
    segment.refresh_from_db()
    return segment


def follow_name(*, segment_id: int) -> None:
    """Write the present name of a segment into the rules that ask for it."""
    using = Segment.objects.filter(pk__in=dependents(segment_id)).order_by("pk").select_for_update(no_key=True)
    rules, _names = read_rules(list(using), failed=lambda _segment_id, _error: None)
    keep_names([one for one in rules if one.renamed])


def free_name(stem: str) -> str:
    """The name, with a number behind it where it is taken."""
    stem = stem[:190]
    taken = set(Segment.objects.filter(name__startswith=stem).values_list("name", flat=True))
    tries = (stem if number == 1 else f"{stem} {number}" for number in range(1, len(taken) + 2))
    return next(one for one in tries if one not in taken)


def duplicate(*, segment: Segment, by: User | None) -> Segment:
    """A segment of the same rule under a name that is free. Raises RuleError."""
    name = free_name(_("Copy of %(name)s") % {"name": segment.name})
    return create_segment(name=name, rule=segment.rule, by=by, description=segment.description)


@transaction.atomic
def archive(*, segment: Segment, now: datetime) -> None:
    """Put the segment away: its members stay as they are, and follow nothing any more.

    Rules that ask for it can't be answered from now on, and say so.
    """
    Segment.objects.filter(pk=segment.pk).update(is_archived=True, changed_at=now)
    _ask_dependents(segment)
    segment.refresh_from_db()


@transaction.atomic
def restore(*, segment: Segment, now: datetime) -> None:
    """Take an archived segment up again; everybody is evaluated anew."""
    Segment.objects.filter(pk=segment.pk).update(is_archived=False, changed_at=now)
    ask_anew(segment_ids=[segment.pk])
    _ask_dependents(segment)
    segment.refresh_from_db()
    ring_after_commit(REFRESH)


def _ask_dependents(segment: Segment) -> None:
    using = dependents(segment.pk)
    if using:
        ask_anew(segment_ids=sorted(using))
        Segment.objects.filter(pk__in=using).update(leased_until=None, failures=0)
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
