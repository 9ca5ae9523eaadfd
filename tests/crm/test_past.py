"""Going back to a past day: nothing of what came later is seen, and nothing is changed."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import Model

from crm import past, profiles
from crm.models import Consent, CustomerCategory, CustomerProfile, Receipt, ReceiptKind, Review, WishlistItem
from crm.retention import personal_models
from tests.crm.make import a_customer, a_product, a_receipt, category

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)
BEFORE, AFTER = datetime(2026, 2, 1, 12, tzinfo=UTC), datetime(2026, 4, 1, 12, tzinfo=UTC)

# Whose past is not asked for: what simply is, what people are known by, what is written about them, and derived tables
# of which no past is kept (analyses leave out what reads them).
NO_PAST = {
    "crm.Customer",
    "crm.Household",
    "crm.Company",
    "crm.ExternalId",
    "crm.LoyaltyCard",
    "crm.Note",
    "crm.DataRequest",
    "crm.OptIn",
    "crm.ServiceMail",
    "crm.ComparedCustomer",
    "crm.CustomerName",
    "crm.ChangeMark",
}


def test_profiles_are_those_of_the_day() -> None:
    milk = a_product("milk", category("Food > Milk"))
    anna, berta = a_customer(), a_customer()
    a_receipt(anna, [(milk, "2", 300)], sold_on=DAY - timedelta(days=10))
    a_receipt(anna, [(milk, "1", 150)], sold_on=DAY)
    a_receipt(anna, [(milk, "5", 900)], sold_on=DAY + timedelta(days=1))
    a_receipt(anna, [(milk, "-1", -150)], sold_on=DAY + timedelta(days=2), kind=ReceiptKind.RETURN)
    a_receipt(berta, [(milk, "1", 150)], sold_on=DAY + timedelta(days=1))
    profiles.recount()
    before = list(CustomerProfile.objects.order_by("pk").values())
    with past.as_of(day=DAY, customer_ids=[anna.pk, berta.pk]) as scope:
        assert scope.today == DAY
        known = {row.pk: (row.receipts, row.spend_minor, row.last_sold_on) for row in CustomerProfile.objects.all()}
        assert known == {anna.pk: (2, 450, DAY), berta.pk: (0, 0, None)}
        assert Receipt.objects.count() == 2
        bought = CustomerCategory.objects.filter(category__path="Food > Milk").values_list("customer", "spend_minor")
        assert list(bought) == [(anna.pk, 450)]
        assert profiles.differences() == []
    assert list(CustomerProfile.objects.order_by("pk").values()) == before
    assert Receipt.objects.count() == 5


def test_only_the_customers_asked_for_are_there() -> None:
    anna, berta = a_customer(), a_customer()
    for one in (anna, berta):
        a_receipt(one, [(a_product("milk"), "1", 100)], sold_on=DAY)
    profiles.recount()
    with past.as_of(day=DAY, customer_ids=[berta.pk]):
        assert list(CustomerProfile.objects.values_list("pk", flat=True)) == [berta.pk]


def test_statements_and_wishes_are_those_of_the_day() -> None:
    anna, milk = a_customer(), a_product("milk")
    Consent.objects.create(customer=anna, channel="email", granted=True, stated_at=BEFORE, source="test")
    Consent.objects.create(customer=anna, channel="email", granted=False, stated_at=AFTER, source="test")
    WishlistItem.objects.create(customer=anna, product=milk, added_at=BEFORE, removed_at=AFTER)
    Review.objects.create(customer=anna, product=milk, rating=5, written_at=AFTER)
    profiles.recount()
    with past.as_of(day=DAY, customer_ids=[anna.pk]):
        assert CustomerProfile.objects.get().consent_email
        assert WishlistItem.objects.get().removed_at is None
        assert not Review.objects.exists()
    assert not CustomerProfile.objects.get().consent_email
    assert WishlistItem.objects.get().removed_at == AFTER


def test_a_failure_inside_leaves_the_present_as_it_was() -> None:
    anna = a_customer()
    profiles.recount()
    with pytest.raises(RuntimeError), past.as_of(day=DAY, customer_ids=[anna.pk]):
        CustomerProfile.objects.update(points=5)
        raise RuntimeError
    assert CustomerProfile.objects.get().points == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname = 'crm_receipt'")
        assert cursor.fetchone() == (0,)


def test_every_table_of_facts_has_a_past() -> None:
    """A new table of facts would let an analysis see the future, were it read as it is now."""
    of_people = {model for model in personal_models() if model._meta.app_label == "crm" and _has_customer(model)}
    labels = {model._meta.label for model in of_people}
    assert labels - NO_PAST == past.registered() & labels


def _has_customer(model: type[Model]) -> bool:
    return any(field.name == "customer" for field in model._meta.concrete_fields)
