import dataclasses
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from crm import bell, profiles, sales
from crm.models import ChangeMark, CustomerProfile, LoyaltyEntry, LoyaltyProgramme, Receipt, ReceiptLine, Store
from tests.crm import make
from tests.support.words import in_brackets

pytestmark = pytest.mark.django_db


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run each on a connection of its own, all at the same moment; their results or exceptions, in order."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index: int, call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            results[index] = call()  # type: ignore[call-overload]
        except Exception as error:
            results[index] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(results)


def test_a_sale_is_receipt_lines_profile_points_and_mark_at_once() -> None:
    customer = make.customer(card="29000001")
    milk = make.product("Milk", price_minor=129, path="Food > Dairy")
    ham = make.product("Ham", price_minor=1990, path="Food > Meat")
    ChangeMark.objects.all().delete()

    receipt = make.receipt(
        make.line(milk, "2"), make.line(ham, "0.325", discount_minor=47), customer=customer, payment="card"
    )

    receipt.refresh_from_db()
    assert (receipt.external_id, receipt.total_minor, receipt.discount_minor) == ("main-000001", 858, 47)
    assert list(
        receipt.lines.order_by("position").values_list(
            "position", "product", "customer", "sold_on", "quantity", "unit_price", "discount_minor", "total_minor"
        )
    ) == [
        (1, milk.pk, customer.pk, receipt.sold_on, Decimal(2), Decimal("1.29"), 0, 258),
        (2, ham.pk, customer.pk, receipt.sold_on, Decimal("0.325"), Decimal("19.90"), 47, 600),
    ]
    profile = CustomerProfile.objects.get(customer=customer)
    assert (profile.receipts, profile.spend_minor, profile.units, profile.points) == (1, 858, Decimal("2.325"), 8)
    assert list(
        customer.categories.order_by("category__path").values_list("category__path", "receipts", "spend_minor")
    ) == [("Food", 1, 858), ("Food > Dairy", 1, 258), ("Food > Meat", 1, 600)]
    assert list(LoyaltyEntry.objects.values_list("key", "points", "card__number")) == [
        (f"earn:{receipt.pk}", 8, "29000001")
    ]
    assert list(ChangeMark.objects.values_list("customer", flat=True)) == [customer.pk]
    assert list(profiles.differences()) == []


def test_a_guests_sale_changes_no_customer() -> None:
    make.customer(card="29000001")
    ChangeMark.objects.all().delete()

    make.receipt()

    assert ReceiptLine.objects.get().customer_id is None
    assert (ChangeMark.objects.count(), LoyaltyEntry.objects.count()) == (0, 0)
    assert CustomerProfile.objects.get().receipts == 0


@pytest.mark.parametrize(("registered", "points"), [(False, 0), (True, 20)])
def test_only_members_earn_points(registered: bool, points: int) -> None:
    LoyaltyProgramme(points_per_unit=2).save()
    customer = make.customer(registered=registered)

    make.receipt(make.line(make.product(price_minor=1099)), customer=customer)

    assert CustomerProfile.objects.get(customer=customer).points == points


def test_the_same_key_and_content_is_one_sale() -> None:
    customer = make.customer(registered=True)
    sale = make.sale(customer=customer)
    first = sales.record_sale(sale=sale, by=None, now=make.NOW)

    again = sales.record_sale(sale=sale, by=None, now=make.NOW + timedelta(minutes=1))

    assert (again.pk, again.sold_at) == (first.pk, make.NOW)
    assert (Receipt.objects.count(), LoyaltyEntry.objects.count(), ChangeMark.objects.count()) == (1, 1, 2)
    assert CustomerProfile.objects.get().receipts == 1


def test_a_repeat_returns_the_first_sale_even_where_the_price_changed_since() -> None:
    milk = make.product(price_minor=100)
    sale = make.sale(make.line(milk))
    first = sales.record_sale(sale=sale, by=None, now=make.NOW)
    milk.price_minor = 200
    milk.save()

    assert sales.record_sale(sale=sale, by=None, now=make.NOW).pk == first.pk


def test_the_same_key_with_other_content_is_refused_and_names_the_receipt() -> None:
    key, milk = uuid.uuid4(), make.product()
    make.receipt(make.line(milk), client_key=key)

    with pytest.raises(sales.SaleClash, match="main-000001"):
        make.receipt(make.line(milk, "2"), client_key=key)

    assert Receipt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_key_from_four_connections_at_once_is_one_sale() -> None:
    customer = make.customer(registered=True)
    sale = make.sale(customer=customer)

    results = at_once(*[lambda: sales.record_sale(sale=sale, by=None, now=make.NOW).pk] * 4)

    assert results == [Receipt.objects.get().pk] * 4
    assert list(profiles.differences()) == []
    assert make.receipt().external_id == "main-000002"


@pytest.mark.django_db(transaction=True)
def test_sales_of_one_store_at_once_get_numbers_of_their_own_without_gaps() -> None:
    customer, milk = make.customer(registered=True), make.product(path="Food > Dairy")
    ham = make.product(path="Food > Meat")
    ten = [
        make.sale(*[make.line(item) for item in (milk, ham)[:: 1 - n % 2 * 2]], customer=customer) for n in range(10)
    ]

    at_once(*[lambda sale=sale: sales.record_sale(sale=sale, by=None, now=make.NOW) for sale in ten])

    assert sorted(Receipt.objects.values_list("external_id", flat=True)) == [f"main-{n:06d}" for n in range(1, 11)]
    assert CustomerProfile.objects.get().receipts == 10
    assert list(profiles.differences()) == []


def test_a_sale_that_fails_halfway_leaves_nothing_and_no_gap() -> None:
    customer = make.customer(registered=True)
    with mock.patch("crm.loyalty.earn", side_effect=RuntimeError), pytest.raises(RuntimeError):
        make.receipt(customer=customer)

    assert (Receipt.objects.count(), CustomerProfile.objects.get().receipts) == (0, 0)
    assert make.receipt(customer=customer).external_id == "main-000001"


def test_a_till_passes_over_numbers_that_are_taken() -> None:
    for number in ("main-000001", "main-000002", "main-000004"):
        make.receipt(number=number)
    make.receipt(number="main-000003", source="web")
    assert [make.receipt().external_id for _ in range(3)] == ["main-000003", "main-000005", "main-000006"]

    Store.objects.update(receipts_numbered=999_999)
    make.receipt(number="main-1000000")
    assert make.receipt().external_id == "main-1000001"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"quantity": "100001"}, "quantity"),
        ({"quantity": "0.0001"}, "decimals"),
        ({"price": "-0.01"}, "price"),
        ({"price": "Infinity"}, "price"),
        ({"discount_minor": 1001}, "discount"),
        ({"discount_minor": -1}, "discount"),
    ],
)
def test_a_line_that_cannot_be_right_is_refused_by_position_and_name(line: dict, reason: str) -> None:
    with pytest.raises(sales.SaleRefused, match=rf"Line 2, Milk: .*{reason}"):
        make.receipt(make.line(make.product()), make.line(make.product("Milk"), **line))

    assert not Receipt.objects.exists()


def test_a_sale_that_cannot_be_right_is_refused() -> None:
    unpriced = make.product(price_minor=None)
    closed = make.customer()
    closed.erased_at = make.NOW
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"lines": ()}, "at least one"),
        ({"lines": (make.line(unpriced),)}, "no price"),
        ({"lines": [make.line(make.product())] * 501}, "at most 500"),
        ({"lines": (make.line(make.product(), "1001", "9999999.99"),)}, "more than the till takes"),
        ({"sold_at": make.NOW + timedelta(hours=1)}, "future"),
        ({"customer": closed}, "closed"),
        ({"expected_total_minor": 999}, r"\$10.00, not to \$9.99"),
    )
    for fields, reason in cases:
        with pytest.raises(sales.SaleRefused, match=reason):
            sales.record_sale(sale=dataclasses.replace(make.sale(), **fields), by=None, now=make.NOW)

    assert make.receipt(make.line(unpriced, price="2.50")).total_minor == 250


@given(
    quantity=st.decimals(min_value="0.001", max_value=1000, places=3),
    price=st.decimals(min_value=0, max_value=1000, places=4),
)
def test_line_totals_are_rounded_half_up_exactly(quantity: Decimal, price: Decimal) -> None:
    total = sales.line_total_minor(quantity=quantity, unit_price=price, discount_minor=0)

    # In whole ten-millionths of a cent, so that no other rounding takes part.
    exact = int(quantity * 1000) * int(price * 10_000)
    assert total == (exact * 100 * 2 + 10_000_000) // (2 * 10_000_000)


def test_a_sale_takes_few_round_trips(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    customer = make.customer(card="29000001")
    sale = make.sale(*[make.line(make.product(path=f"Food > {n}")) for n in range(3)], customer=customer)

    with django_assert_num_queries(16):
        sales.record_sale(sale=sale, by=None, now=make.NOW)


def test_the_bell_rings_after_the_commit_and_a_dead_broker_breaks_nothing(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung = []
    monkeypatch.setattr(bell, "ring", lambda task, **arguments: rung.append((task, arguments)))
    with django_capture_on_commit_callbacks(execute=True):
        make.receipt(customer=make.customer())
        assert rung == []

    assert rung == [("segments.tasks.refresh_marked", {})]


def test_a_claimed_receipt_counts_for_its_customer_and_is_logged() -> None:
    by = User.objects.create_user("shop")
    receipt = make.receipt(make.line(make.product(path="Food", price_minor=550)))
    customer = make.customer(registered=True)
    ChangeMark.objects.all().delete()

    with in_brackets():
        assert sales.claim_receipt(receipt=receipt, customer=customer, by=by) is True
        assert sales.claim_receipt(receipt=receipt, customer=customer, by=by) is False

    assert ReceiptLine.objects.get().customer_id == customer.pk
    profile = CustomerProfile.objects.get(customer=customer)
    assert (profile.receipts, profile.spend_minor, profile.points) == (1, 550, 5)
    assert ChangeMark.objects.count() == 1
    assert LogEntry.objects.get().change_message == f"[Claimed for customer {customer.number}.]"
    assert list(profiles.differences()) == []
    with pytest.raises(sales.SaleRefused):
        sales.claim_receipt(receipt=receipt, customer=make.customer("Liga Ozola"), by=by)


@pytest.mark.django_db(transaction=True)
def test_two_customers_claiming_one_receipt_at_once_leave_it_with_one() -> None:
    receipt, people = make.receipt(), [make.customer(), make.customer("Liga Ozola")]

    results = at_once(
        *[
            lambda customer=customer: sales.claim_receipt(
                receipt=Receipt.objects.get(pk=receipt.pk), customer=customer, by=None
            )
            for customer in people
        ]
    )

    assert sorted(str(type(result).__name__) for result in results) == ["SaleRefused", "bool"]
    assert list(profiles.differences()) == []


def test_the_database_refuses_to_edit_a_sale() -> None:
    receipt = make.receipt()

    with pytest.raises(Exception, match="Facts are never edited"), transaction.atomic():
        Receipt.objects.filter(pk=receipt.pk).update(total_minor=1)
