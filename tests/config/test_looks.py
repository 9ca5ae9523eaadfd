"""Whoever sees a customer is written down: every page of the till, the back office and the API is opened here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from crm import data_requests
from crm.models import AuditEntry, Customer, LoyaltyCard, Receipt
from segments.models import Membership, MembershipEvent, Segment
from tests.crm import make
from tests.support.everything import full_person
from tests.support.people import person

pytestmark = pytest.mark.django_db

NAME = "Qzxandra"
NUMBER = "Qzx-4711"
# What shows a name and is no look of staff: the customer's own pages, behind links that only they have.
THEIR_OWN = ("m/", "r/", "p/", "my-data/", "confirm/", "join/")


@pytest.fixture
def customer() -> Customer:
    """Somebody with a row in every table, a request, a segment and a log entry; their name is found by its letters."""
    other = make.customer("Berta Liepa")
    anna = full_person("Qzx", other=other)
    Customer.objects.filter(pk=anna.pk).update(first_name=NAME, last_name="Qzxberg", number=NUMBER)
    anna.refresh_from_db()
    data_requests.note_request(customer=anna, kind="copy", through="till", by=None, now=make.NOW)
    for segment in Segment.objects.all():
        Membership.objects.get_or_create(
            segment=segment, customer=anna, defaults={"entered_at": make.NOW, "rule_version": 1}
        )
    MembershipEvent.objects.update(customer=anna)
    return anna


def patterns(parent: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in parent.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, route)
        else:
            yield route, pattern


def addresses(customer: Customer) -> Iterator[str]:
    """Every address of the site, with the keys of rows that belong to the customer."""
    receipt, card = Receipt.objects.get(customer=customer), LoyaltyCard.objects.get(customer=customer)
    for route, pattern in patterns(get_resolver("config.urls")):
        if route.startswith(THEIR_OWN) or "logout" in route or "static" in route:
            continue
        model = _model_of(pattern)
        rows = model._default_manager.all() if model else Customer.objects.none()
        keys = [str(pk) for pk in rows.values_list("pk", flat=True)[:20]] if model else []
        if "admin" not in route:
            keys = [str(customer.pk), NUMBER, card.number, str(receipt.public_id), *map(str, _segments())]
        for key in keys or [str(customer.pk)]:
            address = re.sub(r"<[^>]*>|\(\?P<[^>]*>.*?\)(?=/|$|\\)", key, route)
            address = address.replace("^", "").replace("\\Z", "").replace("$", "").replace("\\.", ".")
            yield "/" + address
            if "(" not in address and address.rstrip("/").endswith(("customers", "scan", "people", "autocomplete")):
                where = "app_label=crm&model_name=loyaltycard&field_name=customer&"
                yield f"/{address}?{where}q={NAME}&term={NAME}"
                yield f"/{address}?{where}term="


def _segments() -> list[int]:
    return list(Segment.objects.values_list("pk", flat=True))


def _model_of(pattern: URLPattern) -> Any:
    """The model whose key an address of the back office holds, by the name of the address."""
    parts = (pattern.name or "").split("_")
    try:
        return apps.get_model(parts[0], parts[1]) if len(parts) > 1 else None
    except LookupError:
        return None


def test_every_page_that_shows_a_customer_writes_down_who_looked(customer: Customer, client: Client) -> None:
    client.force_login(person("Administrator"))
    silent, seen = [], set()
    for address in dict.fromkeys(addresses(customer)):
        before = AuditEntry.objects.count()
        response = client.get(address)
        if response.status_code != 200 or not shows(response, address):
            continue
        seen.add(re.sub(r"\d+|[0-9a-f-]{36}", "N", address.partition("?")[0]))
        written = AuditEntry.objects.count() - before
        two_people = any(part in address for part in ("/duplicatepair/", "/merge/"))
        if written != 1 and not (two_people and written == 2):
            silent.append(f"{address}: {written} entries")
    assert silent == []
    assert len(seen) >= 25, seen
    for part in ("/till/customers/", "/api/customers/", "/admin/crm/customer/", "/admin/crm/datarequest/"):
        assert any(address.startswith(part) for address in seen), part


def shows(response: Any, address: str) -> bool:
    """Whether the answer shows the customer; the API names customers by their number."""
    text = b"".join(response) if response.streaming else response.content
    return NAME.encode() in text or (address.startswith("/api/") and NUMBER.encode() in text)


def test_the_book_says_who_what_whom_and_from_where(customer: Customer, client: Client) -> None:
    boss = person("Administrator", "boss")
    client.force_login(boss)
    client.get(reverse("admin:crm_customer_change", args=[customer.pk]), REMOTE_ADDR="198.51.100.7")
    entry = AuditEntry.objects.first()
    assert entry
    assert (entry.user, entry.username, entry.action, entry.customer_id) == (boss, "boss", "looked", customer.pk)
    assert (entry.what, entry.address) == ("page: customer", "198.51.100.7")


def test_a_list_is_one_entry_with_the_count_and_without_what_was_typed(customer: Customer, client: Client) -> None:
    client.force_login(person("Administrator"))
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("admin:crm_customer_changelist"), {"q": NAME})
    entry = AuditEntry.objects.first()
    assert entry
    assert (entry.action, entry.what, entry.count, entry.detail) == ("searched", "list: customers", 1, "q")
    assert sum("INSERT INTO" in query["sql"] for query in queries) == 1
    assert NAME not in str(list(AuditEntry.objects.values()))


def test_a_change_is_written_down_by_fields_and_not_by_what_is_in_them(client: Client) -> None:
    client.force_login(person("Administrator"))
    anna = make.customer("Anna Ozola")
    page = client.get(reverse("admin:crm_customer_edit", args=[anna.pk]))
    form = page.context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields}
    data |= {
        "city": "Jelgava",
        **dict.fromkeys(("pets", "interests", "opinions", "values", "tags"), ""),
    }
    for formset in page.context["inline_admin_formsets"]:
        data |= {f"{formset.formset.prefix}-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    answer = client.post(page.request["PATH_INFO"], {k: v for k, v in data.items() if v is not None})
    assert answer.status_code == 302, answer.context["errors"]
    entry = AuditEntry.objects.filter(action="changed").first()
    assert entry
    assert (entry.what, entry.customer_id) == ("page: customer", anna.pk)
    assert "City" in entry.detail.split(", ")
    assert "Jelgava" not in str(list(AuditEntry.objects.values()))


def test_the_book_can_be_read_by_administrators_only_and_changed_by_nobody(customer: Customer, client: Client) -> None:
    client.force_login(person("Administrator"))
    client.get(reverse("admin:crm_customer_change", args=[customer.pk]))
    book = reverse("admin:crm_auditentry_changelist")
    assert NUMBER in client.get(book).content.decode()
    assert NUMBER in client.get(book, {"q": NUMBER}).content.decode()
    assert NUMBER in client.get(book, {"customer_id": customer.pk}).content.decode()
    assert "page: customer" not in client.get(book, {"customer_id": customer.pk + 999}).content.decode()
    assert client.get(book, {"customer_id": "x"}).status_code == 200
    client.force_login(person("Marketing"))
    assert client.get(book).status_code == 403


@pytest.mark.parametrize("rows", [1, 3])
def test_the_book_takes_the_same_queries_however_long(rows: int, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    book = reverse("admin:crm_auditentry_changelist")
    client.get(book)
    for number in range(rows):
        AuditEntry.objects.create(action="looked", what="page", customer_id=make.customer(f"Person {number}").pk)
    with CaptureQueriesContext(connection) as queries:
        client.get(book)
    assert len(queries) <= 8, [query["sql"] for query in queries]
