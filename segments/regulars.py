"""Regular buyers of something: they buy a category or a product again and again, each at an interval of their own.

Somebody has an *interval* for it when they bought it on at least 3 days, and steadily: the gaps between those days vary
little, their standard deviation being at most 0.6 of their mean. The interval is the median gap (of an even number of
gaps the lower of the two in the middle), in days. The next purchase is due that many days after the last one.

They are a *regular buyer* for as long as the last purchase is at most 3 intervals ago; beyond that they have given it
up. *Days late* is how long ago the next purchase was due: 0 on that day, negative before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import BooleanField, Expression, IntegerField, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, TimeEffect, Type, register
from crm.models import Customer, Receipt
from segments import rfm_sql
from segments.computed import SOME, AmongRows, FromRows, tested

LEAST_DAYS = 3
STEADY = (3, 5)
"""The most that the gaps may vary: their standard deviation against their mean, as a fraction in whole numbers."""
GIVEN_UP = 3
"""Intervals without a purchase after which somebody is no regular buyer any more."""

# n * sum of squares - square of the sum is n^2 times the variance, so steadiness is told in whole numbers.
_INTERVALS = """
SELECT customer_id, max(sold_on) AS last_on,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY gap) AS every_days
  FROM (SELECT customer_id, sold_on,
               sold_on - lag(sold_on) OVER (PARTITION BY customer_id ORDER BY sold_on) AS gap
          FROM (SELECT DISTINCT customer_id, sold_on
                  FROM crm_receiptline
                 WHERE customer_id IS NOT NULL AND NOT is_return AND sold_on <= {today} AND {what} AND {whose}) AS days
       ) AS gaps
 GROUP BY customer_id
HAVING count(*) >= {least}
   AND {bottom} * {bottom} * (count(gap) * sum(gap * gap) - sum(gap) * sum(gap)) <= {top} * {top} * sum(gap) * sum(gap)
"""


def intervals(*, scope: Scope, filters: Mapping[Filter, Any]) -> str:
    """A query of each customer's interval for a category (with everything below it) or a product.

    Where the scope names customers, they are its one parameter.
    """
    top, bottom = STEADY
    return _INTERVALS.format(
        today=rfm_sql.day(scope.today),
        what=_what(scope, filters),
        whose="true" if scope.ids is None else SOME,
        least=LEAST_DAYS,
        top=top,
        bottom=bottom,
    )


def _what(scope: Scope, filters: Mapping[Filter, Any]) -> str:
    tests = []
    for name, word in filters.items():
        meant = scope.references[name, word]
        if name == Filter.CATEGORY:
            below = ", ".join(str(int(pk)) for pk in scope.subtrees[meant])
            tests.append(f"product_id IN (SELECT id FROM crm_product WHERE category_id IN ({below}))")  # noqa: S608 - ids
        else:
            tests.append(f"product_id = {int(meant)}")
    return " AND ".join(tests)


def _late(today: date) -> str:
    return f"{rfm_sql.day(today)} - last_on - every_days"


def _is_on(today: date) -> str:
    return f"{rfm_sql.day(today)} - last_on <= {GIVEN_UP} * every_days"


@dataclass(frozen=True)
class RegularOf:
    """Whether somebody is a regular buyer of it."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        found = AmongRows(intervals(scope=scope, filters=filters), scope.ids, _is_on(scope.today), [])
        return found if value else ~Q(found)

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        rows = intervals(scope=scope, filters=filters)
        return Coalesce(FromRows(rows, scope.ids, _is_on(scope.today), BooleanField()), Value(False))

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        """Whoever has just given it up."""
        changed = f"({_is_on(since)}) <> ({_is_on(scope.today)})"
        return _changed(scope, since, AmongRows(intervals(scope=scope, filters=filters), scope.ids, changed, []))


@dataclass(frozen=True)
class DaysLate:
    """How many days ago the next purchase of it was due."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        rows = intervals(scope=scope, filters=filters)
        if operator == "unknown":
            return ~Q(AmongRows(rows, scope.ids, "true", []))
        return AmongRows(rows, scope.ids, *tested(_late(scope.today), operator, value))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        return FromRows(intervals(scope=scope, filters=filters), scope.ids, _late(scope.today), IntegerField())

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        """Of whom the test says something else than it did."""
        if operator in ("known", "unknown"):
            return _changed(scope, since)
        then, values = tested(_late(since), operator, value)
        now, again = tested(_late(scope.today), operator, value)
        found = AmongRows(intervals(scope=scope, filters=filters), scope.ids, f"({then}) <> ({now})", [*values, *again])
        return _changed(scope, since, found)


def _changed(scope: Scope, since: date, found: Predicate | None = None) -> "QuerySet[Any, Any]":
    """These, and whoever has purchases of days that still lay ahead on the day ``since``."""
    ahead = Receipt.objects.order_by().filter(sold_on__range=(since + timedelta(days=1), scope.today))
    came = ahead.filter(customer__isnull=False).values("customer_id")
    return came if found is None else Customer.objects.order_by().filter(found).values("pk").union(came)


REGULARS = (
    Attribute(
        name="regular_of",
        label=_("regular buyer"),
        help=_("Bought it on at least 3 days, at a steady interval of their own, and last at most 3 intervals ago."),
        group=Group.BEHAVIOUR,
        type=Type.FLAG,
        source=RegularOf(),
        always_known=True,
        filters=frozenset({Filter.CATEGORY, Filter.PRODUCT}),
        needs=frozenset({Filter.CATEGORY, Filter.PRODUCT}),
        time=TimeEffect.DAILY,
    ),
    Attribute(
        name="days_late",
        label=_("days late for the next purchase"),
        help=_(
            "Of whoever buys it at a steady interval of their own: 0 on the day on which the next purchase is due, "
            "negative before it. Unknown for everybody else."
        ),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        unit=_("days"),
        source=DaysLate(),
        minimum=-36_500,
        maximum=36_500,
        filters=frozenset({Filter.CATEGORY, Filter.PRODUCT}),
        needs=frozenset({Filter.CATEGORY, Filter.PRODUCT}),
        time=TimeEffect.DAILY,
    ),
)


def register_all() -> None:
    register(*REGULARS)
