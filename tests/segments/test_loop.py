"""A sale at the till shows in the segments within seconds, on real servers, workers and beat."""

import time
import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest

from crm.sales import Sale, SaleLine, record_sale
from segments import domain
from segments.models import Membership, Segment
from tests.crm import make
from tests.crm.make import a_customer, a_product
from tests.segments.test_rules import a_rule, ask
from tests.support.workers import WorkerFactory

PATIENCE = 20.0


def seconds_until(happened: Callable[[], bool]) -> float:
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < PATIENCE, "It did not happen."
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.mark.slow
def test_a_sale_shows_in_every_segment_and_in_those_that_ask_for_them(celery_worker_process: WorkerFactory) -> None:
    milk = a_product("milk", make.category("Food > Milk"))
    customers, store = [a_customer() for _ in range(8)], make.store()
    for number in range(30):
        window = f"{7 + number} days"
        domain.create_segment(
            name=f"M{number}", rule=a_rule(ask("spend", ">=", 1, category="Milk", last=window)), by=None
        )
    asked = {"and": [ask("segment", "in", "M0"), {"not": ask("segment", "in", "Nobody")}]}
    domain.create_segment(name="Nobody", rule=a_rule(ask("spend", ">=", 10_000)), by=None)
    domain.create_segment(name="Behind", rule=a_rule(asked), by=None)
    domain.create_segment(name="Behind that", rule=a_rule(ask("segment", "in", "Behind")), by=None)
    celery_worker_process(["fast"], beat=True)
    seconds_until(lambda: not Segment.objects.filter(refreshed_at=None).exists())
    waited = []
    for customer in customers:
        line = SaleLine(product=milk, unit_price=Decimal(2))
        record_sale(sale=Sale(client_key=uuid.uuid4(), store=store, lines=[line], customer=customer), by=None)
        of_theirs = Membership.objects.filter(customer=customer)
        waited.append(seconds_until(lambda mine=of_theirs: mine.count() == 32))  # type: ignore[misc]
    assert max(waited) < 5
    assert not Segment.objects.exclude(last_error="").exists()


@pytest.mark.slow
def test_sale_moves_the_customer_within_seconds(
    celery_worker_process: WorkerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    milk = a_product("milk", make.category("Food > Milk"))
    customer, store = a_customer(), make.store()
    bought = domain.create_segment(
        name="Milk", rule=a_rule(ask("bought", "is", True, category="Milk", last="7 days")), by=None
    )
    never = domain.create_segment(name="Never", rule=a_rule({"not": ask("bought", "is", True)}), by=None)
    celery_worker_process(["fast"], beat=True)
    seconds_until(lambda: not Segment.objects.filter(refreshed_at=None).exists())
    assert set(Membership.objects.values_list("segment", flat=True)) == {never.pk}

    def sell() -> None:
        line = SaleLine(product=milk, unit_price=Decimal(1))
        record_sale(sale=Sale(client_key=uuid.uuid4(), store=store, lines=[line], customer=customer), by=None)

    def moved() -> bool:
        return set(Membership.objects.values_list("segment", flat=True)) == {bought.pk}

    sell()
    assert seconds_until(moved) < 5
    assert list(Segment.objects.order_by("pk").values_list("members_count", flat=True)) == [1, 0]
    # The bell lost: beat rings again.
    Membership.objects.all().delete()
    monkeypatch.setattr("crm.bell.ring", lambda *_args, **_kwargs: None)
    sell()
    assert seconds_until(moved) < 5
