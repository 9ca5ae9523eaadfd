"""The pages RFM, lifecycle, regular buyers and expected value: for whom, and with what."""

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm import profiles
from crm.models import Job
from segments import flow, scoring, stages_page
from segments.models import GroupFlow, ValueModel
from segments.rfm import RfmGroup
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db
PAGES = ("segments_rfm", "segments_stages", "segments_regulars", "segments_value")


@pytest.fixture
def marketing(client: Client) -> Client:
    client.force_login(person("Marketing"))
    return client


@pytest.fixture
def shop() -> None:
    """Ten customers who buy milk ever more rarely, some of them once."""
    milk, today = make.product(path="Food > Milk"), timezone.localdate()
    for number in range(10):
        customer = make.a_customer(number=f"M{number}")
        for turn in range(1 if number < 3 else 5):
            day = today - timedelta(days=number * 4 + turn * (7 + number))
            make.a_receipt(customer, [(milk, "1", 100 * (number + 1))], sold_on=day)
    profiles.recount()
    scoring.remake(now=timezone.now())


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_for_those_who_may_see_segments(page: str, client: Client, shop: None) -> None:
    address = reverse(f"admin:{page}")
    client.force_login(person("Shop staff"))
    assert client.get(address).status_code in (302, 403)
    client.force_login(person("Marketing"))
    assert client.get(address).status_code == 200
    client.force_login(person("Administrator"))
    assert client.get(address).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_an_empty_shop_say_so(page: str, marketing: Client) -> None:
    answer = marketing.get(reverse(f"admin:{page}"))
    assert answer.status_code == 200
    assert "data-chart=" not in answer.content.decode()


def test_rfm_shows_every_group_and_leads_to_its_segment(marketing: Client, shop: None) -> None:
    context = marketing.get(reverse("admin:segments_rfm")).context
    assert [row.key for row in context["groups"]] == list(RfmGroup)
    assert sum(row.customers for row in context["groups"]) == 10
    counted = [value for one in context["heat"]["series"] for value in one["values"]]
    assert sum(value or 0 for value in counted) == 10
    assert None in counted  # nobody there: empty, and not a nought
    link = context["heat"]["cell_links"][0][4]
    asked = parse_qs(urlsplit(link).query)
    assert json.loads(asked["rule"][0])["rule"]["and"][0] == {"attribute": "r_score", "operator": "=", "value": 5}
    builder = marketing.get(link)
    assert builder.status_code == 200
    assert asked["name"][0] in builder.content.decode()


def test_rfm_says_which_scores_nobody_has(marketing: Client) -> None:
    for number in range(4):
        make.a_receipt(make.a_customer(number=f"E{number}"), [(make.product(), "1", 100)], sold_on=timezone.localdate())
    profiles.recount()
    scoring.remake(now=timezone.now())
    said = marketing.get(reverse("admin:segments_rfm")).context["empty"]
    assert said == [
        "Nobody has the recency scores 1, 2, 3, 4: so many buyers are alike.",
        "Nobody has the frequency scores 2, 3, 4, 5: so many buyers are alike.",
        "Nobody has the money scores 2, 3, 4, 5: so many buyers are alike.",
    ]


def test_flow_tells_who_moved_by_the_facts_of_each_months_end(marketing: Client, shop: None) -> None:
    now = timezone.now()
    while flow.work_out_missing(now=now):
        pass
    assert flow.missing(now=now) == []
    ends = sorted(set(GroupFlow.objects.values_list("month_on", flat=True)), reverse=True)
    assert ends and ends[0] == timezone.localdate().replace(day=1) - timedelta(days=1)
    for end in ends:
        before = GroupFlow.objects.filter(month_on=end - timedelta(days=end.day))
        arrived = dict.fromkeys(RfmGroup, 0)
        for row in before:
            arrived[RfmGroup(row.now)] += row.customers
        left = dict.fromkeys(RfmGroup, 0)
        for row in GroupFlow.objects.filter(month_on=end).exclude(was=""):
            left[RfmGroup(row.was)] += row.customers
        if before:
            assert left == arrived  # whoever was in a group at the end of a month goes on from there
    flow.work_out(end=ends[0])  # twice is once
    context = marketing.get(reverse("admin:segments_rfm"), {"month": ends[-1].isoformat()}).context
    assert context["flow"]["kind"] == "flow"
    assert [month["on"] for month in context["months"] if month["is_here"]] == [ends[-1].isoformat()]
    scoring.remake(now=now, anew=True)
    assert not GroupFlow.objects.exists()


def test_stages_show_the_rules_in_force_and_the_funnel(marketing: Client, shop: None) -> None:
    answer = marketing.get(reverse("admin:segments_stages"))
    assert "At risk: a regular without a purchase for 90 days." in answer.content.decode()
    assert [(step["customers"], step["of_before"]) for step in answer.context["steps"]] == [
        (10, None),
        (10, 1.0),
        (7, 0.7),
        (7, 1.0),
    ]
    assert sum(stage["customers"] for stage in answer.context["stages"]) == 10


def test_regular_buyers_of_a_category_and_the_late_ones(marketing: Client, shop: None) -> None:
    context = marketing.get(reverse("admin:segments_regulars"), {"category": "Food"}).context
    assert (context["chosen"], context["buyers"]) == ("Food", 10)
    assert context["regular"] == sum(context["chart"]["series"][0]["values"]) > 0
    assert marketing.get(context["late_link"]).status_code == 200
    wrong = marketing.get(reverse("admin:segments_regulars"), {"category": "Nix"})
    assert "There is no such category." in wrong.content.decode()


def test_expected_value_says_why_it_is_hidden_and_is_worked_out_on_request(marketing: Client, shop: None) -> None:
    address = reverse("admin:segments_value")
    ValueModel.objects.create(
        made_at=timezone.now(), made_on=timezone.localdate(), months=12, is_used=False, result={"why_not": "few"}
    )
    assert "Too little is known yet" in marketing.get(address).content.decode()
    assert marketing.post(address).status_code == 302
    assert marketing.post(address).status_code == 302
    assert Job.objects.filter(kind="expected-value").count() == 1


def test_the_funnel_counts_who_came_how_far_and_how_long_it_took() -> None:
    product = make.product()
    for number, days in enumerate([[], [100], [100, 90], [100, 80, 60], [50, 50, 10]]):
        customer = make.a_customer(registered_at=timezone.now() - timedelta(days=110))
        for day in days:
            make.a_receipt(customer, [(product, "1", 100)], sold_on=timezone.localdate() - timedelta(days=day))
        assert number < 5
    profiles.recount()
    assert stages_page.reached(now=timezone.now(), regular=3) == (5, 4, 3, 2, 10, 10, 20)
