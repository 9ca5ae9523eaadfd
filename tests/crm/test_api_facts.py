"""Consents, points, wishlists, reviews and visits through the API."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from crm import customers
from crm.models import ChangeMark, Consent, Customer, CustomerProfile, Review, WebVisit, WishlistItem
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> APIClient:
    """An online shop; a customer and a product are there."""
    cache.clear()
    make.customer(number="C1", card="29001")
    make.product("Milk", sku="MILK", price_minor=129)
    ChangeMark.objects.all().delete()
    client = APIClient()
    client.force_authenticate(person("Administrator"))
    return client


def consent(**changes: Any) -> dict[str, Any]:
    return {
        "customer": "C1",
        "channel": "email",
        "granted": True,
        "stated_at": "2026-05-20T14:30:00+03:00",
        "source": "checkout",
        "wording": "Yes, write to me.",
        **changes,
    }


def test_a_consent_is_recorded_and_the_same_one_again_is_the_first(shop: APIClient) -> None:
    answers = [shop.post("/api/consents/", consent(), format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    said = Consent.objects.get()
    assert (said.stated_at, said.source, said.purpose) == (
        datetime(2026, 5, 20, 11, 30, tzinfo=UTC),
        "checkout",
        "marketing",
    )
    assert said.recorded_by is not None
    assert CustomerProfile.objects.get().consent_email is True
    assert ChangeMark.objects.count() == 1


def test_an_older_yes_does_not_beat_a_newer_no(shop: APIClient) -> None:
    shop.post("/api/consents/", consent(granted=False), format="json")
    shop.post("/api/consents/", consent(stated_at="2026-05-01T00:00:00Z"), format="json")
    assert CustomerProfile.objects.get().consent_email is False
    assert Consent.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"customer": "C9"}, "customer"),
        ({"channel": "pigeon"}, "channel"),
        ({"channel": None}, "channel"),
        ({"purpose": "sensitive"}, "channel"),
        ({"stated_at": "2999-01-01T00:00:00Z"}, "stated_at"),
        ({"granted": "perhaps"}, "granted"),
        ({"purpose": "everything"}, "purpose"),
        ({"by": "me"}, "by"),
    ],
)
def test_a_consent_that_cannot_be_right_is_refused_by_field(
    shop: APIClient, changes: dict[str, Any], field: str
) -> None:
    answer = shop.post("/api/consents/", consent(**changes), format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Consent.objects.exists()


def test_sensitive_data_are_agreed_to_without_a_channel(shop: APIClient) -> None:
    body = consent(purpose="sensitive")
    del body["channel"]
    assert shop.post("/api/consents/", body, format="json").status_code == 201
    assert CustomerProfile.objects.get().consent_email is False


def test_cards_tell_their_owner_and_the_balance(shop: APIClient) -> None:
    customer = Customer.objects.get()
    make.receipt(make.line(make.product(price_minor=1290)), customer=customer)
    assert shop.get("/api/cards/29001/").json()["points"] == 12
    [entry] = shop.get("/api/loyalty-entries/", {"customer": "C1", "kind": "earn"}).json()["results"]
    assert (entry["points"], entry["card"], entry["receipt"] is not None) == (12, "29001", True)
    Customer.objects.update(erased_at=make.NOW)
    assert shop.get("/api/cards/29001/").status_code == 404


def test_a_wish_is_there_once_until_it_is_taken_off(shop: APIClient) -> None:
    body = {"customer": "C1", "sku": "MILK", "added_at": "2026-05-20T12:00:00Z"}
    first, again = (shop.post("/api/wishlist/", body, format="json") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert ChangeMark.objects.count() == 1
    address = f"/api/wishlist/{first.json()['id']}/"
    assert [shop.delete(address).status_code for _ in range(2)] == [204, 204]
    assert ChangeMark.objects.count() == 2
    assert shop.get("/api/wishlist/", {"wished": "true"}).json()["results"] == []
    assert len(shop.get("/api/wishlist/", {"wished": "false", "sku": "MILK"}).json()["results"]) == 1
    assert shop.post("/api/wishlist/", body, format="json").status_code == 201
    assert WishlistItem.objects.count() == 2


def review(**changes: Any) -> dict[str, Any]:
    said = {"customer": "C1", "sku": "MILK", "rating": 4, "text": "Tasty", "written_at": "2026-05-20T12:00:00Z"}
    return {"client_key": str(uuid.uuid4()), **said, **changes}


def test_a_review_sent_twice_is_one_and_other_content_clashes(shop: APIClient) -> None:
    body = review()
    answers = [shop.post("/api/reviews/", one, format="json") for one in (body, body, {**body, "rating": 1})]
    assert [answer.status_code for answer in answers] == [201, 200, 409]
    assert Review.objects.get().rating == 4


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"sku": "NOPE"}, "sku"),
        ({"written_at": "2999-01-01T00:00:00Z"}, "non_field_errors"),
        ({"text": "\x00"}, "text"),
    ],
)
def test_a_review_that_cannot_be_right_is_refused(shop: APIClient, changes: dict[str, Any], field: str) -> None:
    answer = shop.post("/api/reviews/", review(**changes), format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Review.objects.exists()


def visit(**changes: Any) -> dict[str, Any]:
    seen = {"visitor": "browser-1", "path": "/milk", "visited_at": "2026-05-20T23:30:00Z"}
    return {"client_key": str(uuid.uuid4()), **seen, **changes}


def test_visits_come_many_at_once_and_once_each(shop: APIClient) -> None:
    known = visit(customer="C1")
    body = {"visits": [known, visit(), visit(referrer="https://example.org/")]}
    answers = [shop.post("/api/visits/", body, format="json") for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(201, {"recorded": 3})] * 2
    assert WebVisit.objects.count() == 3
    assert [row["path"] for row in shop.get("/api/visits/", {"customer": "C1"}).json()["results"]] == ["/milk"]
    assert WebVisit.objects.get(client_key=known["client_key"]).customer == customers.live().get()


def test_one_bad_visit_is_named_and_none_is_kept(shop: APIClient) -> None:
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    assert shop.post("/api/visits/", {"visits": [visit(), visit(visited_at=later)]}, format="json").status_code == 400
    answer = shop.post("/api/visits/", {"visits": [visit(), visit(customer="C9")]}, format="json")
    assert answer.json()["detail"] == "visits.1.customer: There is no customer “C9”."
    assert shop.post("/api/visits/", {"visits": []}, format="json").status_code == 400
    assert not WebVisit.objects.exists()


@pytest.mark.parametrize("address", ["customers/%00/", "cards/%00/", "products/%00/", "reviews/99999999999999999999/"])
def test_what_no_key_can_be_is_not_found(shop: APIClient, address: str) -> None:
    assert shop.get(f"/api/{address}").status_code == 404


def test_a_made_up_page_is_not_found(shop: APIClient) -> None:
    assert shop.get("/api/customers/", {"cursor": "cD0lMDA="}).status_code == 404
