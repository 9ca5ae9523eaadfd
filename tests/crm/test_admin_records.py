"""The records in the back office: saved by the domain functions, listed with few queries, facts only to be read."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import lifecycle
from crm.models import Category, ChangeMark, Consent, Customer, CustomerCategory, CustomerProfile, Product, Shop
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(person("Administrator"))
    return client


@pytest.fixture
def marketing(client: Client) -> Client:
    client.force_login(person("Marketing"))
    return client


def cards(customer: Customer | None = None) -> dict[str, Any]:
    """What the page sends about the cards below the form."""
    return {"cards-TOTAL_FORMS": 0, "cards-INITIAL_FORMS": 0}


def test_a_customer_added_here_has_a_number_a_profile_and_a_mark(administrator: Client) -> None:
    form = {"first_name": "Ilze", "last_name": "Kalniņa", "email": "ilze@example.com", **cards()}
    answer = administrator.post(reverse("admin:crm_customer_add"), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    customer = Customer.objects.get()
    assert (customer.number, customer.email_key) == (f"R{customer.pk:07d}", "ilze@example.com")
    assert CustomerProfile.objects.filter(customer=customer).exists()
    assert ChangeMark.objects.filter(customer=customer).exists()


def test_a_customer_changed_here_is_found_by_the_new_name_and_marked(administrator: Client) -> None:
    customer = make.customer("Anna Ozola", city="Riga")
    ChangeMark.objects.all().delete()
    form = {"first_name": "Anna", "last_name": "Bērziņa", "city": "Liepāja", **cards()}
    answer = administrator.post(reverse("admin:crm_customer_change", args=[customer.pk]), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    customer.refresh_from_db()
    assert (customer.last_name, customer.city) == ("Bērziņa", "Liepāja")
    assert "berzina" in customer.name_words
    assert ChangeMark.objects.filter(customer=customer).count() == 1


def test_a_bad_address_stands_at_its_field(administrator: Client) -> None:
    answer = administrator.post(reverse("admin:crm_customer_add"), {"email": "nowhere", **cards()})
    assert list(answer.context["adminform"].form.errors) == ["email"]
    assert not Customer.objects.exists()


def test_a_customers_page_opens_with_who_this_is(marketing: Client) -> None:
    customer = make.customer("Ilze Kalniņa", card="29001")
    receipt = make.receipt(make.line(make.product(path="Food > Dairy"), "2"), customer=customer)
    page = marketing.get(reverse("admin:crm_customer_change", args=[customer.pk])).content.decode()
    assert "Ilze Kalniņa, bought once, in May 2026." in page
    assert "Last bought on May 20, 2026, for $20.00. 20 points." in page
    assert "Dairy" in page
    assert "There is no way to reach them: we have no address." in page
    assert reverse("admin:crm_receipt_change", args=[receipt.pk]) in page


def test_an_erased_record_shows_nothing_but_that(marketing: Client) -> None:
    gone = make.customer("Anna Ozola", erased_at=make.NOW)
    page = marketing.get(reverse("admin:crm_customer_change", args=[gone.pk])).content.decode()
    assert "This person asked to be forgotten." in page
    assert "Ozola" not in page
    assert marketing.get(reverse("admin:crm_customer_edit", args=[gone.pk])).status_code == 302


@pytest.mark.parametrize("text", ["ozola", "29001", "anna@example.com", "OZOLLA"])
def test_customers_are_searched_as_at_the_till(marketing: Client, text: str) -> None:
    anna = make.customer("Anna Ozola", card="29001", email="anna@example.com")
    make.customer("Ivan Petrov")
    answer = marketing.get(reverse("admin:crm_customer_changelist"), {"q": text})
    assert list(answer.context["cl"].result_list) == [anna]


def test_what_was_searched_for_comes_first_and_columns_still_sort(marketing: Client) -> None:
    ann, anna = make.customer("Annabel Abele"), make.customer("Anna Zarina")
    address = reverse("admin:crm_customer_changelist")

    assert list(marketing.get(address, {"q": "anna"}).context["cl"].result_list) == [anna, ann]
    assert list(marketing.get(address, {"q": "anna", "o": "1"}).context["cl"].result_list) == [ann, anna]
    assert list(marketing.get(address).context["cl"].result_list) == [ann, anna]


def test_receipts_are_found_by_number_and_by_customer(marketing: Client) -> None:
    anna = make.customer("Anna Ozola")
    hers, other = make.receipt(customer=anna), make.receipt()

    def found(text: str) -> list[Any]:
        return list(marketing.get(reverse("admin:crm_receipt_changelist"), {"q": text}).context["cl"].result_list)

    assert found("ozola") == [hers]
    assert found(other.external_id) == [other]
    assert found("") == [other, hers]


def queries_of(ask: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert ask().status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    "page", ["customer", "receipt", "product", "consent", "loyaltycard", "loyaltyentry", "household"]
)
def test_a_list_takes_the_same_queries_at_one_row_and_at_three(administrator: Client, page: str) -> None:
    from crm.models import Household

    def add_row(number: int) -> None:
        customer = make.customer(card=f"card{number}")
        Household.objects.create(number=f"H{number}", decision_maker=customer)
        make.receipt(make.line(make.product(path=f"Food > {number}")), customer=customer)
        Consent.objects.create(customer=customer, channel="email", granted=True, stated_at=make.NOW, source="till")

    address = reverse(f"admin:crm_{page}_changelist")
    add_row(0)
    administrator.get(address)
    one = queries_of(lambda: administrator.get(address))
    add_row(1)
    add_row(2)
    assert queries_of(lambda: administrator.get(address)) == one


def test_a_receipt_is_shown_with_its_lines_and_cannot_be_changed(administrator: Client) -> None:
    receipt = make.receipt(make.line(make.product("Milk", price_minor=129), "2"))
    address = reverse("admin:crm_receipt_change", args=[receipt.pk])
    page = administrator.get(address).content.decode()
    assert "Milk" in page
    assert "$2.58" in page
    assert administrator.post(address, {"payment": "cash"}).status_code == 403


def test_a_product_is_priced_in_whole_units_and_found_by_name(administrator: Client) -> None:
    form = {"sku": "MILK", "name": "  Milk ", "price": "1.29", "is_active": "on"}
    answer = administrator.post(reverse("admin:crm_product_add"), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    product = Product.objects.get()
    assert (product.name, product.price_minor) == ("Milk", 129)
    page = administrator.get(reverse("admin:crm_product_change", args=[product.pk])).content.decode()
    assert 'value="1.29"' in page
    found = administrator.get(reverse("admin:crm_product_changelist"), {"q": "millk"}).context["cl"].result_list
    assert list(found) == [product]


def test_a_products_price_can_be_taken_away(administrator: Client) -> None:
    product = make.product(price_minor=100)
    form = {"name": product.name, "price": "", "is_active": "on"}
    administrator.post(reverse("admin:crm_product_change", args=[product.pk]), form)
    product.refresh_from_db()
    assert product.price_minor is None


def test_what_is_in_use_cannot_be_deleted_and_the_rest_can(administrator: Client) -> None:
    used = make.product(path="Food > Milk")
    receipt = make.receipt(make.line(used))
    free, empty = make.product(), make.category("Empty")
    milk = Category.objects.get(path="Food > Milk")
    rows: dict[str, list[Any]] = {
        "product": [used, free],
        "category": [milk, milk.parent, empty],
        "store": [receipt.store],
    }
    answers = {
        f"{page} {row}": administrator.post(
            reverse(f"admin:crm_{page}_delete", args=[row.pk]), {"post": "yes"}
        ).status_code
        for page, some in rows.items()
        for row in some
    }
    gone = {f"product {free}", f"category {empty}"}
    assert answers == {name: 302 if name in gone else 403 for name in answers}


def test_a_renamed_category_renames_the_paths_below_it(administrator: Client) -> None:
    milk, other = make.category("Food > Dairy > Milk"), make.category("Foodstuff > Dairy")
    food = Category.objects.get(path="Food")
    answer = administrator.post(reverse("admin:crm_category_change", args=[food.pk]), {"name": "Eat 100%"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert list(Category.objects.filter(pk__in=[milk.pk, other.pk]).values_list("path", flat=True)) == [
        "Eat 100% > Dairy > Milk",
        "Foodstuff > Dairy",
    ]


def test_a_moved_category_takes_its_sales_along(administrator: Client) -> None:
    customer = make.customer()
    make.receipt(make.line(make.product(path="Food > Juice")), customer=customer)
    juice, drinks = Category.objects.get(path="Food > Juice"), make.category("Drinks")
    form = {"name": "Juice", "parent": drinks.pk}
    assert administrator.post(reverse("admin:crm_category_change", args=[juice.pk]), form).status_code == 302
    counted = CustomerCategory.objects.filter(customer=customer, receipts__gt=0)
    assert set(counted.values_list("category__path", flat=True)) == {"Drinks", "Drinks > Juice"}


@pytest.mark.parametrize(
    ("form", "field"), [({"name": "a > b"}, "name"), ({"name": "Food", "parent": "milk"}, "parent"), ({}, "name")]
)
def test_a_category_that_cannot_be_is_refused_at_its_field(
    administrator: Client, form: dict[str, Any], field: str
) -> None:
    milk = make.category("Food > Milk")
    food = Category.objects.get(path="Food")
    sent = {**form, "parent": milk.pk} if "parent" in form else form
    answer = administrator.post(reverse("admin:crm_category_change", args=[food.pk]), sent)
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]
    assert set(Category.objects.values_list("path", flat=True)) == {"Food", "Food > Milk"}


def test_two_categories_cannot_have_one_path(administrator: Client) -> None:
    make.category("Food")
    answer = administrator.post(reverse("admin:crm_category_add"), {"name": " Food "})
    assert answer.context["adminform"].form.errors


def test_a_statement_written_down_here_reaches_the_profile(administrator: Client) -> None:
    customer = make.customer(email="ilze@example.com")
    form = {
        "customer": customer.pk,
        "channel": "email",
        "granted": "on",
        "stated_at_0": timezone.localdate() + timedelta(days=1),
        "stated_at_1": "12:00",
        "source": "letter",
    }
    answer = administrator.post(reverse("admin:crm_consent_add"), form)
    assert "stated_at" in answer.context["adminform"].form.errors
    assert not Consent.objects.exists()

    form["stated_at_0"] = timezone.localdate() - timedelta(days=1)
    answer = administrator.post(reverse("admin:crm_consent_add"), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert CustomerProfile.objects.get(customer=customer).consent_email is True
    consent = Consent.objects.get()
    assert (consent.recorded_by_id is not None, consent.source) == (True, "letter")
    assert administrator.post(reverse("admin:crm_consent_change", args=[consent.pk]), form).status_code == 403


def test_the_shop_has_one_page(administrator: Client) -> None:
    listed = reverse("admin:crm_shop_changelist")
    assert administrator.get(listed)["Location"] == reverse("admin:crm_shop_add")
    form = {"name": "Corner shop", "contact_email": "hello@example.com", "attribution_days": 7}
    usual = Shop()
    form |= {name: getattr(usual, name) for name in (*lifecycle.SETTINGS, "rfm_months", "forecast_months")}
    assert administrator.post(reverse("admin:crm_shop_add"), form).status_code == 302
    assert Shop.current().name == "Corner shop"
    assert administrator.get(listed)["Location"] == reverse("admin:crm_shop_change", args=[1])
    answer = administrator.post(reverse("admin:crm_shop_add"), form)
    assert answer.context["adminform"].form.errors
