"""Receipts through the API: recorded once, refused whole."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from crm.models import CustomerProfile, LoyaltyEntry, Receipt
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> APIClient:
    """An online shop that may ring up sales; the store, a customer and two products are there."""
    cache.clear()
    make.store()
    make.customer(number="C1", card="29001")
    make.product("Milk", sku="MILK", price_minor=129)
    make.product("Ham", sku="HAM", price_minor=1990)
    client = APIClient()
    client.force_authenticate(person("Administrator"))
    return client


def sale(**changes: Any) -> dict[str, Any]:
    return {
        "store": "main",
        "customer": "C1",
        "sold_at": "2026-05-20T14:30:00+03:00",
        "number": "WEB-1",
        "source": "online-shop",
        "payment": "card",
        "lines": [{"sku": "MILK", "quantity": 2}, {"sku": "HAM", "quantity": "0.325", "discount": "0.47"}],
        **changes,
    }


def post(client: APIClient, body: dict[str, Any], key: object = None) -> Any:
    headers = {"Idempotency-Key": str(key)} if key else {}
    return client.post("/api/receipts/", body, format="json", headers=headers)


def test_a_sale_is_recorded_with_everything_that_follows_from_it(shop: APIClient) -> None:
    answer = post(shop, sale(total="8.58"), uuid.uuid4())
    assert answer.status_code == 201, answer.content
    receipt = Receipt.objects.get()
    shown = answer.json()
    recorded_at = datetime.fromisoformat(shown.pop("recorded_at"))
    assert recorded_at == receipt.recorded_at
    assert datetime.fromisoformat(shown.pop("sold_at")) == datetime(2026, 5, 20, 11, 30, tzinfo=UTC)
    assert shown == {
        "id": str(receipt.public_id),
        "source": "online-shop",
        "number": "WEB-1",
        "kind": "sale",
        "channel": "online",
        "store": "main",
        "customer": "C1",
        "returns": None,
        "sold_on": "2026-05-20",
        "payment": "card",
        "total": "8.58",
        "discount": "0.47",
        "currency": "USD",
        "lines": [
            {
                "position": 1,
                "sku": "MILK",
                "name": "Milk",
                "quantity": "2",
                "unit_price": "1.29",
                "discount": "0.00",
                "total": "2.58",
            },
            {
                "position": 2,
                "sku": "HAM",
                "name": "Ham",
                "quantity": "0.325",
                "unit_price": "19.9",
                "discount": "0.47",
                "total": "6.00",
            },
        ],
    }
    assert CustomerProfile.objects.get(customer__number="C1").spend_minor == 858
    assert LoyaltyEntry.objects.get().points == 8
    assert shop.get(f"/api/receipts/{receipt.public_id}/").json()["id"] == str(receipt.public_id)


def test_the_same_sale_sent_again_returns_the_first(shop: APIClient) -> None:
    key = uuid.uuid4()
    first, again = post(shop, sale(), key), post(shop, sale(), key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Receipt.objects.count() == LoyaltyEntry.objects.count() == 1


def test_the_key_may_stand_in_the_body_and_must_agree_with_the_header(shop: APIClient) -> None:
    key = str(uuid.uuid4())
    assert post(shop, sale(client_key=key)).status_code == 201
    assert post(shop, sale(client_key=key), key).status_code == 200
    answer = post(shop, sale(client_key=key), uuid.uuid4())
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["client_key"])


def test_other_content_under_the_same_key_is_a_clash(shop: APIClient) -> None:
    key = uuid.uuid4()
    post(shop, sale(), key)
    answer = post(shop, sale(payment="cash"), key)
    assert answer.status_code == 409
    assert "WEB-1" in answer.json()["errors"]["non_field_errors"][0]
    assert Receipt.objects.get().payment == "card"


def test_a_receipt_number_is_used_once_a_source(shop: APIClient) -> None:
    assert post(shop, sale(), uuid.uuid4()).status_code == 201
    answer = post(shop, sale(), uuid.uuid4())
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["number"])
    assert post(shop, sale(source="other-shop"), uuid.uuid4()).status_code == 201


def test_without_a_number_the_store_gives_the_next_one_and_without_a_customer_it_is_a_guests(shop: APIClient) -> None:
    answer = post(shop, {"store": "main", "lines": [{"sku": "MILK"}]}, uuid.uuid4())
    assert answer.status_code == 201, answer.content
    assert (answer.json()["number"], answer.json()["customer"]) == ("main-000001", None)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"lines": []}, {"lines": {"non_field_errors": ["This list may not be empty."]}}),
        ({"store": "moon"}, {"store": ["There is no store “moon”."]}),
        ({"customer": "C9"}, {"customer": ["There is no customer “C9”."]}),
        ({"costumer": "C1"}, {"costumer": ["There is no such field."]}),
        ({"source": "till"}, {"source": ["“till” is the name of the shop's own till."]}),
        (
            {"lines": [{"sku": "MILK"}, {"sku": "MLIK"}]},
            {"lines": {"1": {"sku": ["There is no product “MLIK”."]}}},
        ),
        (
            {"lines": [{"sku": "MILK", "qty": 2}]},
            {"lines": {"0": {"qty": ["There is no such field."]}}},
        ),
        (
            {"lines": [{"sku": "MILK", "quantity": "-1"}]},
            {"non_field_errors": ["Line 1, Milk: the quantity must be more than 0 and at most 100000."]},
        ),
        (
            {"total": "8.59"},
            {"non_field_errors": ["The lines come to $8.58, not to $8.59 as shown. Check them and pay again."]},
        ),
        ({"sold_at": "2999-01-01T00:00:00Z"}, {"non_field_errors": ["The sale lies in the future. Check the clock."]}),
    ],
)
def test_a_sale_that_cannot_be_right_is_refused_whole_and_says_why(
    shop: APIClient, changes: dict[str, Any], errors: dict[str, Any]
) -> None:
    answer = post(shop, sale(**changes), uuid.uuid4())
    assert (answer.status_code, answer.json()["errors"]) == (400, errors)
    assert not Receipt.objects.exists()


def test_a_sale_without_a_key_of_its_own_is_refused(shop: APIClient) -> None:
    answer = post(shop, sale())
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["client_key"])
    answer = post(shop, sale(), "soon")
    assert (answer.status_code, answer.json()["errors"]) == (400, {"Idempotency-Key": ["This is not a UUID."]})


def test_an_account_that_may_not_look_customers_up_cannot_try_their_numbers(shop: APIClient) -> None:
    from django.contrib.auth.models import Permission

    user = person("Shop staff")
    user.groups.clear()
    user.user_permissions.add(Permission.objects.get(codename="ring_up_sale"))
    shop.force_authenticate(type(user).objects.get(pk=user.pk))
    assert post(shop, sale(), uuid.uuid4()).json()["errors"] == {"customer": ["Your account may not name customers."]}
    answer = post(shop, sale(customer="C9"), uuid.uuid4())
    assert answer.json()["errors"] == {"customer": ["Your account may not name customers."]}


def test_receipts_are_filtered(shop: APIClient) -> None:
    first = make.receipt(customer=None, now=datetime(2026, 5, 1, 12, tzinfo=UTC))
    post(shop, sale(), uuid.uuid4())
    web = Receipt.objects.get(source="online-shop")

    def found(**asked: Any) -> list[str]:
        answer = shop.get("/api/receipts/", asked)
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    till, online = str(first.public_id), str(web.public_id)
    assert found() == [till, online]
    assert found(customer="C1") == found(source="online-shop") == found(number="WEB-1") == [online]
    assert found(channel="online") == found(sold_from="2026-05-02") == [online]
    assert found(sold_until="2026-05-01") == found(channel="till") == [till]
    assert found(kind="return") == found(store="other") == found(recorded_since="2999-01-01T00:00:00Z") == []


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_receipt_is_never_edited(shop: APIClient, method: str) -> None:
    receipt = make.receipt()
    assert getattr(shop, method)(f"/api/receipts/{receipt.public_id}/", {}, format="json").status_code in (403, 405)
