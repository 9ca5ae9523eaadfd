"""Why a customer belongs to a segment: each condition of its rule, with whether they meet it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Value, When
from django.utils.translation import gettext as _

from crm.models import Customer
from segments.compile import predicate, scope_for
from segments.models import Membership, Segment
from segments.references import read_names
from segments.rules import describe, parse
from segments.tree import And, Node, RuleError


@dataclass(frozen=True, kw_only=True)
class Met:
    """One condition in words; ``holds`` is None where it can't be told (a name in the rule is gone)."""

    sentence: str
    holds: bool | None


@dataclass(frozen=True, kw_only=True)
class Belonging:
    membership: Membership
    conditions: tuple[Met, ...]
    """Empty where people were picked by hand."""


def why(*, customer: Customer, now: datetime, kinds: Iterable[str]) -> list[Belonging]:
    """The segments of these kinds that the customer is in, the newest first, each with its conditions.

    All conditions of all segments are evaluated in one query, for this customer alone.
    """
    memberships = list(
        Membership.objects.filter(customer=customer, segment__kind__in=kinds, segment__is_archived=False)
        .select_related("segment")
        .order_by("-entered_at", "-pk")
    )
    rules = {one.segment_id: _parts(one.segment) for one in memberships}
    met = _evaluate(customer, [nodes for nodes in rules.values() if nodes], now)
    return [
        Belonging(
            membership=one,
            conditions=tuple(Met(sentence=describe(node), holds=met.get(id(node))) for node in rules[one.segment_id]),
        )
        for one in memberships
    ]


def _parts(segment: Segment) -> tuple[Node, ...]:
    """The outermost conditions of a rule; nothing where there is no rule to read."""
    if segment.kind == Segment.Kind.PICKED:
        return ()
    try:
        node = parse(segment.rule)
    except RuleError:
        return ()
    return node.nodes if isinstance(node, And) else (node,)


def _evaluate(customer: Customer, rules: Iterable[tuple[Node, ...]], now: datetime) -> dict[int, bool]:
    nodes = [node for rule in rules for node in rule]
    names = read_names(nodes)
    questions = {}
    for place, node in enumerate(nodes):
        try:
            scope = scope_for(node, now=now, ids=[customer.pk], names=names)
            questions[f"met_{place}"] = Case(When(predicate(node, scope), then=True), default=Value(False))
        except RuleError:
            continue
    if not questions:
        return {}
    answers = Customer.objects.filter(pk=customer.pk).annotate(**questions).values(*questions).get()
    return {id(nodes[int(name.removeprefix("met_"))]): bool(answer) for name, answer in answers.items()}


def nothing_said(customer: Customer) -> str:
    """What to say where somebody is in none."""
    if customer.no_profiling:
        return _("Asked not to be profiled.")
    return _("In none now.")
