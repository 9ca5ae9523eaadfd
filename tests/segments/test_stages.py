"""Lifecycle stages by the shop's rules: everybody in exactly one, the same everywhere, right as days pass."""

import random
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm import lifecycle
from crm.attributes import Scope
from crm.models import ChangeMark, Customer, Shop, WebVisit, WishlistItem
from crm.statistics import customers_by_stage
from segments.compile import customers, live_customers
from segments.tree import Condition
from tests.segments import score_oracle
from tests.segments.oracle import read_histories
from tests.segments.worlds import NOW, TODAY, World
from tests.support.people import person

RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
RULES = {"regular_receipts": 3, "regular_days": 30, "lapsed_days": 89, "won_back_days": 31, "interested_days": 7}


def look_around(world: World) -> None:
    """Visits and wishes of some customers."""
    pick = random.Random(1)
    for number, customer in enumerate(world.customers):
        day = TODAY - timedelta(days=pick.choice([0, 1, 6, 7, 8, 40]))
        if number % 3 == 0:
            moment = NOW - (TODAY - day)
            WebVisit.objects.create(customer=customer, visitor="v", path="/", visited_at=moment, visited_on=day)
        if number % 4 == 1:
            WishlistItem.objects.create(customer=customer, product=world.products[0], added_at=NOW - (TODAY - day))


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=RELAXED)
@given(seed=st.integers(0, 10_000), by_default=st.booleans())
def test_everybody_is_in_exactly_the_stage_that_the_rules_say(seed: int, by_default: bool) -> None:
    from django.db import transaction

    with transaction.atomic():
        shop, _made = Shop.objects.update_or_create(pk=1, defaults={} if by_default else RULES)
        world = World(seed=seed, customers=30)
        look_around(world)
        histories = read_histories()
        was: dict[int, str] = {}
        for ahead in (0, 1, 5, 30, 100):
            now, today = NOW + timedelta(days=ahead), TODAY + timedelta(days=ahead)
            wanted = {history.customer.pk: score_oracle.stage(history, today, shop) for history in histories}
            found = {
                stage: set(customers(rule=Condition("lifecycle", "=", stage), now=now).values_list("pk", flat=True))
                for stage in lifecycle.STAGES
            }
            assert found == {stage: {pk for pk, one in wanted.items() if one == stage} for stage in lifecycle.STAGES}
            scope = Scope(now=now, today=today)
            value = lifecycle.SOURCE.value(scope=scope, filters={})
            assert dict(live_customers().annotate(stage=value).values_list("pk", "stage")) == wanted
            for days in (1, ahead):
                since = today - timedelta(days=days)
                before = {history.customer.pk: score_oracle.stage(history, since, shop) for history in histories}
                due = lifecycle.SOURCE.due(scope=scope, since=since, filters={}, operator="=", value="lapsed")
                assert {pk for pk in wanted if wanted[pk] != before[pk]} <= {row["customer_id"] for row in due or []}
            was = wanted
        assert was
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_the_numbers_of_all_stages_come_in_two_queries(django_assert_num_queries: "object") -> None:
    World(seed=2, customers=20)
    with django_assert_num_queries(2):  # type: ignore[operator]
        stages = customers_by_stage(now=NOW)
    assert list(stages) == list(lifecycle.STAGES)
    assert sum(stages.values()) == Customer.objects.count()


@pytest.mark.django_db
def test_stages_that_contradict_each_other_are_refused() -> None:
    for wrong in ({"regular_days": 180}, {"won_back_days": 181}, {"regular_receipts": 1}, {"lapsed_days": 0}):
        with pytest.raises(ValidationError):
            Shop(**wrong).full_clean()
    Shop().full_clean()


@pytest.mark.django_db
def test_changing_the_rules_has_everybody_evaluated_anew(client: Client) -> None:
    client.force_login(person("Administrator"))
    Shop.objects.create()
    address = reverse("admin:crm_shop_change", args=[1])
    form = client.get(address).context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields if name != "auto_merge"}
    assert client.post(address, data | {"name": "Elsewhere"}).status_code == 302
    assert not ChangeMark.objects.exists()
    assert client.post(address, data | {"lapsed_days": 365}).status_code == 302
    assert Shop.current().lapsed_days == 365
    assert list(ChangeMark.objects.values_list("customer_id", flat=True)) == [None]
    assert "365 days" in lifecycle.in_words(Shop.current())
    refused = client.post(address, data | {"lapsed_days": 20})
    assert refused.status_code == 200
    assert "must follow each other" in refused.content.decode()
