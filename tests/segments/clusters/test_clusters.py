"""Clusters of a shop: the attribute says what the fit said, one sale moves one, a new model marks who moved."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm import jobs as crm_jobs
from crm import profiles
from crm.models import ChangeMark, Customer, Job, Receipt, ReceiptKind
from segments import domain, jobs
from segments.clusters import attribute, page
from segments.models import Cluster, ClusterModel, Segment
from segments.rules import RuleError
from tests.crm.make import store
from tests.segments.test_rules import a_rule, ask

pytestmark = pytest.mark.django_db(transaction=True)  # a job's life signs come over another connection
FEATURES = [{"attribute": name, "filters": {}} for name in ("receipts", "average_receipt", "days_since_purchase")]
PAGE = "admin:segments_clusters"
_numbers = iter(range(1, 1_000_000))


def a_sale(customer: Customer, amount: int, ago: int) -> Receipt:
    day = timezone.localdate() - timedelta(days=ago)
    return Receipt(
        source="shop",
        external_id=str(next(_numbers)),
        kind=ReceiptKind.SALE,
        content_hash=b"",
        store=store(),
        customer=customer,
        sold_at=timezone.now() - timedelta(days=ago),
        sold_on=day,
        total_minor=amount,
    )


@pytest.fixture
def shop() -> list[Customer]:
    """Forty who come often for little, forty who came once for much, and one who never bought."""
    random = np.random.default_rng(3)
    people = Customer.objects.bulk_create(Customer(number=f"K{number}") for number in range(81))
    rows = []
    for number, person in enumerate(people[:80]):
        if number % 2:
            rows += [a_sale(person, int(random.integers(400, 700)), int(random.integers(1, 30))) for _ in range(20)]
        else:
            rows.append(a_sale(person, int(random.integers(60_000, 90_000)), int(random.integers(150, 300))))
    Receipt.objects.bulk_create(rows)
    profiles.recount()
    return people


def make(features: Any = FEATURES, count: int | None = None) -> Job:
    job = jobs.start_clusters(features=features, count=count, by=None)
    crm_jobs.run_next()
    job.refresh_from_db()
    assert (job.status, job.error) == ("done", "")
    return job


def members(name: str) -> set[int]:
    rule = a_rule({"and": [ask("cluster", "=", name)]})
    return set(domain.customers(rule=rule, now=timezone.now()).values_list("pk", flat=True))


def test_the_attribute_says_what_the_fit_said(shop: list[Customer]) -> None:
    make()
    clusters = list(Cluster.objects.order_by("name"))
    assert [(one.name, one.members) for one in clusters] == [("A", 40), ("B", 40)]
    halves = [members(one.name) for one in clusters]
    assert {frozenset(half) for half in halves} == {
        frozenset(one.pk for one in shop[1:80:2]),
        frozenset(one.pk for one in shop[0:80:2]),
    }


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [("!=", "A", 40), ("in", ["A", "B"], 80), ("not in", ["A"], 40), ("known", None, 80), ("unknown", None, 1)],
)
def test_every_comparison_works(operator: str, value: Any, expected: int, shop: list[Customer]) -> None:
    make()
    rule = a_rule({"and": [ask("cluster", operator, value)]}) if value is not None else a_rule(
        {"and": [{"attribute": "cluster", "operator": operator}]}
    )  # fmt: skip
    assert domain.count(rule=rule, now=timezone.now()) == expected


def test_without_a_model_nobody_is_in_a_cluster(shop: list[Customer]) -> None:
    assert (
        domain.count(rule=a_rule({"and": [{"attribute": "cluster", "operator": "unknown"}]}), now=timezone.now()) == 81
    )
    assert domain.count(rule=a_rule({"and": [{"attribute": "cluster", "operator": "known"}]}), now=timezone.now()) == 0


def test_one_sale_moves_its_customer_at_once_and_nobody_else(shop: list[Customer]) -> None:
    make()
    often, once = members("A"), members("B")
    if shop[0].pk in often:
        often, once = once, often
    Receipt.objects.bulk_create([a_sale(shop[0], 500, ago) for ago in range(1, 200)])
    profiles.recount(customer_ids=[shop[0].pk])
    names = {name: members(name) for name in ("A", "B")}
    assert {frozenset(one) for one in names.values()} == {
        frozenset(often | {shop[0].pk}),
        frozenset(once - {shop[0].pk}),
    }


def test_time_alone_moves_nobody(shop: list[Customer]) -> None:
    make()
    rule = a_rule({"and": [ask("cluster", "=", "A")]})
    now = timezone.now()
    ids = [
        set(domain.customers(rule=rule, now=at).values_list("pk", flat=True)) for at in (now, now + timedelta(days=500))
    ]
    assert ids[0] == ids[1]


def test_a_new_model_keeps_the_names_and_marks_only_who_moved(shop: list[Customer]) -> None:
    make()
    before = {name: members(name) for name in ("A", "B")}
    Receipt.objects.bulk_create([a_sale(shop[0], 500, ago % 28 + 1) for ago in range(25)])
    Receipt.objects.bulk_create([a_sale(shop[3], 80_000, 0)])
    profiles.recount()
    ChangeMark.objects.all().delete()
    moved_already = {name: members(name) for name in ("A", "B")}
    job = make()
    after = {name: members(name) for name in ("A", "B")}
    moved = {pk for name in after for pk in after[name] ^ moved_already[name]}
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == moved
    assert job.result["moved"] == len(moved)
    assert all(len(before[name] & after[name]) >= 38 for name in before)
    assert ClusterModel.objects.filter(is_current=True).count() == 1


def test_other_figures_get_other_names(shop: list[Customer]) -> None:
    make()
    make([{"attribute": "spend", "filters": {}}, {"attribute": "returns", "filters": {}}], count=2)
    assert set(Cluster.objects.filter(model__is_current=True).values_list("name", flat=True)) == {"C", "D"}
    assert members("A") == set()  # understood, though nobody is in it any more
    with pytest.raises(RuleError):
        members("Z")


def test_clusters_are_made_anew_once_a_day(shop: list[Customer]) -> None:
    now = timezone.now()
    assert jobs.remake_clusters(now=now) is None  # nobody has asked for any
    make()
    assert jobs.remake_clusters(now=now) is None
    job = jobs.remake_clusters(now=now + timedelta(days=1))
    assert job is not None
    assert job.params["features"] == FEATURES
    assert jobs.remake_clusters(now=now + timedelta(days=1)) == job


def test_too_few_buyers_are_told_so() -> None:
    job = jobs.start_clusters(features=FEATURES, count=None, by=None)
    crm_jobs.run_next()
    job.refresh_from_db()
    assert (job.status, "50 at least" in job.error) == ("failed", True)
    assert not ClusterModel.objects.exists()


@pytest.fixture
def marketing(client: Client) -> Client:
    user = User.objects.create_user("m", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketing"))
    client.force_login(user)
    return client


def test_the_page_says_what_sets_them_apart(shop: list[Customer], marketing: Client) -> None:
    assert "What to compare customers by" in marketing.get(reverse(PAGE)).content.decode()
    make()
    page_ = marketing.get(reverse(PAGE))
    text = page_.content.decode()
    assert "80 customers in 2 clusters." in text
    told = [{one["label"]: one["how"] for one in card["apart"]} for card in page_.context["clusters"]]
    seldom, often = sorted(told, key=lambda words: words["receipts"] == "much more")
    assert often == {
        "receipts": "much more",
        "average receipt": "much less",
        "days since the last purchase": "much less",
    }
    assert seldom == {
        "receipts": "much less",
        "average receipt": "much more",
        "days since the last purchase": "much more",
    }
    assert "Sketch a persona" not in text  # marketing may not add personas


def test_one_click_makes_a_cluster_a_segment_or_a_persona(shop: list[Customer], client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    make()
    answer = client.post(reverse(PAGE), {"cluster": "A"})
    segment = Segment.objects.get()
    assert answer.headers["Location"] == reverse("admin:segments_segment_members", args=[segment.pk])
    assert segment.rule == a_rule({"and": [ask("cluster", "=", "A")]})
    assert client.post(reverse(PAGE), {"cluster": "Z"}).status_code == 404
    card = client.get(reverse(PAGE)).context["clusters"][0]
    form = client.get(reverse("admin:personas_persona_add"), {"name": card["name"], "rule": card["rule"]})
    assert '{"attribute": "cluster"' in form.content.decode().replace("&quot;", '"')


def test_the_form_makes_clusters_by_what_was_ticked(shop: list[Customer], marketing: Client) -> None:
    marketing.post(reverse(PAGE), {"figures": ["receipts", "spend"], "count": "2"})
    job = Job.objects.get()
    assert (job.kind, job.params["count"]) == ("clusters", 2)
    assert [one["attribute"] for one in job.params["features"]] == ["receipts", "spend"]


@pytest.mark.parametrize("given", [{}, {"figures": ["nonsense"]}, {"figures": ["spend"], "count": "99"}])
def test_a_wrong_form_says_so_and_starts_nothing(given: dict[str, Any], marketing: Client) -> None:
    page_ = marketing.post(reverse(PAGE), given)
    assert (page_.status_code, 'role="alert"' in page_.content.decode()) == (200, True)
    assert not Job.objects.exists()


def test_others_may_not_look(client: Client) -> None:
    client.force_login(User.objects.create_user("x", is_staff=True))
    assert client.get(reverse(PAGE)).status_code == 403
    assert client.post(reverse(PAGE), {"figures": ["spend"]}).status_code == 403


def test_the_usual_figures_are_in_the_catalogue() -> None:
    offered = {one.name for one in page.features_.offered()}
    assert set(page.USUAL) <= offered
    assert attribute.CLUSTER.name not in offered
