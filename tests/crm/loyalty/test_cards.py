import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from crm import customers, loyalty
from crm.models import Customer, CustomerProfile, LoyaltyCard, LoyaltyEntry, LoyaltyProgramme
from tests.crm import make
from tests.crm.test_sales import at_once
from tests.support.people import person

pytestmark = pytest.mark.django_db


def issue(customer: Customer, number: str = "") -> LoyaltyCard:
    return loyalty.issue_card(customer=customer, by=None, now=make.NOW, number=number)


@pytest.mark.parametrize(("digits", "check"), [("400638133393", "1"), ("978030640615", "7"), ("290000000000", "1")])
def test_the_check_digit_is_that_of_an_ean(digits: str, check: str) -> None:
    assert loyalty.check_digit(digits) == check


def test_cards_get_the_next_free_number_of_the_shops_range() -> None:
    customer = make.customer()
    taken = "290000000002" + loyalty.check_digit("290000000002")
    issue(customer, taken)

    numbers = [issue(customer).number for _ in range(2)]

    assert numbers == [digits + loyalty.check_digit(digits) for digits in ("290000000001", "290000000003")]
    LoyaltyProgramme.objects.update(card_prefix="210000", cards_numbered=999_998)
    assert issue(customer).number[:12] == "210000999999"
    with pytest.raises(loyalty.CardRefused, match="used up"):
        issue(customer)


@pytest.mark.django_db(transaction=True)
def test_cards_issued_at_once_have_numbers_of_their_own() -> None:
    customer = make.customer()
    cards = at_once(*[lambda: issue(customer).number] * 4)
    assert len(set(cards)) == LoyaltyCard.objects.count() == 4


def test_a_number_is_given_once_and_closed_records_get_none() -> None:
    customer = make.customer(card="29000001")
    with pytest.raises(loyalty.CardRefused, match="already"):
        issue(customer, " 2900 0001 ")
    customer.erased_at = make.NOW
    with pytest.raises(loyalty.CardRefused, match="closed"):
        issue(customer)


def test_a_lost_card_is_replaced_the_old_number_finds_its_owner_and_earns_to_the_new_one() -> None:
    by = User.objects.create_user("anna")
    customer = make.customer(card="29000001")
    make.receipt(customer=customer)
    old = LoyaltyCard.objects.get()

    new = loyalty.replace_card(card=old, by=by, now=make.NOW)

    old.refresh_from_db()
    assert (old.status, old.replaced_by, new.status) == ("lost", new, "active")
    assert customers.by_card(number="29000001") == customers.by_card(number=new.number) == [customer]
    assert customers.look_up(text="29000001").customers == [customer]
    assert loyalty.replacement_of("29000001") == new
    make.receipt(customer=customers.by_card(number="29000001")[0])
    assert LoyaltyEntry.objects.latest("pk").card == new
    assert CustomerProfile.objects.get().points == 20
    assert LogEntry.objects.count() == 2
    with pytest.raises(loyalty.CardRefused, match="replaced already"):
        loyalty.replace_card(card=old, by=by, now=make.NOW)

    newest = loyalty.replace_card(card=new, by=by, now=make.NOW)
    assert loyalty.replacement_of("29000001") == newest


def test_cards_lost_or_closed_for_good_find_nobody() -> None:
    customer = make.customer(card="29000001")
    old = LoyaltyCard.objects.get()
    new = loyalty.replace_card(card=old, by=None, now=make.NOW)

    loyalty.close_card(card=new, by=None)

    assert [customers.by_card(number=number) for number in (old.number, new.number)] == [[], []]
    assert loyalty.replacement_of(old.number) is None
    lost = issue(customer)
    loyalty.lose_card(card=lost, by=None)
    assert customers.by_card(number=lost.number) == []
    with pytest.raises(loyalty.CardRefused, match="not in use"):
        loyalty.close_card(card=lost, by=None)
    with pytest.raises(loyalty.CardRefused, match="closed"):
        loyalty.replace_card(card=new, by=None, now=make.NOW)
    assert loyalty.replace_card(card=lost, by=None, now=make.NOW).customer == customer


def test_the_till_says_that_a_scanned_card_was_replaced(client: Client) -> None:
    client.force_login(person("Shop staff"))
    customer = make.customer(card="29000001")
    new = loyalty.replace_card(card=LoyaltyCard.objects.get(), by=None, now=make.NOW)
    for number, hint in ((new.number, ""), ("29000001", f"replaced by …{new.number[-4:]}")):
        answer = client.get(reverse("till-scan"), {"q": number}).json()
        assert answer["customer"] == customer.pk
        assert hint in answer.get("hint", "")
        assert bool(hint) == ("hint" in answer)
