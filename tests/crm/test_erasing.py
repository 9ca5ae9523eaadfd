"""Forgetting somebody: nothing of theirs is left, nothing of anybody else's is lost, and the books stay true."""

from typing import Any

import pytest
from django.db import connection, models

from crm import erasing, forgotten, profiles
from crm.addresses import address_hash
from crm.models import (
    AuditEntry,
    Customer,
    CustomerProfile,
    ErasedIdentity,
    Household,
    Receipt,
    ReceiptLine,
    Review,
    Suppression,
)
from crm.retention import personal_models, rules
from tests.crm import make
from tests.support.everything import BIRTH, NETWORK_ADDRESS, NOT_MADE, dump, found_in, full_person
from tests.support.people import person

pytestmark = pytest.mark.django_db

NOW = make.NOW


def erase(customer: Customer) -> erasing.Erased:
    return erasing.erase_customer(customer=customer, by=None, now=NOW)


def books() -> list[Any]:
    """Every sum that a bookkeeper asks for: by day, store, product and kind."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT receipt.sold_on, receipt.store_id, receipt.kind, line.product_id, count(*), sum(line.quantity),
                   sum(line.total_minor), sum(line.discount_minor), sum(receipt.total_minor)
              FROM crm_receipt AS receipt JOIN crm_receiptline AS line ON line.receipt_id = receipt.id
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            """
        )
        return cursor.fetchall()


def test_nothing_of_an_erased_person_is_left_in_the_whole_database() -> None:
    other = make.customer("Berta Liepa")
    anna = full_person("Qzx", other=other, merged=True)
    before = dump()
    tables = {line.split(" ")[0] for line in found_in(before, "Qzx")}
    expected = {
        rule.model._meta.db_table
        for rule in rules()
        if rule.label not in NOT_MADE and (rule.emptied or rule.rows != "keep")
    }
    wordless = {
        model._meta.db_table
        for model in personal_models()
        if not any(
            isinstance(one, models.CharField | models.TextField | models.JSONField) for one in model._meta.fields
        )
    }
    assert expected - wordless - tables == set(), "something of theirs is in every table that can hold words"

    erase(anna)

    left = found_in(dump(), "Qzx", str(BIRTH), NETWORK_ADDRESS, anna.phone_key, str(anna.public_id))
    assert left == []


def test_what_is_kept_of_free_text_is_known_by_name() -> None:
    """A field that may hold words and stays is a decision to be taken here once more."""
    kept = {
        f"{rule.label}.{name}"
        for rule in rules()
        for name, _why in rule.keep
        if isinstance(field := rule.model._meta.get_field(name), models.CharField | models.TextField | models.JSONField)
        and not field.choices
    }
    assert kept == {
        "crm.Household.number",
        "crm.Household.address",
        "crm.Household.postcode",
        "crm.Household.city",
        "crm.Company.name",
        "crm.Company.industry",
        "crm.Company.website",
        "crm.Company.address",
        "crm.Invoice.number",
        "crm.Receipt.source",
        "crm.Receipt.external_id",
        "crm.Receipt.payment",
        "crm.AuditEntry.what",
        "crm.AuditEntry.username",
        "crm.AuditEntry.detail",
        "crm.Job.kind",
        "crm.Upload.kind",
        "crm.Upload.how",
        "crm.Upload.mapping",
        "crm.Upload.shape",
        "campaigns.Delivery.occurrence",
        "campaigns.Delivery.unit",
        "admin.LogEntry.object_id",
    }


def test_nobody_elses_rows_are_touched() -> None:
    friend = make.customer("Cara Kalna")
    berta = full_person("Wvu", other=friend)
    anna = full_person("Qzx", other=friend)
    before = found_in(dump(), "Wvu", f'"customer_id":{berta.pk},')
    assert len(before) > 30
    erase(anna)
    assert found_in(dump(), "Wvu", f'"customer_id":{berta.pk},') == before
    assert profiles.differences() == []


def test_the_books_stay_true_to_the_cent() -> None:
    anna, berta = make.customer("Anna Ozola", card="29000001"), make.customer("Berta Liepa")
    milk, bread = make.product("Milk", path="Food > Dairy"), make.product("Bread", path="Food > Bakery")
    for customer in (anna, berta, None):
        make.receipt(make.line(milk, "2"), make.line(bread, discount_minor=150), customer=customer)
    before = books()

    erase(anna)

    assert books() == before
    assert Receipt.objects.filter(customer=anna).count() == ReceiptLine.objects.filter(customer=anna).count() == 0
    assert Receipt.objects.filter(customer=None).count() == 2
    assert not CustomerProfile.objects.filter(customer=anna).exists()
    assert profiles.differences() == []
    profiles.recount()
    assert not CustomerProfile.objects.filter(customer=anna).exists()
    assert CustomerProfile.objects.get(customer=berta).receipts == 1


def test_hashes_stay_and_can_not_be_read() -> None:
    anna = make.customer("Anna Ozola", card="29000001", email="Anna@Example.com", phone="+1 212 555 0199")
    number = anna.number
    erase(anna)
    kept = {(one.kind, bytes(one.key_hash)) for one in ErasedIdentity.objects.all()}
    assert kept == {
        ("number", address_hash(number)),
        ("email", address_hash("anna@example.com")),
        ("phone", address_hash("+12125550199")),
        ("card", address_hash("29000001")),
    }
    assert set(Suppression.objects.values_list("channel", "reason")) == {
        ("email", "erased"),
        ("sms", "erased"),
        ("phone", "erased"),
    }


def test_the_shell_says_nothing_and_is_found_nowhere() -> None:
    anna = make.customer("Anna Ozola", email="anna@example.com")
    public_id = anna.public_id
    erase(anna)
    anna.refresh_from_db()
    assert (str(anna), anna.erased_at, anna.is_live) == (f"erased-{anna.pk}", NOW, False)
    assert anna.public_id != public_id
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.what, entry.customer_id) == ("changed", "erasure", anna.pk)
    with pytest.raises(erasing.NothingToErase):
        erase(anna)


def test_any_record_of_a_merged_person_erases_all_of_them() -> None:
    anna, older = make.customer("Anna Ozola"), make.customer("A. Ozola")
    Customer.objects.filter(pk=older.pk).update(merged_into=anna)
    older.refresh_from_db()
    erase(older)
    assert Customer.objects.filter(erased_at=NOW, merged_into=None).count() == 2


def test_a_sister_with_the_same_phone_can_still_be_reached() -> None:
    anna = make.customer("Anna Ozola", phone="+1 212 555 0199", email="anna@example.com")
    make.customer("Berta Ozola", phone="+1 212 555 0199")
    assert any("same e-mail address or phone" in notice for notice in erasing.preview(customer=anna).notices)
    erase(anna)
    assert set(Suppression.objects.values_list("channel", flat=True)) == {"email"}
    assert forgotten.anybody("phone")


def test_a_household_goes_with_its_last_member() -> None:
    alone, shared = Household.objects.create(number="H1"), Household.objects.create(number="H2")
    anna = make.customer("Anna Ozola", household=alone)
    berta, carl = make.customer("Berta Liepa", household=shared), make.customer("Carl Liepa", household=shared)
    Household.objects.filter(pk=shared.pk).update(decision_maker=berta)
    assert [line.why for line in erasing.preview(customer=berta).stays] == ["Others live there"]
    erase(anna)
    erase(berta)
    left = Household.objects.get()
    assert (left.number, left.decision_maker) == ("H2", None)
    carl.refresh_from_db()
    assert carl.household == shared


def test_a_preview_says_what_goes_and_what_stays_and_why() -> None:
    anna = make.customer("Anna Ozola", card="29000001")
    make.receipt(customer=anna)
    Review.objects.create(customer=anna, product=make.product(), rating=5, text="Fresh", written_at=NOW)
    before = dump()
    shown = erasing.preview(customer=anna)
    assert dump() == before
    goes = {line.what: line.count for line in shown.goes}
    stays = {line.what: (line.count, line.why) for line in shown.stays}
    assert goes["Loyalty cards"] == 1
    assert goes["Name, ways to reach, and whatever else describes the person"] == 1
    assert stays["Purchases and returns"][0] == 1
    assert "true to the cent" in stays["Purchases and returns"][1]
    assert stays["Reviews"] == (1, "The product's rating; its text goes")


def test_the_log_of_changes_keeps_who_and_when_but_no_names() -> None:
    from django.contrib.admin.models import CHANGE, LogEntry

    admin, anna = person("Administrator"), make.customer("Anna Ozola", email="anna@example.com")
    LogEntry.objects.log_actions(admin.pk, [anna], CHANGE, "Changed e-mail.", single_object=True)
    erase(anna)
    assert list(LogEntry.objects.values_list("user", "object_id", "object_repr", "change_message")) == [
        (admin.pk, str(anna.pk), "", "")
    ]
