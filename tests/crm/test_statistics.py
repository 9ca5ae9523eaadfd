from datetime import UTC, date, datetime, time

import pytest
from django.utils import timezone

from crm import statistics
from crm.models import Customer, CustomerProfile, Receipt, Store

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
"""A Wednesday; the last complete week is April 27 to May 3."""


def sell(*, on: date, total_minor: int, customer: Customer | None = None, kind: str = "sale") -> Receipt:
    store, _made = Store.objects.get_or_create(code="1", defaults={"name": "Main street"})
    return Receipt.objects.create(
        source="test",
        external_id=str(Receipt.objects.count()),
        kind=kind,
        content_hash=b"",
        store=store,
        customer=customer,
        sold_at=timezone.make_aware(datetime.combine(on, time(12))),
        sold_on=on,
        total_minor=total_minor,
    )


def test_revenue_counts_complete_weeks_net_of_returns_and_apart_from_the_week_under_way(django_assert_num_queries):
    anna = Customer.objects.create(number="1")
    sell(on=date(2026, 4, 13), total_minor=40_00)
    sell(on=date(2026, 4, 26), total_minor=50_00)
    sell(on=date(2026, 4, 27), total_minor=30_00, customer=anna)
    sell(on=date(2026, 5, 3), total_minor=20_00)
    sell(on=date(2026, 5, 3), total_minor=-10_00, kind="return")
    sell(on=date(2026, 5, 4), total_minor=7_00)
    sell(on=date(2026, 5, 6), total_minor=1_00)
    sell(on=date(2026, 5, 7), total_minor=99_00)

    with django_assert_num_queries(2):
        revenue = statistics.revenue(now=NOW, weeks=2)

    assert [(week.starts_on, week.revenue_minor, week.receipts) for week in (*revenue.before, *revenue.weeks)] == [
        (date(2026, 4, 6), 0, 0),
        (date(2026, 4, 13), 40_00, 1),
        (date(2026, 4, 20), 50_00, 1),
        (date(2026, 4, 27), 40_00, 2),
    ]
    assert revenue.last_week.known_share == 0.75
    assert revenue.last_week.average_receipt_minor == 20_00
    assert (revenue.this_week.revenue_minor, revenue.today.revenue_minor) == (8_00, 1_00)
    assert revenue.week_change == pytest.approx(-0.2)
    assert revenue.span_change is None, "the shop had not opened yet in the first week before"


def test_a_shop_without_sales_has_no_changes_rather_than_wrong_ones():
    revenue = statistics.revenue(now=NOW)
    assert revenue.is_empty
    assert (revenue.week_change, revenue.span_change) == (None, None)
    assert (revenue.span.average_receipt_minor, revenue.span.known_share) == (None, None)


def test_customers_of_the_last_days_tell_new_ones_apart():
    for number, first, last in (
        ("1", "2026-04-09", "2026-05-01"),
        ("2", "2026-01-01", "2026-04-09"),
        ("3", "2026-01-01", "2026-04-08"),
    ):
        customer = Customer.objects.create(number=number)
        CustomerProfile.objects.create(customer=customer, first_sold_on=first, last_sold_on=last)
    assert statistics.customers_of_last_days(now=NOW) == statistics.Customers(bought=2, first_time=1)
