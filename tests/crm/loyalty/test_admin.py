import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from crm import profiles
from crm.models import CustomerProfile, LoyaltyCard, LoyaltyEntry, LoyaltyProgramme, PointsRule, Tier
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(person("Administrator"))
    return client


TERMS = {
    "points_per_unit": 2,
    "birthday_points": 50,
    "expire_after_months": "",
    "redeem_points": 100,
    "amount": "5.50",
    "tier_months": 12,
    "tier_kept_months": 6,
    "card_prefix": "29",
}


def send(client: Client, page: str, values: dict[str, Any], pk: int | None = None) -> Any:
    name = f"admin:crm_{page}_{'change' if pk else 'add'}"
    return client.post(reverse(name, args=[pk] if pk else []), values)


def errors(answer: HttpResponse) -> dict[str, list[str]]:
    found: dict[str, list[str]] = answer.context["adminform"].form.errors  # type: ignore[attr-defined]
    return found


def test_the_programme_is_one_page_with_money_in_whole_units(administrator: Client) -> None:
    page = reverse("admin:crm_loyaltyprogramme_change", args=[1])
    assert administrator.get(reverse("admin:crm_loyaltyprogramme_changelist")).headers["Location"] == page
    LoyaltyProgramme.objects.update(cards_numbered=7)

    assert send(administrator, "loyaltyprogramme", TERMS, 1).status_code == 302

    programme = LoyaltyProgramme.objects.get()
    assert (programme.redeem_worth_minor, programme.points_per_unit, programme.cards_numbered) == (550, 2, 7)
    assert 'value="5.50"' in administrator.get(page).content.decode()
    assert "card_prefix" in errors(send(administrator, "loyaltyprogramme", TERMS | {"card_prefix": "30"}, 1))
    assert "amount" in errors(send(administrator, "loyaltyprogramme", TERMS | {"amount": "5.505"}, 1))
    assert errors(send(administrator, "loyaltyprogramme", TERMS))


def test_marketing_reads_the_terms_without_changing_them(client: Client) -> None:
    client.force_login(person("Marketing"))
    LoyaltyProgramme(redeem_worth_minor=550).save()
    assert "$5.50" in client.get(reverse("admin:crm_loyaltyprogramme_change", args=[1])).content.decode()
    assert send(client, "loyaltyprogramme", TERMS, 1).status_code == 403
    assert send(client, "loyaltyentry", {}).status_code == 403


def test_a_rule_says_when_it_fits(administrator: Client) -> None:
    sent = {
        "name": "Weekend",
        "factor": "2",
        "category": make.category("Food").pk,
        "weekdays": ["6", "7"],
        "starts_on": "2026-01-01",
        "birthday_days": "0",
        "is_active": "on",
    }
    assert send(administrator, "pointsrule", sent).status_code == 302

    rule = PointsRule.objects.get()
    assert (rule.factor, rule.weekdays, rule.birthday_days) == (Decimal(2), [6, 7], 0)
    page = administrator.get(reverse("admin:crm_pointsrule_changelist")).content.decode()
    assert "Saturday, Sunday; from Jan. 1, 2026; on the birthday" in page
    assert "× 2" in page
    assert errors(send(administrator, "pointsrule", sent | {"ends_on": "2025-12-31"}))
    assert "weekdays" in errors(send(administrator, "pointsrule", sent | {"weekdays": ["8"]}))


def test_a_tier_begins_at_a_sum_in_whole_units(administrator: Client) -> None:
    sent = {"name": "Silver", "amount": "250.00", "factor": "1.5"}
    assert send(administrator, "tier", sent).status_code == 302

    assert Tier.objects.get().spend_minor == 250_00
    page = administrator.get(reverse("admin:crm_tier_changelist")).content.decode()
    assert "$250.00" in page
    assert "× 1.5" in page
    assert "amount" in errors(send(administrator, "tier", sent | {"name": "Gold"}))


def test_points_given_by_hand_need_a_reason_and_are_given_once(administrator: Client) -> None:
    customer = make.customer(card="29000001")
    sent = {"customer": customer.pk, "points": 40, "note": "A broken jar", "once": uuid.uuid4()}

    answers = [send(administrator, "loyaltyentry", sent) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    entry = LoyaltyEntry.objects.get()
    assert (entry.points, entry.kind, entry.note) == (40, "adjust", "A broken jar")
    assert entry.recorded_by is not None
    assert CustomerProfile.objects.get().points == 40
    assert "note" in errors(send(administrator, "loyaltyentry", sent | {"note": " ", "once": uuid.uuid4()}))
    assert "points" in errors(send(administrator, "loyaltyentry", sent | {"points": -41, "once": uuid.uuid4()}))
    assert "points" in errors(send(administrator, "loyaltyentry", sent | {"points": 10**12, "once": uuid.uuid4()}))
    assert list(profiles.differences()) == []
    for address in ("admin:crm_loyaltyentry_change", "admin:crm_loyaltyentry_delete"):
        assert administrator.post(reverse(address, args=[entry.pk]), {}).status_code == 403


def test_the_ledger_of_one_customer_is_reached_from_their_page(administrator: Client) -> None:
    customer, other = make.customer(card="29000001"), make.customer(card="29000002")
    for one in (customer, other):
        make.receipt(customer=one)
    page = administrator.get(reverse("admin:crm_customer_change", args=[customer.pk])).content.decode()
    ledger = f"{reverse('admin:crm_loyaltyentry_changelist')}?customer__id__exact={customer.pk}"
    assert ledger in page
    assert "10 points" in page

    rows = administrator.get(ledger).context["cl"].result_list

    assert [entry.customer for entry in rows] == [customer]
    [entry] = rows
    assert administrator.get(reverse("admin:crm_loyaltyentry_change", args=[entry.pk])).status_code == 200


def test_a_card_is_issued_lost_replaced_and_closed_on_its_page(administrator: Client) -> None:
    customer = make.customer()
    assert send(administrator, "loyaltycard", {"customer": customer.pk, "number": ""}).status_code == 302
    old = LoyaltyCard.objects.get()
    assert old.number.startswith("29000000000")
    assert errors(send(administrator, "loyaltycard", {"customer": customer.pk, "number": old.number}))
    below = {"entries-TOTAL_FORMS": 0, "entries-INITIAL_FORMS": 0}

    assert send(administrator, "loyaltycard", {"what": "", **below}, old.pk).status_code == 302
    assert LoyaltyCard.objects.get().status == "active"
    sent = {"what": "replaced", "new_number": " 29 42 ", **below}
    assert send(administrator, "loyaltycard", sent, old.pk).status_code == 302

    old.refresh_from_db()
    assert old.status == "lost"
    assert old.replaced_by is not None
    assert old.replaced_by.number == "2942"
    assert "2942" in administrator.get(reverse("admin:crm_loyaltycard_change", args=[old.pk])).content.decode()
    assert errors(send(administrator, "loyaltycard", sent, old.pk))
    assert send(administrator, "loyaltycard", {"what": "closed", **below}, old.replaced_by.pk).status_code == 302
    assert LoyaltyCard.objects.get(number="2942").status == "closed"
    assert LogEntry.objects.filter(change_message__contains="Lost; replaced by 2942").exists()
