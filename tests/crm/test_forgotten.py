"""Whoever was erased stays so: through backups and moments of coincidence. Who comes back by themselves is welcome."""

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from pytest_django import Settings

from crm import consents, customers, erasing, forgotten, profiles, suppression_files
from crm.models import Customer, ErasedIdentity, LoyaltyEntry, Receipt, ReceiptLine, Suppression
from tests.crm import make

pytestmark = pytest.mark.django_db

NOW = make.NOW
LATER = NOW + timedelta(days=30)
ADDRESS: dict[str, Any] = {"email": "anna@example.com", "phone": "+1 212 555 0199"}


def erase(customer: Customer) -> None:
    erasing.erase_customer(customer=customer, by=None, now=NOW)


def test_who_signs_up_again_is_welcome_and_can_be_written_to() -> None:
    erase(make.customer("Anna Ozola", **ADDRESS))
    again = customers.create_customer(now=LATER, first_name="Anna", **ADDRESS)
    assert set(ErasedIdentity.objects.values_list("kind", flat=True)) == {"number"}
    assert not Suppression.objects.exists()
    consents.record_consent(customer=again, channel="email", granted=True, source="till", stated_at=LATER, now=LATER)
    assert again.is_live


def test_an_unsubscribed_address_stays_so_when_its_owner_signs_up_again() -> None:
    anna = make.customer("Anna Ozola", **ADDRESS)
    consents.suppress(channel="email", address_key="anna@example.com", reason="complained")
    erase(anna)
    customers.create_customer(now=LATER, **ADDRESS)
    assert list(Suppression.objects.values_list("channel", "reason")) == [("email", "complained")]


@pytest.mark.parametrize("old", [{"number": "K-77"}, {"email": "anna@example.com"}])
def test_old_data_of_an_erased_person_do_not_come_back_as_a_sign_up(old: dict[str, Any]) -> None:
    erase(make.customer("Anna Ozola", number="K-77", **ADDRESS))
    registered_at = LATER if "number" in old else NOW - timedelta(days=900)
    with pytest.raises(forgotten.Forgotten):
        customers.create_customer(now=registered_at, registered=True, **old)
    assert Customer.objects.count() == 1
    assert Suppression.objects.exists()


def test_a_number_of_ours_that_an_erased_person_bore_is_given_to_nobody() -> None:
    anna = make.customer("Anna Ozola")
    forgotten.remember(values=[("number", f"R{anna.pk + 1:07d}")], now=NOW)
    assert make.customer("Berta Liepa").number == f"R{anna.pk + 2:07d}"


def test_a_restored_backup_obeys_the_list(tmp_path: Path) -> None:
    anna = make.customer("Anna Ozola", number="K-77", **ADDRESS)
    make.receipt(customer=anna)
    make.customer("Berta Ozola", number="K-78", phone=ADDRESS["phone"])
    backup = Customer.objects.filter(pk=anna.pk).values().get()
    make_unsubscribed()
    erase(anna)
    out = StringIO()
    call_command("export_suppressions", str(tmp_path / "list.csv"), stdout=out)
    assert out.getvalue() == "5 entries written.\n"
    # The backup is older: Anna is in it, and the lists are empty.
    Suppression.objects.all().delete()
    ErasedIdentity.objects.all().delete()
    Customer.objects.filter(pk=anna.pk).update(**{name: value for name, value in backup.items() if name != "id"})
    profiles.lock_profiles(customer_ids=[anna.pk])
    Receipt.objects.update(customer=anna)
    ReceiptLine.objects.update(customer=anna)
    profiles.recount(customer_ids=[anna.pk])

    out = StringIO()
    call_command("apply_suppressions", str(tmp_path / "list.csv"), stdout=out)

    assert out.getvalue().splitlines() == [
        "New: 2 suppressed addresses, 3 erased identities.",
        "1 person who came back with the backup was erased again.",
        "These share an address with somebody who was erased; look at them yourself: K-78",
    ]
    anna.refresh_from_db()
    assert (anna.email, anna.is_live) == ("", False)
    assert not Receipt.objects.exclude(customer=None).exists()
    assert profiles.differences() == []
    call_command("apply_suppressions", str(tmp_path / "list.csv"), stdout=(out := StringIO()))
    assert out.getvalue().startswith("New: 0 suppressed addresses, 0 erased identities.\n0 people")


def make_unsubscribed() -> None:
    consents.suppress(channel="email", address_key="carl@example.com", reason="unsubscribed")


def test_a_list_of_another_key_is_refused(tmp_path: Path, settings: Settings) -> None:
    make_unsubscribed()
    suppression_files.export_list(path=tmp_path / "list.csv")
    Suppression.objects.all().delete()
    settings.ADDRESS_HASH_KEY = "another"
    with pytest.raises(CommandError, match="another REGULARS_ADDRESS_HASH_KEY"):
        call_command("apply_suppressions", str(tmp_path / "list.csv"))


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "identity,shoe,00,,2026-01-01T00:00:00+00:00",
        f"identity,email,{'00' * 32},,2026-01-01",
        "\x00",
        "a,b,zz,d,e",
    ],
)
def test_a_broken_line_is_named_and_nothing_is_taken(line: str, tmp_path: Path) -> None:
    make_unsubscribed()
    path = tmp_path / "list.csv"
    suppression_files.export_list(path=path)
    Suppression.objects.all().delete()
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CommandError, match=r"list\.csv"):
        call_command("apply_suppressions", str(path))
    assert not Suppression.objects.exists()


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name\nAnna\n")
    for name in ("other.csv", "nowhere.csv"):
        with pytest.raises(CommandError, match=name):
            call_command("apply_suppressions", str(tmp_path / name))


def meanwhile(first: Callable[[], object], second: Callable[[], object]) -> list[Exception]:
    """``second`` on another connection while the transaction of ``first`` is open; what went wrong there."""
    problems: list[Exception] = []

    def run() -> None:
        try:
            second()
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        first()
        thread.start()
        thread.join(1)
    thread.join(60)
    return problems


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sale_first", [True, False])
def test_a_sale_and_an_erasure_at_once_leave_a_receipt_of_nobody(sale_first: bool) -> None:
    make.store()
    milk, anna = make.product(path="Food"), make.customer("Anna Ozola", card="29001")
    sell, forget = (lambda: make.receipt(make.line(milk), customer=anna)), (lambda: erase(anna))
    assert meanwhile(*((sell, forget) if sale_first else (forget, sell))) == []
    receipt = Receipt.objects.get()
    assert (receipt.customer, receipt.total_minor, receipt.lines.get().customer) == (None, 1000, None)
    assert not LoyaltyEntry.objects.exists()
    assert profiles.differences() == []
