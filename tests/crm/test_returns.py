import dataclasses
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection

from crm import loyalty, profiles, returns, sales
from crm.models import (
    ChangeMark,
    Customer,
    CustomerProfile,
    LoyaltyEntry,
    LoyaltyProgramme,
    PointsRule,
    Receipt,
    ReceiptKind,
    ReceiptLine,
)
from tests.crm import make
from tests.crm.loyalty.test_redeeming import balance, family, programme
from tests.crm.test_sales import at_once

pytestmark = pytest.mark.django_db

LATER = make.NOW + timedelta(days=2)


def a_return(original: Receipt | None, *lines: tuple[int, str], **fields: Any) -> returns.Return:
    """Of so much of the lines at these positions."""
    of_sale = {line.position: line for line in ReceiptLine.objects.filter(receipt=original).select_related("product")}
    return returns.Return(
        client_key=fields.pop("client_key", None) or uuid.uuid4(),
        store=fields.pop("store", None) or make.store(),
        original=original,
        lines=[returns.ReturnLine(line=of_sale[position], quantity=Decimal(quantity)) for position, quantity in lines],
        **fields,
    )


def bring_back(original: Receipt, *lines: tuple[int, str], **fields: Any) -> Receipt:
    return returns.record_return(return_=a_return(original, *lines, **fields), by=None, now=LATER)


def link(back: Receipt, original: Receipt) -> None:
    """As an import records it: the return names its receipt but no lines."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL regulars.erasing = 'on'")
        cursor.execute("UPDATE crm_receipt SET returns_id = %s WHERE id = %s", [original.pk, back.pk])
        cursor.execute("SET LOCAL regulars.erasing = 'off'")


def points_of(customer: Customer) -> int:
    points = CustomerProfile.objects.get(customer=customer).points
    assert points == sum(LoyaltyEntry.objects.filter(customer=customer).values_list("points", flat=True))
    return points


def test_a_return_is_a_receipt_with_negative_amounts_that_names_its_lines() -> None:
    customer = make.customer(card="29000001")
    milk, ham = make.product(price_minor=129, path="Food > Dairy"), make.product(price_minor=1990, path="Food > Meat")
    sale = make.receipt(
        make.line(milk, "3"), make.line(ham, "0.500", discount_minor=95), customer=customer, payment="card"
    )
    ChangeMark.objects.all().delete()

    back = bring_back(sale, (2, "0.500"), (1, "1"), payment="cash", expected_refund_minor=1029)

    assert (back.kind, back.returns, back.customer) == (ReceiptKind.RETURN, sale, customer)
    assert (back.external_id, back.total_minor, back.discount_minor) == ("main-000002", -1029, -95)
    assert (back.sold_at, back.sold_on) == (LATER, LATER.date())
    assert list(
        back.lines.order_by("position").values_list(
            "product", "customer", "is_return", "quantity", "unit_price", "discount_minor", "total_minor",
            "returns_line__position",
        )
    ) == [
        (ham.pk, customer.pk, True, Decimal("-0.5"), Decimal("19.9"), -95, -900, 2),
        (milk.pk, customer.pk, True, Decimal(-1), Decimal("1.29"), 0, -129, 1),
    ]  # fmt: skip
    profile = CustomerProfile.objects.get(customer=customer)
    assert (profile.receipts, profile.returns, profile.spend_minor, profile.units) == (1, 1, 258, Decimal(2))
    assert profile.last_sold_on == sale.sold_on
    assert (sale.total_minor, points_of(customer)) == (1287, 2)  # 12 earned, for 2.58 left
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == {customer.pk}
    assert list(profiles.differences()) == []


def test_after_the_last_part_exactly_what_was_paid_has_been_given_back() -> None:
    thirds = make.product(price_minor=None)
    sale = make.receipt(make.line(thirds, "3", price="3.333333", discount_minor=1))
    assert (sale.total_minor, sale.discount_minor) == (999, 1)

    parts = [bring_back(sale, (1, "1")) for _ in range(3)]

    assert [(part.total_minor, part.discount_minor) for part in parts] == [(-333, 0), (-333, -1), (-333, 0)]
    with pytest.raises(returns.ReturnRefused, match=r"Line 1, .*: 0 can still be brought back"):
        bring_back(sale, (1, "0.001"))


def test_never_more_is_taken_back_than_was_bought_not_even_in_one_return() -> None:
    sale = make.receipt(make.line(make.product("Milk"), "2"))
    bring_back(sale, (1, "0.5"))

    with pytest.raises(returns.ReturnRefused, match=r"Line 2, Milk: 0.5 can still be brought back"):
        bring_back(sale, (1, "1"), (1, "1"))

    assert Receipt.objects.filter(kind=ReceiptKind.RETURN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_returns_at_once_only_as_many_succeed_as_was_bought() -> None:
    sale = make.receipt(make.line(make.product(path="Food"), "3"), customer=make.customer(registered=True))
    five = [a_return(sale, (1, "1")) for _ in range(5)]

    results = at_once(*[lambda one=one: returns.record_return(return_=one, by=None, now=LATER) for one in five])

    assert sorted(type(result).__name__ for result in results) == ["Receipt"] * 3 + ["ReturnRefused"] * 2
    assert CustomerProfile.objects.get().spend_minor == CustomerProfile.objects.get().points == 0
    assert list(profiles.differences()) == []


@pytest.mark.django_db(transaction=True)
def test_one_key_from_three_connections_at_once_is_one_return() -> None:
    sale = make.receipt(customer=make.customer(registered=True))
    one = a_return(sale, (1, "1"))

    results = at_once(*[lambda: returns.record_return(return_=one, by=None, now=LATER).pk] * 3)

    assert results == [Receipt.objects.get(kind=ReceiptKind.RETURN).pk] * 3


def test_the_same_key_with_other_content_is_refused() -> None:
    sale = make.receipt(make.line(make.product(), "2"))
    key = uuid.uuid4()
    first = bring_back(sale, (1, "1"), client_key=key)

    assert bring_back(sale, (1, "1.000"), client_key=key).pk == first.pk
    with pytest.raises(returns.ReturnClash, match="main-000002"):
        bring_back(sale, (1, "2"), client_key=key)
    with pytest.raises(returns.ReturnClash):
        bring_back(make.receipt(), (1, "1"), client_key=key)
    assert sale.client_key
    with pytest.raises(returns.ReturnClash):
        bring_back(sale, (1, "1"), client_key=sale.client_key)


def test_points_follow_what_each_line_earned_and_come_out_exactly_in_the_end() -> None:
    PointsRule.objects.create(name="none", factor=0, category=make.category("Vouchers"))
    PointsRule.objects.create(name="more", factor=3, category=make.category("Food"))
    customer = make.customer(registered=True)
    sale = make.receipt(
        make.line(make.product(price_minor=10_000, path="Vouchers")),
        make.line(make.product(price_minor=500, path="Food"), "2"),
        make.line(make.product(price_minor=333)),
        customer=customer,
    )
    assert points_of(customer) == 33

    seen = []
    for part in ((1, "1"), (2, "1"), (3, "0.5"), (2, "1"), (3, "0.5")):
        bring_back(sale, part)
        seen.append(points_of(customer))

    assert seen == [33, 18, 16, 1, 0]
    assert list(profiles.differences()) == []


def test_points_redeemed_come_back_with_what_they_paid_for_to_each_who_gave_them() -> None:
    programme()
    one, other = family(50, 60)
    sale = make.receipt(make.line(make.product(price_minor=1000), "3"), customer=one, redeem_points=100)
    assert (sale.total_minor, balance(one), balance(other)) == (2500, 25, 10)

    first = bring_back(sale, (1, "1"))
    assert (first.total_minor, balance(one), balance(other)) == (-833, 25 - 9 + 16, 10 + 16)
    ChangeMark.objects.all().delete()
    bring_back(sale, (1, "2"))

    assert (balance(one), balance(other)) == (50, 60)
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == {one.pk, other.pk}
    kinds = LoyaltyEntry.objects.filter(receipt=first).order_by("customer", "kind").values_list("kind", "points")
    assert list(kinds) == [("give_back", 16), ("take_back", -9), ("give_back", 16)]
    assert list(profiles.differences()) == []


def test_what_points_paid_for_in_full_gives_back_points_and_no_money() -> None:
    LoyaltyProgramme(redeem_points=100, redeem_worth_minor=1000).save()
    customer = make.customer(registered=True)
    loyalty.post([LoyaltyEntry(customer=customer, kind="adjust", points=100, key="test")])
    sale = make.receipt(customer=customer, redeem_points=100)

    back = bring_back(sale, (1, "1"))

    assert (back.total_minor, points_of(customer)) == (0, 100)


def test_a_guest_and_an_imported_receipt_are_taken_back_too() -> None:
    milk = make.product("Milk", path="Food")
    customer = make.customer(registered=True)
    imported = make.a_receipt(customer, [(milk, "4", 400), (milk, "2", 100)], sold_on=date(2026, 5, 1))
    profiles.recount()

    back = bring_back(imported, (1, "1"))
    guest = bring_back(make.receipt(), (1, "1"))

    assert (back.total_minor, back.customer, points_of(customer)) == (-100, customer, 0)
    assert (guest.total_minor, guest.customer) == (-1000, None)
    assert list(profiles.differences()) == []


def test_a_return_that_named_no_lines_counts_for_those_of_its_products() -> None:
    milk, ham = make.product("Milk"), make.product("Ham")
    original = make.a_receipt(None, [(milk, "2", 200), (ham, "1", 50), (milk, "2", 300)], sold_on=date(2026, 5, 1))
    unnamed = make.a_receipt(None, [(milk, "-3", -350)], sold_on=date(2026, 5, 2), kind="return")
    link(unnamed, original)

    with pytest.raises(returns.ReturnRefused, match="0 can still"):
        bring_back(original, (1, "1"))
    assert bring_back(original, (3, "1"), (2, "1")).total_minor == -(300 - (350 - 233)) - 50


def test_without_a_receipt_only_some_may_take_goods_back() -> None:
    clerk, manager = User.objects.create_user("clerk"), User.objects.create_user("manager")
    manager.user_permissions.add(Permission.objects.get(codename="return_without_receipt"))
    customer, milk = make.customer(registered=True), make.product(price_minor=129, path="Food")
    goods = returns.Return(
        client_key=uuid.uuid4(),
        store=make.store(),
        customer=customer,
        lines=[
            returns.ReturnLine(product=milk, quantity=Decimal(2)),
            returns.ReturnLine(product=milk, quantity=Decimal("0.5"), unit_price=Decimal("0.99")),
        ],
    )
    for nobody in (clerk, None):
        with pytest.raises(returns.ReturnRefused, match="Only some may"):
            returns.record_return(return_=goods, by=nobody, now=LATER)

    back = returns.record_return(return_=goods, by=manager, now=LATER)

    assert (back.total_minor, back.returns, back.customer) == (-308, None, customer)
    profile = CustomerProfile.objects.get(customer=customer)
    assert (profile.returns, profile.spend_minor, profile.points) == (1, -308, 0)
    assert returns.record_return(return_=goods, by=manager, now=LATER).pk == back.pk
    assert list(profiles.differences()) == []


def test_a_return_that_cannot_be_right_is_refused_and_leaves_nothing() -> None:
    sale, other = make.receipt(), make.receipt()
    back = bring_back(other, (1, "0.5"))
    good = a_return(sale, (1, "1"))
    elsewhere = a_return(other, (1, "1")).lines
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"lines": ()}, "at least one"),
        ({"lines": elsewhere}, "not on this receipt"),
        ({"lines": [dataclasses.replace(good.lines[0], quantity=Decimal(0))]}, "more than 0"),
        ({"lines": [dataclasses.replace(good.lines[0], quantity=Decimal("NaN"))]}, "more than 0"),
        ({"lines": [dataclasses.replace(good.lines[0], quantity=Decimal("0.0001"))]}, "3 decimals"),
        ({"lines": list(good.lines) * 501}, "at most 500"),
        ({"original": back}, "a return itself"),
        ({"returned_at": LATER + timedelta(hours=1)}, "future"),
        ({"returned_at": make.NOW - timedelta(hours=1)}, "before the sale"),
        ({"expected_refund_minor": 999}, r"\$10.00, not to \$9.99"),
    )
    for fields, reason in cases:
        with pytest.raises(returns.ReturnRefused, match=reason):
            returns.record_return(return_=dataclasses.replace(good, **fields), by=None, now=LATER)

    assert Receipt.objects.filter(kind=ReceiptKind.RETURN).count() == 1


def test_a_claimed_receipt_brings_its_returns_along() -> None:
    sale = make.receipt(make.line(make.product(price_minor=500, path="Food"), "2"))
    bring_back(sale, (1, "1"))
    customer = make.customer(registered=True)

    sales.claim_receipt(receipt=sale, customer=customer, by=None, now=LATER)

    profile = CustomerProfile.objects.get(customer=customer)
    assert (profile.receipts, profile.returns, profile.spend_minor) == (1, 1, 500)
    assert list(LoyaltyEntry.objects.order_by("pk").values_list("points", flat=True)) == [10, -5]
    assert points_of(customer) == 5
    assert list(profiles.differences()) == []
    bring_back(sale, (1, "1"))
    assert points_of(customer) == 0
