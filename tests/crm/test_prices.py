"""What a unit of a category usually costs."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from crm import prices
from crm.models import Job, UsualPrice
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 3, 15, 12, tzinfo=UTC)


def usual() -> dict[str, Decimal | None]:
    return dict(UsualPrice.objects.order_by("pk").values_list("category__name", "unit_price"))


def test_price_is_of_a_unit_kept_by_customers_in_twelve_months() -> None:
    milk, tea = a_product("milk", make.category("Milk")), a_product("tea", make.category("Tea"))
    anna = a_customer()
    a_receipt(anna, [(milk, "3", 400), (tea, "1", 900)], sold_on=date(2027, 3, 15))
    a_receipt(anna, [(milk, "-1", -100), (tea, "-1", -900)], sold_on=date(2027, 3, 15), kind="return")
    a_receipt(None, [(milk, "1", 7_000)], sold_on=date(2027, 3, 15))  # a guest's, or voided
    a_receipt(anna, [(milk, "1", 7_000)], sold_on=date(2026, 3, 15))  # too long ago
    a_receipt(anna, [(milk, "1", 7_000)], sold_on=date(2027, 3, 16))  # still to come

    for _again in range(2):
        prices.remake(now=NOW)
        assert usual() == {"Milk": Decimal("1.5"), "Tea": None}


def test_they_are_due_once_a_month_and_after_an_import() -> None:
    assert not prices.due(now=NOW)
    make.category("Milk")
    assert prices.due(now=NOW)
    prices.remake(now=NOW)
    assert not prices.due(now=NOW + timedelta(days=16))
    assert prices.due(now=NOW + timedelta(days=17))
    Job.objects.create(kind="import", status=Job.Status.DONE, finished_at=NOW - timedelta(days=1))
    assert not prices.due(now=NOW)
    Job.objects.create(kind="import", status=Job.Status.DONE, finished_at=NOW + timedelta(seconds=1))
    assert prices.due(now=NOW)
