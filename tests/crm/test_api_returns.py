"""Returns through the API, points that pay, and where a customer stands in the programme."""

import uuid
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from crm.models import CustomerProfile, LoyaltyProgramme, Receipt, Tier
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> APIClient:
    cache.clear()
    make.store()
    make.product("Milk", sku="MILK", price_minor=129)
    make.customer(number="C1", card="29001")
    client = APIClient()
    client.force_authenticate(person("Administrator"))
    return client


def sold(client: APIClient, **changes: Any) -> dict[str, Any]:
    body = {"store": "main", "customer": "C1", "lines": [{"sku": "MILK", "quantity": 10}], **changes}
    answer = client.post("/api/receipts/", body, format="json", headers={"Idempotency-Key": str(uuid.uuid4())})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def back(client: APIClient, body: dict[str, Any], key: uuid.UUID | None = None) -> Any:
    headers = {"Idempotency-Key": str(key or uuid.uuid4())}
    return client.post("/api/returns/", {"store": "main", **body}, format="json", headers=headers)


def test_a_part_comes_back_once_however_often_it_is_sent(shop: APIClient) -> None:
    original = sold(shop)
    body = {"original": original["id"], "lines": [{"position": 1, "quantity": 4}], "refund": "5.16"}
    key = uuid.uuid4()
    first, again = back(shop, body, key), back(shop, body, key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    shown = first.json()
    assert (shown["kind"], shown["total"], shown["returns"], shown["customer"]) == (
        "return",
        "-5.16",
        original["id"],
        "C1",
    )
    profile = CustomerProfile.objects.get()
    assert (profile.receipts, profile.returns, profile.spend_minor, profile.points) == (1, 1, 1290 - 516, 7)
    other = back(shop, {**body, "lines": [{"position": 1}]}, key)
    assert other.status_code == 409


def test_never_more_than_was_bought(shop: APIClient) -> None:
    original = sold(shop)
    assert back(shop, {"original": original["id"], "lines": [{"position": 1, "quantity": 8}]}).status_code == 201
    answer = back(shop, {"original": original["id"], "lines": [{"position": 1, "quantity": 3}]})
    assert (answer.status_code, "2 can still be brought back" in answer.json()["detail"]) == (400, True)
    assert Receipt.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"lines": [{"position": 9}]}, "lines"),
        ({"lines": [{"sku": "MILK"}]}, "lines"),
        ({"lines": []}, "lines"),
        ({"original": str(uuid.uuid4()), "lines": [{"position": 1}]}, "original"),
        ({"original": "nonsense", "lines": [{"position": 1}]}, "original"),
        ({"customer": "C1", "lines": [{"position": 1}]}, "customer"),
        ({"refund": "1.00", "lines": [{"position": 1}]}, "non_field_errors"),
        ({"source": "till", "lines": [{"position": 1}]}, "source"),
    ],
)
def test_a_return_that_cannot_be_right_is_refused_by_field(shop: APIClient, body: dict[str, Any], field: str) -> None:
    answer = back(shop, {"original": sold(shop)["id"], **body})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field]), answer.content
    assert Receipt.objects.count() == 1


def test_without_a_receipt_only_for_those_who_may(shop: APIClient) -> None:
    body = {"customer": "C1", "lines": [{"sku": "MILK", "quantity": 2, "unit_price": "1.00"}]}
    answer = back(shop, body)
    assert (answer.status_code, answer.json()["total"], answer.json()["returns"]) == (201, "-2.00", None)
    shop.force_authenticate(person("Shop staff"))
    assert back(shop, body).status_code == 400
    shop.force_authenticate(person("Marketing"))
    assert back(shop, body).status_code == 403


def test_a_key_is_needed(shop: APIClient) -> None:
    body = {"store": "main", "original": sold(shop)["id"], "lines": [{"position": 1}]}
    answer = shop.post("/api/returns/", body, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["client_key"])


def test_points_pay_and_the_standing_tells_what_is_left(shop: APIClient) -> None:
    LoyaltyProgramme(redeem_points=10, redeem_worth_minor=100).save()
    Tier.objects.create(name="Silver", spend_minor=1000)
    Tier.objects.create(name="Gold", spend_minor=100_000)
    sold(shop)
    paid = sold(shop, redeem_points=10, total="11.90")
    assert paid["discount"] == "1.00"
    shown = shop.get("/api/customers/C1/loyalty/").json()
    assert (shown["points"], shown["spendable"]) == (12 - 10 + 11, 13)
    assert (shown["tier"], shown["next_tier"], shown["spend"]) == ("Silver", "Gold", "24.80")
    assert shown["missing"] == "975.20"


def test_a_token_for_loyalty_alone_sees_the_standing_and_nothing_else(shop: APIClient) -> None:
    from django.contrib.auth.models import User

    from crm import tokens

    root = User.objects.create_superuser("root")
    _, key = tokens.issue_token(user=root, name="app", by=root, scopes=["loyalty:read"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    assert client.get("/api/customers/C1/loyalty/").status_code == 200
    assert client.get("/api/customers/C1/").status_code == 403
