"""Expected value: who takes part, when the forecast is used, and what customers are told."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from crm import jobs, profiles
from crm.models import Customer, Receipt, ReceiptKind, Shop
from segments import domain, expected, refresh, value, value_job
from segments.compile import customers
from segments.lifetime import BetaGeometric
from segments.models import CustomerValue, Membership, ValueModel
from segments.tree import Condition
from tests.crm import make
from tests.segments.test_lifetime import simulated
from tests.segments.worlds import NOW, TODAY

pytestmark = pytest.mark.django_db


def sell(rows: list[tuple[Customer, date, int]]) -> None:
    """A sale (or, of less than nothing, a return) for each, as rows of facts alone."""
    store = make.store()
    Receipt.objects.bulk_create(
        Receipt(
            source="value",
            external_id=str(number),
            kind=ReceiptKind.SALE if minor >= 0 else ReceiptKind.RETURN,
            content_hash=bytes(32),
            store=store,
            customer=customer,
            sold_at=NOW - (TODAY - day),
            sold_on=day,
            total_minor=minor,
        )
        for number, (customer, day, minor) in enumerate(rows)
    )
    profiles.recount()


def people(number: int) -> list[Customer]:
    return Customer.objects.bulk_create(Customer(number=f"V{place}") for place in range(number))


def a_shop(*, buyers: int, seed: int) -> None:
    """Two years of customers who come, buy at rates of their own, and leave, as the model says."""
    random = np.random.default_rng(seed)
    truth = BetaGeometric(r=1.2, alpha=30.0, a=0.8, b=2.5)
    rows: list[tuple[Customer, date, int]] = []
    # Somebody regular, so that gaps are known and the records begin two years ago.
    first = people(1)[0]
    Customer.objects.filter(pk=first.pk).update(number="first")
    rows += [(first, TODAY - timedelta(days=730 - 7 * week), 1000) for week in range(20)]
    for customer in people(buyers):
        start = int(random.integers(60, 700))
        rate, leaving = random.gamma(truth.r, 1 / truth.alpha), random.beta(truth.a, truth.b)
        each, day = random.gamma(6.0, 400.0), float(start)
        days = {start}
        while (day := day + random.exponential(1 / rate)) < 730:
            days.add(int(day))
            if random.random() < leaving:
                break
        rows += [
            (customer, TODAY - timedelta(days=730 - one), int(random.gamma(6.0, each / 6.0)) + 1)
            for one in sorted(days)
        ]
    sell(rows)


def test_a_history_is_counted_in_purchase_days_and_net_spend_after_the_first() -> None:
    anna, bert, late = people(3)

    def ago(days: int) -> date:
        return TODAY - timedelta(days=days)

    sell(
        [
            (anna, ago(100), 500),
            (anna, ago(100), 700),  # the same day: one purchase day
            (anna, ago(60), 1000),
            (anna, ago(59), -300),
            (anna, ago(40), 2000),
            (anna, ago(10), 4000),  # held back
            (bert, ago(90), 100),
            (late, ago(5), 100),  # not yet a customer on the day of the cut
        ]
    )
    found = value.read(today=TODAY, cut=ago(30), known_from=ago(200))
    assert list(found.customer_ids) == [anna.pk, bert.pk]
    assert (found.x[0], found.t_x[0], found.T[0], found.spend[0]) == (2, 60, 70, 2700)
    assert (found.later[0], found.later_spend[0], found.lately[0]) == (1, 4000, 1)
    assert (found.x[1], found.t_x[1], found.T[1], found.mean[1]) == (0, 0, 60, 0)
    assert list(value.read(today=TODAY, cut=ago(30), known_from=ago(95)).customer_ids) == [bert.pk]


def test_whoever_appears_soon_after_the_records_begin_takes_no_part() -> None:
    anna = people(1)[0]
    sell([(anna, TODAY - timedelta(days=days), 100) for days in (300, 290, 280, 250)])
    assert value.known_from(today=TODAY) == TODAY - timedelta(days=270)
    assert value.known_from(today=TODAY - timedelta(days=299)) is None


@pytest.mark.slow
def test_a_shop_whose_customers_are_as_the_model_says_is_told_expected_values() -> None:
    a_shop(buyers=1500, seed=3)
    made = value.remake(now=NOW)
    assert made.is_used, made.result
    assert made.result["trial"]["error"] < made.result["trial"]["naive_error"]
    assert made.result["forecast"] == pytest.approx(made.result["actual"], rel=0.2)
    known = CustomerValue.objects.count()
    assert 1000 < known <= 1500
    one = CustomerValue.objects.order_by("-purchases").first()
    assert one is not None and one.alive > 50 and one.spend_minor is not None and one.spend_minor > 0
    assert customers(rule=Condition("probably_customer", ">=", Decimal(0)), now=NOW).count() == known
    assert not customers(rule=Condition("expected_purchases", "known"), now=NOW).filter(number="first").exists()
    lost = customers(rule=Condition("probably_customer", "<", Decimal(10)), now=NOW)
    assert 0 < lost.count() < known


def test_without_enough_to_go_by_nobody_is_told_anything_and_why_is_said() -> None:
    sell([(one, TODAY - timedelta(days=days), 100) for one in people(5) for days in (90, 60, 30)])
    CustomerValue.objects.create(customer=Customer.objects.all()[0], alive=1, purchases=1)
    made = value.remake(now=NOW)
    assert not made.is_used
    assert "Too little is known yet" in expected.why_not(made.result)
    assert not CustomerValue.objects.exists()


@pytest.mark.slow
def test_a_forecast_that_is_no_better_than_carrying_on_is_hidden() -> None:
    """Everybody buys without fail, of late twice as often: a model in which customers leave forecasts too little."""
    rows = []
    for place, customer in enumerate(people(300)):
        days = [*range(500 + place % 40, 226, -20), *range(226, 0, -10)]
        rows += [(customer, TODAY - timedelta(days=one), 1000) for one in days]
    first = people_named("first")
    rows += [(first, TODAY - timedelta(days=days), 100) for days in (700, 680)]
    sell(rows)
    made = value.remake(now=NOW)
    assert not made.is_used
    assert made.result["why_not"] == "no better"
    assert not CustomerValue.objects.exists()


def people_named(number: str) -> Customer:
    return Customer.objects.create(number=number)


def test_a_trial_is_passed_only_if_it_is_not_luck() -> None:
    random = np.random.default_rng(2)
    actual = random.poisson(2.0, 500).astype(float)
    good = value.try_out(actual=actual, predicted=np.full(500, 2.0), naive=[np.full(500, 4.0), np.full(500, 9.0)])
    assert good.is_passed and good.error < good.naive_error
    same = value.try_out(actual=actual, predicted=np.full(500, 2.0), naive=[np.full(500, 2.0)])
    assert not same.is_passed


def test_the_nightly_job_runs_once_a_day_and_segments_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    sell([(one, TODAY - timedelta(days=5), 100) for one in people(2)])
    Shop.objects.create()
    segment = domain.create_segment(name="Gone", rule=Condition("probably_customer", "<", Decimal(10)), by=None)
    refresh.refresh_due(now=NOW)
    assert value_job.start_if_due(now=NOW)
    assert not value_job.start_if_due(now=NOW)  # it waits already

    def pretend(*, now: Any) -> ValueModel:
        customer = Customer.objects.order_by("pk")[0]
        CustomerValue.objects.create(customer=customer, alive=Decimal(5), purchases=Decimal(1))
        return ValueModel.objects.create(made_at=now, made_on=TODAY, months=12, is_used=True, result={})

    monkeypatch.setattr(value, "remake", pretend)
    done = jobs.run_next()
    assert done is not None and (done.status, done.result) == ("done", {"in_use": True})
    assert not value_job.start_if_due(now=NOW)
    assert value_job.start_if_due(now=NOW + timedelta(days=1))
    refresh.refresh_due(now=NOW)
    assert Membership.objects.filter(segment=segment).count() == 1


def test_simulated_histories_are_histories() -> None:
    x, t_x, T = simulated(BetaGeometric(0.5, 5.0, 1.0, 2.0), customers=200, until=30, seed=1)
    assert np.all(t_x <= T) and np.all((t_x > 0) == (x > 0))
