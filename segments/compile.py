"""The one compiler: a rule becomes a queryset of customers, for everybody or for a list of ids."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, When
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import money, privacy
from crm.attributes import Answer, Attribute, Predicate, Scope, Type, lookup
from crm.days import shop_day
from crm.models import Customer, CustomerProfile
from crm.sources import years_before
from segments.expressions import AnyOf, IsNotTrue, Matched
from segments.references import Names, read_names
from segments.rooting import on_facts, on_profiles
from segments.rules import parse
from segments.tree import And, Condition, Node, Not, Or, Problem, RuleError, conditions

CLOSED = Q(merged_into__isnull=False) | Q(erased_at__isnull=False) | Q(no_profiling=True)
"""Who is no live customer; an index holds these few."""


def live_customers(*, today: date | None = None) -> "QuerySet[Customer]":
    """Customers that a rule may speak of: neither merged away nor erased, and content to be profiled.

    Children are left out until a guardian has agreed, or they come of age (``settings.PROFILING_AGE``) on a day of the
    shop, of which ``today`` is one (left out: the present one).
    """
    live = Customer.objects.filter(merged_into=None, erased_at=None, no_profiling=False)
    latest = born_by(today or shop_day(timezone.now()))
    if latest is None:
        return live
    return live.filter(Q(birth_date=None) | Q(birth_date__lte=latest) | Q(guardian_agreed_on__isnull=False))


def came_of_age(*, since: date, today: date) -> "QuerySet[Customer]":
    """Customers whom time alone has made live after the day ``since``, up to ``today``."""
    then, now = born_by(since), born_by(today)
    people = Customer.objects.order_by()
    if then is None or now is None:
        return people.none()
    return people.filter(birth_date__gt=then, birth_date__lte=now, guardian_agreed_on=None)


def born_by(today: date) -> date | None:
    """The latest birth date of whoever is no child on that day; None where no age is set."""
    return years_before(today)(settings.PROFILING_AGE) if settings.PROFILING_AGE else None


def customers(
    *,
    rule: "Mapping[str, Any] | Node",
    now: datetime,
    ids: Sequence[int] | None = None,
    names: Names | None = None,
    fresh_scores: bool = False,
) -> "QuerySet[Customer]":
    """The live customers whom the rule selects at ``now``; among ``ids`` only, where given.

    ``names`` are those of many rules, looked up together; ``fresh_scores`` asks relative attributes for cut points of
    this moment. Raises RuleError where the rule cannot be read, or names what
    is gone or ambiguous.
    """
    node = parse(rule) if isinstance(rule, Mapping) else rule
    scope = scope_for(node, now=now, ids=ids, names=names, fresh_scores=fresh_scores)
    found = live_customers(today=scope.today).filter(predicate(node, scope))
    return found if ids is None else found.filter(AnyOf("pk", ids))


def member_ids(
    *, rule: "Mapping[str, Any] | Node", now: datetime, names: Names | None = None, fresh_scores: bool = False
) -> "QuerySet[Any, Any]":
    """The ids of the customers whom the rule selects, read in the cheapest way. Raises RuleError.

    A rule that asks only the profile, or only facts, is read from those; the few customers who may not be counted are
    taken away from them.
    """
    node = parse(rule) if isinstance(rule, Mapping) else rule
    scope = scope_for(node, now=now, names=names, fresh_scores=fresh_scores)
    asked = predicate(node, scope)
    by_profile = on_profiles(asked)
    if by_profile is not None:
        return _without_closed(CustomerProfile.objects.filter(by_profile), "pk", scope.today)
    by_facts = on_facts(asked)
    if by_facts is not None:
        return _without_closed(by_facts, "customer_id", scope.today)
    return live_customers(today=scope.today).filter(asked).order_by().values_list("pk", flat=True)


def _without_closed(found: "QuerySet[Any, Any]", key: str, today: date) -> "QuerySet[Any, Any]":
    """Only the live customers of those whose id stands in that column."""
    theirs = Customer.objects.order_by().filter(pk=OuterRef(key))
    found = found.filter(~Exists(theirs.filter(CLOSED)))
    latest = born_by(today)
    if latest is not None:  # an index holds whoever has no guardian's consent by their birth date
        found = found.filter(~Exists(theirs.filter(birth_date__gt=latest, guardian_agreed_on=None)))
    return found.values_list(key, flat=True)


def scope_for(
    node: Node,
    *,
    now: datetime,
    ids: Sequence[int] | None = None,
    names: Names | None = None,
    fresh_scores: bool = False,
) -> Scope:
    """What the rule is read against. Raises RuleError for a name that is gone or ambiguous."""
    known = names or read_names([node])
    return Scope(
        now=now,
        today=shop_day(now),
        ids=ids,
        references=known.references(node),
        subtrees=known.subtrees,
        fresh_scores=fresh_scores,
    )


def predicate(node: Node, scope: Scope) -> Predicate:
    """The condition on a queryset of customers; may be NULL where it is not true."""
    match node:
        case And(nodes=nodes):
            return Q(*(predicate(child, scope) for child in nodes))
        case Or(nodes=nodes):
            return Q(*(predicate(child, scope) for child in nodes), _connector=Q.OR)
        case Not(node=inner):
            return _complement(inner, scope)
    return _condition(node, scope)


def _complement(node: Node, scope: Scope) -> Predicate:
    """Negation goes down to the conditions, so that "has not bought" stays an anti-join of the database."""
    match node:
        case And(nodes=nodes):
            return Q(*(_complement(child, scope) for child in nodes), _connector=Q.OR)
        case Or(nodes=nodes):
            return Q(*(_complement(child, scope) for child in nodes))
        case Not(node=inner):
            return predicate(inner, scope)
    found, needed = _read(node, scope)
    negated = ~found if isinstance(found, Exists | Matched) else Q(IsNotTrue(found))
    return negated if needed is None else needed & Q(negated)


def _condition(condition: Condition, scope: Scope) -> Predicate:
    found, needed = _read(condition, scope)
    return found if needed is None else needed & Q(found)


def _read(condition: Condition, scope: Scope) -> tuple[Predicate, Q | None]:
    """What the condition asks, and what a customer must allow so that it may be asked."""
    attribute = _attribute(condition)
    found = attribute.source.matches(
        scope=scope,
        filters=condition.filters,
        operator=condition.operator,
        value=compared(condition.value, attribute),
    )
    return found, privacy.needed(attribute, filters=condition.filters, scope=scope)


def _attribute(condition: Condition) -> Attribute:
    attribute = lookup(condition.attribute)
    if attribute is None:
        raise RuleError(
            Problem(_("There is no attribute “%(word)s”.") % {"word": condition.attribute}, word=condition.attribute)
        )
    return attribute


def due_queries(node: Node, scope: Scope, *, since: date) -> "Iterator[QuerySet[Any, Any]]":
    """Who may be answered otherwise on ``scope.today`` than on the day ``since``, by time alone.

    However its conditions are joined, a rule's answer changes only where one of them does; or where somebody comes of
    age, and so may be grouped at all.
    """
    yield came_of_age(since=since, today=scope.today).values("pk")
    for _path, condition in conditions(node):
        attribute = _attribute(condition)
        found = attribute.source.due(
            scope=scope,
            since=since,
            filters=condition.filters,
            operator=condition.operator,
            value=compared(condition.value, attribute),
        )
        if found is not None:
            yield found


def value_of(condition: Condition, scope: Scope) -> Answer:
    """The customer's own value of what the condition asks for, as it is compared; NULL where it may not be asked."""
    attribute = _attribute(condition)
    value = attribute.source.value(scope=scope, filters=condition.filters)
    needed = privacy.needed(attribute, filters=condition.filters, scope=scope)
    return value if needed is None else Case(When(needed, then=value))


def compared(value: Any, attribute: Attribute) -> Any:
    """The value as the database keeps it: money in hundredths, whole numbers as integers."""
    if isinstance(value, tuple):
        return tuple(compared(one, attribute) for one in value)
    if value is None or attribute.type not in (Type.NUMBER, Type.MONEY, Type.ANNIVERSARY):
        return value
    if attribute.type == Type.MONEY:
        return money.to_minor(value)
    return int(value) if attribute.whole else value
