"""The review of duplicates in the back office."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm import consents, duplicates, merging
from crm.models import AuditEntry, Customer, DuplicatePair, Merge, Receipt, Shop
from tests.crm import make
from tests.crm.make import NOW
from tests.support.people import person

pytestmark = pytest.mark.django_db

QUEUE = "admin:crm_duplicatepair_changelist"
PHONE = "+371 2012 3456"


@pytest.fixture
def marketing(client: Client) -> Client:
    client.force_login(person("Marketing"))
    return client


def a_pair() -> DuplicatePair:
    """Two records of one person; the second one bought, and said no by e-mail."""
    one = make.customer("Anna Ozolina", phone=PHONE, email="anna@example.com", birth_date=date(1984, 3, 12))
    other = make.customer("Ana Ozoliņa", phone=PHONE, city="Riga", card="A7", registered=True)
    make.receipt(customer=other)
    for customer, granted in ((one, True), (other, False)):
        consents.record_consent(
            customer=customer, channel="email", granted=granted, source="till", stated_at=NOW, now=NOW
        )
    duplicates.find_duplicates(now=NOW)
    return DuplicatePair.objects.get()


def test_the_surest_pair_is_shown_side_by_side_with_what_would_come_of_it(marketing: Client) -> None:
    pair = a_pair()

    answer = marketing.get(reverse(QUEUE))

    assert (answer.status_code, answer.context["pair"]) == (200, pair)
    rows = {row.name: (row.left, row.right, row.level, row.choosable) for row in answer.context["rows"]}
    assert rows["first_name"] == ("Anna", "Ana", "near", True)
    assert rows["phone"] == (PHONE, PHONE, "same", False)
    assert rows["address"] == ("", "Riga", "unknown", False)
    assert answer.context["survivor"] == "right"
    result = answer.context["result"]
    assert (result.receipts, result.points, result.cards) == (1, 10, 1)
    [email] = result.consents
    assert (email.channel, email.allowed) == ("e-mail", False)
    assert f"no, since {pair.second.number} said no on" in email.why
    assert AuditEntry.objects.filter(what="duplicates").count() == 2


def test_the_result_follows_the_choices(marketing: Client) -> None:
    pair = a_pair()
    url = reverse("admin:crm_duplicatepair_result", args=[pair.first_id, pair.second_id])

    kept = marketing.get(url, {"survivor": "left"}).context["result"]
    chosen = marketing.get(url, {"survivor": "left", "choice_first_name": "right"}).context["result"]

    assert [(field, after) for field, _before, after in kept.changes if field == "first name"] == []
    assert ("first name", "Anna", "Ana") in chosen.changes
    assert Customer.objects.get(pk=pair.first_id).first_name == "Anna"


def test_the_same_person_is_merged_and_the_undo_is_offered_at_once(marketing: Client) -> None:
    pair = a_pair()

    answer = marketing.post(
        reverse("admin:crm_duplicatepair_decide", args=[pair.pk]),
        {"decision": "same", "survivor": "right", "choice_last_name": "left"},
        follow=True,
    )

    made = Merge.objects.get()
    assert (made.survivor, made.merged) == (pair.second, pair.first)
    assert Customer.objects.get(pk=pair.second_id).last_name == "Ozolina"
    assert answer.context["just_merged"] == made
    assert reverse("admin:crm_merge_undo", args=[made.pk]) in answer.content.decode()

    answer = marketing.post(reverse("admin:crm_merge_undo", args=[made.pk]), follow=True)
    made.refresh_from_db()
    assert made.undone_at is not None
    assert "are two records again" in answer.content.decode()
    assert Receipt.objects.get().customer == pair.second


@pytest.mark.parametrize("decision", ["different", "later"])
def test_a_pair_that_was_decided_is_out_of_the_way(marketing: Client, decision: str) -> None:
    pair = a_pair()

    answer = marketing.post(
        reverse("admin:crm_duplicatepair_decide", args=[pair.pk]), {"decision": decision}, follow=True
    )

    pair.refresh_from_db()
    assert (pair.status, pair.decided_by.username if pair.decided_by else "") == (decision, "marketing")
    assert "No two records look like one person." in answer.content.decode()
    later = marketing.get(reverse(QUEUE), {"later": ""})
    assert (later.context.get("pair") == pair) is (decision == "later")


def test_a_merge_that_is_refused_says_why_and_keeps_what_was_chosen(marketing: Client) -> None:
    pair = a_pair()
    third = make.customer()
    merging.merge_customers(survivor=third, merged=pair.second, by=None, now=NOW)

    answer = marketing.post(
        reverse("admin:crm_duplicatepair_decide", args=[pair.pk]), {"decision": "same", "survivor": "left"}
    )

    assert answer.status_code == 200
    assert "has gone up in another record since" in answer.content.decode()
    assert Merge.objects.count() == 1


def test_any_two_are_found_and_merged_from_a_customers_page(marketing: Client) -> None:
    one, other = make.customer("Anna Ozola"), make.customer("Zane Liepa")
    page = marketing.get(reverse("admin:crm_customer_change", args=[one.pk])).content.decode()
    search = reverse("admin:crm_duplicatepair_with", args=[one.pk])
    assert search in page

    found = marketing.get(search, {"q": "liepa"}).context["found"]
    assert found == [other]

    two = reverse("admin:crm_duplicatepair_two", args=[one.pk, other.pk])
    assert marketing.get(two).status_code == 200
    marketing.post(two, {"decision": "same", "survivor": "left"})
    assert Merge.objects.get().survivor == one

    timeline = marketing.get(reverse("admin:crm_customer_change", args=[one.pk])).content.decode()
    merge_page = reverse("admin:crm_merge_change", args=[Merge.objects.get().pk])
    assert merge_page in timeline
    assert "Take them apart again" in marketing.get(merge_page).content.decode()


def test_who_may_not_merge_gets_nothing_to_press(client: Client) -> None:
    pair = a_pair()
    urls: list[tuple[str, str, dict[str, Any]]] = [
        ("get", reverse(QUEUE), {}),
        ("get", reverse("admin:crm_duplicatepair_change", args=[pair.pk]), {}),
        ("get", reverse("admin:crm_duplicatepair_with", args=[pair.first_id]), {}),
        ("get", reverse("admin:crm_duplicatepair_two", args=[pair.first_id, pair.second_id]), {}),
        ("get", reverse("admin:crm_duplicatepair_result", args=[pair.first_id, pair.second_id]), {}),
        ("post", reverse("admin:crm_duplicatepair_decide", args=[pair.pk]), {"decision": "same"}),
    ]
    client.force_login(person("Shop staff"))
    for method, url, data in urls:
        answer = getattr(client, method)(url, data)
        assert (url, answer.status_code in (302, 403)) == (url, True)
    assert not Merge.objects.exists()

    made = merging.merge_customers(survivor=pair.first, merged=pair.second, by=None, now=NOW)
    answer = client.post(reverse("admin:crm_merge_undo", args=[made.pk]))
    assert answer.status_code in (302, 403)
    made.refresh_from_db()
    assert made.undone_at is None


def test_the_sidebar_says_how_many_wait(marketing: Client) -> None:
    a_pair()
    assert [
        item.get("badge")
        for group in marketing.get(reverse("admin:index")).context["sidebar_navigation"]
        for item in group["items"]
        if item["link"] == reverse(QUEUE)
    ] == ["1"]


def test_lists_of_merges_take_the_same_queries_at_one_and_three(
    marketing: Client, django_assert_max_num_queries: Any
) -> None:
    kept = make.customer()
    counts = []
    for _round in range(2):
        for _ in range(1 + _round):
            merging.merge_customers(survivor=kept, merged=make.customer(), by=None, now=NOW + timedelta(hours=1))
        with django_assert_max_num_queries(60) as captured:
            assert marketing.get(reverse("admin:crm_merge_changelist")).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_rules_are_turned_on_in_the_shops_settings(client: Client) -> None:
    client.force_login(person("Administrator"))
    Shop.objects.create(name="Corner shop")
    url = reverse("admin:crm_shop_change", args=[1])
    form = client.get(url).context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields} | {"auto_merge": ["email_name_birth"]}

    answer = client.post(url, {name: value for name, value in data.items() if value != ""})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Shop.objects.get().auto_merge == ["email_name_birth"]
