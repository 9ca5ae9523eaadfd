"""The live number: exact in a small shop, an honest estimate in a large one."""

import random
import time
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from crm.attributes import lookup
from crm.models import Customer
from segments import asking, builder, domain, estimate, offers, text
from segments.estimate import Figure, exactly, scaled
from segments.tree import Node
from tests.crm.make import a_customer
from tests.segments.worlds import NOW

MANY = 1_200
RIGANS = text.parse("city = Riga")
RIGANS_OF_TWO = text.parse("city = Riga and household_size = 2")


@pytest.fixture
def large_shop(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third of many customers is of Riga, every fifth of a household of two; too many to be counted in full."""
    monkeypatch.setattr(estimate, "REMEMBERED_S", 0)
    Customer.objects.bulk_create(
        Customer(
            number=f"L{place}", city="Riga" if place % 3 == 0 else "Tartu", household_size=2 if place % 5 == 0 else 1
        )
        for place in range(MANY)
    )
    monkeypatch.setattr(estimate, "SMALL", 100)
    monkeypatch.setattr(estimate, "FIRST", 150)
    monkeypatch.setattr(estimate, "MOST", 300)
    monkeypatch.setattr(estimate, "CHEAP", -1.0)


def look(rule: Node, saved: Node | None = None) -> estimate.Look:
    return estimate.look(rule=rule, now=NOW, saved=saved, patience_ms=8_000)


@pytest.mark.django_db
def test_small_shop_is_counted() -> None:
    a_customer(city="Riga", household_size=2)
    a_customer(city="Riga", household_size=3)
    found = look(RIGANS_OF_TWO, saved=RIGANS)
    assert found == estimate.Look(exactly(1), 2, (exactly(0), exactly(1)), exactly(0), exactly(1))


@pytest.mark.usefixtures("large_shop")
def test_large_shop_is_estimated_and_says_within_what() -> None:
    found = look(RIGANS_OF_TWO, saved=RIGANS)
    assert found.looked_at is not None
    assert len(found.looked_at) in (150, 300)
    assert found.customers == MANY
    true = {"members": 80, "went": 320, "came": 0}
    for name, number in true.items():
        figure = getattr(found, name)
        assert not figure.exact
        assert figure.low <= number <= figure.high, name
        assert figure.low <= figure.value <= figure.high
    gone = domain.effect(rule=RIGANS_OF_TWO, now=NOW).taken_away
    assert [figure.low <= number <= figure.high for figure, number in zip(found.taken_away, gone, strict=True)] == [
        True
    ] * 2


@pytest.mark.usefixtures("large_shop")
def test_same_customers_are_looked_at_from_one_change_to_the_next() -> None:
    first = look(RIGANS)
    Customer.objects.create(number="one more")
    assert look(RIGANS_OF_TWO).looked_at[:140] == first.looked_at[:140]  # type: ignore[index]


@pytest.mark.usefixtures("large_shop")
def test_what_is_cheap_is_exact_in_a_large_shop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "CHEAP", 1e9)
    found = look(RIGANS_OF_TWO)
    assert found.members == exactly(80)
    assert not found.taken_away[0].exact


@pytest.mark.usefixtures("large_shop")
def test_sample_has_live_customers_only_each_once() -> None:
    dead = Customer.objects.filter(number__in=[f"L{place}" for place in range(0, MANY, 2)])
    dead.update(no_profiling=True)
    drawn = estimate.sample(size=200)
    assert len(drawn) == len(set(drawn)) == 200
    assert not set(drawn) & set(dead.values_list("pk", flat=True))


@pytest.mark.usefixtures("large_shop")
def test_sample_of_ids_with_large_gaps_is_read_from_the_table() -> None:
    Customer.objects.create(pk=10**9, number="far away")
    drawn = estimate.sample(size=200)
    assert len(drawn) == len(set(drawn)) == 200
    assert set(drawn) <= set(Customer.objects.values_list("pk", flat=True))


@pytest.mark.usefixtures("large_shop")
def test_every_customer_is_as_likely_to_be_drawn() -> None:
    half = set(Customer.objects.filter(number__lt="L5").values_list("pk", flat=True))
    shares = [len(half & set(estimate.sample(size=120, seed=f"seed-{seed}"))) / 120 for seed in range(30)]
    assert abs(sum(shares) / len(shares) - len(half) / MANY) < 0.03


@pytest.mark.usefixtures("large_shop")
def test_rule_that_cannot_be_sampled_in_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = domain.customers
    monkeypatch.setattr(
        domain, "customers", lambda **asked: honest(**asked).extra(where=["pg_sleep(0.05) IS NOT NULL"])
    )
    with pytest.raises(asking.TooSlow):
        look(RIGANS)


@pytest.mark.usefixtures("large_shop")
def test_preview_shows_an_estimate_without_digits_that_mean_nothing() -> None:
    shown = builder.preview(rule="city = Riga", now=NOW, with_names=True)
    assert shown["looked_at"] in (150, 300)
    assert shown["members"]["low"] <= 400 <= shown["members"]["high"]
    assert shown["members"]["value"] % 10 == 0
    assert len(shown["sample"]) == 5
    assert builder.rounded(Figure(12_345, 11_800, 12_900)) == 12_300
    assert builder.rounded(Figure(12_345, 12_345, 12_345)) == 12_345
    assert builder.rounded(Figure(0, 0, 300)) == 0


@pytest.mark.usefixtures("large_shop")
def test_values_of_a_large_shop_are_counted_once_in_a_while(
    django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "REMEMBERED_S", 60)
    city = lookup("city")
    assert city is not None
    try:
        offered = offers.values_of(attribute=city, text="")
        assert [(one.value, one.count) for one in offered] == [("Tartu", 800), ("Riga", 400)]
        with django_assert_num_queries(0):
            assert [one.value for one in offers.values_of(attribute=city, text="ri")] == ["Riga"]
    finally:
        cache.delete_many(["segments:values:city", "segments:population"])


@pytest.mark.django_db(transaction=True)
def test_patience_ends_and_leaves_nothing_behind() -> None:
    with pytest.raises(asking.TooSlow), asking.patience(milliseconds=50), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(2)")
    with asking.patience(milliseconds=50), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() != ("50ms",)


@pytest.mark.parametrize("everybody", [2_000, 1_000_000])
@pytest.mark.parametrize("share", [0.0005, 0.003, 0.02, 0.1, 0.37, 0.5, 0.9, 0.999])
def test_interval_covers_the_truth_at_least_as_often_as_it_says(everybody: int, share: float) -> None:
    chance, looked_at, true = random.Random(f"{everybody} {share}"), 1_000, round(everybody * share)
    covered = 0
    for _ in range(400):
        found = sum(one < true for one in chance.sample(range(everybody), looked_at))
        figure = scaled(found=found, looked_at=looked_at, everybody=everybody)
        assert figure.low <= figure.value <= figure.high
        covered += figure.low <= true <= figure.high
    assert covered >= 400 * 0.93


def test_interval_is_no_wider_than_needed() -> None:
    figure = scaled(found=500, looked_at=1_000, everybody=1_000_000)
    assert (figure.high - figure.low) / 1_000_000 < 0.064
    assert (
        scaled(found=500, looked_at=1_000, everybody=1_001).high
        - scaled(found=500, looked_at=1_000, everybody=1_001).low
        <= 2
    )
    assert scaled(found=0, looked_at=1_000, everybody=1_000_000).high < 3_800
    assert scaled(found=7, looked_at=10, everybody=10) == exactly(7)
    assert scaled(found=0, looked_at=0, everybody=10) == Figure(0, 0, 10)


@pytest.mark.usefixtures("large_shop")
def test_answer_comes_in_time() -> None:
    look(RIGANS)
    began = time.monotonic()
    look(RIGANS_OF_TWO, saved=RIGANS)
    assert time.monotonic() - began < 2  # of a busy machine
