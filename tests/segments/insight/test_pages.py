"""The pages of insight: what they say, to whom, and one click from a group to a segment."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.models import Job
from segments.models import AttributeInsight, InsightRun, Segment
from tests.crm import make
from tests.segments.worlds import NOW, TODAY

pytestmark = pytest.mark.django_db
PAGE = "admin:segments_insight"


@pytest.fixture
def marketing(client: Client) -> Client:
    user = User.objects.create_user("m", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketing"))
    client.force_login(user)
    return client


def explained(share: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"share": share, "low": low, "high": high, "customers": 500, **more}


def a_run() -> InsightRun:
    return InsightRun.objects.create(
        made_at=NOW, measured_on=TODAY, until_on=TODAY, customers=1000, sampled=1000, outcomes=["spend", "receipts"]
    )


def an_insight(run: InsightRun, attribute: str, groups: list[dict[str, Any]], **more: Any) -> AttributeInsight:
    parts = [
        {"group": group, "customers": 100, "share": 0.1, "averages": {"spend": 12345.0, "receipts": None}}
        for group in groups
    ]
    spend = more.pop("spend", explained(0.01, -0.01, 0.03))
    data = {"known": 0.33, "evenness": 0.9, "parts": parts, "outcomes": {"spend": spend}, "bars": [], **more}
    rank = run.attributes.count() + 1
    return AttributeInsight.objects.create(run=run, key=attribute, attribute=attribute, rank=rank, data=data)


AGES: list[dict[str, Any]] = [
    {"kind": "range", "low": None, "high": 25},
    {"kind": "range", "low": 25, "high": 40},
    {"kind": "unknown"},
]


def test_the_verdict_is_a_sentence(marketing: Client) -> None:
    age = an_insight(a_run(), "age", AGES)
    text = marketing.get(reverse("admin:segments_insight_attribute", args=[age.pk])).content.decode()
    assert (
        "Age: known for 33% of customers, explains 1% (0–3%) of the differences in spend: "
        "not worth it yet; ask for it in a survey."
    ) in text
    assert "25 to 39 years" in text
    assert "$123.45" in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"spend": explained(0.2, 0.1, 0.3), "known": 0.9}, "worth segmenting on."),
        ({"spend": explained(0.2, 0.1, 0.3)}, "worth segmenting on; ask the others for it in a survey."),
        ({"spend": explained(0.2, 0.1, 0.3, by_known=0.19)}, "mostly by whether it is known at all"),
        ({"spend": explained(0.2, 0.1, 0.3, earlier=0.01, agreement=1.0)}, "it was not so in the time before."),
        ({"spend": explained(0.01, 0.005, 0.015)}, "too small to matter."),
        ({"spend": explained(0.01, -0.2, 0.3)}, "too few customers to tell."),
        ({"known": 0.0}, "Age: known for nobody. Ask for it in a survey."),
    ],
)
def test_each_verdict_has_its_words(more: dict[str, Any], said: str, marketing: Client) -> None:
    age = an_insight(a_run(), "age", AGES, **more)
    page = marketing.get(reverse("admin:segments_insight_attribute", args=[age.pk]))
    assert said in page.content.decode()


@pytest.mark.parametrize(
    ("attribute", "group", "rule"),
    [
        ("age", {"kind": "range", "low": 25, "high": 40}, ("age", "between", [25, 39])),
        ("age", {"kind": "range", "low": None, "high": 25}, ("age", "<", 25)),
        ("age", {"kind": "range", "low": 60, "high": None}, ("age", ">=", 60)),
        ("age", {"kind": "unknown"}, ("age", "unknown", None)),
        ("spend", {"kind": "range", "low": 10050, "high": None}, ("spend", ">=", "100.5")),
        ("city", {"kind": "values", "values": ["Riga"]}, ("city", "=", "Riga")),
        ("city", {"kind": "others", "values": ["Riga", "Tartu"]}, ("city", "not in", ["Riga", "Tartu"])),
        ("interests", {"kind": "has", "values": ["chess"]}, ("interests", "has", "chess")),
        ("consent_email", {"kind": "values", "values": [True]}, ("consent_email", "is", True)),
        ("gender", {"kind": "values", "values": ["female"]}, ("gender", "=", "female")),
    ],
)
def test_one_click_makes_a_group_a_segment(
    attribute: str, group: dict[str, Any], rule: tuple[str, str, Any], marketing: Client
) -> None:
    kept = an_insight(a_run(), attribute, [group])
    answer = marketing.post(reverse("admin:segments_insight_attribute", args=[kept.pk]), {"group": "0"})
    segment = Segment.objects.get()
    assert answer.headers["Location"] == reverse("admin:segments_segment_members", args=[segment.pk])
    name, operator, value = rule
    condition = {"attribute": name, "operator": operator} | ({} if value is None else {"value": value})
    assert segment.rule["rule"] == {"and": [condition]}
    marketing.post(reverse("admin:segments_insight_attribute", args=[kept.pk]), {"group": "0"})
    assert Segment.objects.count() == 1  # a second click leads to the same one


@pytest.mark.parametrize("group", ["9", "-1", "x", "", "1" * 50])
def test_a_group_that_is_not_there_makes_nothing(group: str, marketing: Client) -> None:
    kept = an_insight(a_run(), "age", AGES)
    answer = marketing.post(reverse("admin:segments_insight_attribute", args=[kept.pk]), {"group": group})
    assert (answer.status_code, Segment.objects.count()) == (404, 0)


def test_an_empty_shop_is_told_what_this_is(marketing: Client) -> None:
    page = marketing.get(reverse(PAGE)).content.decode()
    assert "Nothing has been looked at yet" in page
    assert marketing.post(reverse(PAGE)).status_code == 302
    assert Job.objects.get().kind == "insight"
    assert "Waiting for its turn" in marketing.get(reverse(PAGE)).content.decode()


def test_why_the_last_one_failed_is_said(marketing: Client) -> None:
    Job.objects.create(kind="insight", status="failed", error="Only 3 customers were known.")
    assert "Only 3 customers were known." in marketing.get(reverse(PAGE)).content.decode()


def test_an_attribute_that_left_the_catalogue_is_left_out(marketing: Client) -> None:
    gone = an_insight(a_run(), "no_such_thing", AGES)
    assert "no_such_thing" not in marketing.get(reverse(PAGE)).content.decode()
    assert marketing.get(reverse("admin:segments_insight_attribute", args=[gone.pk])).status_code == 404


@pytest.mark.parametrize("role", ["", "Shop staff"])
def test_others_may_not_look(role: str, client: Client) -> None:
    user = User.objects.create_user("x", is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    kept = an_insight(a_run(), "age", AGES)
    for address in (reverse(PAGE), reverse("admin:segments_insight_attribute", args=[kept.pk])):
        assert {client.get(address).status_code, client.post(address, {"group": "0"}).status_code} <= {302, 403}
    assert not Segment.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize("rows", [1, 3])
def test_the_overview_takes_the_same_queries_however_long(rows: int, marketing: Client) -> None:
    run = a_run()
    marketing.get(reverse(PAGE))
    for attribute in ["age", "city", "gender"][:rows]:
        an_insight(run, attribute, AGES if attribute == "age" else [{"kind": "unknown"}])
    for number in range(rows):
        segment = Segment.objects.create(name=f"S{number}")
        parts = [
            {"group": {"kind": kind}, "customers": 5, "share": 0.5, "averages": {"spend": 1.0}}
            for kind in ("others", "members")
        ]
        data = {"known": 1.0, "evenness": 1.0, "parts": parts, "outcomes": {}, "bars": []}
        run.segments.create(segment=segment, rank=number, data=data)
    with CaptureQueriesContext(connection) as queries:
        page = marketing.get(reverse(PAGE))
    assert page.content.decode().count("kn-table") == 2
    assert len(queries) <= 12, [query["sql"] for query in queries]


def test_the_list_of_segments_leads_here(marketing: Client) -> None:
    make.customer()
    assert reverse(PAGE) in marketing.get(reverse("admin:segments_segment_changelist")).content.decode()
