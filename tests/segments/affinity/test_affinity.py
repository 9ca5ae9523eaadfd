"""What is bought together in a shop, its page, and one click to "bought this, never that"."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import jobs as crm_jobs
from crm import profiles
from crm.models import Customer, Job, Product, ReceiptKind, ReceiptLine, ReceiptVoid
from segments import domain, jobs
from segments.models import AffinityRun, CategoryPair, ProductPair, Segment
from tests.crm.make import a_customer, a_product, a_receipt, category

pytestmark = pytest.mark.django_db(transaction=True)  # a job's life signs come over another connection
PAGE = "admin:segments_affinity"


@pytest.fixture
def goods() -> dict[str, Product]:
    return {
        name: a_product(name, category(path))
        for name, path in {
            "milk": "Food > Dairy",
            "cheese": "Food > Dairy",
            "bread": "Food > Bakery",
            "cement": "Building",
            "sand": "Building",
        }.items()
    }


def buy(goods: dict[str, Product], *names: str, of: Customer | None = None, days: int = 5) -> Any:
    day = timezone.localdate() - timedelta(days=days)
    return a_receipt(of, [(goods[name], "1", 100) for name in names], sold_on=day)


def run(unit: str = "basket") -> Job:
    job = jobs.start_affinity(unit=unit, by=None)
    crm_jobs.run_next()
    job.refresh_from_db()
    assert (job.status, job.error) == ("done", "")
    return job


def pairs() -> dict[tuple[str, str], ProductPair]:
    rows = ProductPair.objects.filter(run=AffinityRun.objects.latest("made_at")).select_related("first", "other")
    return {(one.first.name, one.other.name): one for one in rows}


@pytest.fixture
def shop(goods: dict[str, Product]) -> dict[str, Product]:
    """Thirty bought milk with bread (guests count too), thirty cement with sand, ten each thing alone."""
    for _ in range(30):
        buy(goods, "milk", "bread")
        buy(goods, "cement", "sand", of=a_customer())
    for name in ("milk", "bread", "cement", "sand"):
        for _ in range(10):
            buy(goods, name)
    return goods


def test_pairs_of_products_are_counted_by_basket(shop: dict[str, Product]) -> None:
    run()
    found = pairs()
    assert set(found) == {("milk", "bread"), ("bread", "milk"), ("cement", "sand"), ("sand", "cement")}
    one = found["milk", "bread"]
    assert (one.together, one.first_count, one.other_count, one.run.units) == (30, 40, 40, 100)
    assert one.lift == pytest.approx(30 * 100 / (40 * 40))
    assert (one.confidence, one.is_sure, one.position) == (0.75, True, 1)


def test_categories_are_not_paired_with_what_lies_in_them(shop: dict[str, Product]) -> None:
    for _ in range(10):
        buy(shop, "milk", "cheese")
    run()
    rows = CategoryPair.objects.select_related("first", "other")
    assert {(one.first.path, one.other.path) for one in rows} == {
        ("Food > Dairy", "Food > Bakery"),
        ("Food > Bakery", "Food > Dairy"),
    }


def test_what_was_brought_back_or_voided_does_not_count(shop: dict[str, Product]) -> None:
    for _ in range(10):
        sale = buy(shop, "milk", "cement", of=a_customer())
        back = a_receipt(sale.customer, [(shop["milk"], "-1", -100)], sold_on=sale.sold_on, kind=ReceiptKind.RETURN)
        milk = sale.lines.get(product=shop["milk"])
        with connection.cursor() as cursor:  # facts are not edited; the test writes what a return would have
            cursor.execute("ALTER TABLE crm_receiptline DISABLE TRIGGER USER")
            ReceiptLine.objects.filter(receipt=back).update(returns_line=milk)
            cursor.execute("ALTER TABLE crm_receiptline ENABLE TRIGGER USER")
    for _ in range(10):
        ReceiptVoid.objects.create(receipt=buy(shop, "bread", "sand"), reason="test", voided_at=timezone.now())
    run()
    assert {frozenset(pair) for pair in pairs()} == {frozenset({"milk", "bread"}), frozenset({"cement", "sand"})}


def test_by_customer_purchases_of_different_days_meet(goods: dict[str, Product]) -> None:
    quiet = a_customer(no_profiling=True)
    for number in range(40):
        of = a_customer()
        buy(goods, "milk", of=of, days=40)
        buy(goods, "bread" if number < 30 else "cement", of=of, days=5)
        buy(goods, "cement", of=a_customer())
        buy(goods, "milk", "bread")  # guests are nobody's
    buy(goods, "milk", "bread", of=quiet)
    run("customer")
    one = pairs()["milk", "bread"]
    assert (one.together, one.first_count, one.run.units) == (30, 40, 80)


def test_old_sales_are_left_out_and_old_runs_removed(shop: dict[str, Product]) -> None:
    for _ in range(20):
        buy(shop, "milk", "cement", days=500)
    for _ in range(3):
        run()
    assert ("milk", "cement") not in pairs()
    assert AffinityRun.objects.count() == 2


def test_a_shop_without_sales_is_told_so() -> None:
    job = jobs.start_affinity(unit="basket", by=None)
    crm_jobs.run_next()
    job.refresh_from_db()
    assert (job.status, job.error) == ("failed", "Nothing has been sold yet.")


@pytest.fixture
def marketing(client: Client) -> Client:
    user = User.objects.create_user("m", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketing"))
    client.force_login(user)
    return client


def test_the_page_shows_searches_and_leads_on(shop: dict[str, Product], marketing: Client) -> None:
    assert "Nothing has been counted yet" in marketing.get(reverse(PAGE)).content.decode()
    run()
    text = marketing.get(reverse(PAGE)).content.decode()
    assert "1.9×" in text and "75.0%" in text and "100 purchases" in text
    assert not marketing.get(reverse(PAGE), {"q": "honey"}).context["pairs"]
    Product.objects.filter(name="milk").update(search_text=" milk")
    found = marketing.get(reverse(PAGE), {"q": "MILK"}).context["pairs"]
    assert [row["pair"].first.name for row in found] == ["milk"]
    one = marketing.get(reverse(PAGE), {"first": shop["milk"].pk})
    assert [row["pair"].other.name for row in one.context["pairs"]] == ["bread"]
    assert one.context["chart"]["series"][0]["values"] == [0.75]
    of = marketing.get(reverse(PAGE), {"of": "categories"}).context["pairs"]
    assert of[0]["pair"].first.path == "Food > Bakery" or of[0]["pair"].first.path == "Food > Dairy"


@pytest.mark.parametrize(
    "asked", [{"by": "x"}, {"of": "x"}, {"first": "x"}, {"first": "9" * 30}, {"p": "x"}, {"q": "\x00"}]
)
def test_a_strange_address_shows_the_usual(asked: dict[str, str], shop: dict[str, Product], marketing: Client) -> None:
    run()
    assert marketing.get(reverse(PAGE), asked).status_code == 200


def test_one_click_makes_bought_this_never_that(shop: dict[str, Product], marketing: Client) -> None:
    run()
    pair = pairs()["cement", "sand"]
    answer = marketing.post(reverse(PAGE), {"pair": pair.pk})
    segment = Segment.objects.get()
    assert answer.headers["Location"] == reverse("admin:segments_segment_members", args=[segment.pk])
    assert segment.name == "Bought “cement”, never “sand”"
    only_cement = a_customer()
    buy(shop, "cement", of=only_cement)
    profiles.recount()
    found = domain.customers(rule=segment.rule, now=timezone.now())
    assert list(found) == [only_cement]
    assert marketing.post(reverse(PAGE), {"pair": "0"}).status_code == 404


def test_others_may_not_look(client: Client) -> None:
    client.force_login(User.objects.create_user("x", is_staff=True))
    assert (client.get(reverse(PAGE)).status_code, client.post(reverse(PAGE)).status_code) == (403, 403)


def test_the_page_takes_the_same_queries_however_long(shop: dict[str, Product], marketing: Client) -> None:
    run()
    marketing.get(reverse(PAGE))
    with CaptureQueriesContext(connection) as queries:
        marketing.get(reverse(PAGE))
    many = len(queries)
    ProductPair.objects.exclude(first=shop["milk"]).delete()
    with CaptureQueriesContext(connection) as queries:
        marketing.get(reverse(PAGE))
    assert len(queries) == many <= 12
