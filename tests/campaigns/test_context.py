from datetime import date
from typing import Any

import pytest

from campaigns.context import message_context, written_date
from campaigns.models import Variant
from campaigns.placeholders import CATALOGUE
from campaigns.rendering import compile_variant
from crm.models import CustomerProfile, Shop
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt

pytestmark = pytest.mark.django_db


def test_context_names_the_dearest_thing_of_the_newest_sale() -> None:
    Shop.objects.create(name="Bean & Co", address="1 Main Street\n\nSpringfield ", website="https://bean.example.com")
    coffee = a_product("Coffee", make.category("Food > Drinks"))
    sugar = a_product("Sugar", make.category("Food"))
    anna = a_customer(first_name="Anna", last_name="Bell", city="Springfield", language="fi")
    CustomerProfile.objects.create(customer=anna, points=70)
    a_receipt(anna, [(sugar, "9", 9_000)], sold_on=date(2026, 4, 1))
    a_receipt(anna, [(sugar, "1", 100), (coffee, "1", 900)], sold_on=date(2026, 5, 14))
    a_receipt(anna, [(coffee, "-1", -900)], sold_on=date(2026, 6, 1), kind="return")
    nobody = a_customer()
    assert message_context(customer_ids=[anna.pk, nobody.pk, 0]) == {
        anna.pk: {
            "customer": {
                "first_name": "Anna",
                "last_name": "Bell",
                "city": "Springfield",
                "language": "fi",
                "points": 70,
            },
            "last_purchase": {"product": "Coffee", "category": "Drinks", "on": "14. toukokuuta 2026", "store": "Main"},
            "shop": {
                "name": "Bean & Co",
                "address": "1 Main Street, Springfield",
                "website": "https://bean.example.com",
            },
            "unsubscribe_url": "",
        },
        nobody.pk: {
            "customer": {"first_name": "", "last_name": "", "city": "", "language": "", "points": 0},
            "last_purchase": {"product": "", "category": "", "on": "", "store": ""},
            "shop": {
                "name": "Bean & Co",
                "address": "1 Main Street, Springfield",
                "website": "https://bean.example.com",
            },
            "unsubscribe_url": "",
        },
    }


def test_context_takes_as_many_queries_for_three_customers_as_for_one(django_assert_num_queries: Any) -> None:
    customers = [a_customer() for _ in range(3)]
    with django_assert_num_queries(2):
        message_context(customer_ids=[customers[0].pk])
    with django_assert_num_queries(2):
        message_context(customer_ids=[customer.pk for customer in customers])


def test_every_placeholder_of_the_catalogue_has_a_value_in_every_context() -> None:
    customer = a_customer()
    body = " ".join(placeholder.code for placeholder in CATALOGUE)
    context = message_context(customer_ids=[customer.pk])[customer.pk]
    assert "your favourites" in compile_variant(Variant(subject="s", body=body)).render(context).text


def test_dates_are_written_in_the_recipients_language_else_in_the_shops() -> None:
    day = date(2026, 5, 14)
    assert written_date(day, language="de-AT") == "14. Mai 2026"
    assert written_date(day, language="") == written_date(day, language="klingon!") == "May 14, 2026"
