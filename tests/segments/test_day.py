"""Time alone lets customers come and leave; only those who are due are evaluated, and the clock goes on meanwhile."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, transaction

from crm import profiles
from crm.models import Customer
from segments import day, domain, follow, refresh
from segments.models import Membership, Segment
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_refresh import Elsewhere
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW, TODAY

RECENT = a_rule(ask("bought", "is", True, last="7 days"))
LATE = datetime(2027, 3, 1, 23, 59, 59, tzinfo=UTC)
NEXT = LATE + timedelta(seconds=2)


def members(segment: Segment) -> set[int]:
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def buyer(sold_on: date = TODAY) -> Customer:
    customer = a_customer()
    a_receipt(customer, [(a_product(f"p{customer.pk}"), "1", 100)], sold_on=sold_on)
    return customer


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The batches of customers that were evaluated because of the day."""
    batches: list[list[int]] = []
    honest = day.follow

    def noting(ids: Sequence[int], now: datetime) -> None:
        batches.append(list(ids))
        honest(ids, now)

    monkeypatch.setattr(day, "follow", noting)
    return batches


@pytest.mark.django_db
def test_only_those_who_are_due_are_evaluated(evaluated: list[list[int]]) -> None:
    stays, leaves = buyer(), buyer(TODAY - timedelta(days=6))
    a_customer()
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW)
    assert members(segment) == {stays.pk, leaves.pk}
    assert refresh.refresh_due(now=NOW + timedelta(days=1)) == 1
    assert members(segment) == {stays.pk}
    assert evaluated == [[leaves.pk]]
    segment.refresh_from_db()
    assert (segment.swept_on, segment.members_count, segment.leased_until) == (TODAY + timedelta(days=1), 1, None)
    assert refresh.refresh_due(now=NOW + timedelta(days=1)) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("days", [1, 7, 30, 400, 4100])
def test_downtime_of_any_length_is_caught_up_with(days: int) -> None:
    lapsed = a_rule({"and": [ask("days_since_purchase", ">=", 20), ask("days_since_purchase", "<", 390)]})
    child, customer = a_customer(birth_date=date(2020, 3, 5)), buyer()
    profiles.recount()
    recent, gone = (domain.create_segment(name=n, rule=r, by=None) for n, r in (("R", RECENT), ("G", lapsed)))
    adult = domain.create_segment(name="A", rule=a_rule(ask("age", ">=", 18)), by=None)
    refresh.refresh_due(now=NOW)
    refresh.refresh_due(now=NOW + timedelta(days=days))
    assert members(recent) == ({customer.pk} if days < 7 else set())
    assert members(gone) == ({customer.pk} if 20 <= days < 390 else set())
    assert members(adult) == ({child.pk} if days == 4100 else set())


@pytest.mark.django_db
def test_as_many_statements_for_many_segments_as_for_one(django_assert_max_num_queries: Callable[..., Any]) -> None:
    make.category("Food")
    buyer(TODAY - timedelta(days=6))
    used = []
    for number in range(3):
        domain.create_segment(
            name=f"S{number}",
            rule=a_rule(ask("bought", "is", True, last=f"{7 + number} days", category="Food")),
            by=None,
        )
        refresh.refresh_due(now=NOW + timedelta(days=number))
        with django_assert_max_num_queries(40) as queries:
            day.see_to_day(now=NOW + timedelta(days=number + 1))
        used.append(len(queries))
    assert used[0] == used[2]


@pytest.mark.django_db
def test_batches_end_and_let_sales_in_between(evaluated: list[list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day, "BATCH", 2)
    for _ in range(5):
        buyer(TODAY - timedelta(days=6))
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW)
    between: list[datetime] = []
    assert day.see_to_day(now=NOW + timedelta(days=1), between=between.append) == 1
    assert [len(batch) for batch in evaluated] == [2, 2, 1]
    assert len(between) == 2
    assert all(NOW + timedelta(days=1) <= one for one in between)
    assert members(segment) == set()


@pytest.mark.django_db
def test_a_fifth_of_all_customers_is_evaluated_with_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day, "FEW", 1)
    for _ in range(3):
        buyer(TODAY - timedelta(days=6))
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW)
    assert refresh.refresh_due(now=NOW + timedelta(days=1)) == 2  # seen to, then evaluated for everybody
    segment.refresh_from_db()
    assert (members(segment), segment.swept_on) == (set(), TODAY + timedelta(days=1))


@pytest.mark.django_db
def test_a_killed_worker_leaves_a_day_that_another_one_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    customer = buyer(TODAY - timedelta(days=6))
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW)
    honest = day.follow

    def dying(ids: Sequence[int], now: datetime) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(day, "follow", dying)
    with pytest.raises(OperationalError):
        refresh.refresh_due(now=NOW + timedelta(days=1))
    segment.refresh_from_db()
    assert (members(segment), segment.swept_on, segment.last_error) == ({customer.pk}, TODAY, "")
    monkeypatch.setattr(day, "follow", honest)
    assert refresh.refresh_due(now=NOW + timedelta(days=1)) == 1
    assert members(segment) == set()


@pytest.mark.django_db
def test_a_lease_left_behind_runs_out() -> None:
    buyer(TODAY - timedelta(days=6))
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW)
    tomorrow = NOW + timedelta(days=1)
    Segment.objects.update(leased_until=tomorrow + timedelta(seconds=1))
    assert (day.see_to_day(now=tomorrow), len(members(segment))) == (0, 1)
    assert (day.see_to_day(now=tomorrow + timedelta(seconds=1)), len(members(segment))) == (1, 0)


@pytest.mark.django_db
def test_a_condition_that_can_not_say_who_is_due_evaluates_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    customer = buyer(TODAY - timedelta(days=6))
    broken = domain.create_segment(name="Broken", rule=RECENT, by=None)
    sound = domain.create_segment(name="Sound", rule=a_rule(ask("days_since_purchase", "<=", 6)), by=None)
    refresh.refresh_due(now=NOW)
    honest = day.due_queries

    def failing(node: Any, *rest: Any, **more: Any) -> Any:
        if node.attribute == "bought":
            raise RuntimeError("no idea")
        return honest(node, *rest, **more)

    monkeypatch.setattr(day, "due_queries", failing)
    refresh.refresh_due(now=NOW + timedelta(days=1))
    assert (members(broken), members(sound)) == (set(), set())
    broken.refresh_from_db()
    assert (broken.last_error, broken.swept_on) == ("", TODAY + timedelta(days=1))
    assert customer.pk


@pytest.mark.django_db
def test_a_clock_that_was_a_year_ahead_is_forgiven() -> None:
    customer = buyer()
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW + timedelta(days=365))
    assert members(segment) == set()
    refresh.refresh_due(now=NOW)
    segment.refresh_from_db()
    assert (members(segment), segment.swept_on) == ({customer.pk}, TODAY)


@pytest.mark.django_db
def test_a_worker_held_up_over_midnight_answers_for_the_new_day() -> None:
    customer = buyer(TODAY - timedelta(days=6))
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=LATE)
    assert members(segment) == {customer.pk}
    refresh.refresh_due(now=NEXT)
    assert members(segment) == set()
    with transaction.atomic():
        follow.follow([customer.pk], LATE)  # its mark was taken before midnight, and evaluated after the new day
    assert members(segment) == set()


@pytest.mark.django_db(transaction=True)
def test_the_new_day_waits_for_those_who_still_answer_for_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=LATE)
    customer = buyer(TODAY - timedelta(days=6))
    honest, new_day = follow._apply, list[Elsewhere]()

    def apply_at_midnight(*arguments: Any) -> Any:
        """What is compiled for the old day is applied when the new one has begun elsewhere."""
        monkeypatch.setattr(follow, "_apply", honest)
        new_day.append(Elsewhere(lambda: refresh.refresh_due(now=NEXT)))
        new_day[0].until_waiting()
        assert new_day[0].is_alive()
        return honest(*arguments)

    monkeypatch.setattr(follow, "_apply", apply_at_midnight)
    with transaction.atomic():
        follow.follow([customer.pk], LATE)
        assert members(segment) == {customer.pk}
    new_day[0].finished()
    segment.refresh_from_db()
    assert (members(segment), segment.swept_on) == (set(), TODAY + timedelta(days=1))


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_see_to_the_same_day_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    buyer(TODAY - timedelta(days=6))
    domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW)
    honest, seen = day.follow, list[int]()

    def meanwhile(ids: Sequence[int], now: datetime) -> None:
        monkeypatch.setattr(day, "follow", honest)
        Elsewhere(lambda: seen.append(day.see_to_day(now=now))).finished()
        honest(ids, now)

    monkeypatch.setattr(day, "follow", meanwhile)
    assert day.see_to_day(now=NOW + timedelta(days=1)) == 1
    assert seen == [0]


@pytest.mark.django_db(transaction=True)
def test_a_rule_changed_while_the_day_is_seen_to_is_evaluated_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    man = a_customer(gender="male")
    buyer(TODAY - timedelta(days=6))
    segment = domain.create_segment(name="S", rule=RECENT, by=None)
    refresh.refresh_due(now=NOW)
    honest, men = day.follow, a_rule(ask("gender", "=", "male"))

    def meanwhile(ids: Sequence[int], now: datetime) -> None:
        monkeypatch.setattr(day, "follow", honest)
        Elsewhere(lambda: domain.change_rule(segment=segment, rule=men, by=None, now=now)).finished()
        honest(ids, now)

    monkeypatch.setattr(day, "follow", meanwhile)
    refresh.refresh_due(now=NOW + timedelta(days=1))
    refresh.refresh_due(now=NOW + timedelta(days=1))
    segment.refresh_from_db()
    assert (members(segment), segment.refreshed_version) == ({man.pk}, 2)
