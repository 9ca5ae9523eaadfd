"""Segments that follow no rule: picked by hand, and frozen."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.audience import segment_problems
from crm import erasing, marks, merging
from crm.models import Customer
from segments import domain, people, refresh
from segments.models import Membership, MembershipEvent, Segment
from segments.overview import sentence_of
from segments.rules import RuleError
from tests.crm import make
from tests.crm.make import a_customer
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW
from tests.support.people import person

pytestmark = pytest.mark.django_db
RIGANS = a_rule(ask("city", "=", "Riga"))
LATER = NOW + timedelta(hours=1)


def members(segment: Segment) -> set[int]:
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def history(segment: Segment) -> list[tuple[int, bool]]:
    events = MembershipEvent.objects.filter(segment=segment).order_by("pk")
    return list(events.values_list("customer_id", "entered"))


def test_a_frozen_segment_keeps_its_people_whatever_they_do() -> None:
    here, away = a_customer(city="Riga"), a_customer(city="Tartu")
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    refresh.refresh_due(now=NOW)
    frozen = people.freeze(segment=segment, by=None, now=NOW)
    assert (frozen.name, frozen.kind, frozen.members_count) == ("Rigans, frozen on March 1, 2027", "frozen", 1)
    assert sentence_of(frozen) == "Frozen as of March 1, 2027: City is “Riga”"
    Customer.objects.filter(pk=here.pk).update(city="Tartu")
    Customer.objects.filter(pk=away.pk).update(city="Riga")
    marks.mark_customers(customer_ids=[here.pk, away.pk])
    refresh.refresh_marked(now=LATER)
    refresh.refresh_all(now=LATER)
    assert (members(segment), members(frozen)) == ({away.pk}, {here.pk})
    assert history(frozen) == [(here.pk, True)]
    assert segment_problems([frozen]) == []
    with pytest.raises(RuleError):
        domain.change_rule(segment=frozen, rule=RIGANS, by=None, now=LATER)


def test_people_are_put_in_and_taken_out_once_each() -> None:
    one, other = a_customer(), a_customer()
    picked = people.pick(name="Friends", customer_ids=[one.pk], by=None, now=NOW)
    assert people.add_people(segment=picked, customer_ids=[one.pk, other.pk, other.pk], now=LATER) == 1
    assert people.remove_people(segment=picked, customer_ids=[one.pk, 10**9], now=LATER) == 1
    picked.refresh_from_db()
    assert (members(picked), picked.members_count, picked.refreshed_at) == ({other.pk}, 1, LATER)
    assert history(picked) == [(one.pk, True), (other.pk, True), (one.pk, False)]
    assert segment_problems([picked]) == []


def test_only_picked_segments_can_be_filled_by_hand() -> None:
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    for kind in (segment, people.freeze(segment=segment, by=None, now=NOW)):
        with pytest.raises(people.NotPicked):
            people.add_people(segment=kind, customer_ids=[a_customer().pk], now=NOW)


def test_who_wants_no_profile_or_is_merged_or_erased_is_not_picked() -> None:
    wary, gone, survivor = a_customer(no_profiling=True), make.customer("Anna Ozola"), make.customer("Anna Ozola")
    forgotten = make.customer("Berta Liepa")
    merging.merge_customers(survivor=survivor, merged=gone, by=None, now=NOW)
    erasing.erase_customer(customer=forgotten, by=None, now=NOW)
    ids = [wary.pk, gone.pk, forgotten.pk]
    assert members(people.pick(name="Friends", customer_ids=ids, by=None, now=NOW)) == {survivor.pk}


@pytest.mark.parametrize("survivor_too", [False, True])
def test_a_merged_member_is_replaced_by_the_survivor_and_put_back_when_it_is_undone(survivor_too: bool) -> None:
    gone, survivor, bystander = (make.customer("Anna Ozola") for _ in range(3))
    ids = [gone.pk, bystander.pk, *([survivor.pk] if survivor_too else [])]
    picked = people.pick(name="Friends", customer_ids=ids, by=None, now=NOW)
    frozen = people.freeze(segment=picked, by=None, now=NOW)
    merge = merging.merge_customers(survivor=survivor, merged=gone, by=None, now=LATER)
    refresh.refresh_marked(now=LATER + timedelta(seconds=1))
    for segment in (picked, frozen):
        segment.refresh_from_db()
        assert (members(segment), segment.members_count) == ({survivor.pk, bystander.pk}, 2)
    merging.undo_merge(merge=merge, by=None, now=LATER + timedelta(hours=1))
    for _twice in range(2):
        refresh.refresh_marked(now=LATER + timedelta(hours=2))
        for segment in (picked, frozen):
            segment.refresh_from_db()
            assert (members(segment), segment.members_count) == (set(ids), len(ids))
        marks.mark_customers(customer_ids=[gone.pk, survivor.pk])


def test_what_asks_for_a_picked_segment_follows_a_merge() -> None:
    gone, survivor = make.customer("Anna Ozola"), make.customer("Anna Ozola")
    people.pick(name="Friends", customer_ids=[gone.pk], by=None, now=NOW)
    follower = domain.create_segment(name="F", rule=a_rule(ask("segment", "in", "Friends")), by=None)
    refresh.refresh_due(now=NOW)
    assert members(follower) == {gone.pk}
    merging.merge_customers(survivor=survivor, merged=gone, by=None, now=LATER)
    refresh.refresh_marked(now=LATER)
    assert members(follower) == {survivor.pk}


def test_the_erased_are_gone_from_every_kind() -> None:
    anna = make.customer("Anna Ozola")
    picked = people.pick(name="Friends", customer_ids=[anna.pk], by=None, now=NOW)
    frozen = people.freeze(segment=picked, by=None, now=NOW)
    erasing.erase_customer(customer=anna, by=None, now=NOW)
    for segment in (picked, frozen):
        segment.refresh_from_db()
        assert (members(segment), history(segment), segment.members_count) == (set(), [], 0)


def test_a_list_names_people_by_number_card_and_address(django_assert_num_queries: Callable[..., Any]) -> None:
    numbered, carded = make.customer("A B"), make.customer("C D", card="9900")
    mailed = make.customer("E F", email="e@example.com")
    for name in ("G H", "I J"):
        make.customer(name, email="two@example.com")
    lines = people.lines_of(f" {numbered.number}\r\n9900;E@example.com\n\n9900, two@example.com\tnobody")
    with django_assert_num_queries(3):
        told = people.named_by(lines=lines)
    assert told.customer_ids == sorted([numbered.pk, carded.pk, mailed.pk])
    assert (told.unknown, told.unclear) == (["nobody"], ["two@example.com"])


def test_marketing_picks_people_on_the_page(client: Client) -> None:
    client.force_login(person("Marketing"))
    anna, berta = make.customer("Anna Ozola", card="7788"), make.customer("Berta Liepa")
    made = client.post(reverse("admin:segments_segment_pick"), {"name": "Friends", "description": ""})
    segment = Segment.objects.get(name="Friends")
    link = reverse("admin:segments_segment_people", args=[segment.pk])
    assert made["Location"] == link
    assert "Anna Ozola" in client.get(link, {"q": "Ozola"}).content.decode()
    client.post(link, {"do": "add", "customer": [str(anna.pk), "x"]})
    told = client.post(link, {"do": "list", "lines": f"{berta.number}\n<b>nobody</b>"}, follow=True).content.decode()
    assert "Nobody was found for: “&lt;b&gt;nobody&lt;/b&gt;”." in told
    assert members(segment) == {anna.pk, berta.pk}
    client.post(link, {"do": "remove", "customer": str(anna.pk), "members": "1"})
    assert members(segment) == {berta.pk}
    page = client.get(reverse("admin:segments_segment_members", args=[segment.pk])).content.decode()
    assert "Picked by hand." in page and "Take out" in page
    changed = {"name": "Good friends", "description": "ours"}
    client.post(reverse("admin:segments_segment_change", args=[segment.pk]), changed)
    segment.refresh_from_db()
    assert (segment.name, segment.kind, members(segment)) == ("Good friends", "picked", {berta.pk})


def test_who_may_not_change_segments_picks_nobody(client: Client) -> None:
    picked = people.pick(name="Friends", by=None, now=NOW)
    rigans = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    client.force_login(person("Shop staff"))
    for name, key in (("people", picked), ("changes", picked), ("why", rigans), ("versions", rigans)):
        assert client.get(reverse(f"admin:segments_segment_{name}", args=[key.pk])).status_code in (302, 403)
    assert client.get(reverse("admin:segments_segment_pick")).status_code in (302, 403)
    client.force_login(person("Marketing"))
    assert client.get(reverse("admin:segments_segment_people", args=[rigans.pk])).status_code == 403


def test_a_page_freezes_a_segment_and_duplicates_people(client: Client) -> None:
    client.force_login(person("Marketing"))
    anna = a_customer(city="Riga")
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    refresh.refresh_due(now=NOW)
    client.post(reverse("admin:segments_segment_do", args=[segment.pk]), {"do": "freeze"})
    frozen = Segment.objects.get(kind="frozen")
    assert members(frozen) == {anna.pk}
    client.post(reverse("admin:segments_segment_do", args=[frozen.pk]), {"do": "duplicate"})
    copy = Segment.objects.get(name__startswith="Copy of Rigans, frozen")
    assert (copy.kind, members(copy)) == ("frozen", {anna.pk})


def test_customers_chosen_in_their_list_are_put_into_a_segment(client: Client) -> None:
    client.force_login(person("Marketing"))
    anna, berta = make.customer("Anna Ozola"), make.customer("Berta Liepa")
    link = reverse("admin:crm_customer_changelist")
    assert "put_into_segment" in client.get(link).content.decode()
    asked = {"action": "put_into_segment", "_selected_action": [str(anna.pk)], "select_across": "0"}
    assert "1 customer is chosen." in client.post(link, asked).content.decode()
    assert "name a new one" in client.post(link, {**asked, "put": "1"}).content.decode()
    client.post(link, {**asked, "put": "1", "name": "Friends"})
    friends = Segment.objects.get(name="Friends")
    assert (friends.kind, members(friends)) == ("picked", {anna.pk})
    client.post(link, {**asked, "_selected_action": [str(berta.pk)], "put": "1", "segment": str(friends.pk)})
    assert members(friends) == {anna.pk, berta.pk}
    assert "already" in client.post(link, {**asked, "put": "1", "name": "Friends"}).content.decode()
