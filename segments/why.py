"""Why a customer is in a segment, or out: each condition with their own value, and what would have to change.

Negations are carried down to the conditions, as the compiler does: "none of these" becomes all of their opposites. So a
tick always speaks for the customer's being in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Case, Value, When
from django.utils.translation import gettext as _

from crm import privacy
from crm.attributes import Predicate, Type, lookup
from crm.days import shop_day
from crm.models import Customer
from segments.compile import born_by, compared, predicate, scope_for, value_of
from segments.models import Membership, Segment
from segments.reading import Read, read_rules
from segments.references import Names
from segments.rules import describe
from segments.tree import And, Condition, Node, Not, Or
from segments.wording import say_lack, say_value

COLUMNS_AT_ONCE = 600
"""Questions in one query; PostgreSQL takes 1,664 columns."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A condition, or a group of them; ``holds`` is None where it can't be told (a name in the rule is gone)."""

    sentence: str
    holds: bool | None
    has: str = ""
    """The customer's own value, in words."""
    lacks: str = ""
    """What would have to change, where it does not hold."""
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True, kw_only=True)
class Belonging:
    segment: Segment
    membership: Membership | None
    """None where the customer is not in."""
    conditions: tuple[Part, ...]
    """What all has to hold. Empty where the segment follows no rule now."""
    holds: bool | None
    """What the rule says at this moment; membership follows within seconds."""


@dataclass(frozen=True)
class _Answer:
    holds: bool
    may_be_asked: bool = True
    """Whether the customer has agreed to the use of what is asked; else its value is nobody's business."""
    value: Any = None
    has_value: bool = False


def why(*, customer: Customer, now: datetime, kinds: Iterable[str]) -> list[Belonging]:
    """The segments of these kinds that the customer is in, the newest first, each with its conditions.

    All conditions of all segments are evaluated in one query, for this customer alone.
    """
    memberships = list(
        Membership.objects.filter(customer=customer, segment__kind__in=kinds, segment__is_archived=False)
        .select_related("segment")
        .order_by("-entered_at", "-pk")
    )
    explained = _explain(customer, [one.segment for one in memberships], now)
    return [
        Belonging(segment=one.segment, membership=one, conditions=parts, holds=_all(parts))
        for one, parts in zip(memberships, explained, strict=True)
    ]


def explain(*, customer: Customer, segment: Segment, now: datetime) -> Belonging:
    """Why this customer is in this segment, or is not."""
    (parts,) = _explain(customer, [segment], now)
    membership = Membership.objects.filter(customer=customer, segment=segment).first()
    return Belonging(segment=segment, membership=membership, conditions=parts, holds=_all(parts))


def _explain(customer: Customer, segments: list[Segment], now: datetime) -> list[tuple[Part, ...]]:
    followed = [one for one in segments if one.kind in (Segment.Kind.DYNAMIC, Segment.Kind.PERSONA)]
    untold: dict[int, Node] = {}
    rules, names = read_rules(followed, failed=lambda _segment_id, _error: None, unclear=untold.__setitem__)
    by_id = {one.segment.pk: one for one in rules}
    answers = _ask(customer, rules, names, now)
    explained = []
    for segment in segments:
        node = by_id[segment.pk].node if segment.pk in by_id else untold.get(segment.pk)
        explained.append(() if node is None else tuple(_part(child, False, answers) for child in _outermost(node)))
    return explained


def _outermost(node: Node) -> tuple[Node, ...]:
    return node.nodes if isinstance(node, And) else (node,)


def _leaves(node: Node, negated: bool = False) -> Iterator[tuple[Condition, bool]]:
    """The conditions, each with whether its opposite is asked for."""
    match node:
        case And(nodes=nodes) | Or(nodes=nodes):
            for child in nodes:
                yield from _leaves(child, negated)
        case Not(node=inner):
            yield from _leaves(inner, not negated)
        case Condition():
            yield node, negated


def _key(condition: Condition, negated: bool) -> str:
    return repr((negated, condition.attribute, condition.operator, condition.value, sorted(condition.filters.items())))


def _ask(customer: Customer, rules: list[Read], names: Names, now: datetime) -> dict[str, _Answer]:
    """Every condition's answer and value, asked once each."""
    columns: dict[str, Any] = {}
    places: dict[str, int] = {}
    for rule in rules:
        scope = scope_for(rule.node, now=now, ids=[customer.pk], names=names)
        for condition, negated in _leaves(rule.node):
            key = _key(condition, negated)
            attribute = lookup(condition.attribute)
            if key in places or attribute is None:
                continue
            place = places[key] = len(places)
            columns[f"met_{place}"] = _flag(predicate(Not(condition) if negated else condition, scope))
            needed = privacy.needed(attribute, filters=condition.filters, scope=scope)
            if needed is not None:
                columns[f"may_{place}"] = _flag(needed)
            if attribute.type != Type.MEMBER:
                columns[f"has_{place}"] = value_of(condition, scope)
    row: dict[str, Any] = {}
    asked = list(columns.items())
    for start in range(0, len(asked), COLUMNS_AT_ONCE):
        some = dict(asked[start : start + COLUMNS_AT_ONCE])
        row |= Customer.objects.filter(pk=customer.pk).order_by().annotate(**some).values(*some).get()
    return {
        key: _Answer(
            holds=bool(row[f"met_{place}"]),
            may_be_asked=bool(row.get(f"may_{place}", True)),
            value=row.get(f"has_{place}"),
            has_value=f"has_{place}" in row,
        )
        for key, place in places.items()
    }


def _flag(condition: Predicate) -> Case:
    return Case(When(condition, then=True), default=Value(False))


def _part(node: Node, negated: bool, answers: dict[str, _Answer]) -> Part:
    match node:
        case Not(node=inner):
            return _part(inner, not negated, answers)
        case And(nodes=(only,)) | Or(nodes=(only,)):
            return _part(only, negated, answers)
        case And(nodes=nodes) | Or(nodes=nodes):
            parts = tuple(_part(child, negated, answers) for child in nodes)
            if isinstance(node, And) != negated:
                return Part(sentence=_("All of these"), holds=_all(parts), parts=parts)
            return Part(sentence=_("Any of these"), holds=_any(parts), parts=parts)
    return _condition(node, negated, answers.get(_key(node, negated)))


def _condition(condition: Condition, negated: bool, answer: _Answer | None) -> Part:
    sentence = describe(Not(condition) if negated else condition)
    attribute = lookup(condition.attribute)
    if answer is None or attribute is None:
        return Part(sentence=sentence, holds=None)
    holds = answer.holds
    if not answer.may_be_asked:
        return Part(sentence=sentence, holds=holds, lacks=_("has not agreed that this is used"))
    if not answer.has_value:
        return Part(sentence=sentence, holds=holds)
    if attribute.type == Type.FLAG:
        has = "" if holds else describe(replace(condition, value=bool(answer.value)))
        return Part(sentence=sentence, holds=holds, has=has)
    has = say_value(answer.value, attribute)
    lacks = "" if holds else say_lack(condition, compared(condition.value, attribute), answer.value, negated=negated)
    return Part(sentence=sentence, holds=holds, has=has, lacks=lacks)


def _all(parts: Iterable[Part]) -> bool | None:
    told = [part.holds for part in parts]
    return None if not told else False if False in told else None if None in told else True


def _any(parts: Iterable[Part]) -> bool | None:
    told = [part.holds for part in parts]
    return True if True in told else None if None in told else False


def nothing_said(customer: Customer) -> str:
    """What to say where somebody is in none."""
    if customer.no_profiling:
        return _("Asked not to be profiled.")
    return _("In none now.")


def shut_out(customer: Customer, *, now: datetime) -> str:
    """Why no rule at all can let this customer in; empty where nothing hinders."""
    if customer.erased_at is not None:
        return _("This record was erased.")
    if customer.merged_into_id is not None:
        return _("This record went up in another one; that one is asked instead.")
    if customer.no_profiling:
        return _("Asked not to be profiled, and so belongs to no segment.")
    latest = born_by(shop_day(now))
    is_child = latest is not None and customer.birth_date is not None and customer.birth_date > latest
    if is_child and customer.guardian_agreed_on is None:
        return _("Too young to belong to a segment without a guardian's consent.")
    return ""
