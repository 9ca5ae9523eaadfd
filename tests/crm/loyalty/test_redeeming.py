from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm import loyalty, money, profiles, sales
from crm.models import (
    ChangeMark,
    Customer,
    CustomerProfile,
    Household,
    LoyaltyEntry,
    LoyaltyProgramme,
    Receipt,
    ReceiptLine,
)
from tests.crm import make
from tests.crm.test_sales import at_once

pytestmark = pytest.mark.django_db


def programme(**fields: Any) -> None:
    LoyaltyProgramme(**{"redeem_points": 100, "redeem_worth_minor": 500, **fields}).save()


def give(customer: Customer, points: int) -> Customer:
    loyalty.post(
        [
            LoyaltyEntry(
                customer=customer,
                kind=LoyaltyEntry.Kind.ADJUST,
                points=points,
                key=f"test:{customer.pk}:{points}",
                recorded_at=make.NOW - timedelta(days=1),
            )
        ]
    )
    return customer


def balance(customer: Customer) -> int:
    return CustomerProfile.objects.get(customer=customer).points


def family(*balances: int, shares: bool = True) -> list[Customer]:
    household = Household.objects.create(number="H1", shares_points=shares)
    return [give(make.customer(registered=True, household=household), points) for points in balances]


def test_points_take_money_off_the_lines_to_the_cent_and_leave_the_balance() -> None:
    programme()
    customer = give(make.customer(registered=True), 250)
    ChangeMark.objects.all().delete()

    receipt = make.receipt(
        make.line(make.product(price_minor=333)),
        make.line(make.product(price_minor=333), discount_minor=33),
        make.line(make.product(price_minor=1000)),
        customer=customer,
        redeem_points=200,
        expected_total_minor=633,
    )

    assert (receipt.total_minor, receipt.discount_minor) == (633, 1033)
    lines = ReceiptLine.objects.filter(receipt=receipt).order_by("position")
    assert list(lines.values_list("discount_minor", "total_minor")) == [(204, 129), (217, 116), (612, 388)]
    entries = LoyaltyEntry.objects.filter(receipt=receipt).order_by("pk")
    assert list(entries.values_list("kind", "points", "shares")) == [
        ("redeem", -200, [204, 184, 612]),
        ("earn", 6, None),
    ]
    assert balance(customer) == 56
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == {customer.pk}
    assert list(profiles.differences()) == []


@pytest.mark.parametrize(
    ("points", "fields", "reason"),
    [
        (150, {}, "multiples of 100"),
        (-100, {}, "multiples of 100"),
        (300, {}, "Only 250 points are left"),
        (10**12, {}, "more than the sale comes to"),
        (200, {"redeem_worth_minor": 0}, "cannot be redeemed"),
        (200, {"redeem_worth_minor": 1001}, "more than the sale"),
    ],
)
def test_points_that_cannot_be_redeemed_refuse_the_sale_and_change_nothing(
    points: int, fields: dict[str, Any], reason: str
) -> None:
    programme(**fields)
    customer = give(make.customer(registered=True), 250)

    with pytest.raises(sales.SaleRefused, match=reason):
        make.receipt(make.line(make.product(price_minor=2000)), customer=customer, redeem_points=points)

    assert (Receipt.objects.count(), balance(customer)) == (0, 250)


def test_a_guest_has_no_points() -> None:
    programme()
    with pytest.raises(sales.SaleRefused, match="choose who is here"):
        make.receipt(redeem_points=100)


def test_points_may_pay_for_all_of_it_but_earn_nothing_then() -> None:
    programme()
    customer = give(make.customer(registered=True), 250)

    receipt = make.receipt(customer=customer, redeem_points=200)

    assert (receipt.total_minor, balance(customer)) == (0, 50)


def test_the_same_sale_sent_twice_redeems_once_and_other_points_are_another_sale() -> None:
    programme()
    customer = give(make.customer(registered=True), 250)
    sale = make.sale(customer=customer, redeem_points=100)
    first = sales.record_sale(sale=sale, by=None, now=make.NOW)

    assert sales.record_sale(sale=sale, by=None, now=make.NOW).pk == first.pk
    with pytest.raises(sales.SaleClash):
        make.receipt(*sale.lines, client_key=sale.client_key, customer=customer, redeem_points=200)
    assert balance(customer) == 155


def test_a_household_shares_its_points_own_ones_first() -> None:
    programme()
    other, one, third = family(80, 50, 100)
    ChangeMark.objects.all().delete()
    assert [loyalty.spendable(member) for member in (other, one, third)] == [230, 230, 230]

    receipt = make.receipt(customer=one, redeem_points=200)

    entries = LoyaltyEntry.objects.filter(receipt=receipt).order_by("customer")
    assert list(entries.values_list("customer", "points")) == [(other.pk, -80), (one.pk, -50), (third.pk, -70)]
    assert [balance(member) for member in (other, one, third)] == [0, 0, 30]
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == {other.pk, one.pk, third.pk}
    assert list(profiles.differences()) == []


def test_what_a_member_owes_lowers_what_the_household_has() -> None:
    programme()
    _other, one = family(-50, 120)
    assert loyalty.spendable(one) == 70

    with pytest.raises(sales.SaleRefused, match="Only 70 points"):
        make.receipt(customer=one, redeem_points=100)


def test_a_household_that_does_not_share_and_members_who_are_gone_give_nothing() -> None:
    programme()
    one, other = family(50, 100, shares=False)
    assert loyalty.spendable(one) == 50
    with pytest.raises(sales.SaleRefused, match="Only 50 points"):
        make.receipt(customer=one, redeem_points=100)

    Household.objects.update(shares_points=True)
    Customer.objects.filter(pk=other.pk).update(erased_at=make.NOW)
    with pytest.raises(sales.SaleRefused, match="Only 50 points"):
        make.receipt(customer=one, redeem_points=100)


@pytest.mark.django_db(transaction=True)
def test_of_two_tills_that_redeem_the_last_points_one_wins() -> None:
    programme()
    one, other = family(60, 60)
    two = [make.sale(customer=member, redeem_points=100, store=make.store()) for member in (one, other)]

    results = at_once(*[lambda sale=sale: sales.record_sale(sale=sale, by=None, now=make.NOW) for sale in two])

    assert sorted(type(result).__name__ for result in results) == ["Receipt", "SaleRefused"]
    [refused] = [result for result in results if isinstance(result, sales.SaleRefused)]
    assert "are left" in str(refused)
    assert Receipt.objects.count() == 1
    assert balance(one) + balance(other) == 20 + 5
    assert list(profiles.differences()) == []


@given(
    weights=st.lists(st.integers(0, 10_000), min_size=1, max_size=30),
    share=st.fractions(min_value=0, max_value=1),
)
def test_spreading_loses_no_cent_and_takes_no_line_below_nothing(weights: list[int], share: Any) -> None:
    amount = int(sum(weights) * share)

    parts = money.spread(amount, weights)

    assert sum(parts) == amount
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))
    for part, weight in zip(parts, weights, strict=True):
        assert not sum(weights) or abs(part * sum(weights) - amount * weight) < sum(weights)
