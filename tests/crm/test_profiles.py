import threading
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm import marks, profiles
from crm.models import (
    ChangeMark,
    Consent,
    Customer,
    CustomerCategory,
    CustomerProfile,
    LoyaltyEntry,
    Product,
    Receipt,
    ReceiptKind,
    ReceiptLine,
)
from crm.profiles import Difference
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt

DAY = date(2026, 3, 2)


def stored() -> dict[str, Any]:
    """Everything the profiles say, by customer number and by category path."""
    return {
        "profiles": {
            profile.customer.number: {column: getattr(profile, column) for column in profiles.PROFILE_COLUMNS}
            for profile in CustomerProfile.objects.select_related("customer")
        },
        "categories": {
            (row.customer.number, row.category.path): {
                column: getattr(row, column) for column in profiles.CATEGORY_COLUMNS
            }
            for row in CustomerCategory.objects.select_related("customer", "category")
        },
    }


def counted_by_hand(customers: Iterable[Customer]) -> dict[str, Any]:
    """The same, counted line by line in Python from the facts."""
    nothing = {column: 0 for column in profiles.PROFILE_COLUMNS if not column.startswith(("consent", "first", "last"))}
    blank = {"first_sold_on": None, "last_sold_on": None}
    no = {column: False for column in profiles.PROFILE_COLUMNS if column.startswith("consent")}
    found: dict[str, Any] = {customer.number: {**nothing, **blank, **no} for customer in customers}
    categories: dict[tuple[str, str], dict[str, Any]] = defaultdict(
        lambda: {"receipts": 0, "units": 0, "spend_minor": 0, **blank}
    )
    for receipt in Receipt.objects.exclude(customer=None).select_related("customer"):
        assert receipt.customer is not None
        number, is_sale = receipt.customer.number, receipt.kind == ReceiptKind.SALE
        rows = [found[number]]
        found[number]["receipts" if is_sale else "returns"] += 1
        found[number]["discount_minor"] += receipt.discount_minor
        seen = set()
        for line in ReceiptLine.objects.filter(receipt=receipt).select_related("product__category"):
            found[number]["units"] += line.quantity
            found[number]["spend_minor"] += line.total_minor
            category = line.product.category
            while category is not None:
                row = categories[number, category.path]
                row["units"] += line.quantity
                row["spend_minor"] += line.total_minor
                if category.path not in seen:
                    seen.add(category.path)
                    rows.append(row)
                    row["receipts"] += is_sale
                category = category.parent
        if is_sale:
            for row in rows:
                row["first_sold_on"] = min(row["first_sold_on"] or receipt.sold_on, receipt.sold_on)
                row["last_sold_on"] = max(row["last_sold_on"] or receipt.sold_on, receipt.sold_on)
    return {"profiles": found, "categories": dict(categories)}


LINES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["0", "1", "2", "0.355"]), st.integers(0, 9_999)),
    min_size=1,
    max_size=4,
)
RECEIPTS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(list(ReceiptKind)), st.integers(0, 30), LINES, st.integers(0, 200)),
    max_size=12,
)
CUTS = st.lists(st.integers(1, 4), min_size=12, max_size=12)


class AnyOrderOfReceipts(TestCase):
    """Sales and returns of three customers and guests, in any order of days, applied in batches of any size."""

    customers: list[Customer]
    products: list[Product]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.customers = [a_customer() for _ in range(3)]
        paths = ["Food > Dairy > Milk", "Food > Dairy", "Food", "Home"]
        cls.products = [a_product(path, make.category(path)) for path in paths] + [a_product("none")]

    @settings(max_examples=40, deadline=None)
    @given(receipts=RECEIPTS, cuts=CUTS)
    def test_leaves_the_profile_that_a_recount_in_python_finds(
        self, receipts: list[tuple[int, ReceiptKind, int, list[tuple[int, str, int]], int]], cuts: list[int]
    ) -> None:
        pending: list[int] = []
        for (who, kind, day, lines, discount), size in zip(receipts, cuts, strict=False):
            sign = -1 if kind == ReceiptKind.RETURN else 1
            pending.append(
                a_receipt(
                    (*self.customers, None)[who],
                    [(self.products[p], str(sign * Decimal(quantity)), sign * minor) for p, quantity, minor in lines],
                    sold_on=DAY + timedelta(days=day),
                    kind=kind,
                    discount_minor=sign * discount,
                ).pk
            )
            if len(pending) >= size:
                profiles.apply_receipts(receipt_ids=pending)
                pending = []
        profiles.apply_receipts(receipt_ids=pending)

        by_hand = counted_by_hand(Customer.objects.filter(receipts__isnull=False).distinct())
        assert stored() == by_hand
        assert [d for d in profiles.differences() if d.column != "profile"] == []

        CustomerCategory.objects.update(receipts=99, last_sold_on=None)
        CustomerProfile.objects.update(units=-1, spend_minor=7)
        profiles.recount()
        assert stored() == counted_by_hand(self.customers)
        assert profiles.differences() == []


@pytest.mark.django_db
def test_differences_name_the_customer_category_and_value() -> None:
    dairy = make.category("Food > Dairy")
    assert dairy.parent is not None
    ann, bob = a_customer(), a_customer()
    receipt = a_receipt(ann, [(a_product("milk", dairy), "1", 250)], sold_on=DAY)
    profiles.apply_receipts(receipt_ids=[receipt.pk])
    CustomerProfile.objects.filter(customer=ann).update(spend_minor=1, consent_sms=True)
    CustomerCategory.objects.filter(category=dairy).update(receipts=3)
    CustomerCategory.objects.filter(category=dairy.parent).delete()
    stray = CustomerCategory.objects.create(customer=bob, category=dairy)
    LoyaltyEntry.objects.create(customer=ann, kind=LoyaltyEntry.Kind.EARN, points=5, key="earn:1")

    expected = [
        Difference(ann.pk, None, "spend_minor", 1, 250),
        Difference(ann.pk, None, "points", 0, 5),
        Difference(ann.pk, None, "consent_sms", True, False),
        Difference(bob.pk, None, "profile", False, True),
        Difference(ann.pk, dairy.parent.pk, "category", False, True),
        Difference(ann.pk, dairy.pk, "receipts", 3, 1),
        Difference(bob.pk, stray.category_id, "category", True, False),
    ]
    assert sorted(profiles.differences(), key=str) == sorted(expected, key=str)
    assert profiles.differences(customer_ids=[bob.pk]) == [expected[3], expected[6]]


@pytest.mark.django_db
def test_recount_takes_points_from_the_ledger_and_each_channels_newest_statement() -> None:
    ann = a_customer()
    for number, points in enumerate((10, -3)):
        LoyaltyEntry.objects.create(customer=ann, kind=LoyaltyEntry.Kind.ADJUST, points=points, key=f"adjust:{number}")
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    statements = [
        ("email", True, noon),
        ("email", False, noon - timedelta(days=1)),  # recorded later, but said earlier
        ("sms", True, noon),
        ("sms", False, noon),  # said at the same instant, recorded later
        ("post", True, noon),
    ]
    for channel, granted, stated_at in statements:
        Consent.objects.create(customer=ann, channel=channel, granted=granted, stated_at=stated_at, source="test")

    profiles.recount(customer_ids=[ann.pk])

    profile = CustomerProfile.objects.get(customer=ann)
    assert (
        profile.points,
        profile.consent_email,
        profile.consent_sms,
        profile.consent_phone,
        profile.consent_post,
    ) == (
        7,
        True,
        False,
        False,
        True,
    )


@pytest.mark.django_db
def test_recount_of_some_customers_leaves_the_others_alone() -> None:
    ann, bob = a_customer(), a_customer()
    CustomerProfile.objects.create(customer=ann, receipts=9)
    CustomerProfile.objects.create(customer=bob, receipts=9)
    CustomerCategory.objects.create(customer=bob, category=make.category("Food"))
    profiles.recount(customer_ids=[])
    profiles.recount(customer_ids=[ann.pk])
    assert list(CustomerProfile.objects.order_by("customer").values_list("receipts", flat=True)) == [0, 9]
    assert CustomerCategory.objects.count() == 1


@pytest.mark.django_db
def test_check_profiles_fails_on_a_difference_and_mends_it_when_asked() -> None:
    ann = a_customer()
    receipt = a_receipt(ann, [(a_product("bread"), "2", 400)], sold_on=DAY)
    profiles.apply_receipts(receipt_ids=[receipt.pk])
    call_command("check_profiles", stdout=(out := StringIO()))
    assert out.getvalue() == "Every profile is what the facts say.\n"

    CustomerProfile.objects.update(units=3)
    with pytest.raises(CommandError, match="1 differences in 1 profiles"):
        call_command("check_profiles", stdout=(out := StringIO()))
    assert out.getvalue() == f"Customer {ann.pk}: units is 3.000, the facts say 2.000.\n"

    call_command("check_profiles", fix=True, stdout=StringIO())
    assert profiles.differences() == []
    assert list(ChangeMark.objects.values_list("customer_id", flat=True)) == [ann.pk]


@pytest.mark.django_db
def test_every_mark_is_a_new_row() -> None:
    ann, bob = a_customer(), a_customer()
    marks.mark_customers(customer_ids=[bob.pk, ann.pk, bob.pk])
    marks.mark_customers(customer_ids=[ann.pk])
    marks.mark_all()
    assert list(ChangeMark.objects.order_by("id").values_list("customer_id", flat=True)) == [
        ann.pk,
        bob.pk,
        ann.pk,
        None,
    ]


@pytest.mark.django_db(transaction=True)
def test_two_transactions_on_the_same_customers_neither_deadlock_nor_lose() -> None:
    milk = a_product("milk", make.category("Food > Dairy"))
    ann, bob = a_customer(), a_customer()
    rounds = 15
    start = threading.Barrier(3)
    problems: list[Exception] = []

    def sell(customers: tuple[Customer, Customer]) -> None:
        try:
            start.wait()
            for _ in range(rounds):
                with transaction.atomic():
                    receipts = [a_receipt(customer, [(milk, "1", 100)], sold_on=DAY).pk for customer in customers]
                    profiles.apply_receipts(receipt_ids=receipts)
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    def count_again() -> None:
        try:
            start.wait()
            for _ in range(rounds):
                profiles.recount()
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=sell, args=[(ann, bob)]),
        threading.Thread(target=sell, args=[(bob, ann)]),
        threading.Thread(target=count_again),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert problems == []
    assert set(CustomerProfile.objects.values_list("receipts", "spend_minor")) == {(2 * rounds, 2 * rounds * 100)}
    assert set(CustomerCategory.objects.values_list("receipts", "units")) == {(2 * rounds, Decimal(2 * rounds))}
    assert profiles.differences() == []
