"""The shop's numbers over time, for the home page: few, set-based queries over covering indexes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from crm.attributes import Scope
from crm.days import shop_day
from crm.lifecycle import SOURCE, STAGES
from crm.models import Customer, CustomerProfile, Receipt, ReceiptKind


@dataclass(frozen=True, kw_only=True)
class Sales:
    """Some days: ``revenue_minor`` is net of returns, ``known_minor`` what known customers brought of it."""

    starts_on: date
    days: int
    revenue_minor: int = 0
    known_minor: int = 0
    receipts: int = 0

    @property
    def ends_on(self) -> date:
        return self.starts_on + timedelta(days=self.days - 1)

    @property
    def average_receipt_minor(self) -> int | None:
        """Net revenue for each sale; None without sales."""
        return round(self.revenue_minor / self.receipts) if self.receipts else None

    @property
    def known_share(self) -> float | None:
        """The share of revenue that customers with a record brought; None without revenue."""
        return self.known_minor / self.revenue_minor if self.revenue_minor > 0 else None


@dataclass(frozen=True, kw_only=True)
class Revenue:
    """Complete weeks (from Monday) and as many before them, oldest first, with today and the week under way."""

    weeks: list[Sales]
    before: list[Sales]
    this_week: Sales
    today: Sales
    before_is_complete: bool
    """Whether the shop already sold in the first of the weeks before, so that the two spans compare."""

    @property
    def last_week(self) -> Sales:
        return self.weeks[-1]

    @property
    def span(self) -> Sales:
        return _together(self.weeks)

    @property
    def span_before(self) -> Sales:
        return _together(self.before)

    @property
    def is_empty(self) -> bool:
        return not any(part.receipts for part in (*self.before, *self.weeks, self.this_week))

    @property
    def week_change(self) -> float | None:
        """The last complete week against the one before it, as a share; None where there is nothing to compare with."""
        return change(self.weeks[-1].revenue_minor, self.weeks[-2].revenue_minor)

    @property
    def week_fall(self) -> float | None:
        """The same said the other way round: 0.04 is 4% less."""
        return None if self.week_change is None else -self.week_change

    @property
    def span_change(self) -> float | None:
        if not self.before_is_complete:
            return None
        return change(self.span.revenue_minor, self.span_before.revenue_minor)


@dataclass(frozen=True, kw_only=True)
class Customers:
    """How many customers bought in the last 28 days, and how many of them for the first time."""

    bought: int
    first_time: int


def change(now_minor: int, before_minor: int) -> float | None:
    """How much more, as a share of before: 0.04 is 4% more; None where before was nothing."""
    return now_minor / before_minor - 1 if before_minor > 0 else None


def revenue(*, now: datetime, weeks: int = 13) -> Revenue:
    """The last ``weeks`` complete weeks and as many before, in one query that reads only an index."""
    today = shop_day(now)
    monday = today - timedelta(days=today.weekday())
    first = monday - timedelta(weeks=2 * weeks)
    days = _by_day(first, today)
    spans = [_sum(days, first + timedelta(weeks=number), 7) for number in range(2 * weeks)]
    return Revenue(
        weeks=spans[weeks:],
        before=spans[:weeks],
        this_week=_sum(days, monday, today.weekday() + 1),
        today=_sum(days, today, 1),
        before_is_complete=spans[0].receipts > 0,
    )


def customers_of_last_days(*, now: datetime, days: int = 28) -> Customers:
    """Customers with a purchase in the last ``days`` days, today included."""
    since = shop_day(now) - timedelta(days=days - 1)
    counted = CustomerProfile.objects.filter(last_sold_on__gte=since).aggregate(
        bought=Count("pk"), first_time=Count("pk", filter=Q(first_sold_on__gte=since))
    )
    return Customers(**counted)


def customers_by_stage(*, now: datetime) -> dict[str, int]:
    """How many live customers are in each lifecycle stage, in the stages' order. One query."""
    live = Customer.objects.filter(merged_into=None, erased_at=None).order_by()
    stage = SOURCE.value(scope=Scope(now=now, today=shop_day(now)), filters={})
    counted = dict(live.annotate(stage=stage).values_list("stage").annotate(customers=Count("pk")))
    return {name: counted.get(name, 0) for name in STAGES}


def _by_day(first: date, last: date) -> Mapping[date, Sales]:
    of_these = Receipt.objects.filter(sold_on__range=(first, last))
    days = {row["sold_on"]: Sales(starts_on=row.pop("sold_on"), days=1, **row) for row in _figures(of_these)}
    for row in _figures(of_these.filter(void__isnull=False)):  # few, and read by themselves: the index above is enough
        day = days[row["sold_on"]]
        days[day.starts_on] = replace(
            day,
            revenue_minor=day.revenue_minor - row["revenue_minor"],
            known_minor=day.known_minor - row["known_minor"],
            receipts=day.receipts - row["receipts"],
        )
    return days


def _figures(receipts: "QuerySet[Receipt]") -> "QuerySet[Receipt, dict[str, Any]]":
    """A row a day."""
    return (
        receipts.order_by()
        .values("sold_on")
        .annotate(
            revenue_minor=Sum("total_minor"),
            known_minor=Sum("total_minor", filter=Q(customer__isnull=False), default=0),
            receipts=Count("kind", filter=Q(kind=ReceiptKind.SALE)),  # a column of the index, so that it is enough
        )
    )


def _sum(days: Mapping[date, Sales], starts_on: date, length: int) -> Sales:
    nothing = Sales(starts_on=starts_on, days=1)
    return _together([days.get(starts_on + timedelta(days=number), nothing) for number in range(length)], starts_on)


def _together(parts: list[Sales], starts_on: date | None = None) -> Sales:
    return Sales(
        starts_on=starts_on or parts[0].starts_on,
        days=sum(part.days for part in parts),
        revenue_minor=sum(part.revenue_minor for part in parts),
        known_minor=sum(part.known_minor for part in parts),
        receipts=sum(part.receipts for part in parts),
    )
