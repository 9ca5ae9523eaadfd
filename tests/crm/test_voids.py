from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from crm import profiles, returns, sales, statistics, voids
from crm.models import ChangeMark, CustomerCategory, CustomerProfile, LoyaltyEntry, Receipt, ReceiptVoid
from tests.crm import make
from tests.crm.loyalty.test_redeeming import balance, family, programme
from tests.crm.test_returns import a_return

pytestmark = pytest.mark.django_db


def void(receipt: Receipt, reason: str = "Rung up twice", days: int = 0) -> ReceiptVoid:
    by = User.objects.get_or_create(username="anna")[0]
    return voids.void_sale(receipt=receipt, reason=reason, by=by, now=make.NOW + timedelta(days=days))


def test_a_voided_sale_vanishes_from_receipts_recency_categories_points_and_the_shops_numbers() -> None:
    programme()
    customer, other = family(50, 60)
    food = make.product(path="Food")
    make.receipt(make.line(food), customer=customer, sold_at=make.NOW - timedelta(days=9))
    before = CustomerProfile.objects.filter(pk=customer.pk).values().get()
    categories = list(CustomerCategory.objects.order_by("pk").values())
    revenue = statistics.revenue(now=make.NOW)
    sale = make.receipt(make.line(food), make.line(make.product(path="Home")), customer=customer, redeem_points=100)
    ChangeMark.objects.all().delete()

    voided = void(sale)

    assert CustomerProfile.objects.filter(pk=customer.pk).values().get() == before
    assert list(CustomerCategory.objects.order_by("pk").values()) == categories
    assert (balance(customer), balance(other)) == (60, 60)
    assert statistics.revenue(now=make.NOW) == revenue
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == {customer.pk, other.pk}
    assert (voided.receipt, voided.reason) == (sale, "Rung up twice")
    message = LogEntry.objects.get().get_change_message()
    assert customer.number in message
    assert "Rung up twice" in message
    assert list(profiles.differences()) == []


def test_voided_twice_it_is_voided_once() -> None:
    sale = make.receipt(customer=make.customer(registered=True))

    assert void(sale) == void(sale, "Again")

    assert (ReceiptVoid.objects.count(), LogEntry.objects.count()) == (1, 1)
    assert list(LoyaltyEntry.objects.order_by("pk").values_list("kind", "points")) == [("earn", 10), ("take_back", -10)]


def test_a_voided_sale_is_neither_taken_back_nor_claimed() -> None:
    sale = make.receipt()
    void(sale)

    with pytest.raises(returns.ReturnRefused, match="voided"):
        returns.record_return(return_=a_return(sale, (1, "1")), by=None, now=make.NOW)
    with pytest.raises(sales.SaleRefused, match="voided"):
        sales.claim_receipt(receipt=sale, customer=make.customer(), by=None)


def test_what_is_no_sale_of_today_is_not_voided() -> None:
    sale = make.receipt()
    back = returns.record_return(return_=a_return(sale, (1, "1")), by=None, now=make.NOW)

    for receipt, reason, days, why in (
        (back, "x", 0, "Only sales"),
        (sale, "x", 0, "brought back already"),
        (make.receipt(), "x", 1, "of today"),
        (make.receipt(), " ", 0, "Say why"),
    ):
        with pytest.raises(voids.VoidRefused, match=why):
            void(receipt, reason, days)
    assert not ReceiptVoid.objects.exists()


def test_the_database_refuses_to_edit_or_delete_a_void() -> None:
    void(make.receipt())

    with pytest.raises(Exception, match="Facts are never edited"):
        ReceiptVoid.objects.update(reason="other")


def test_whoever_opens_the_receipt_reads_that_it_was_voided(client: Client) -> None:
    programme()
    customer, _other = family(100, 5)
    sale = make.receipt(make.line(make.product(price_minor=2000)), customer=customer, redeem_points=100)
    page = client.get(reverse("receipt", args=[sale.public_id])).content.decode()
    assert "100 points used" in page
    assert "15 points earned" in page
    assert "Voided" not in page

    void(sale)

    page = client.get(reverse("receipt", args=[sale.public_id])).content.decode()
    assert "Voided: this sale did not take place." in page
