import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from crm import consents, forgotten, profiles
from crm.importing import ImportResult, import_file
from crm.models import (
    ChangeMark,
    Company,
    Consent,
    Customer,
    CustomerName,
    CustomerProfile,
    Household,
    LoyaltyCard,
    NameWord,
)
from tests.crm.make import a_customer

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Import = Callable[..., ImportResult]


@pytest.fixture
def import_customers(tmp_path: Path) -> Import:
    """Import rows, each a dict of cells, as customers; the header is that of all the cells."""

    def run(*rows: dict[str, str], now: datetime = NOW, **options: Any) -> ImportResult:
        header = list(dict.fromkeys(name for row in rows for name in row))
        with (tmp_path / "customers.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, header, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return import_file(kind="customers", path=tmp_path / "customers.csv", now=now, **options)

    return run


def counts(result: ImportResult) -> tuple[int, int, int, int]:
    return result.created, result.updated, result.unchanged, result.refused


def reasons(result: ImportResult) -> list[str]:
    assert result.errors_file is not None
    with result.errors_file.open(newline="") as file:
        return [cells[-1] for cells in list(csv.reader(file))[1:]]


ANN = {
    "customer_id": "1",
    "first_name": "Ann",
    "last_name": "Müller",
    "email": "Ann@Example.com",
    "phone": "212 555 0100",
    "birth_date": "1980-02-03",
    "gender": "Female",
    "city": "Riverton",
    "household_id": "H1",
    "household_size": "3",
    "company": "Mill & Co",
    "job_title": "Buyer",
    "tags": "vip; Neighbours",
    "card_number": "K1",
    "registered_at": "2026-01-05 10:00",
    "consent_email": "yes",
    "consent_sms": "no",
}


def test_a_customer_comes_in_with_household_company_card_and_consents(import_customers: Import) -> None:
    assert counts(import_customers(ANN)) == (1, 0, 0, 0)
    customer = Customer.objects.select_related("household", "company").get()
    assert (customer.email, customer.email_key, customer.phone_key) == (
        "Ann@Example.com",
        "ann@example.com",
        "+12125550100",
    )
    assert (customer.name_words, customer.search_text, bytes(customer.name_key) > b"") == (
        "ann muller",
        " 1 ann 12125550100",
        True,
    )
    assert (customer.birth_date, customer.gender, customer.household_size) == (date(1980, 2, 3), "female", 3)
    assert customer.tags == ["vip", "Neighbours"]
    assert customer.registered_at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert customer.household is not None
    assert customer.company is not None
    assert (customer.household.number, customer.company.name) == ("H1", "Mill & Co")
    assert LoyaltyCard.objects.get().customer == customer
    assert set(Consent.objects.values_list("channel", "granted", "stated_at", "source")) == {
        ("email", True, NOW, "import"),
        ("sms", False, NOW, "import"),
    }
    profile = CustomerProfile.objects.get()
    assert (profile.consent_email, profile.consent_sms) == (True, False)
    assert profiles.differences() == []
    assert list(ChangeMark.objects.values_list("customer_id", flat=True)) == [customer.pk]


def test_the_same_file_twice_changes_nothing(import_customers: Import) -> None:
    import_customers(ANN, {"customer_id": "2"})
    before = [list(model.objects.order_by("pk").values()) for model in (Customer, Consent, LoyaltyCard, Household)]
    ChangeMark.objects.all().delete()
    assert counts(import_customers(ANN, {"customer_id": "2"}, now=NOW + timedelta(days=1))) == (0, 0, 2, 0)
    after = [list(model.objects.order_by("pk").values()) for model in (Customer, Consent, LoyaltyCard, Household)]
    assert after == before
    assert not ChangeMark.objects.exists()


def test_a_blank_cell_leaves_what_is_known(import_customers: Import) -> None:
    import_customers(ANN)
    blank = dict.fromkeys(ANN, "") | {"customer_id": "1", "last_name": "Иванова"}
    assert counts(import_customers(blank)) == (0, 1, 0, 0)
    customer = Customer.objects.get()
    assert (customer.first_name, customer.last_name, customer.household_size) == ("Ann", "Иванова", 3)
    assert (customer.tags, customer.gender) == (["vip", "Neighbours"], "female")
    assert (customer.name_words, customer.search_text.startswith(" 1 ")) == ("ann ivanova", True)
    assert sorted(CustomerName.objects.values_list("key", flat=True)) == ["ann ivanova", "ivanova ann"]
    assert sorted(NameWord.objects.values_list("word", flat=True)) == ["ann", "ivanova"]
    assert (Household.objects.count(), Company.objects.count(), Consent.objects.count()) == (1, 1, 2)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"customer_id": ""}, "customer_id: is missing."),
        ({"email": "ann at home"}, "email: Enter a valid email address."),
        ({"phone": "12"}, "phone: “12” is not a phone number."),
        ({"birth_date": "30.02.1980"}, "birth_date: “30.02.1980” is not a date (write it like 2026-12-31)."),
        ({"birth_date": "2030-01-01"}, "birth_date: “2030-01-01” is out of range."),
        ({"household_size": "2.5"}, "household_size: “2.5” is not a whole number from 0 to 50."),
        ({"children": "-1"}, "children: “-1” is not a whole number from 0 to 30."),
        ({"gender": "Q"}, "gender: “Q” is none of female, male, other."),
        ({"consent_sms": "perhaps"}, "consent_sms: “perhaps” is neither yes nor no."),
        ({"consent_date": "2027-01-01"}, "consent_date: “2027-01-01” lies in the future."),
        ({"consent_date": "2026-11-20T12:06Z"}, "consent_date: “2026-11-20T12:06Z” lies in the future."),
    ],
)
def test_a_bad_cell_refuses_its_row_alone(import_customers: Import, cells: dict[str, str], reason: str) -> None:
    result = import_customers(ANN, {"customer_id": "2", "city": "Riverton", **cells})
    assert counts(result) == (1, 0, 0, 1)
    assert reasons(result) == [f"row 3: {reason}"]


def test_two_rows_of_one_customer_or_card_refuse_the_second(import_customers: Import) -> None:
    a_customer(number="owner")
    LoyaltyCard.objects.create(number="K9", customer=Customer.objects.get(number="owner"))
    result = import_customers(
        ANN,
        {**ANN, "first_name": "Anna"},
        {"customer_id": "2", "card_number": "K1"},
        {"customer_id": "3", "card_number": "K9"},
        {"customer_id": "owner", "card_number": "K9"},
    )
    assert counts(result) == (1, 0, 1, 3)
    assert reasons(result) == [
        "row 3: customer_id: row 2 already says who this is.",
        "row 4: card_number: this is another customer's card.",
        "row 5: card_number: this is another customer's card.",
    ]
    assert Customer.objects.get(number="1").first_name == "Ann"


NO, YES = {"customer_id": "1", "consent_email": "no"}, {"customer_id": "1", "consent_email": "yes"}
LATER, EARLIER = {"consent_date": "2026-06-02"}, {"consent_date": "2026-05-31"}
SOURCE = {"consent_source": "form"}


@pytest.mark.parametrize(
    ("stated", "row", "allowed", "recorded"),
    [
        # The customer's last word was on 1 June.
        (False, YES, False, 0),
        (False, YES | LATER, False, 0),
        (False, YES | SOURCE, False, 0),
        (False, YES | EARLIER | SOURCE, False, 0),
        (False, YES | LATER | SOURCE, True, 1),
        (False, NO | LATER | SOURCE, False, 0),
        (True, NO, False, 1),
        (True, NO | LATER, False, 1),
        (True, NO | EARLIER, True, 0),
        (True, YES | LATER | SOURCE, True, 0),
    ],
)
def test_nothing_but_a_later_dated_statement_with_its_source_turns_a_no_into_a_yes(
    import_customers: Import, stated: bool, row: dict[str, str], allowed: bool, recorded: int
) -> None:
    customer = a_customer(number="1")
    stated_at = datetime(2026, 6, 1, tzinfo=UTC)
    consents.record_consent(
        customer=customer, channel="email", granted=stated, source="till", stated_at=stated_at, now=NOW
    )
    result = import_customers(row)
    assert CustomerProfile.objects.get().consent_email is allowed
    assert Consent.objects.count() == 1 + recorded
    kept = not stated and row["consent_email"] == "yes" and not recorded
    assert result.extra == {"withdrawals_kept": int(kept)}
    assert counts(result) == (0, recorded, 1 - recorded, 0)
    assert profiles.differences() == []


def test_erased_people_stay_erased_and_a_merged_number_speaks_for_the_survivor(import_customers: Import) -> None:
    a_customer(number="erased", erased_at=NOW)
    a_customer(number="merged", merged_into=a_customer(number="survivor"))
    gone = [("email", "gone@example.com"), ("phone", "+12125550199"), ("number", "4711"), ("card", "29001")]
    forgotten.remember(values=gone, now=NOW)
    a_customer(number="sister")
    result = import_customers(
        {"customer_id": "erased", "first_name": "Ann"},
        {"customer_id": "new", "email": "Gone@example.com"},
        {"customer_id": "merged", "first_name": "Ann"},
        {"customer_id": "phoned", "phone": "212 555-0199"},
        {"customer_id": "4711", "city": "Riga"},
        {"customer_id": "4711", "city": "Riga"},
        {"customer_id": "carded", "card_number": "29001"},
        {"customer_id": "sister", "phone": "212 555-0199"},
        {"customer_id": "4712", "email": "here@example.com", "phone": "212 555-0198", "card_number": "29002"},
    )
    assert counts(result) == (1, 2, 0, 6)
    again = "row 7: customer_id: row 6 already says who this is."
    forgot = {f"row {row}: customer_id: this person asked to be forgotten." for row in (2, 3, 5, 6, 8)}
    assert set(reasons(result)) == forgot | {again}
    assert set(Customer.objects.values_list("number", "first_name")) == {
        ("erased", ""),
        ("merged", ""),
        ("survivor", "Ann"),
        ("sister", ""),
        ("4712", ""),
    }


def test_where_nobody_was_erased_nobody_is_looked_for(import_customers: Import) -> None:
    with CaptureQueriesContext(connection) as queries:
        import_customers({"customer_id": "1", "email": "a@example.com"})
    asked = [query["sql"] for query in queries if "crm_erasedidentity" in query["sql"]]
    assert len(asked) == 1
    assert not any("import_people" in query["sql"] for query in queries)


def test_times_are_read_on_the_wall_clock_that_is_named(import_customers: Import, settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Riga"
    import_customers({"customer_id": "1", "registered_at": "2026-07-01 12:00"})
    import_customers({"customer_id": "2", "registered_at": "2026-07-01 12:00"}, time_zone="America/New_York")
    assert dict(Customer.objects.values_list("number", "registered_at")) == {
        "1": datetime(2026, 7, 1, 9, tzinfo=UTC),
        "2": datetime(2026, 7, 1, 16, tzinfo=UTC),
    }
