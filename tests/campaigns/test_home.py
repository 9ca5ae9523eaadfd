from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign, Delivery
from crm.models import Customer, Job, Receipt, Store
from personas.models import Persona
from segments.models import Segment

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> User:
    user = User.objects.create_user("maria", password="maria", is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def sell(total_minor: int) -> None:
    store, _made = Store.objects.get_or_create(code="1", defaults={"name": "Main street"})
    now = timezone.now()
    Receipt.objects.create(
        source="test",
        external_id=str(Receipt.objects.count()),
        kind="sale",
        content_hash=b"",
        store=store,
        sold_at=now,
        sold_on=timezone.localdate(now),
        total_minor=total_minor,
    )


def titles(response: Any) -> list[str]:
    return [thing.title for thing in response.context["things"]]


def test_a_new_shop_is_told_what_to_do_first(client: Client, manager: User):
    response = client.get("/admin/")
    assert response.context["is_new"]
    assert [(step["icon"], step["is_done"]) for step in response.context["steps"]] == [
        ("inventory_2", False),
        ("group", False),
        ("point_of_sale", False),
    ]
    Customer.objects.create(number="1")
    assert [step["is_done"] for step in client.get("/admin/").context["steps"]] == [False, True, False]


def test_the_page_takes_a_fixed_number_of_queries(client: Client, manager: User, django_assert_max_num_queries):
    def visit() -> None:
        with django_assert_max_num_queries(20):
            assert client.get("/admin/").status_code == 200

    sell(10_00)
    visit()
    for number in range(3):
        sell(20_00)
        Segment.objects.create(name=f"Segment {number}", last_error="broken")
        campaign = Campaign.objects.create(name=f"Campaign {number}")
        customer = Customer.objects.create(number=str(number))
        Delivery.objects.create(
            campaign=campaign,
            unit=f"p{number}",
            customer=customer,
            channel="email",
            status="pending",
            assigned_at=timezone.now(),
        )
    visit()


def test_what_went_wrong_comes_before_what_could_be_done(client: Client, manager: User):
    sell(10_00)
    Campaign.objects.create(name="Spring")
    now = timezone.now()
    paused = Campaign.objects.create(
        name="Winter", status="paused", launched_at=now, pause_reason="The mail server refuses us."
    )
    Delivery.objects.create(
        campaign=paused,
        unit="p1",
        customer=Customer.objects.create(number="1"),
        channel="email",
        status="sending",
        assigned_at=now,
    )
    response = client.get("/admin/")
    assert titles(response)[:3] == [
        "1 message of “Winter” is unclear",
        "“Winter” is paused",
        "“Spring” waits to be launched",
    ]
    assert "The mail server refuses us." in response.content.decode()


def test_there_are_three_things_at_most(client: Client, manager: User):
    sell(10_00)
    for number in range(5):
        Campaign.objects.create(name=f"Draft {number}")
    assert len(titles(client.get("/admin/"))) == 3


def test_a_message_that_a_live_worker_has_in_hand_is_not_called_unclear(client: Client, manager: User):
    sell(10_00)
    now = timezone.now()
    campaign = Campaign.objects.create(name="Spring", status="sending", launched_at=now)
    for number, minutes in enumerate((5, -5)):
        Delivery.objects.create(
            campaign=campaign,
            unit=f"p{number}",
            customer=Customer.objects.create(number=str(number)),
            channel="email",
            status="sending",
            leased_until=now + timedelta(minutes=minutes),
            assigned_at=now,
        )
    progress = client.get("/admin/").context["campaigns"][0]
    assert (progress.audience, progress.settled, progress.undecided) == (2, 0, 1)


def test_whom_no_campaign_was_for_is_remembered(client: Client, manager: User):
    sell(10_00)
    made = {name: Segment.objects.create(name=name, members_count=size) for name, size in (("Few", 3), ("Many", 9))}
    own = Segment.objects.create(name="Emma", kind="persona", members_count=5)
    emma = Persona.objects.create(name="Emma", segment=own)
    assert titles(client.get("/admin/")) == [
        "No campaign is under way",
        "“Emma” has not heard from you yet",
        "No campaign was for “Many” yet",
    ]
    campaign = Campaign.objects.create(name="Spring")
    campaign.personas.add(emma)
    campaign.segments.add(made["Many"])
    assert titles(client.get("/admin/")) == ["“Spring” waits to be launched", "No campaign was for “Few” yet"]


def test_a_result_is_announced_when_the_days_that_count_are_over(client: Client, manager: User):
    sell(10_00)
    now = timezone.now()
    for name, days in (("Running", 13), ("Over", 15), ("Long over", 22)):
        Campaign.objects.create(
            name=name, status="finished", launched_at=now - timedelta(days=days), finished_at=now - timedelta(days=days)
        )
    assert [title for title in titles(client.get("/admin/")) if "result" in title] == ["The result of “Over” is in"]


def test_a_broken_rule_is_mended_where_its_owner_is(client: Client, manager: User):
    sell(10_00)
    segment = Segment.objects.create(name="Bakers", last_error="There is no category “Flour”.")
    own = Segment.objects.create(name="Emma", kind="persona", last_error="There is no category “Milk”.")
    emma = Persona.objects.create(name="Emma", segment=own)
    links = [thing.link for thing in client.get("/admin/").context["things"]][:2]
    assert links == [f"/admin/segments/segment/{segment.pk}/change/", f"/admin/personas/persona/{emma.pk}/sheet/"]
    assert [client.get(link).status_code for link in links] == [200, 200]


def test_a_shop_that_sells_is_asked_whom_it_wants_to_talk_to(client: Client, manager: User):
    sell(10_00)
    assert titles(client.get("/admin/")) == [
        "Who do you want to talk to?",
        "Can you picture your customers?",
        "No campaign is under way",
    ]


def test_finished_campaigns_stay_for_four_weeks(client: Client, manager: User):
    sell(10_00)
    now = timezone.now()
    for name, days in (("Lately", 3), ("Long ago", 40)):
        Campaign.objects.create(
            name=name, status="finished", launched_at=now - timedelta(days=days), finished_at=now - timedelta(days=days)
        )
    assert [one.campaign.name for one in client.get("/admin/").context["campaigns"]] == ["Lately"]


def test_each_part_is_only_for_those_who_may_see_what_it_tells(client: Client):
    sell(4321_00)
    Campaign.objects.create(name="Secret spring")
    Job.objects.create(kind="import", status="failed", finished_at=timezone.now(), error="secret failure")
    clerk = User.objects.create_user("sam", is_staff=True)
    client.force_login(clerk)
    page = client.get("/admin/")
    assert page.context["revenue"] is None
    assert page.context["things"] == []
    assert "Secret spring" not in page.content.decode()
    assert "4,321" not in page.content.decode()

    clerk.user_permissions.add(Permission.objects.get(codename="view_receipt"))
    client.force_login(User.objects.get(pk=clerk.pk))
    page = client.get("/admin/")
    assert "4,321" in page.content.decode()
    assert "Secret spring" not in page.content.decode()


def test_the_sidebar_shows_only_pages_that_one_may_open(client: Client, manager: User):
    def pages() -> set[str]:
        return {
            item["link"] for group in client.get("/admin/").context["sidebar_navigation"] for item in group["items"]
        }

    assert {"/admin/", "/till/", "/admin/personas/persona/", "/admin/auth/user/"} <= pages()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    assert pages() == {"/admin/"}


def test_the_back_office_alone_may_evaluate_and_style_inline(client: Client, manager: User):
    policy = client.get("/admin/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in policy + ";"
    assert "style-src 'self' 'unsafe-inline'" in policy
    elsewhere = client.get("/nowhere/")["Content-Security-Policy"]
    assert "unsafe" not in elsewhere
