"""How the measures are read from the facts of purchase, or from what is kept about them where that says the same.

Without filters a measure reads the customer's profile, with a category alone the customer's row for that category,
where the figure is kept there; else the receipts, or their lines. Only sales count as receipts and purchases; spend,
units and discounts are net of returns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Exists, Expression, F, Max, Model, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.expressions import Combinable

from crm.attributes import Answer, Filter, Predicate, Scope, compare, holds
from crm.models import Product, Receipt, ReceiptLine
from crm.sources import DaysBetween, Timeless, dated, days_before, elapsed, turned
from segments.expressions import Matched, OrZero, Quotient
from segments.facts import (
    TIME_FILTERS,
    category_rows,
    chosen,
    due_by_window,
    exists,
    exists_beside,
    facts,
    grouped,
    on_days,
    passing,
    reads_lines,
    sales,
    theirs,
)

Filters = Mapping[Filter, Any]
ONE_CATEGORY = {Filter.CATEGORY}


class Windowed:
    """A figure over facts that time alone changes only where "the last N days" are counted."""

    def due(
        self, *, scope: Scope, since: date, filters: Filters, operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        return due_by_window(scope=scope, since=since, filters=filters)


@dataclass(frozen=True)
class Counted(Windowed):
    """A figure that is zero for whoever has no matching fact.

    ``column`` is its name in the profile, where it is kept, and in the category rows (where ``by_category``);
    ``receipts`` and ``lines`` are the same figure over facts, over those of one ``kind`` alone where only they count.
    """

    lines: Expression
    receipts: Expression | None = None
    kind: str = ""
    column: str = ""
    by_category: bool = True

    def matches(self, *, scope: Scope, filters: Filters, operator: str, value: Any) -> Predicate:
        zero_qualifies = holds(operator, 0, value)
        if self.column and not filters:
            found = compare(f"profile__{self.column}", operator, value)
            # The extra arm only where nothing-at-all qualifies: without it the column's index serves.
            return Q(profile=None) | found if zero_qualifies else found
        if self._in_category_rows(filters):
            test = compare(self.column, operator, value)
            kept = category_rows(scope, filters)
            return ~exists(kept.filter(~test)) if zero_qualifies else exists(kept.filter(test))
        test = compare("figure", operator, value)
        figures, figure = self._over_facts(scope, filters)
        rows = grouped(scope, figures, figure=figure)
        return ~Matched(rows.filter(~test)) if zero_qualifies else Matched(rows.filter(test))

    def value(self, *, scope: Scope, filters: Filters) -> Answer:
        if self.column and not filters:
            return OrZero(F(f"profile__{self.column}"))
        if self._in_category_rows(filters):
            return OrZero(
                Subquery(category_rows(scope, filters).filter(customer_id=OuterRef("pk")).values(self.column))
            )
        found, figure = self._over_facts(scope, filters)
        return OrZero(Subquery(theirs(found, figure=figure)))

    def _in_category_rows(self, filters: Filters) -> bool:
        return bool(self.column) and self.by_category and set(filters) == ONE_CATEGORY

    def _over_facts(self, scope: Scope, filters: Filters) -> "tuple[QuerySet[Any], Expression]":
        if self.receipts is None or reads_lines(filters):
            return chosen(scope, filters, lines=True, kind=self.kind), self.lines
        return chosen(scope, filters, lines=False, kind=self.kind), self.receipts


@dataclass(frozen=True)
class Parts:
    """What a ratio is made of: columns or sums, the second of which must be positive."""

    top: Any
    bottom: Any


@dataclass(frozen=True)
class Ratio(Windowed):
    """One figure for each of another, ``scale`` times; unknown where the other is not positive.

    Compared as the one with value x the other: nothing is rounded. Kept where ``profile`` and ``category`` name
    columns (of a profile, and of a customer's row for a category).
    """

    lines: Parts
    receipts: Parts | None = None
    kind: str = ""
    profile: Parts | None = None
    category: Parts | None = None
    scale: int = 1

    def matches(self, *, scope: Scope, filters: Filters, operator: str, value: Any) -> Predicate:
        if self.profile is not None and not filters:
            top, bottom = f"profile__{self.profile.top}", _columns(self.profile.bottom, "profile__")
            positive = _positive(self.profile.bottom, "profile__")
            if operator == "unknown":
                return Q(profile=None) | ~positive
            return self._test(positive, top, bottom, operator, value)
        asked = "known" if operator == "unknown" else operator
        if self.category is not None and set(filters) == ONE_CATEGORY:
            bottom = _columns(self.category.bottom)
            test = self._test(_positive(self.category.bottom), self.category.top, bottom, asked, value)
            found: Exists | Matched = exists(category_rows(scope, filters).filter(test))
        else:
            rows, parts = self._over_facts(scope, filters)
            rows = grouped(scope, rows, top=parts.top, bottom=parts.bottom)
            found = Matched(rows.filter(self._test(Q(bottom__gt=0), "top", F("bottom"), asked, value)))
        return ~found if operator == "unknown" else found

    def _test(self, positive: Q, top: str, bottom: Combinable, operator: str, value: Any) -> Q:
        if operator == "known":
            return positive
        return positive & compare(top, operator, scaled_down(value, self.scale), times=bottom)

    def value(self, *, scope: Scope, filters: Filters) -> Answer:
        if self.profile is not None and not filters:
            top = F(f"profile__{self.profile.top}")
            return Quotient(top, _columns(self.profile.bottom, "profile__"), scale=self.scale)
        if self.category is not None and set(filters) == ONE_CATEGORY:
            kept = category_rows(scope, filters).filter(customer_id=OuterRef("pk"))
            answer = Quotient(F(self.category.top), _columns(self.category.bottom), scale=self.scale)
            return Subquery(kept.values(answer=answer))
        rows, parts = self._over_facts(scope, filters)
        return Subquery(theirs(rows, answer=Quotient(parts.top, parts.bottom, scale=self.scale)))

    def _over_facts(self, scope: Scope, filters: Filters) -> "tuple[QuerySet[Any], Parts]":
        if self.receipts is None or reads_lines(filters):
            return chosen(scope, filters, lines=True, kind=self.kind), self.lines
        return chosen(scope, filters, lines=False, kind=self.kind), self.receipts


def _columns(names: str, prefix: str = "") -> Combinable:
    """A column, or the sum of several: "spend_minor + discount_minor"."""
    first, *others = (F(prefix + name) for name in names.split(" + "))
    total: Combinable = first
    for other in others:
        total = total + other
    return total


def _positive(names: str, prefix: str = "") -> Q:
    """Whether that sum is more than nothing, as a look-up on its first column."""
    first, _plus, others = names.partition(" + ")
    return Q((f"{prefix}{first}__gt", Value(0) - _columns(others, prefix) if others else 0))


def scaled_down(value: Any, scale: int) -> Any:
    """The value of a condition in the units of the figures themselves: 30 percent as 0.3."""
    if scale == 1 or value is None:
        return value
    return tuple(Decimal(one) / scale for one in value) if isinstance(value, tuple) else Decimal(value) / scale


@dataclass(frozen=True)
class ShareOfSpend(Windowed):
    """How many percent of what a customer spent in a time went to what the other filters let through.

    Unknown without a positive spend in that time.
    """

    def matches(self, *, scope: Scope, filters: Filters, operator: str, value: Any) -> Predicate:
        if set(filters) == ONE_CATEGORY:
            return self._kept(scope, filters, operator, scaled_down(value, 100))
        found, parts = self._over_facts(scope, filters)
        rows = grouped(scope, found, **parts)
        positive = Q(bottom__gt=0)
        if operator == "unknown":
            return ~Matched(rows.filter(positive))
        test = Q() if operator == "known" else compare("top", operator, scaled_down(value, 100), times=F("bottom"))
        return Matched(rows.filter(positive & test))

    def _kept(self, scope: Scope, filters: Filters, operator: str, value: Any) -> Predicate:
        positive = Q(profile__spend_minor__gt=0)
        if operator == "known":
            return positive
        if operator == "unknown":
            return Q(profile=None) | Q(profile__spend_minor__lte=0)
        test = compare("spend_minor", operator, value, times=OuterRef("profile__spend_minor"))
        kept = category_rows(scope, filters)
        zero_qualifies = holds(operator, 0, value)
        return positive & Q(~exists_beside(kept.filter(~test)) if zero_qualifies else exists_beside(kept.filter(test)))

    def value(self, *, scope: Scope, filters: Filters) -> Answer:
        if set(filters) == ONE_CATEGORY:
            kept = category_rows(scope, filters).filter(customer_id=OuterRef("pk")).values("spend_minor")
            return Quotient(OrZero(Subquery(kept)), F("profile__spend_minor"), scale=100)
        found, parts = self._over_facts(scope, filters)
        return Subquery(theirs(found, answer=Quotient(parts["top"], parts["bottom"], scale=100)))

    def _over_facts(self, scope: Scope, filters: Filters) -> "tuple[QuerySet[Any], dict[str, Expression]]":
        model: type[Model] = ReceiptLine if reads_lines(filters) else Receipt
        when = {name: value for name, value in filters.items() if name in TIME_FILTERS}
        what = {name: value for name, value in filters.items() if name not in TIME_FILTERS}
        top = Sum("total_minor", filter=passing(model, scope, what), default=0) if what else Sum("total_minor")
        return facts(model, scope, when), {"top": top, "bottom": Sum("total_minor")}

    def due(
        self, *, scope: Scope, since: date, filters: Filters, operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        when = {name: value for name, value in filters.items() if name in TIME_FILTERS}
        return due_by_window(scope=scope, since=since, filters=when)


@dataclass(frozen=True)
class Bought(Windowed):
    """At least one sale with a matching line."""

    def matches(self, *, scope: Scope, filters: Filters, operator: str, value: Any) -> Predicate:
        if not filters:
            found = Q(profile__receipts__gt=0)
            return found if value else Q(profile=None) | Q(profile__receipts=0)
        if set(filters) == ONE_CATEGORY:
            bought = exists(category_rows(scope, filters).filter(receipts__gt=0))
        else:
            bought = exists(sales(scope, filters))
        return bought if value else ~bought

    def value(self, *, scope: Scope, filters: Filters) -> Answer:
        bought = self.matches(scope=scope, filters=filters, operator="is", value=True)
        return Case(When(bought, then=True), default=False)


@dataclass(frozen=True)
class DaysSincePurchase:
    """Days since the last sale; unknown without one."""

    def matches(self, *, scope: Scope, filters: Filters, operator: str, value: Any) -> Predicate:
        at = days_before(scope.today)
        if not filters:
            return elapsed("profile__last_sold_on", operator, value, at=at)
        asked = "known" if operator == "unknown" else operator
        if set(filters) == ONE_CATEGORY:
            kept = category_rows(scope, filters)
            found: Exists | Matched = exists(kept.filter(elapsed("last_sold_on", asked, value, at=at)))
        else:
            rows = grouped(scope, sales(scope, filters), latest=Max("sold_on"))
            found = Matched(rows.filter(elapsed("latest", asked, value, at=at)))
        return ~found if operator == "unknown" else found

    def value(self, *, scope: Scope, filters: Filters) -> Answer:
        latest: Any = F("profile__last_sold_on")
        if set(filters) == ONE_CATEGORY:
            latest = Subquery(category_rows(scope, filters).filter(customer_id=OuterRef("pk")).values("last_sold_on"))
        elif filters:
            latest = Subquery(theirs(sales(scope, filters), latest=Max("sold_on")))
        return DaysBetween(Value(scope.today), latest)

    def due(
        self, *, scope: Scope, since: date, filters: Filters, operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        days = turned(operator, value, since=days_before(since), today=days_before(scope.today))
        if not days:
            return None
        return on_days(sales(scope, filters), days) if filters else dated("profile__last_sold_on", days)


@dataclass(frozen=True)
class ProductsOfDay(Timeless):
    """The SKUs of what was bought on a day that the profile keeps, the first or the last one with a purchase."""

    column: str

    def matches(self, *, scope: Scope, filters: Filters, operator: str, value: Any) -> Predicate:
        match operator:
            case "known" | "unknown":
                return Q((f"profile__{self.column}__isnull", operator == "unknown"))
            case "has all":
                return Q(*(exists_beside(self._lines([one])) for one in value))
        return exists_beside(self._lines([value] if operator == "has" else value))

    def value(self, *, scope: Scope, filters: Filters) -> Answer:
        theirs = ReceiptLine.objects.filter(self._of_day(), customer_id=OuterRef("pk"))
        skus = ArraySubquery(theirs.order_by("product__sku").values("product__sku").distinct())
        return Case(When(Q((f"profile__{self.column}__isnull", True)), then=None), default=skus)

    def _of_day(self) -> Q:
        return Q(is_return=False, sold_on=OuterRef(f"profile__{self.column}"))

    def _lines(self, skus: Sequence[str]) -> "QuerySet[ReceiptLine]":
        products = Product.objects.order_by().filter(sku__in=skus).values("pk")
        return ReceiptLine.objects.order_by().filter(self._of_day(), product__in=products)
