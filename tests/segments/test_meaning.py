"""The SQL answer, a naive evaluation in Python, and the membership kept by the workers are one and the same."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.models import Customer
from segments import domain, refresh
from segments.compile import customers, member_ids
from segments.models import Membership
from segments.rules import And, Node, describe, dump, parse
from tests.segments import oracle
from tests.segments.strategies import rules
from tests.segments.worlds import NOW, TODAY, World, tiers

RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.slow
@pytest.mark.django_db
def test_every_rule_means_in_sql_what_it_means_in_words() -> None:
    World(seed=1, customers=40)
    histories = oracle.read_histories()
    everybody = [history.customer.pk for history in histories]

    @settings(max_examples=400, deadline=None, suppress_health_check=RELAXED)
    @given(rule=rules())
    def check(rule: Node) -> None:
        expected = oracle.members(rule, histories, TODAY)
        assert set(customers(rule=rule, now=NOW).values_list("pk", flat=True)) == expected
        assert sorted(member_ids(rule=rule, now=NOW)) == sorted(expected)
        some = everybody[::3]
        assert set(customers(rule=rule, now=NOW, ids=some).values_list("pk", flat=True)) == expected & set(some)

    check()


@pytest.mark.slow
@pytest.mark.django_db
def test_what_each_condition_takes_away_is_what_there_would_be_without_it() -> None:
    World(seed=2, customers=40)
    histories = oracle.read_histories()

    @settings(max_examples=60, deadline=None, suppress_health_check=RELAXED)
    @given(nodes=st.lists(rules(), min_size=2, max_size=4))
    def check(nodes: list[Node]) -> None:
        members = len(oracle.members(And(tuple(nodes)), histories, TODAY))
        without = [
            len(oracle.members(And(tuple(nodes[:place] + nodes[place + 1 :])), histories, TODAY))
            for place in range(len(nodes))
        ]
        found = domain.effect(rule=And(tuple(nodes)), now=NOW)
        assert found == domain.Effect(members, tuple(number - members for number in without))

    check()


@pytest.mark.django_db
def test_rule_survives_being_written_and_read() -> None:
    tiers()  # a closed set of their own

    @given(rule=rules())
    @settings(max_examples=300, deadline=None, suppress_health_check=RELAXED)
    def check(rule: Node) -> None:
        assert parse(dump(rule)) == rule
        assert describe(rule)

    check()


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=RELAXED)
@given(seed=st.integers(0, 10_000), some_rules=st.lists(rules(), min_size=3, max_size=6))
def test_membership_follows_random_changes_and_days(seed: int, some_rules: list[Node]) -> None:
    from django.db import transaction

    with transaction.atomic():
        world = World(seed=seed)
        segments = [
            domain.create_segment(name=f"S{place}", rule=rule, by=None) for place, rule in enumerate(some_rules)
        ]
        refresh.refresh_due(now=NOW)
        for day in (0, 0, 1, 30):
            world.change()
            now, today = NOW + timedelta(days=day), TODAY + timedelta(days=day)
            refresh.refresh_marked(now=now)
            refresh.refresh_due(now=now)
            histories = oracle.read_histories()
            for segment, rule in zip(segments, some_rules, strict=True):
                kept = set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))
                assert kept == oracle.members(rule, histories, today)
                segment.refresh_from_db()
                assert (segment.members_count, segment.last_error) == (len(kept), "")
        transaction.set_rollback(True)
    assert not Customer.objects.filter(number__startswith="W").exists()
