import threading
import uuid
from typing import Any

import phonenumbers
import pytest
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from crm import addresses, customers
from crm.models import ChangeMark, Customer, CustomerProfile, LoyaltyCard
from tests.crm import make

pytestmark = pytest.mark.django_db


def names(text: str, limit: int = 10) -> list[str]:
    return [customer.full_name for customer in customers.search(text=text, limit=limit)]


def test_a_card_names_its_customer_and_nobody_else() -> None:
    make.customer("Anna Ozola", card="2900 0001".replace(" ", ""))
    make.customer("Anna Ozolina", card="29000002")

    found = customers.look_up(text=" 2900 0001 ")

    assert (found.exact, [customer.full_name for customer in found.customers]) == (True, ["Anna Ozola"])


def test_a_card_reported_lost_finds_nobody() -> None:
    make.customer("Anna Ozola", card="29000001")
    LoyaltyCard.objects.update(status=LoyaltyCard.Status.LOST)

    assert customers.look_up(text="29000001") == customers.Found(customers=[], exact=False)


def test_a_phone_and_an_address_that_two_share_show_both() -> None:
    make.customer("Anna Ozola", phone="(212) 555-0147", email="Family@Example.com")
    make.customer("Liga Ozola", phone="+1 212 555 0147", email="family@example.com")
    make.customer("Anna Berzina", phone="+1 212 555 0199", email="anna@example.com")

    assert names("212-555-0147") == ["Anna Ozola", "Liga Ozola"]
    assert names("FAMILY@example.com ") == ["Anna Ozola", "Liga Ozola"]


@pytest.mark.parametrize(
    "text",
    ["müller", "Muller", "mul", "muler", "MULLLER", "jurgen muller", "Müller Jürgen", "jur mul", "jürgn müllr"],
)
def test_names_are_found_with_typos_accents_parts_and_in_any_order(text: str) -> None:
    make.customer("Jürgen Müller")
    make.customer("Anna Ozola")

    assert names(text) == ["Jürgen Müller"]


@pytest.mark.parametrize("text", ["Иванов", "ivanov", "иван", "Ivnov"])
def test_names_are_found_in_another_script(text: str) -> None:
    make.customer("Пётр Иванов")
    make.customer("Anna Ozola")

    assert names(text) == ["Пётр Иванов"]


def test_beginnings_come_before_mistyped_ones() -> None:
    make.customer("Zoe Anderson")
    make.customer("Bea Andersen")
    make.customer("Ann Anderssohn")

    assert names("anderson") == ["Zoe Anderson", "Bea Andersen", "Ann Anderssohn"]


def test_the_beginning_of_an_address_is_enough_and_its_domain_finds_nobody() -> None:
    make.customer("Anna Ozola", email="a.ozola@example.com")
    make.customer("Liga Ozola", email="liga@example.com")

    assert names("A.Ozola@exa") == ["Anna Ozola"]
    assert names("example") == []


def test_the_last_digits_of_a_phone_are_enough() -> None:
    make.customer("Anna Ozola", phone="+1 212 555 0147")
    make.customer("Liga Ozola", phone="+1 212 555 0199")

    assert names("0147") == ["Anna Ozola"]


@pytest.mark.parametrize("text", ["", "  ", "a", "%", "_", "\\", "'", "o'", "%%", "__"])
def test_too_little_or_odd_text_finds_nobody_and_breaks_nothing(text: str) -> None:
    make.customer("Anna Ozola")

    assert names(text) == []


def test_merged_and_erased_records_are_not_found() -> None:
    kept = make.customer("Anna Ozola", email="anna@example.com")
    merged = make.customer("Anna Ozola", email="anna@example.com", card="29000001")
    erased = make.customer("Anna Ozola")
    Customer.objects.filter(pk=merged.pk).update(merged_into=kept)
    Customer.objects.filter(pk=erased.pk).update(erased_at=make.NOW)

    assert customers.search(text="anna ozola") == [kept]
    assert customers.search(text="anna@example.com") == [kept]
    assert customers.search(text="29000001") == []


def test_search_keeps_to_its_limit_and_its_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(12):
        make.customer(f"Anna Ozola{number}")

    with django_assert_num_queries(3):
        assert len(customers.search(text="anna", limit=10)) == 10


def test_create_customer_gives_a_number_a_profile_and_a_mark() -> None:
    customer = make.customer(" Anna   Ozola", email=" Anna@Example.com ", registered=True)

    customer.refresh_from_db()
    assert customer.number == f"R{customer.pk:07d}"
    assert (customer.full_name, customer.email, customer.email_key) == (
        "Anna Ozola",
        "Anna@Example.com",
        "anna@example.com",
    )
    assert customer.registered_at == make.NOW
    assert CustomerProfile.objects.filter(customer=customer).count() == 1
    assert list(ChangeMark.objects.values_list("customer", flat=True)) == [customer.pk]


def test_create_customer_skips_a_number_that_an_import_took() -> None:
    taken = make.customer()
    Customer.objects.filter(pk=taken.pk).update(number=f"R{taken.pk + 1:07d}")

    assert make.customer().number == f"R{taken.pk + 2:07d}"


@pytest.mark.parametrize("fields", [{"email": "no address"}, {"phone": "12"}, {"email": "a@b\r\nBcc: c@example.com"}])
def test_create_customer_refuses_what_cannot_be_right(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        customers.create_customer(now=make.NOW, first_name="Anna", **fields)

    assert not Customer.objects.exists()


def test_a_repeated_key_returns_the_first_customer_and_other_content_clashes() -> None:
    key = uuid.uuid4()
    first = customers.create_customer(now=make.NOW, key=key, first_name="Anna")

    assert customers.create_customer(now=make.NOW, key=key, first_name="Anna") == first
    with pytest.raises(customers.CustomerClash):
        customers.create_customer(now=make.NOW, key=key, first_name="Liga")
    assert Customer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_twice_at_once_makes_one_customer() -> None:
    key, made, barrier = uuid.uuid4(), [], threading.Barrier(4)

    def send() -> None:
        barrier.wait()
        made.append(customers.create_customer(now=make.NOW, key=key, first_name="Anna").pk)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 4 and len(set(made)) == 1
    assert Customer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_key", [True, False])
def test_one_number_from_two_connections_at_once_is_one_customer(
    monkeypatch: pytest.MonkeyPatch, same_key: bool
) -> None:
    keys, together, derive_keys = [uuid.uuid4(), uuid.uuid4()], threading.Barrier(2, timeout=10), customers.derive_keys
    made: list[int] = []
    refused: list[dict[str, list[str]]] = []

    def after_both_looked(customer: Customer) -> None:
        together.wait()
        derive_keys(customer)

    def add(key: uuid.UUID) -> None:
        try:
            made.append(customers.create_customer(now=make.NOW, key=key, number="WEB-7", first_name="Ilze").pk)
        except ValidationError as error:
            refused.append(error.message_dict)
        finally:
            connection.close()

    monkeypatch.setattr(customers, "derive_keys", after_both_looked)
    threads = [threading.Thread(target=add, args=[keys[0 if same_key else index]]) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    taken = {"number": ["There is a customer with this number already."]}
    assert refused == ([] if same_key else [taken])
    assert made == [Customer.objects.get().pk] * (2 if same_key else 1)


@given(st.from_regex(addresses._USUAL_EMAIL, fullmatch=True).filter(lambda value: len(value) < 255))
def test_what_passes_for_a_usual_address_is_one(value: str) -> None:
    validate_email(addresses.email_key(value))


CALLING_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@given(
    code=st.sampled_from(CALLING_CODES),
    national=st.from_regex(r"[0-9]{1,14}", fullmatch=True),
    blanks=st.sets(st.integers(0, 14), max_size=4),
)
@example(code=44, national="02071234567", blanks={0, 3})
@example(code=39, national="0612345678", blanks=set())
@example(code=7, national="89161234567", blanks={0})
@example(code=1, national="12125550147", blanks=set())
@example(code=54, national="91123456789", blanks=set())
def test_an_international_number_has_the_key_that_parsing_it_gives(code: int, national: str, blanks: set[int]) -> None:
    written = f"+{code}" + "".join(" " * (at in blanks) + digit for at, digit in enumerate(national))
    try:
        parsed = phonenumbers.parse(written, "LV")
        possible = phonenumbers.is_possible_number(parsed)
        expected = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) if possible else ""
    except phonenumbers.NumberParseException:
        expected = ""

    assert addresses.phone_key(written) == (expected or f"{code}{national}")
