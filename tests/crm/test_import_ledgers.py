"""Balances of points and consents from files: what is missing to the ledgers is added, and no no becomes a yes."""

import csv
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm import addresses, consents, loyalty, profiles
from crm.importing import ImportResult, import_file
from crm.models import ChangeMark, Channel, Consent, Customer, CustomerProfile, LoyaltyEntry, Suppression
from tests.crm import make

pytestmark = pytest.mark.django_db

NOW = make.NOW
Import = Callable[..., ImportResult]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    def run(kind: str, header: str, *rows: str, **options: Any) -> ImportResult:
        path = tmp_path / f"{kind}.csv"
        path.write_text("\n".join([header, *rows, ""]))
        return import_file(kind=kind, path=path, now=options.pop("now", NOW), **options)

    return run


def reasons(result: ImportResult) -> list[str]:
    assert result.errors_file
    with result.errors_file.open(newline="") as file:
        return [cells[-1] for cells in list(csv.reader(file))[1:]]


def counts(result: ImportResult) -> Sequence[int]:
    return result.created, result.updated, result.unchanged, result.refused


def points(customer: Customer) -> int:
    return CustomerProfile.objects.get(customer=customer).points


def earn(customer: Customer, amount: int, at: datetime) -> None:
    profiles.lock_profiles(customer_ids=[customer.pk])
    loyalty.post([LoyaltyEntry(customer=customer, kind="earn", points=amount, key=f"t{at}", recorded_at=at)])


def test_a_balance_is_reached_by_an_adjustment_and_the_same_file_again_changes_nothing(load: Import) -> None:
    anna, bo = make.customer("Anna Ozola", number="7"), make.customer("Bo Ek", card="2900")
    earn(anna, 30, NOW - timedelta(days=40))
    rows = ["7,,100,2026-05-01", ",2900,50,2026-05-01"]
    ChangeMark.objects.all().delete()
    assert counts(load("loyalty", "customer_id,card_number,points,date", *rows)) == (0, 2, 0, 0)
    assert [points(anna), points(bo)] == [100, 50]
    entry = LoyaltyEntry.objects.get(customer=anna, kind="adjust")
    assert (entry.points, entry.recorded_at, entry.note) == (
        70,
        datetime(2026, 5, 1, tzinfo=UTC),
        "Balance from a file",
    )
    assert set(ChangeMark.objects.values_list("customer_id", flat=True)) == {anna.pk, bo.pk}

    earn(anna, 5, NOW)
    assert counts(load("loyalty", "customer_id,card_number,points,date", *rows)) == (0, 0, 2, 0)
    assert points(anna) == 105
    later = "7,,60,2026-05-20 14:00"
    assert counts(load("loyalty", "customer_id,card_number,points,date", later, now=NOW + timedelta(hours=3))) == (
        0,
        1,
        0,
        0,
    )
    assert points(anna) == 60
    assert profiles.differences() == []


def test_what_says_nothing_about_a_member_is_refused(load: Import) -> None:
    make.customer(number="7", card="2900")
    make.customer(number="8", card="2901")
    result = load(
        "loyalty",
        "customer_id,card_number,points,date",
        ",,1,2026-05-01",
        "99,,1,2026-05-01",
        ",2999,1,2026-05-01",
        "7,2901,1,2026-05-01",
        "7,,x,2026-05-01",
        "7,,5,",
        "8,,5,2026-05-01",
        ",2901,6,2026-05-01",
    )
    assert counts(result) == (0, 1, 0, 7)
    assert [reason.partition(": ")[2] for reason in reasons(result)] == [
        "customer_id: is missing, and so is card_number.",
        "customer_id: no customer has this number.",
        "card_number: nobody has this card.",
        "card_number: this is another customer's card.",
        "points: “x” is not a number (write it like 1234.56).",
        "date: is missing.",
        "customer_id: row 8 already says this member's balance.",
    ]


def test_balances_in_the_words_of_another_program(load: Import) -> None:
    anna = make.customer(card="2900")
    result = load("loyalty", "Kartennummer;Punktestand;Stand", "2900;1.250;31.12.2025", "2999;11.212.500;31.12.2025")
    assert (counts(result), points(anna)) == ((0, 1, 0, 1), 1250)


HEADER = "customer_id,email,channel,purpose,granted,stated_at,source,wording"


def said(customer: Customer, channel: str = "email", purpose: str = "marketing") -> list[tuple[bool, str, str]]:
    rows = Consent.objects.filter(customer=customer, channel=channel, purpose=purpose).order_by("stated_at", "pk")
    return [(one.granted, f"{one.stated_at:%Y-%m-%d}", one.source) for one in rows]


def test_statements_are_added_with_their_proof_and_the_same_file_again_adds_none(load: Import) -> None:
    anna = make.customer(number="7", email="Anna@Shop.example")
    rows = [
        "7,,email,,yes,2026-01-02,form,May we write?",
        ",anna@shop.example,sms,,ja,2026-01-02,form,",
        "7,,,sensitive,yes,2026-01-03,paper,",
        "7,,email,research,no,2026-01-03,,",
    ]
    assert counts(load("consents", HEADER, *rows)) == (4, 0, 0, 0)
    consent = Consent.objects.get(customer=anna, channel="email", purpose="marketing")
    assert (consent.granted, consent.wording, consent.source) == (True, "May we write?", "form")
    assert consent.proof == {"file": "consents.csv", "row": 2}
    profile = CustomerProfile.objects.get(customer=anna)
    assert (profile.consent_email, profile.consent_sms, profile.consent_post) == (True, True, False)
    assert said(anna, "", "sensitive") == [(True, "2026-01-03", "paper")]
    assert counts(load("consents", HEADER, *rows)) == (0, 0, 4, 0)
    assert profiles.differences() == []


def test_no_becomes_yes_only_with_a_later_date_and_its_source(load: Import) -> None:
    anna = make.customer(number="7")
    consents.record_consent(
        customer=anna, channel=Channel.EMAIL, granted=False, source="till", stated_at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    result = load("consents", HEADER, "7,,email,,yes,,form,", "7,,email,,yes,2026-04-01,,")
    assert (counts(result), result.extra["withdrawals_kept"]) == ((0, 0, 2, 0), 2)
    assert load("consents", HEADER, "7,,email,,yes,2026-02-01,form,").created == 1
    assert not CustomerProfile.objects.get(customer=anna).consent_email
    assert load("consents", HEADER, "7,,email,,yes,2026-04-01,form,").created == 1
    assert CustomerProfile.objects.get(customer=anna).consent_email
    assert said(anna) == [(True, "2026-02-01", "form"), (False, "2026-03-01", "till"), (True, "2026-04-01", "form")]
    assert load("consents", HEADER, "7,,email,,no,,,").created == 1
    assert not CustomerProfile.objects.get(customer=anna).consent_email
    assert load("consents", HEADER, "7,,email,,no,,,").unchanged == 1


def test_a_yes_without_proof_loses_against_a_no_in_the_same_file(load: Import) -> None:
    anna = make.customer(number="7")
    assert load("consents", HEADER, "7,,email,,yes,,,", "7,,email,,no,2020-01-01,,").created == 1
    assert said(anna) == [(False, "2020-01-01", "import")]


def test_a_no_by_address_is_everybodys_who_bears_it_and_the_address_is_suppressed(load: Import) -> None:
    one, two = make.customer("A B", email="x@y.example"), make.customer("C D", email="X@Y.example")
    result = load(
        "consents", HEADER, ",x@y.example,email,,no,2026-01-01,,", ",gone@y.example,email,,unsubscribed,2026-01-01,,"
    )
    assert counts(result) == (1, 0, 1, 0)
    assert result.extra["addresses_suppressed"] == 2
    assert [said(one), said(two)] == [[(False, "2026-01-01", "import")]] * 2
    hashed = {addresses.address_hash(key) for key in ("x@y.example", "gone@y.example")}
    assert {bytes(each) for each in Suppression.objects.values_list("address_hash", flat=True)} == hashed
    assert Consent.objects.get(customer=one).proof["row"] == 2


def test_what_names_nobody_or_no_channel_is_refused(load: Import) -> None:
    make.customer("A B", email="x@y.example")
    make.customer("C D", email="x@y.example", number="8")
    result = load(
        "consents",
        HEADER,
        ",,email,,yes,,,",
        "99,,email,,yes,,,",
        ",nobody@y.example,email,,yes,,,",
        ",x@y.example,email,,yes,,,",
        "8,,,,yes,,,",
        "8,,email,sensitive,yes,,,",
        "8,,email,,,,,",
        "8,,pigeon,,yes,2026-13-01,,",
        "8,,email,,yes,2026-05-21 13:00,form,",
    )
    assert [reason.partition(": ")[2] for reason in reasons(result)] == [
        "customer_id: is missing, and so is email.",
        "customer_id: no customer has this number.",
        "email: nobody has this address.",
        "email: several customers have this address; say who agrees with customer_id.",
        "channel: is missing, or does not fit the purpose.",
        "channel: is missing, or does not fit the purpose.",
        "granted: is missing.",
        "channel: “pigeon” is none of email, sms, phone, post. "
        "stated_at: “2026-13-01” is not a time (write it like 2026-12-31 18:30:00).",
        "stated_at: “2026-05-21 13:00” lies in the future.",
    ]
    assert not Consent.objects.exists()


def test_what_is_said_of_a_merged_record_is_the_survivors(load: Import) -> None:
    survivor = make.customer("A B", number="1")
    gone = make.customer("A B", number="2")
    Customer.objects.filter(pk=gone.pk).update(merged_into=survivor)
    assert load("consents", HEADER, "2,,email,,yes,2026-01-01,form,").created == 1
    assert said(survivor) == [(True, "2026-01-01", "form")]
    assert counts(load("loyalty", "customer_id,points,date", "2,50,2026-01-01")) == (0, 0, 1, 0)
    assert not LoyaltyEntry.objects.exists()


def test_a_dry_run_shows_what_would_be_added_and_adds_nothing(load: Import) -> None:
    anna = make.customer(number="7")
    result = load("loyalty", "customer_id,points,date", "7,100,2026-05-01", "9,1,2026-05-01", dry_run=True)
    assert result.samples
    assert result.samples.updated == [{"row": 2, "key": "7", "changes": {"points": [0, 100]}}]
    assert result.samples.refused == [{"row": 3, "reason": "customer_id: no customer has this number."}]
    result = load("consents", HEADER, "7,,email,,yes,2026-01-01,form,", dry_run=True)
    assert result.samples
    assert result.samples.updated == [{"row": 2, "key": "7", "changes": {"marketing email": [None, True]}}]
    assert (points(anna), Consent.objects.count(), LoyaltyEntry.objects.count()) == (0, 0, 0)
