"""How benchmarks measure and report."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.models import Count, F, Sum

from benchmarks import shop
from benchmarks.results import Comparison, Result, interleaved
from benchmarks.shop_facts import Sizes
from crm import profiles
from crm.models import Customer, Receipt, ReceiptLine


def test_interleaved_alternates_and_takes_medians() -> None:
    order: list[str] = []

    def timed(name: str, seconds: list[float]) -> Callable[[], float]:
        def once() -> float:
            order.append(name)
            return seconds.pop(0)

        return once

    ours, bare = timed("ours", [2.0, 4.0, 9.0]), timed("bare", [1.0, 1.0, 3.0])
    assert interleaved(ours, bare, runs=3) == Comparison(measured_s=4.0, limit_s=1.0, time_ratio=3.0, runs=3)
    assert order == ["ours", "bare", "bare", "ours", "ours", "bare"]


def test_result_line_says_whether_the_goal_is_met_in_its_direction() -> None:
    lower = Result("load", ratio=2.5, goal=3.0, better="lower", limit_per_s=1000.04, more={"rows": 10})
    higher = Result("send", ratio=0.4, goal=0.5, better="higher", limit_per_s=5)
    assert json.loads(lower.line()) == {
        "name": "load",
        "ratio": 2.5,
        "goal": 3.0,
        "better": "lower",
        "met": True,
        "limit_per_s": 1000.0,
        "rows": 10,
    }
    assert not higher.met


NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_generated_shop_is_one_that_the_program_could_have_recorded() -> None:
    sizes = Sizes(customers=300)
    with connection.cursor() as cursor:
        trade = shop.draw(sizes, now=NOON)
        shop.write_people(cursor, trade, now=NOON)
        shop.write_trade(cursor, trade)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what names what exists
        profiles.recount()
    assert (Customer.objects.count(), Receipt.objects.count(), ReceiptLine.objects.count()) == (300, 3_000, 9_000)
    assert profiles.differences() == []
    odd = Receipt.objects.annotate(of_lines=Sum("lines__total_minor")).exclude(of_lines=F("total_minor"))
    assert not odd.exists()
    back = ReceiptLine.objects.filter(is_return=True)
    assert back.count() == sizes.returns
    kept = F("returns_line__customer"), -F("returns_line__quantity"), F("returns_line__receipt")
    assert back.filter(customer=kept[0], quantity=kept[1], receipt__returns=kept[2]).count() == sizes.returns
    assert not back.filter(sold_on__lte=F("returns_line__sold_on")).exists()
    assert Receipt.objects.filter(sold_at__gte=NOON).count() == 0
    often = Receipt.objects.exclude(customer=None).values("customer").annotate(n=Count("pk")).order_by("-n")
    assert often[0]["n"] > 5 * 3_000 / 300  # some come far more often than others
    assert not Receipt.objects.filter(customer__merged_into__isnull=False).exists()


def test_generated_shop_is_the_same_for_the_same_seed() -> None:
    once, again, other = (shop.draw(Sizes(customers=200), now=NOON, seed=seed) for seed in (1, 1, 2))
    for name in ("customer", "day", "second", "store", "lines"):
        assert (getattr(once.sales, name) == getattr(again.sales, name)).all()
    assert not (once.sales.customer == other.sales.customer).all()
    packed = [[block.goods[4].sum() for block in trade.blocks()] for trade in (once, again, other)]
    assert packed[0] == packed[1] != packed[2]
