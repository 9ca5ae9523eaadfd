"""Measures over the facts of purchase, each with the filters that it takes.

Without filters a measure reads the customer's profile; with a category alone, the customer's row for that category;
else the receipts, or their lines where a category or product is asked for. Only sales count as receipts and purchases;
spend, units and discounts are net of returns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Aggregate,
    Count,
    Expression,
    Max,
    Model,
    Q,
    QuerySet,
    Sum,
)
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, TimeEffect, Type, compare, holds, register
from crm.days import window_start
from crm.models import CustomerCategory, Product, Receipt, ReceiptKind, ReceiptLine
from crm.sources import days_before, elapsed
from segments.expressions import AnyOf, Found, Matched

LINE_FILTERS = {Filter.CATEGORY, Filter.PRODUCT}
EVERY_FILTER = frozenset(
    {Filter.CATEGORY, Filter.PRODUCT, Filter.STORE, Filter.CHANNEL, Filter.LAST, Filter.SINCE, Filter.UNTIL}
)


def facts(model: type[Model], scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[Any]":
    """Receipts, or lines, that the filters let through."""
    found: QuerySet[Any] = model._default_manager.order_by()
    receipt = "" if model is Receipt else "receipt__"
    for name, value in filters.items():
        match name:
            case Filter.CATEGORY:
                below = scope.subtrees[scope.references[name, value]]
                found = found.filter(product__in=Product.objects.order_by().filter(category__in=below).values("pk"))
            case Filter.PRODUCT:
                found = found.filter(product=scope.references[name, value])
            case Filter.STORE:
                found = found.filter((f"{receipt}store", scope.references[name, value]))
            case Filter.CHANNEL:
                found = found.filter((f"{receipt}channel", value))
            case Filter.LAST:
                start = window_start(today=scope.today, count=value.count, unit=value.unit)
                found = found.filter(sold_on__range=(start, scope.today))
            case Filter.SINCE:
                found = found.filter(sold_on__gte=value)
            case Filter.UNTIL:
                found = found.filter(sold_on__lte=value)
    return found


def grouped(scope: Scope, found: "QuerySet[Any]", **figures: "Aggregate | Expression") -> "QuerySet[Any]":
    """One row a customer with these figures; only for the scope's customers where it names some."""
    of_whom = Q(customer__isnull=False) if scope.ids is None else Q(AnyOf("customer_id", scope.ids))
    return found.filter(of_whom).values("customer_id").annotate(**figures)


def reads_lines(filters: Mapping[Filter, Any]) -> bool:
    return bool(LINE_FILTERS & set(filters))


def exists(rows: "QuerySet[Any]") -> Found:
    return Found(rows)


def category_rows(scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[CustomerCategory]":
    return CustomerCategory.objects.filter(category=scope.references[Filter.CATEGORY, filters[Filter.CATEGORY]])


@dataclass(frozen=True)
class Counted:
    """A figure that is zero for whoever has no matching fact.

    ``column`` is its name in the profile and in the category rows (where ``by_category``); ``receipts`` and ``lines``
    are the same figure over facts.
    """

    column: str
    lines: Aggregate
    receipts: Aggregate | None = None
    by_category: bool = True

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        zero_qualifies = holds(operator, 0, value)
        if not filters:
            found = compare(f"profile__{self.column}", operator, value)
            # The extra arm only where nothing-at-all qualifies: without it the column's index serves.
            return Q(profile=None) | found if zero_qualifies else found
        if set(filters) == {Filter.CATEGORY} and self.by_category:
            test = compare(self.column, operator, value)
            rows = category_rows(scope, filters)
            return ~exists(rows.filter(~test)) if zero_qualifies else exists(rows.filter(test))
        test = compare("figure", operator, value)
        if self.receipts is None or reads_lines(filters):
            rows = grouped(scope, facts(ReceiptLine, scope, filters), figure=self.lines)
        else:
            rows = grouped(scope, facts(Receipt, scope, filters), figure=self.receipts)
        return ~Matched(rows.filter(~test)) if zero_qualifies else Matched(rows.filter(test))


@dataclass(frozen=True)
class AverageReceipt:
    """Spend for each receipt; unknown without one. Compared as spend with value x receipts: nothing is rounded."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        if not filters:
            return self._test("profile__spend_minor", "profile__receipts", operator, value)
        if set(filters) == {Filter.CATEGORY}:
            rows: QuerySet[Any] = category_rows(scope, filters)
            if operator == "unknown":
                return ~exists(rows.filter(receipts__gt=0))
            return exists(rows.filter(self._test("spend_minor", "receipts", operator, value)))
        lines = reads_lines(filters)
        found = facts(ReceiptLine if lines else Receipt, scope, filters)
        rows = grouped(scope, found, spend=Sum("total_minor"), sales=SALES_BY_LINES if lines else SALES)
        if operator == "unknown":
            return ~Matched(rows.filter(sales__gt=0))
        return Matched(rows.filter(self._test("spend", "sales", operator, value)))

    def _test(self, spend: str, receipts: str, operator: str, value: Any) -> Q:
        known = Q((f"{receipts}__gt", 0))
        if operator == "unknown":
            return Q((f"{receipts}__isnull", True)) | Q((receipts, 0))
        if operator == "known":
            return known
        return known & compare(spend, operator, value, times=receipts)


@dataclass(frozen=True)
class Bought:
    """At least one sale with a matching line."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        if not filters:
            found = Q(profile__receipts__gt=0)
            return found if value else Q(profile=None) | Q(profile__receipts=0)
        if set(filters) == {Filter.CATEGORY}:
            bought = exists(category_rows(scope, filters).filter(receipts__gt=0))
        elif reads_lines(filters):
            bought = exists(facts(ReceiptLine, scope, filters).filter(is_return=False))
        else:
            bought = exists(facts(Receipt, scope, filters).filter(kind=ReceiptKind.SALE))
        return bought if value else ~bought


@dataclass(frozen=True)
class DaysSincePurchase:
    """Days since the last sale; unknown without one."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        at = days_before(scope.today)
        if not filters:
            return elapsed("profile__last_sold_on", operator, value, at=at)
        unknown = operator == "unknown"
        asked = "known" if unknown else operator
        if set(filters) == {Filter.CATEGORY}:
            found: Predicate = exists(
                category_rows(scope, filters).filter(elapsed("last_sold_on", asked, value, at=at))
            )
        else:
            lines = reads_lines(filters)
            sales = (
                facts(ReceiptLine, scope, filters).filter(is_return=False)
                if lines
                else (facts(Receipt, scope, filters).filter(kind=ReceiptKind.SALE))
            )
            rows = grouped(scope, sales, latest=Max("sold_on"))
            found = Matched(rows.filter(elapsed("latest", asked, value, at=at)))
        return ~found if unknown else found


SALES = Count("pk", filter=Q(kind=ReceiptKind.SALE))
SALES_BY_LINES = Count("receipt_id", distinct=True, filter=Q(is_return=False))

MEASURES = (
    Attribute(
        name="bought",
        label=_("purchase"),
        help=_("At least one sale; choose a category (with everything below it) or a product, and a time."),
        group=Group.BEHAVIOUR,
        type=Type.FLAG,
        source=Bought(),
        always_known=True,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="spend",
        label=_("spend"),
        help=_("Net of returns and discounts, tax included."),
        group=Group.BEHAVIOUR,
        type=Type.MONEY,
        source=Counted("spend_minor", lines=Sum("total_minor"), receipts=Sum("total_minor")),
        always_known=True,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="receipts",
        label=_("receipts"),
        help=_("Sales with at least one matching line. A sale returned in full still counts; a return never does."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Counted("receipts", lines=SALES_BY_LINES, receipts=SALES),
        always_known=True,
        minimum=0,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="days_since_purchase",
        label=_("days since the last purchase"),
        help=_("0 is today. Looks at sales only; unknown for whoever has not bought."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=DaysSincePurchase(),
        minimum=0,
        maximum=36_500,
        filters=frozenset({Filter.CATEGORY, Filter.PRODUCT, Filter.STORE, Filter.CHANNEL}),
        time=TimeEffect.DAILY,
    ),
    Attribute(
        name="average_receipt",
        label=_("average receipt"),
        help=_("Spend for each receipt; unknown without one."),
        group=Group.BEHAVIOUR,
        type=Type.MONEY,
        source=AverageReceipt(),
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="units",
        label=_("units"),
        help=_("Quantity bought, less what was brought back."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Counted("units", lines=Sum("quantity")),
        always_known=True,
        whole=False,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="discount",
        label=_("discounts"),
        help=_("Discounts had, less those on what was brought back."),
        group=Group.BEHAVIOUR,
        type=Type.MONEY,
        source=Counted(
            "discount_minor", lines=Sum("discount_minor"), receipts=Sum("discount_minor"), by_category=False
        ),
        always_known=True,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="returns",
        label=_("returns"),
        help=_("How often something was brought back."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Counted(
            "returns",
            lines=Count("receipt_id", distinct=True, filter=Q(is_return=True)),
            receipts=Count("pk", filter=Q(kind=ReceiptKind.RETURN)),
            by_category=False,
        ),
        always_known=True,
        minimum=0,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
)


def register_all() -> None:
    register(*MEASURES)
