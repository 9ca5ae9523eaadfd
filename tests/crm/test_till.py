import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from crm import loyalty
from crm.models import Consent, Customer, Household, LoyaltyCard, LoyaltyProgramme, Product, Receipt, Store
from tests.crm import make

pytestmark = pytest.mark.django_db


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("anna", first_name="Anna")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(headers={"accept": "application/json"})
    client.force_login(user)
    return client


@pytest.fixture
def till() -> Client:
    return staff("ring_up_sale", "lookup_customer")


def body(product: Product, **fields: Any) -> dict[str, Any]:
    return {
        "key": str(uuid.uuid4()),
        "store": make.store().pk,
        "customer": None,
        "payment": "card",
        "total_minor": 1000,
        "lines": [{"product": product.pk, "quantity": "1", "price": "10.00", "discount_minor": 0}],
        **fields,
    }


def send(till: Client, sale: dict[str, Any]) -> Any:
    return till.post(reverse("till-sale"), json.dumps(sale), content_type="application/json")


TILL_PAGES = ["till", "till-scan", "till-products", "till-customers", "till-customer-form"]


@pytest.mark.parametrize("name", TILL_PAGES)
def test_pages_of_the_till_ask_strangers_to_log_in_and_scripts_get_an_answer_they_can_show(name: str) -> None:
    page = Client().get(reverse(name))
    script = Client(headers={"accept": "application/json"}).get(reverse(name))

    assert (page.status_code, page["Location"]) == (302, f"{reverse('login')}?next={reverse(name)}")
    assert (script.status_code, list(script.json())) == (401, ["message"])


@pytest.mark.parametrize("name", TILL_PAGES)
def test_pages_of_the_till_are_for_those_who_may(name: str) -> None:
    assert staff("view_customer").get(reverse(name)).status_code == 403


def test_who_may_sell_but_not_look_people_up_finds_nobody_not_even_by_card() -> None:
    customer = make.customer(card="29000001")
    seller = staff("ring_up_sale")

    assert seller.get(reverse("till-scan"), {"q": "29000001"}).json() == {"many": False}
    assert seller.get(reverse("till-customers"), {"q": "anna"}).status_code == 403
    assert seller.get(reverse("till-customer", args=[customer.pk])).status_code == 403


def test_the_only_store_is_chosen_by_itself_and_of_several_the_browser_remembers_one(till: Client) -> None:
    main = make.store("main")
    assert till.get(reverse("till")).context["store"] == main

    other = make.store("other")
    assert "store" not in till.get(reverse("till")).context
    till.post(reverse("till-store"), {"store": other.pk})
    assert till.get(reverse("till")).context["store"] == other

    Store.objects.filter(pk=other.pk).update(is_active=False)
    make.store("third")
    assert "store" not in till.get(reverse("till")).context


@pytest.mark.parametrize("store", ["", "0", "x", "9" * 30, "²"])
def test_a_store_that_is_none_is_not_remembered(till: Client, store: str) -> None:
    make.store()
    if len(store) == 30:
        store = "999999999"

    response = till.post(reverse("till-store"), {"store": store})

    assert response.cookies["till_store"].value == ""


def test_a_shop_without_stores_is_told_what_to_do(till: Client) -> None:
    assert "needs a store" in till.get(reverse("till")).content.decode()


def test_the_page_runs_no_inline_script_or_style_and_forbids_them(till: Client) -> None:
    make.store()
    response = till.get(reverse("till"))
    html = response.content.decode()

    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy and "'self'" in policy
    assert "<style" not in html and " style=" not in html and "onclick" not in html and "hx-on" not in html
    assert html.count("<script") == html.count("<script src=") == 2


def test_a_scan_is_a_product_a_card_holder_one_name_or_nothing(till: Client) -> None:
    milk = make.product("Milk", sku="M1", barcode="4006381333931", price_minor=129)
    customer = make.customer(card="29000001")

    def scan(text: str) -> Any:
        return till.get(reverse("till-scan"), {"q": text}).json()

    product = {"id": milk.pk, "sku": "M1", "name": "Milk", "price": "1.29", "price_minor": 129}
    assert scan("4006381333931") == {"product": product}
    assert scan("milk") == {"product": product}
    assert scan("29000001") == {"customer": customer.pk}
    assert scan("29000002") == {"many": False}
    make.product("Milk chocolate")
    assert scan("milk") == {"many": True}


def test_suggestions_show_what_the_counter_needs_and_nothing_more(
    till: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(3):
        make.customer(
            f"Anna Ozola{n}",
            card=f"2900000{n}",
            city="Riga",
            email=f"anna{n}@example.com",
            phone=f"+1 212 555 019{n}",
            birth_date="1980-01-01",
            income_band="100K+",
            opinions=["votes green"],
        )

    # Session, user, 2 of permissions, 4 of the search, cards, points, the book of looks.
    with django_assert_num_queries(11):
        html = till.get(reverse("till-customers"), {"q": "anna"}).content.decode()

    assert "Anna Ozola2" in html and "…0002" in html and "Riga" in html
    for secret in ("anna2@", "0192", "29000002", "1980", "100K", "green"):
        assert secret not in html


def test_the_card_of_a_customer_shows_points_and_what_they_usually_buy(till: Client) -> None:
    customer = make.customer(registered=True, income_band="100K+")
    milk, ham = make.product(path="Food > Dairy"), make.product(path="Food > Meat")
    for lines in ([milk], [milk, ham], [milk]):
        make.receipt(*[make.line(one) for one in lines], customer=customer)

    card = till.get(reverse("till-customer", args=[customer.pk]))

    assert card.context["customer"]["usually"] == ["Dairy"]
    assert card.context["customer"]["person"].points == 40
    assert "100K" not in card.content.decode()


def test_names_are_escaped_wherever_the_till_shows_them(till: Client) -> None:
    customer = make.customer("<script>alert(1)</script> Ozola")
    product = make.product("<img src=x onerror=alert(1)>")

    for page in (
        till.get(reverse("till-customers"), {"q": "<script>"}),
        till.get(reverse("till-customer", args=[customer.pk])),
        till.get(reverse("till-products"), {"q": product.name[:10]}),
        send(till, body(product, customer=customer.pk)),
    ):
        assert page.status_code == 200
        assert b"<script>alert" not in page.content and b"<img src=x" not in page.content


def test_a_sale_is_recorded_by_whoever_is_logged_in_and_sent_twice_it_is_one(till: Client) -> None:
    customer = make.customer(card="29000001")
    sale = body(make.product(), customer=customer.pk)

    first, second = send(till, sale), send(till, sale)

    receipt = Receipt.objects.get()
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.context["receipt"] == first.context["receipt"] == receipt
    assert (receipt.total_minor, receipt.customer, receipt.recorded_by.username) == (1000, customer, "anna")  # type: ignore[union-attr]
    assert "main-000001" in first.content.decode() and "10</strong> points earned" in first.content.decode()


def test_one_key_for_another_sale_says_which_receipt_has_it(till: Client) -> None:
    product = make.product()
    sale = body(product)
    send(till, sale)

    clash = send(till, sale | {"payment": "cash"})

    assert (clash.status_code, clash.json()["clash"], "main-000001" in clash.json()["message"]) == (409, True, True)
    assert Receipt.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "no key"},
        {"lines": []},
        {"lines": "x"},
        {"lines": [{"product": 0, "quantity": "1", "price": "1", "discount_minor": 0}]},
        {"lines": [{"product": "x"}]},
        {"lines": [7]},
        {"customer": 0},
        {"customer": "x"},
        {"store": 0},
        {"payment": "promise"},
        {"total_minor": 1},
        {"total_minor": None},
    ],
)
def test_what_cannot_be_right_is_refused_with_a_reason_and_nothing_is_recorded(till: Client, wrong: dict) -> None:
    response = send(till, body(make.product()) | wrong)

    assert response.status_code == 422
    assert len(response.json()["message"]) > 10
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("field", [{"quantity": "x"}, {"price": ""}, {"price": "NaN"}, {"discount_minor": "1.5"}])
def test_an_unreadable_number_is_refused_by_line_and_product(till: Client, field: dict[str, str]) -> None:
    sale = body(make.product("Milk"))
    sale["lines"][0] |= field

    assert send(till, sale).json()["message"].startswith("Line 1, Milk")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_sale_at_all_is_refused(till: Client, content: bytes) -> None:
    assert till.post(reverse("till-sale"), content, content_type="application/json").status_code == 422


def test_a_forged_request_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))

    assert send(client, body(make.product())).status_code == 403
    assert not Receipt.objects.exists()


def new_customer(till: Client, **fields: str) -> Any:
    return till.post(reverse("till-customers"), {"key": str(uuid.uuid4()), **fields})


def test_a_new_customer_is_a_member_without_consent_unless_the_box_is_ticked(till: Client) -> None:
    plain = new_customer(till, first_name="Anna", email="anna@example.com")
    ticked = new_customer(till, first_name="Liga", email="liga@example.com", marketing="on")

    anna, liga = Customer.objects.order_by("id")
    assert (plain.status_code, ticked.status_code) == (201, 201)
    assert anna.registered_at is not None
    consent = Consent.objects.get()
    assert (consent.customer, consent.granted, consent.source, consent.recorded_by.username) == (  # type: ignore[union-attr]
        liga,
        True,
        "till",
        "anna",
    )
    assert consent.wording == "Our shop may send me news and offers by e-mail. I can stop this at any time."
    assert [anna.profile.consent_email, liga.profile.consent_email] == [False, True]


def test_a_new_customers_form_sent_twice_makes_one_customer_and_one_consent(till: Client) -> None:
    form = {"key": str(uuid.uuid4()), "first_name": "Anna", "email": "anna@example.com", "marketing": "on"}

    assert [new_customer(till, **form).status_code for _ in range(2)] == [201, 201]
    assert (Customer.objects.count(), Consent.objects.count()) == (1, 1)
    assert new_customer(till, **form | {"first_name": "Liga"}).status_code == 422


@pytest.mark.parametrize(
    "fields",
    [
        {"first_name": "Anna"},
        {"email": "no address"},
        {"phone": "12"},
        {"phone": "+1 212 555 0147", "marketing": "on"},
        {"email": "anna@example.com\r\nBcc: all@example.com"},
        {"email": "anna@example.com", "key": "x"},
    ],
)
def test_a_new_customer_that_cannot_be_right_is_shown_why(till: Client, fields: dict[str, str]) -> None:
    response = new_customer(till, **fields)

    assert response.status_code == 422
    assert "error" in response.content.decode()
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    ("typed", "guessed"),
    [
        ("zoe@example.com", {"email": "zoe@example.com"}),
        ("+1 212 555 0147", {"phone": "+1 212 555 0147"}),
        ("Zoe van Dam", {"first_name": "Zoe", "last_name": "van Dam"}),
    ],
)
def test_the_form_begins_with_what_was_typed(till: Client, typed: str, guessed: dict[str, str]) -> None:
    initial = till.get(reverse("till-customer-form"), {"q": typed}).context["form"].initial

    assert {name: value for name, value in initial.items() if name != "key" and value} == guessed


def test_a_lost_card_names_nobody(till: Client) -> None:
    make.customer(card="29000001")
    LoyaltyCard.objects.update(status="lost")

    assert till.get(reverse("till-scan"), {"q": "29000001"}).json() == {"many": False}


def test_a_sale_may_use_points_and_the_card_says_what_they_are_worth(till: Client) -> None:
    LoyaltyProgramme(redeem_points=100, redeem_worth_minor=500).save()
    home = Household.objects.create(number="H1", shares_points=True)
    people = [make.customer(registered=True, household=home) for _ in range(2)]
    for one in people:
        loyalty.adjust_points(customer=one, points=130, reason="Test", by=None, now=make.NOW, key=uuid.uuid4())
    card = till.get(reverse("till-customer", args=[people[0].pk])).content.decode()
    assert 'data-points="260" data-step="100" data-worth="500"' in card
    assert "260 with the household, worth $10.00" in card
    product = make.product(price_minor=1000)
    fields = {"customer": people[0].pk, "total_minor": 500}

    refused = send(till, body(product, **fields | {"total_minor": 0, "redeem_points": 300}))
    answer = send(till, body(product, **fields, redeem_points=100))

    assert refused.status_code == 422
    assert "more than the sale comes to" in refused.json()["message"]
    assert "100 points used" in answer.content.decode()
    assert Receipt.objects.get().total_minor == 500


@pytest.mark.parametrize("points", ["x", None, [], {}, float("inf"), float("nan")])
def test_unreadable_points_are_refused(till: Client, points: Any) -> None:
    answer = send(till, body(make.product(), redeem_points=points))
    assert answer.status_code == 422
    assert not Receipt.objects.exists()
