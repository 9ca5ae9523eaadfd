"""Measures over what customers do besides buying: visits, reviews, wishes.

Each table is declared once (:class:`Deeds`): whose a row is, when it happened, what its filters mean. The campaigns
count their messages in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    DateField,
    Exists,
    Expression,
    ExpressionWrapper,
    F,
    Max,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, TimeEffect, Type, compare, holds, register
from crm.days import window_start
from crm.models import Customer, Product, ReceiptLine, Review, WebVisit, WishlistItem
from crm.sources import DaysBetween, days_before, elapsed, turned
from segments.expressions import AnyOf, Matched

WHEN = frozenset({Filter.LAST, Filter.SINCE, Filter.UNTIL})
OF_PRODUCTS = frozenset({Filter.CATEGORY, Filter.PRODUCT})


def starts(day: date) -> datetime:
    """The moment at which the shop's day begins."""
    return datetime.combine(day, time.min, timezone.get_default_timezone())


@dataclass(frozen=True)
class Deeds:
    """Rows of a table that are a customer's doing. ``at`` is a moment unless ``has_day`` says that it is a day.

    ``customer`` leads to whose they are. Most rows go to the survivor of a merge; where they stay (``stays``), those of
    the merged record are counted for whoever they live on in. ``counted`` is what is counted if not the rows.
    """

    model: type[Model]
    at: str
    has_day: bool = False
    only: Q | None = None
    customer: str = "customer"
    stays: bool = False
    counted: str = ""

    @property
    def figure(self) -> Count:
        """How many rows, or how many different ones of what they are ``counted`` by."""
        return Count(self.counted, distinct=True) if self.counted else Count("pk")

    def within(self, start: date | None, end: date | None) -> Q:
        """On these days of the shop, both included."""
        found = Q()
        if start is not None:
            found &= Q((f"{self.at}__gte", start if self.has_day else starts(start)))
        if end is not None:
            past = end + timedelta(days=1)
            found &= Q((f"{self.at}__lte", end)) if self.has_day else Q((f"{self.at}__lt", starts(past)))
        return found

    def rows(self, scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[Any]":
        """What the filters let through, each row with its ``person``."""
        found: QuerySet[Any] = self.model._default_manager.order_by().filter(self.only or Q())
        for name, value in filters.items():
            match name:
                case Filter.CATEGORY:
                    below = scope.subtrees[scope.references[name, value]]
                    products = Product.objects.order_by().filter(category__in=below)
                    found = found.filter(product__in=products.values("pk"))
                case Filter.PRODUCT:
                    found = found.filter(product=scope.references[name, value])
                case Filter.LAST:
                    start = window_start(today=scope.today, count=value.count, unit=value.unit)
                    found = found.filter(self.within(start, scope.today))
                case Filter.SINCE:
                    found = found.filter(self.within(value, None))
                case Filter.UNTIL:
                    found = found.filter(self.within(None, value))
        own = F(f"{self.customer}_id")
        whose = Coalesce(F(f"{self.customer}__merged_into_id"), own) if self.stays else own
        return found.filter((f"{self.customer}__isnull", False)).annotate(person=whose)

    def of_everybody(self, scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[Any]":
        """The rows; only of the scope's customers where it names some."""
        found = self.rows(scope, filters)
        if scope.ids is None:
            return found
        if not self.stays:
            return found.filter(AnyOf(f"{self.customer}_id", scope.ids))
        theirs = Q(AnyOf("pk", scope.ids)) | Q(AnyOf("merged_into_id", scope.ids))
        return found.filter((f"{self.customer}__in", Customer.objects.order_by().filter(theirs).values("pk")))

    def of_one(self, scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[Any]":
        """The rows of the outer customer."""
        found = self.rows(scope, filters)
        if not self.stays:
            return found.filter((self.customer, OuterRef("pk")))
        person = OuterRef(OuterRef("pk"))
        theirs = Customer.objects.order_by().filter(Q(pk=person) | Q(merged_into=person))
        return found.filter((f"{self.customer}__in", theirs.values("pk")))

    def moved_by_time(self, scope: Scope, since: date, filters: Mapping[Filter, Any]) -> "QuerySet[Any] | None":
        """Whose rows have come into the filters' window since that day, or gone out of it; None without a window."""
        last = filters.get(Filter.LAST)
        if last is None:
            return None
        before, now = (window_start(today=day, count=last.count, unit=last.unit) for day in (since, scope.today))
        gone = self.within(before, now - timedelta(days=1))
        # What is dated ahead of its time comes in with its day.
        come = self.within(since + timedelta(days=1), scope.today)
        others: dict[Filter, Any] = {name: value for name, value in filters.items() if name != Filter.LAST}
        return self.rows(scope, others).filter(gone | come).values("person")


@dataclass(frozen=True)
class Counted:
    """How many of them; 0 for whoever has none."""

    deeds: Deeds

    def table(self, filters: Mapping[Filter, Any]) -> Deeds:
        return self.deeds

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        deeds = self.table(filters)
        rows = deeds.of_everybody(scope, filters).values("person").annotate(figure=deeds.figure)
        test = compare("figure", operator, value)
        if holds(operator, 0, value):
            return ~Matched(rows.filter(~test), key="person")
        return Matched(rows.filter(test), key="person")

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        deeds = self.table(filters)
        rows = deeds.of_one(scope, filters).values("person").annotate(figure=deeds.figure)
        return Coalesce(Subquery(rows.values("figure")), Value(0))

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        return self.table(filters).moved_by_time(scope, since, filters)


@dataclass(frozen=True)
class DaysSinceLast:
    """Days since the newest of them; unknown for whoever has none."""

    deeds: Deeds

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        asked = "known" if operator == "unknown" else operator
        rows = self.deeds.of_everybody(scope, filters).values("person").annotate(latest=Max(self.deeds.at))
        found = Matched(
            rows.filter(elapsed("latest", asked, value, at=days_before(scope.today))),
            key="person",
        )
        return ~found if operator == "unknown" else found

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        rows = self.deeds.of_one(scope, filters).values("person").annotate(latest=Max(self.deeds.at))
        return DaysBetween(Value(scope.today), Subquery(rows.values("latest"), output_field=DateField()))

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        days = turned(operator, value, since=days_before(since), today=days_before(scope.today))
        if not days:
            return None
        crossed = Q(*(self.deeds.within(first, last) for first, last in days), _connector=Q.OR)
        return self.deeds.rows(scope, filters).filter(crossed).values("person")


@dataclass(frozen=True)
class WithoutBuying:
    """Whether they did so with a product that they have not bought since."""

    deeds: Deeds

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        found = self._found(scope, filters)
        return found if value else ~found

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        found = Case(When(self._found(scope, filters), then=Value(True)), default=Value(False))
        return ExpressionWrapper(found, output_field=BooleanField())

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        return self.deeds.moved_by_time(scope, since, filters)

    def _found(self, scope: Scope, filters: Mapping[Filter, Any]) -> Exists:
        at = self.deeds.at
        day = F(at) if self.deeds.has_day else TruncDate(at, tzinfo=timezone.get_default_timezone())
        bought = ReceiptLine.objects.order_by().filter(
            customer=OuterRef("person"), product=OuterRef("product"), is_return=False, sold_on__gte=OuterRef("day")
        )
        rows = self.deeds.of_one(scope, filters).filter(product__isnull=False).annotate(day=day)
        return Exists(rows.filter(~Exists(bought)))


VISITS = Deeds(WebVisit, "visited_on", has_day=True)
REVIEWS = Deeds(Review, "written_at")
WISHES = Deeds(WishlistItem, "added_at", only=Q(removed_at=None))
VIEWS = replace(VISITS, only=Q(product__isnull=False))

MEASURES: Sequence[Attribute] = (
    Attribute(
        name="visits",
        label=_("visits to the website"),
        help=_("Pages that they looked at, once it is known who they are."),
        group=Group.ENGAGEMENT,
        type=Type.NUMBER,
        source=Counted(VISITS),
        always_known=True,
        minimum=0,
        filters=WHEN,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="days_since_visit",
        label=_("days since the last visit to the website"),
        help=_("0 is today; unknown for whoever was never seen there."),
        group=Group.ENGAGEMENT,
        type=Type.NUMBER,
        unit=_("days"),
        source=DaysSinceLast(VISITS),
        minimum=0,
        maximum=36_500,
        time=TimeEffect.DAILY,
    ),
    Attribute(
        name="reviews",
        label=_("reviews written"),
        group=Group.ENGAGEMENT,
        type=Type.NUMBER,
        source=Counted(REVIEWS),
        always_known=True,
        minimum=0,
        filters=WHEN | OF_PRODUCTS,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="wishlist",
        label=_("products on the wishlist"),
        help=_("Those that are on it now; a time asks when they were put there."),
        group=Group.ENGAGEMENT,
        type=Type.NUMBER,
        source=Counted(WISHES),
        always_known=True,
        minimum=0,
        filters=WHEN | OF_PRODUCTS,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="wished_not_bought",
        label=_("wish not bought since"),
        help=_("A product is on their wishlist that they have not bought since they put it there."),
        group=Group.GOAL,
        type=Type.FLAG,
        source=WithoutBuying(WISHES),
        always_known=True,
        filters=WHEN | OF_PRODUCTS,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="viewed_not_bought",
        label=_("product looked at and not bought since"),
        help=_("They looked at a product's page and have not bought it since."),
        group=Group.GOAL,
        type=Type.FLAG,
        source=WithoutBuying(VIEWS),
        always_known=True,
        filters=WHEN | OF_PRODUCTS,
        time=TimeEffect.WITH_WINDOW,
    ),
)


def register_all() -> None:
    register(*MEASURES)
