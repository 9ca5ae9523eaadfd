"""The API's customers and products, and what holds for all of it: who gets in, pages, strict input, the schema."""

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from crm import activity, consents, tokens
from crm.api.throttles import FailedTokens, Requests
from crm.models import ApiToken, ChangeMark, Company, Customer, CustomerCategory, Household, Product
from tests.crm import make
from tests.support.people import PASSWORD, person

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _no_counts_of_others() -> Iterator[None]:
    """Throttles count in the cache, which no transaction takes back."""
    cache.clear()
    yield
    cache.clear()


def client_of(role: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(person(role, f"api-{role.split()[0].lower()}"))
    return client


@pytest.fixture
def administrator() -> APIClient:
    return client_of("Administrator")


@pytest.fixture
def marketing() -> APIClient:
    return client_of("Marketing")


# Who gets in


def token_client(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return client


def issue(user: User, **fields: Any) -> tuple[ApiToken, str]:
    return tokens.issue_token(user=user, name="Online shop", by=User.objects.create_superuser("root"), **fields)


def test_without_logging_in_nothing_is_answered() -> None:
    for path in ("", "customers/", "products/", "receipts/", "segments/", "segments/1/members/"):
        answer = APIClient().get(f"/api/{path}")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")


def test_a_token_opens_what_its_account_may_do_and_remembers_its_last_day() -> None:
    token, key = issue(person("Marketing"))
    assert token_client(key).get("/api/customers/").status_code == 200
    assert token_client(key).post("/api/customers/", {}, format="json").status_code == 403
    token.refresh_from_db()
    assert token.last_used_on == timezone.localdate()


def test_a_token_is_worth_nothing_when_deleted_expired_or_its_account_is_switched_off() -> None:
    user = person("Marketing")
    token, key = issue(user, expires_on=timezone.localdate())
    assert token_client(key).get("/api/customers/").status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert token_client(key).get("/api/customers/").status_code == 401
    User.objects.filter(pk=user.pk).update(is_active=True)
    ApiToken.objects.filter(pk=token.pk).update(expires_on=timezone.localdate() - timedelta(days=1))
    assert token_client(key).get("/api/customers/").status_code == 401
    ApiToken.objects.filter(pk=token.pk).update(expires_on=None)
    assert token_client(key).get("/api/customers/").status_code == 200
    token.delete()
    assert token_client(key).get("/api/customers/").status_code == 401


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token wrong", "Token \xff"])
def test_a_wrong_token_is_refused_not_taken_for_a_guest(header: str) -> None:
    answer = APIClient().get("/api/customers/", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401


def test_a_token_with_scopes_opens_only_those_parts() -> None:
    _, key = issue(person("Administrator"), scopes=["customers:read", "products:write"])
    client = token_client(key)
    assert client.get("/api/").status_code == 200
    assert client.get("/api/customers/").status_code == 200
    assert client.post("/api/customers/", {}, format="json").status_code == 403
    assert client.get("/api/products/").status_code == 200
    assert client.post("/api/products/", {"sku": "A", "name": "Apple"}, format="json").status_code == 201
    for path in LISTS:
        expected = 200 if path in ("customers/", "products/") else 403
        assert client.get(f"/api/{path}").status_code == expected, path


def test_a_scope_gives_nothing_that_the_account_may_not_do() -> None:
    _, key = issue(person("Marketing"), scopes=["customers:write"])
    assert token_client(key).post("/api/customers/", {}, format="json").status_code == 403


def test_each_token_has_a_rate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Requests, "rate", "2/min", raising=False)
    user, root = person("Marketing"), User.objects.create_superuser("root")
    keys = [tokens.issue_token(user=user, name=name, by=root)[1] for name in ("one", "two")]
    assert [token_client(keys[0]).get("/api/products/").status_code for _ in range(3)] == [200, 200, 429]
    assert token_client(keys[1]).get("/api/products/").status_code == 200


def test_errors_are_problem_details(administrator: APIClient) -> None:
    answer = administrator.post("/api/customers/", {"email": "no address", "phone": "12"}, format="json")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "email: Enter a valid email address. phone: “12” is not a phone number.",
        "errors": {"email": ["Enter a valid email address."], "phone": ["“12” is not a phone number."]},
    }


@pytest.mark.parametrize("path", ["customers/nobody/", "no-such-part/", "customers/C1/no/such/thing"])
def test_what_is_not_there_is_a_problem_too(administrator: APIClient, path: str) -> None:
    answer = administrator.get(f"/api/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert (answer.json()["title"], answer.json()["status"]) == ("Not Found", 404)


def test_a_line_that_is_wrong_is_named_in_the_sentence(administrator: APIClient) -> None:
    make.store()
    body = {"client_key": str(uuid.uuid4()), "store": "main", "lines": [{"sku": "NOPE"}]}
    answer = administrator.post("/api/receipts/", body, format="json")
    assert answer.json()["detail"] == "lines.0.sku: There is no product “NOPE”."


def test_guessing_tokens_is_throttled_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FailedTokens, "rate", "3/min", raising=False)
    _, key = issue(person("Marketing"))
    tries = [token_client("wrong").get("/api/customers/").status_code for _ in range(5)]
    assert tries == [401, 401, 401, 429, 429]
    assert token_client("wrong").get("/api/customers/", REMOTE_ADDR="192.0.2.7").status_code == 401
    assert token_client(key).get("/api/customers/").status_code == 200  # a right one costs nothing


def test_the_back_offices_session_works_too_but_writing_needs_its_csrf_token() -> None:
    user = person("Administrator")
    client = APIClient(enforce_csrf_checks=True)
    client.login(username=user.username, password=PASSWORD, request=APIClient().get("/login/").wsgi_request)
    assert client.get("/api/customers/").status_code == 200
    answer = client.post("/api/products/", {"sku": "A", "name": "Apple"}, format="json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


def test_a_client_that_asks_too_often_is_told_when_to_come_back(
    marketing: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Requests, "rate", "2/min", raising=False)
    answers = [marketing.get("/api/products/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_without_the_cache_the_api_still_answers(marketing: APIClient, settings: Settings) -> None:
    gone = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": gone}):
        assert marketing.get("/api/products/").status_code == 200
        assert token_client("wrong").get("/api/products/").status_code == 401


# (method, path, body) -> the roles that may
MATRIX: list[tuple[str, str, dict[str, Any] | None, set[str]]] = [
    ("get", "customers/", None, {"Marketing", "Administrator"}),
    ("get", "customers/C1/", None, {"Marketing", "Administrator"}),
    ("post", "customers/", {"first_name": "Ilze"}, {"Administrator"}),
    ("patch", "customers/C1/", {"city": "Riga"}, {"Administrator"}),
    ("get", "products/", None, {"Marketing", "Administrator"}),
    ("get", "products/S1/", None, {"Marketing", "Administrator"}),
    ("post", "products/", {"sku": "S2", "name": "Pear"}, {"Administrator"}),
    ("patch", "products/S1/", {"price": "2.00"}, {"Administrator"}),
    ("get", "receipts/", None, {"Marketing", "Administrator"}),
    (
        "post",
        "receipts/",
        {"client_key": str(uuid.uuid4()), "store": "main", "lines": [{"sku": "S1"}]},
        {"Shop staff", "Administrator"},
    ),
    ("get", "consents/", None, {"Marketing", "Administrator"}),
    (
        "post",
        "consents/",
        {"customer": "C1", "channel": "sms", "granted": False, "stated_at": "2026-05-20T12:00:00Z", "source": "shop"},
        {"Administrator"},
    ),
    ("get", "cards/", None, {"Marketing", "Administrator"}),
    ("get", "loyalty-entries/", None, {"Marketing", "Administrator"}),
    ("get", "wishlist/", None, {"Marketing", "Administrator"}),
    ("post", "wishlist/", {"customer": "C1", "sku": "S1"}, {"Administrator"}),
    ("get", "reviews/", None, {"Marketing", "Administrator"}),
    ("get", "visits/", None, {"Marketing", "Administrator"}),
    ("get", "segments/", None, {"Marketing", "Administrator"}),
    ("get", "segments/{segment}/members/", None, {"Marketing", "Administrator"}),
]


@pytest.mark.parametrize("role", ["Shop staff", "Marketing", "Administrator"])
@pytest.mark.parametrize(("method", "path", "body", "allowed"), MATRIX)
def test_a_role_may_do_through_the_api_what_it_may_do_elsewhere(
    role: str, method: str, path: str, body: dict[str, Any] | None, allowed: set[str]
) -> None:
    from segments.models import Segment

    make.store()
    make.customer(number="C1")
    make.product(sku="S1")
    segment = Segment.objects.create(name="All")
    answer = getattr(client_of(role), method)(f"/api/{path.format(segment=segment.pk)}", body, format="json")
    assert answer.status_code in ((200, 201) if role in allowed else (403,)), answer.content


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize("path", ["customers/C1/", "products/S1/"])
def test_records_are_neither_replaced_nor_deleted_even_by_a_superuser(method: str, path: str) -> None:
    make.customer(number="C1")
    make.product(sku="S1")
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("root"))
    assert getattr(client, method)(f"/api/{path}", {}, format="json").status_code == 405


# Customers


def test_a_customer_is_shown_whole(marketing: APIClient) -> None:
    home = Household.objects.create(number="H1")
    firm = Company.objects.create(name="Bakery")
    customer = make.customer(
        "Ilze Kalniņa", card="29001", number="C1", email="ilze@example.com", household=home, company=firm, tags=["vip"]
    )
    make.receipt(make.line(make.product(price_minor=1290), "1.5"), customer=customer)
    shown = marketing.get("/api/customers/C1/").json()
    told = {
        name: shown[name] for name in ("number", "first_name", "last_name", "household", "company", "tags", "cards")
    }
    assert told == {
        "number": "C1",
        "first_name": "Ilze",
        "last_name": "Kalniņa",
        "household": "H1",
        "company": "Bakery",
        "tags": ["vip"],
        "cards": ["29001"],
    }
    assert shown["profile"] == {
        "receipts": 1,
        "returns": 0,
        "units": "1.5",
        "spend": "19.35",
        "discount": "0.00",
        "currency": "USD",
        "first_sold_on": "2026-05-20",
        "last_sold_on": "2026-05-20",
        "points": 19,
        "consents": {"email": False, "sms": False, "phone": False, "post": False},
    }
    assert datetime.fromisoformat(shown["created_at"]).tzinfo is not None


def test_closed_records_are_not_shown(marketing: APIClient) -> None:
    kept = make.customer(number="C1")
    make.customer(number="C2", merged_into=kept)
    make.customer(number="C3", erased_at=make.NOW)
    assert [row["number"] for row in marketing.get("/api/customers/").json()["results"]] == ["C1"]
    assert marketing.get("/api/customers/C2/").status_code == 404


def numbers(client: APIClient, **asked: Any) -> list[str]:
    answer = client.get("/api/customers/", asked)
    assert answer.status_code == 200, answer.content
    return [row["number"] for row in answer.json()["results"]]


def test_customers_are_filtered(marketing: APIClient) -> None:
    anna = make.customer("Anna Ozola", number="C1", email="anna@example.com", city="Riga", tags=["vip"])
    make.customer("Ivan Petrov", number="C2", phone="+371 2000 0000", country="LV")
    make.receipt(customer=anna)
    assert numbers(marketing, search="ozola") == ["C1"]
    assert numbers(marketing, email=" ANNA@example.com ") == ["C1"]
    assert numbers(marketing, phone="+37120000000") == ["C2"]
    assert numbers(marketing, city="Riga") == ["C1"]
    assert numbers(marketing, country="LV") == ["C2"]
    assert numbers(marketing, tag="vip") == ["C1"]
    assert numbers(marketing, consent="email") == []
    assert numbers(marketing, bought_from="2026-05-20", bought_until="2026-05-20") == ["C1"]
    assert numbers(marketing, bought_until="2026-05-19") == []
    assert numbers(marketing) == ["C1", "C2"]


LISTS = [
    "customers/",
    "products/",
    "receipts/",
    "consents/",
    "cards/",
    "loyalty-entries/",
    "wishlist/",
    "reviews/",
    "visits/",
    "segments/",
]


@pytest.mark.parametrize("path", LISTS)
def test_a_misspelt_filter_is_refused_rather_than_answered_with_everybody(marketing: APIClient, path: str) -> None:
    answer = marketing.get(f"/api/{path}", {"emial": "anna@example.com"})
    assert (answer.status_code, answer.json()["errors"]) == (400, {"emial": ["There is no such field."]})


def test_pages_follow_each_other_without_gaps_while_customers_are_added(marketing: APIClient) -> None:
    for number in range(5):
        make.customer(number=f"C{number}")
    first = marketing.get("/api/customers/", {"page_size": 2}).json()
    make.customer(number="C9")
    seen = [row["number"] for row in first["results"]]
    address = first["next"]
    while address:
        page = marketing.get(address).json()
        seen += [row["number"] for row in page["results"]]
        address = page["next"]
    assert seen == ["C0", "C1", "C2", "C3", "C4", "C9"]


def queries_of(ask: Callable[[], Any]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = ask()
    assert answer.status_code == 200
    return len(queries)


@pytest.mark.parametrize("path", [*LISTS, "segments/{segment}/members/"])
def test_a_list_takes_the_same_few_queries_at_one_row_and_at_three(path: str, marketing: APIClient) -> None:
    from segments.models import Membership, Segment

    segment = Segment.objects.create(name="All")

    def add_row(number: int) -> None:
        home = Household.objects.create(number=f"H{number}")
        customer = make.customer(card=f"card{number}", household=home)
        make.receipt(*[make.line(make.product(path=f"Food > {number}")) for _ in range(2)], customer=customer)
        product = make.product()
        activity.wish(customer=customer, product=product, now=make.NOW)
        said: dict[str, Any] = {"rating": 5, "text": "", "written_at": make.NOW, "now": make.NOW}
        activity.write_review(key=uuid.uuid4(), customer=customer, product=product, **said)
        visit = activity.Visit(key=uuid.uuid4(), visitor="b", path="/", visited_at=make.NOW, customer=customer)
        activity.record_visits(visits=[visit], now=make.NOW)
        consents.record_consent(customer=customer, channel="sms", granted=True, source="form", stated_at=make.NOW)
        Segment.objects.create(name=f"Segment {number}")
        Membership.objects.create(segment=segment, customer=customer, entered_at=make.NOW, rule_version=1)

    address = f"/api/{path.format(segment=segment.pk)}"
    add_row(0)
    marketing.get(address)  # fills what is remembered between requests
    one = queries_of(lambda: marketing.get(address))
    add_row(1)
    add_row(2)
    assert queries_of(lambda: marketing.get(address)) == one
    assert one <= 6


def test_a_new_customer_gets_a_number_a_profile_and_a_mark(administrator: APIClient) -> None:
    ChangeMark.objects.all().delete()
    body = {"first_name": "Ilze", "email": "Ilze@Example.com", "birth_date": "1990-02-03", "pets": ["cat"]}
    answer = administrator.post("/api/customers/", body, format="json")
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    customer = Customer.objects.get(number=shown["number"])
    assert (customer.first_name, customer.email_key, customer.pets) == ("Ilze", "ilze@example.com", ["cat"])
    assert (customer.birth_date, customer.registered_at) == (date(1990, 2, 3), None)
    assert shown["profile"]["receipts"] == 0
    assert ChangeMark.objects.filter(customer=customer).count() == 1


def test_a_customer_may_bring_number_and_day_of_registration(administrator: APIClient) -> None:
    body = {"number": "WEB-7", "registered_at": "2026-01-02T03:04:05+02:00"}
    assert administrator.post("/api/customers/", body, format="json").status_code == 201
    assert Customer.objects.get(number="WEB-7").registered_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    again = administrator.post("/api/customers/", body, format="json")
    assert (again.status_code, again.json()["errors"]) == (
        400,
        {"number": ["There is a customer with this number already."]},
    )


def test_the_same_customer_sent_twice_is_one(administrator: APIClient) -> None:
    key = str(uuid.uuid4())
    first = administrator.post("/api/customers/", {"first_name": "Ilze"}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    again = administrator.post("/api/customers/", {"first_name": "Ilze"}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    other = administrator.post("/api/customers/", {"first_name": "Anna"}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    assert [answer.status_code for answer in (first, again, other)] == [201, 200, 409]
    assert first.json() == again.json()
    assert Customer.objects.count() == 1


def test_a_customer_with_a_number_sent_twice_is_one(administrator: APIClient) -> None:
    key, body = str(uuid.uuid4()), {"first_name": "Ilze", "number": "WEB-7"}
    first = administrator.post("/api/customers/", body, format="json", HTTP_IDEMPOTENCY_KEY=key)
    again = administrator.post("/api/customers/", body, format="json", HTTP_IDEMPOTENCY_KEY=key)
    other = administrator.post("/api/customers/", body, format="json", HTTP_IDEMPOTENCY_KEY=str(uuid.uuid4()))
    assert [answer.status_code for answer in (first, again, other)] == [201, 200, 400]
    assert first.json() == again.json()
    assert other.json()["errors"] == {"number": ["There is a customer with this number already."]}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"frist_name": "Ilze"}, {"frist_name": ["There is no such field."]}),
        ({"profile": {}}, {"profile": ["This field can only be read."]}),
        ({"email": "no address"}, {"email": ["Enter a valid email address."]}),
        ({"phone": "12"}, {"phone": ["“12” is not a phone number."]}),
        ({"gender": "x"}, {"gender": ['"x" is not a valid choice.']}),
        (
            {"birth_date": "3.2.1990"},
            {"birth_date": ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."]},
        ),
        ({"household": "H9"}, {"household": ["There is no household “H9”."]}),
        ({"custom": [1]}, {"custom": ["Custom fields are an object of names and values."]}),
    ],
)
def test_a_customer_that_cannot_be_right_is_refused_by_field(
    administrator: APIClient, body: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    answer = administrator.post("/api/customers/", body, format="json")
    assert (answer.status_code, answer.json()["errors"]) == (400, errors)
    assert not Customer.objects.exists()


def test_a_changed_customer_is_found_by_the_new_name_and_marked(administrator: APIClient) -> None:
    customer = make.customer("Anna Ozola", number="C1", city="Riga")
    ChangeMark.objects.all().delete()
    answer = administrator.patch(
        "/api/customers/C1/", {"last_name": "Bērziņa", "phone": "+371 20000000"}, format="json"
    )
    assert (answer.status_code, answer.json()["last_name"]) == (200, "Bērziņa")
    customer.refresh_from_db()
    assert (customer.city, customer.phone_key) == ("Riga", "+37120000000")
    assert numbers(administrator, search="berzina") == ["C1"]
    assert ChangeMark.objects.filter(customer=customer).count() == 1


def test_a_customers_number_stays(administrator: APIClient) -> None:
    make.customer(number="C1")
    answer = administrator.patch("/api/customers/C1/", {"number": "C2"}, format="json")
    assert (answer.status_code, answer.json()["errors"]) == (400, {"number": ["This field can only be read."]})


# Products


def test_a_product_is_added_changed_and_found(administrator: APIClient) -> None:
    make.category("Food > Dairy")
    body = {"sku": "MILK", "name": "Milk", "category": "Food > Dairy", "price": "1.29", "barcode": "4750000000017"}
    answer = administrator.post("/api/products/", body, format="json")
    whole = {**body, "brand": "", "currency": "USD", "is_active": True}
    assert (answer.status_code, answer.json()) == (201, whole)
    assert administrator.patch("/api/products/MILK/", {"price": "1.35"}, format="json").json()["price"] == "1.35"
    assert Product.objects.get(sku="MILK").price_minor == 135
    for asked in ({"search": "milk"}, {"barcode": "4750000000017"}, {"category": "Food"}, {"is_active": "true"}):
        found = administrator.get("/api/products/", asked).json()["results"]
        assert [row["sku"] for row in found] == ["MILK"], asked
    assert administrator.get("/api/products/", {"category": "Foo"}).json()["results"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sku": "A"}, "name"),
        ({"sku": "MILK", "name": "Again"}, "sku"),
        ({"sku": "A", "name": "Apple", "price": "1.295"}, "price"),
        ({"sku": "A", "name": "Apple", "price": "-1"}, "price"),
        ({"sku": "A", "name": "Apple", "category": "Fruit"}, "category"),
        ({"sku": "A", "name": "Apple", "price_minor": 100}, "price_minor"),
    ],
)
def test_a_product_that_cannot_be_right_is_refused_by_field(
    administrator: APIClient, body: dict[str, Any], field: str
) -> None:
    make.product(sku="MILK")
    answer = administrator.post("/api/products/", body, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert Product.objects.count() == 1


def test_two_products_cannot_share_a_barcode(administrator: APIClient) -> None:
    make.product(barcode="123")
    answer = administrator.post("/api/products/", {"sku": "A", "name": "Apple", "barcode": "123"}, format="json")
    assert answer.status_code == 400, answer.content


def test_a_product_that_moves_takes_its_sales_to_the_new_category(administrator: APIClient) -> None:
    product = make.product(sku="MILK", path="Food > Milk")
    customer = make.customer()
    make.receipt(make.line(product), customer=customer)
    make.category("Drinks")
    assert administrator.patch("/api/products/MILK/", {"category": "Drinks"}, format="json").status_code == 200
    counted = CustomerCategory.objects.filter(customer=customer, receipts__gt=0)
    assert list(counted.values_list("category__path", flat=True)) == ["Drinks"]


# The schema


def test_the_schema_is_valid_and_warns_of_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn", "--api-version", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "/api/receipts/:" in done.stdout


def test_the_documentation_comes_from_our_own_files(client: Any) -> None:
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert "script-src" not in page["Content-Security-Policy"]  # the strict policy, without inline scripts
    text = page.content.decode()
    assert "//cdn" not in text
    assert "swagger-ui-bundle.js" in text
    assert client.get("/api/schema/").status_code == 200
