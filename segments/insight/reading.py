"""Reading what is known of many customers: one attribute after the other, as plain Python values.

A value is None where it is unknown; money comes in hundredths and a day as its ordinal, to be cut as numbers are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Func, IntegerField, Q, QuerySet

from crm import privacy
from crm.attributes import Attribute, Filter, Group, Scope, Type, catalogue
from crm.models import Category, Customer, CustomerCategory
from crm.models import Question as Surveyed
from crm.past import end_of
from segments.compile import live_customers, scope_for
from segments.references import NAMED
from segments.tree import Condition

NOT_READ = (Type.MEMBER, Type.ANNIVERSARY)
CATEGORIES, QUESTIONS = 8, 20


@dataclass(frozen=True)
class Question:
    """An attribute with the filters that it is read with, as conditions of rules write them."""

    attribute: Attribute
    filters: Mapping[Filter, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return ":".join([self.attribute.name, *map(str, self.filters.values())])[:200]


def questions() -> list[Question]:
    """Everything in the catalogue that customers can be compared by.

    Left out: membership (segments are ranked by themselves), anniversaries, and what :func:`relative` names.
    """
    asked: list[Question] = []
    for attribute in catalogue().values():
        if attribute.type in NOT_READ or attribute.group in (Group.GROUPS, Group.VALUE):
            continue
        asked += (
            [Question(attribute, {attribute.argument: word}) for word in _arguments(attribute)]
            if (attribute.argument)
            else [Question(attribute)]
        )
    return asked


def relative() -> list[Attribute]:
    """Scores and forecasts: their cut points and models are of today, and so know what came after the day."""
    return [one for one in catalogue().values() if one.group == Group.VALUE]


def _arguments(attribute: Attribute) -> Iterable[Any]:
    """What an attribute that must be given something is asked with: what occurs most."""
    match attribute.argument:
        case Filter.EVENT:
            return list(attribute.events or ())
        case Filter.CATEGORY:
            return large_categories()
        case Filter.QUESTION:
            asked = Surveyed.objects.annotate(answered=Count("answers")).filter(answered__gt=0)
            return list(asked.order_by("-answered", "slug").values_list("slug", flat=True)[:QUESTIONS])
    return ()


def large_categories(limit: int = CATEGORIES) -> list[str]:
    """The categories of the tree's second level (or without one, of the first) in which most customers bought."""
    paths = Category.objects.order_by()
    level = paths.filter(parent__isnull=False, parent__parent=None)
    chosen = level if level.exists() else paths.filter(parent=None)
    bought = CustomerCategory.objects.order_by().filter(category__in=chosen, receipts__gt=0)
    counted = bought.values_list("category__path").annotate(buyers=Count("pk")).order_by("-buyers", "category__path")
    return [path for path, _buyers in counted[:limit]]


def query(question: Question, *, now: datetime) -> "QuerySet[Customer, Any]":
    """Customer ids with the attribute's value. Raises RuleError for a name that is gone.

    A special category (politics, health, belief) is read only of those who have consented to that.
    """
    scope = scope_with_names(question, now=now)
    found: QuerySet[Customer, Any] = live_customers().order_by()
    if (consented := privacy.needed(question.attribute, filters=question.filters, scope=scope)) is not None:
        found = found.filter(consented)
    found = found.annotate(asked_value=question.attribute.source.value(scope=scope, filters=question.filters))
    return found.values_list("pk", "asked_value")


def values(question: Question, *, customer_ids: Sequence[int], now: datetime) -> list[Any]:
    """The attribute's value for each of the customers, in their order. Raises RuleError for a name that is gone."""
    known = dict(query(question, now=now))
    return [_plain(known.get(pk), question.attribute.type) for pk in customer_ids]


def scope_with_names(question: Question, *, now: datetime) -> Scope:
    """What the question is read against, the names in its filters looked up."""
    named = {kind: value for kind, value in question.filters.items() if kind in NAMED}
    return scope_for(Condition(question.attribute.name, "known", None, named), now=now)


def _plain(value: Any, kind: Type) -> Any:
    match value:
        case None:
            return None
        case bool():
            return value
        case datetime():
            return value.date().toordinal()
        case date():
            return value.toordinal()
        case str():
            return value or None
        case list() | tuple():
            return list(value) or None
    return float(value) if kind in (Type.NUMBER, Type.MONEY, Type.DATE) else value


def sample(*, day: date, size: int) -> tuple[list[int], int]:
    """Customers who were known on that day, evenly picked, in the order of their ids; and of how many.

    The pick depends on nothing but the ids, so that two runs look at the same people.
    """
    moment = end_of(day)
    known = live_customers().filter(
        Q(profile__first_sold_on__lte=day) | Q(created_at__lte=moment) | Q(registered_at__lte=moment)
    )
    picked = known.annotate(pick=Func("pk", function="hashint8", output_field=IntegerField())).order_by("pick", "pk")
    return sorted(picked.values_list("pk", flat=True)[:size]), known.count()
