"""Measures over the facts of purchase: the shop's own days and times, and who is due, found by an index over dates."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from crm import profiles
from crm.attributes import Filter, lookup
from crm.days import window_changes
from crm.models import Customer, CustomerProfile, Receipt, ReceiptKind, ReceiptLine, Tier, TierAward
from segments import builder, offers
from segments.compile import compared, customers, scope_for
from segments.rules import parse
from segments.tree import Condition
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW, TODAY

YESTERDAY = date(2027, 2, 28)


def found(*rule: Any, **filters: Any) -> list[Customer]:
    return list(customers(rule=a_rule(ask(*rule, **filters)), now=NOW).order_by("pk"))


def due(*rule: Any, **filters: Any) -> "QuerySet[Any, Any] | None":
    """Customers who are due today for this one condition."""
    condition = parse(a_rule(ask(*rule, **filters)))
    assert isinstance(condition, Condition)
    attribute = lookup(condition.attribute)
    assert attribute is not None
    return attribute.source.due(
        scope=scope_for(condition, now=NOW),
        since=YESTERDAY,
        filters=condition.filters,
        operator=condition.operator,
        value=compared(condition.value, attribute),
    )


def ids(queryset: "QuerySet[Any, Any] | None") -> set[int]:
    return set() if queryset is None else {one for row in queryset for one in row.values()}


def buys(customer: Customer, sold_on: date, sold_at: datetime | None = None, kind: str = ReceiptKind.SALE) -> Receipt:
    """One milk, of the dairy."""
    milk = a_product("milk", make.category("Food > Dairy"))
    sign = -1 if kind == ReceiptKind.RETURN else 1
    receipt = a_receipt(customer, [(milk, str(sign), sign * 100)], sold_on=sold_on, sold_at=sold_at, kind=kind)
    profiles.recount(customer_ids=[customer.pk])
    return receipt


@pytest.mark.django_db
def test_times_and_days_of_the_week_are_those_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    late, early = a_customer(), a_customer()
    buys(late, date(2027, 2, 27), datetime(2027, 2, 26, 16, 30, tzinfo=UTC))  # Saturday, 1:30 in Tokyo
    buys(early, date(2027, 2, 26), datetime(2027, 2, 26, 0, 30, tzinfo=UTC))  # Friday, 9:30 in Tokyo
    assert found("bought", "is", True, time="22:00-02:00") == [late]
    assert found("bought", "is", True, time="09:00-09:30") == []
    assert found("bought", "is", True, time="09:30-09:31", product="milk") == [early]
    assert found("receipts", ">=", 1, weekday="sat") == [late]
    assert found("receipts", ">=", 1, weekday=["friday"], product="milk") == [early]


@pytest.mark.django_db
def test_returns_are_no_months_and_no_interval() -> None:
    regular, once = a_customer(), a_customer()
    for day in (date(2026, 12, 31), date(2027, 1, 1), date(2027, 1, 4)):
        buys(regular, day)
    buys(regular, date(2027, 2, 2), kind=ReceiptKind.RETURN)
    buys(once, date(2027, 1, 1))
    assert found("months_bought", "=", 2) == [regular]
    assert found("days_between_purchases", "=", 2) == [regular]
    assert found("days_between_purchases", "unknown") == [once]


@pytest.mark.django_db
def test_share_is_of_the_spend_in_the_same_time() -> None:
    customer = a_customer()
    bread = a_product("bread", make.category("Food > Bread"))
    buys(customer, TODAY)
    a_receipt(customer, [(bread, "3", 300)], sold_on=TODAY)
    a_receipt(customer, [(bread, "4", 400)], sold_on=date(2026, 1, 1))
    profiles.recount(customer_ids=[customer.pk])
    assert found("share_of_spend", "=", "12.5", category="Food > Dairy") == [customer]
    assert found("share_of_spend", "=", 25, category="Food > Dairy", last="90 days") == [customer]
    assert found("share_of_spend", "=", 0, category="Food > Dairy", until="2026-12-31") == [customer]
    assert found("share_of_spend", "unknown", category="Food > Dairy", until="2025-12-31") == [customer]


@pytest.mark.django_db
@pytest.mark.parametrize("filters", [{}, {"category": "Food"}, {"product": "milk"}, {"channel": "till"}])
def test_who_bought_on_the_day_that_left_the_window_is_due(filters: dict[str, str]) -> None:
    leaving, staying, ahead = a_customer(), a_customer(), a_customer()
    buys(leaving, date(2026, 12, 1))  # the 90th day before today
    buys(staying, date(2026, 12, 2))
    buys(ahead, TODAY)  # yesterday still to come
    assert ids(due("bought", "is", True, last="90 days", **filters)) == {leaving.pk, ahead.pk}
    assert due("bought", "is", True, since="2026-12-01", **filters) is None
    assert due("spend", ">=", 1, since="2026-12-01", until="2026-12-31", **filters) is None


@pytest.mark.django_db
def test_who_reaches_the_number_of_days_is_due() -> None:
    sixty, sixty_one = a_customer(), a_customer()
    buys(sixty, date(2026, 12, 31))
    buys(sixty_one, date(2026, 12, 30))
    assert ids(due("days_since_purchase", ">=", 60)) == {sixty.pk}
    assert ids(due("days_since_purchase", ">", 60)) == {sixty_one.pk}
    assert ids(due("days_since_purchase", "=", 60)) == {sixty.pk, sixty_one.pk}
    assert ids(due("days_since_purchase", "between", [10, 60])) == {sixty_one.pk}
    assert ids(due("days_since_purchase", "<", 60, category="Food")) == {sixty.pk}
    assert due("days_since_purchase", "known") is None


@pytest.mark.parametrize(
    ("since", "today", "unit", "changed"),
    [
        # 28 February and 1 March of a month before: the window's start jumps over the days that February lacks.
        (
            date(2027, 2, 28),
            date(2027, 3, 1),
            "months",
            [(date(2027, 1, 29), date(2027, 2, 1)), (date(2027, 3, 1),) * 2],
        ),
        # The 30th and the 31st of March both look back to the end of February: nothing leaves.
        (date(2027, 3, 30), date(2027, 3, 31), "months", [(date(2027, 3, 31),) * 2]),
        (date(2028, 2, 28), date(2028, 2, 29), "years", [(date(2028, 2, 29),) * 2]),
        # Longer ago than the window is long: the two have nothing in common, what lies between is in neither.
        (
            date(2027, 1, 1),
            date(2027, 1, 20),
            "weeks",
            [(date(2026, 12, 26), date(2027, 1, 1)), (date(2027, 1, 14), date(2027, 1, 20))],
        ),
        (date(2027, 1, 1), date(2027, 1, 1), "days", []),
    ],
)
def test_days_that_change_windows(since: date, today: date, unit: str, changed: list[tuple[date, date]]) -> None:
    assert window_changes(since=since, today=today, count=1, unit=unit) == changed


@pytest.mark.django_db
def test_due_is_found_by_an_index_over_dates() -> None:
    a_year_of_sales()
    indexes = {
        due("age", ">=", 30): "customer_by_birthday",
        due("birthday", "in next", 7): "customer_by_birthday",
        due("lifecycle", "=", "regular"): "profile_by_last_sale",
        due("days_since_purchase", ">=", 60): "profile_by_last_sale",
        due("days_since_purchase", ">=", 60, category="Food"): "line_by_product",
        due("days_since_purchase", ">=", 60, channel="till"): "receipt_by_day",
        due("days_since_first_purchase", ">=", 60): "receipt_by_day",
        due("bought", "is", True, last="90 days"): "receipt_by_day",
        due("spend", ">=", 10, last="90 days", product="milk"): "line_by_product",
        due("share_of_spend", ">=", 10, last="1 month", product="milk"): "receipt_by_day",
        due("tier", "=", "Silver"): "tier_by_last_day",
    }
    for queryset, index in indexes.items():
        assert queryset is not None
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # the tables here are too small to be worth an index
            sql, params = queryset.query.sql_with_params()
            cursor.execute("EXPLAIN " + sql, params)
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert index in plan


def a_year_of_sales() -> None:
    """A thousand customers, each of whom bought one milk and is in the same tier, on days spread over the year."""
    milk, other = a_product("milk", make.category("Food > Dairy")), a_product("hammer", make.category("Tools"))
    silver = Tier.objects.create(name="Silver", spend_minor=100)
    days = [date(2026, 3, 1) + timedelta(days=number % 365) for number in range(1_000)]
    people = Customer.objects.bulk_create(
        Customer(number=f"Y{number}", birth_date=day - timedelta(days=11_000)) for number, day in enumerate(days)
    )
    CustomerProfile.objects.bulk_create(
        CustomerProfile(customer=one, receipts=1, first_sold_on=day, last_sold_on=day)
        for one, day in zip(people, days, strict=True)
    )
    TierAward.objects.bulk_create(
        TierAward(customer=one, tier=silver, reached_on=day, ends_on=day + timedelta(days=200))
        for one, day in zip(people, days, strict=True)
    )
    receipts = Receipt.objects.bulk_create(
        Receipt(
            source="year",
            external_id=one.number,
            kind=ReceiptKind.SALE,
            content_hash=one.number.encode(),
            store=make.store(),
            customer=one,
            sold_at=datetime.combine(day, time(12), UTC),
            sold_on=day,
            total_minor=200,
        )
        for one, day in zip(people, days, strict=True)
    )
    ReceiptLine.objects.bulk_create(
        ReceiptLine(
            receipt=receipt,
            position=position,
            product=product,
            customer=receipt.customer,
            sold_on=receipt.sold_on,
            quantity=1,
            unit_price=1,
            total_minor=100,
        )
        for receipt in receipts
        for position, product in enumerate((milk, other))
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crm_customer, crm_customerprofile, crm_tieraward, crm_receipt, crm_receiptline")


@pytest.mark.django_db
def test_builder_offers_brands_days_of_the_week_and_percents() -> None:
    for sku, brand in (("milk", "Valio"), ("kefir", "Valio"), ("hammer", "Ozols"), ("loose", "")):
        product = a_product(sku)
        product.brand = brand
        product.save()
    assert [offer.value for offer in offers.names_for(kind=Filter.BRAND, text="")] == ["Ozols", "Valio"]
    data = builder.catalogue_data()
    assert data["weekdays"][0]["value"] == "monday"
    (share,) = (one for group in data["groups"] for one in group["attributes"] if one["name"] == "online_share")
    assert (share["unit"], share["maximum"], share["whole"]) == ("%", 100, False)
    assert "weekday" in share["filters"] and "channel" not in share["filters"]
