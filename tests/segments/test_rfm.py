"""RFM: the scores of DESIGN's definition, from stored cut points, kept as facts and days pass."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm import marks, profiles
from crm.models import ChangeMark, Customer, Job, Product, Shop
from segments import domain, refresh, scoring
from segments.compile import customers, live_customers, scope_for
from segments.models import CustomerScore, CutPoints, Membership
from segments.rfm import GROUPS_BY_CELL, LABELS, MEANINGS, RfmGroup, group_of, together
from segments.score_attributes import SCORES
from segments.tree import Condition
from tests.crm import make
from tests.crm.make import a_customer
from tests.segments import score_oracle
from tests.segments.oracle import UNKNOWN, _meets, read_histories
from tests.segments.worlds import NOW, TODAY, World

RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
BY_NAME = {one.name: one for one in SCORES}


def spent(customer: Customer, minor: int, day: date) -> None:
    """A sale for that much, as a row of facts alone."""
    make.a_receipt(customer, [(Product.objects.first() or make.product(), "1", minor)], sold_on=day)


def stored() -> dict[int, dict[str, Any]]:
    return {
        row.customer_id: {
            "r_score": row.r,
            "f_score": row.f,
            "m_score": row.m,
            "fm_score": together(row.f, row.m),
            "rfm_group": row.rfm_group,
        }
        for row in CustomerScore.objects.all()
    }


@st.composite
def score_conditions(draw: st.DrawFn) -> Condition:
    attribute = BY_NAME[draw(st.sampled_from(sorted(BY_NAME)))]
    operator = draw(st.sampled_from(attribute.operators))
    scalars: Any = st.sampled_from(list(map(str, RfmGroup))) if attribute.values else st.integers(1, 5).map(Decimal)
    value: Any = None
    if operator == "between":
        value = tuple(sorted(draw(st.tuples(scalars, scalars))))
    elif operator in ("in", "not in"):
        value = tuple(draw(st.lists(scalars, min_size=1, max_size=3, unique=True)))
    elif operator not in ("known", "unknown"):
        value = draw(scalars)
    return Condition(attribute.name, operator, value)


def expected(condition: Condition, scores: dict[int, dict[str, Any]], today: date) -> set[int]:
    return {
        pk
        for pk in live_customers().values_list("pk", flat=True)
        if _meets(condition, scores.get(pk, {}).get(condition.attribute, UNKNOWN), today)
    }


def test_every_field_of_the_table_has_a_group_with_a_name_and_a_meaning() -> None:
    assert [len(GROUPS_BY_CELL[r]) for r in range(1, 6)] == [5] * 5
    used = {group for row in GROUPS_BY_CELL.values() for group in row} | {RfmGroup.NEW}
    assert used == set(RfmGroup) == set(LABELS) == set(MEANINGS)


def test_new_means_one_receipt_whatever_the_scores() -> None:
    assert group_of(r=5, f=5, m=5, receipts_ever=1) == RfmGroup.NEW
    assert group_of(r=4, f=1, m=1, receipts_ever=1) == RfmGroup.NEW
    assert group_of(r=3, f=1, m=1, receipts_ever=1) == RfmGroup.NEEDS_ATTENTION
    assert group_of(r=5, f=5, m=4, receipts_ever=2) == RfmGroup.CHAMPIONS


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=15, deadline=None, suppress_health_check=RELAXED)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 40), months=st.sampled_from([1, 6, 24]))
def test_scores_are_those_of_the_definition(seed: int, size: int, months: int) -> None:
    from django.db import transaction

    with transaction.atomic():
        Shop.objects.update_or_create(pk=1, defaults={"rfm_months": months})
        World(seed=seed, customers=size)
        scoring.remake(now=NOW)
        assert stored() == score_oracle.by_definition(read_histories(), TODAY, months)
        assert scoring.differences() == []
        transaction.set_rollback(True)


@pytest.mark.slow
@pytest.mark.django_db
def test_conditions_on_scores_mean_in_sql_what_they_mean_in_words() -> None:
    Shop.objects.update_or_create(pk=1, defaults={"rfm_months": 6})
    World(seed=3, customers=40)
    scoring.remake(now=NOW)
    histories, points = read_histories(), CutPoints.objects.get()
    some = [history.customer.pk for history in histories][::3]
    days = {
        ahead: score_oracle.by_cut_points(histories, TODAY + timedelta(days=ahead), points) for ahead in (0, 1, 200)
    }
    afresh = {ahead: score_oracle.by_definition(histories, TODAY + timedelta(days=ahead), 6) for ahead in (0, 200)}

    @settings(max_examples=120, deadline=None, suppress_health_check=RELAXED)
    @given(condition=score_conditions())
    def check(condition: Condition) -> None:
        source: Any = BY_NAME[condition.attribute].source
        for ahead, scores in days.items():
            now, today = NOW + timedelta(days=ahead), TODAY + timedelta(days=ahead)
            wanted = expected(condition, scores, today)
            assert set(customers(rule=condition, now=now).values_list("pk", flat=True)) == wanted, ahead
            assert set(customers(rule=condition, now=now, ids=some).values_list("pk", flat=True)) == wanted & set(some)
            scope = scope_for(condition, now=now)
            value = source.value(scope=scope, filters={})
            answers = dict(live_customers().annotate(answer=value).values_list("pk", "answer"))
            assert answers == {pk: scores.get(pk, {}).get(condition.attribute) for pk in answers}
            due = source.due(scope=scope, since=TODAY, filters={}, operator=condition.operator, value=condition.value)
            before = expected(condition, days[0], TODAY)
            assert (before ^ wanted) <= set(due.values_list("customer_id", flat=True) if due is not None else [])
        for ahead, scores in afresh.items():
            found = customers(rule=condition, now=NOW + timedelta(days=ahead), fresh_scores=True)
            assert set(found.values_list("pk", flat=True)) == expected(condition, scores, TODAY)

    check()


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=10, deadline=None, suppress_health_check=RELAXED)
@given(seed=st.integers(0, 10_000), rules=st.lists(score_conditions(), min_size=3, max_size=5))
def test_membership_by_scores_follows_facts_and_days(seed: int, rules: list[Condition]) -> None:
    from django.db import transaction

    with transaction.atomic():
        Shop.objects.update_or_create(pk=1, defaults={"rfm_months": 6})
        world = World(seed=seed, customers=20)
        segments = [domain.create_segment(name=f"S{place}", rule=rule, by=None) for place, rule in enumerate(rules)]
        refresh.refresh_due(now=NOW)
        for ahead in (0, 0, 1, 40, 200):
            world.change()
            now, today = NOW + timedelta(days=ahead), TODAY + timedelta(days=ahead)
            refresh.refresh_marked(now=now)
            refresh.refresh_due(now=now)
            refresh.refresh_marked(now=now)
            points = CutPoints.objects.order_by("-pk").first()
            assert points is not None and points.made_on == today
            scores = score_oracle.by_cut_points(read_histories(), today, points)
            assert stored() == scores
            assert scoring.differences() == []
            for segment, rule in zip(segments, rules, strict=True):
                kept = set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))
                assert kept == expected(rule, scores, today), rule
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_the_most_recent_purchase_scores_five_even_if_everybody_shares_it() -> None:
    for number in range(3):
        spent(a_customer(number=f"C{number}"), 100, TODAY)
    profiles.recount()
    scoring.remake(now=NOW)
    assert set(CustomerScore.objects.values_list("r", "f", "m")) == {(5, 1, 1)}


@pytest.mark.django_db
def test_a_sale_changes_its_customers_scores_and_nobody_elses() -> None:
    people = [a_customer(number=f"C{number}") for number in range(10)]
    for number, customer in enumerate(people):
        spent(customer, 100 * (number + 1), TODAY - timedelta(days=number))
    profiles.recount()
    refresh.refresh_due(now=NOW)
    before = stored()
    spent(people[0], 100_000, TODAY)
    profiles.recount(customer_ids=[people[0].pk])
    marks.mark_customers(customer_ids=[people[0].pk])
    refresh.refresh_marked(now=NOW)
    after = stored()
    assert after.pop(people[0].pk)["m_score"] == 5
    assert before.pop(people[0].pk)["m_score"] == 1
    assert after == before


@pytest.mark.django_db
def test_remaking_marks_whoever_moved_and_nobody_else() -> None:
    people = [a_customer(number=f"C{number}") for number in range(5)]
    for number, customer in enumerate(people):
        spent(customer, 100 * (number + 1), TODAY)
    profiles.recount()
    assert scoring.remake(now=NOW) == 5
    ChangeMark.objects.all().delete()
    assert scoring.remake(now=NOW) is None  # nothing is due
    assert scoring.remake(now=NOW + timedelta(days=1)) == 0
    assert not ChangeMark.objects.exists()
    newcomer = a_customer(number="C9")
    spent(newcomer, 50, TODAY + timedelta(days=2))
    profiles.recount(customer_ids=[newcomer.pk])
    before = stored()
    scoring.remake(now=NOW + timedelta(days=2))
    after = stored()
    moved = {pk for pk in after if after[pk] != before.get(pk)}
    assert set(ChangeMark.objects.values_list("customer_id", flat=True)) == moved > {newcomer.pk}


@pytest.mark.django_db
def test_scores_are_remade_after_a_mark_for_all_an_import_and_other_settings() -> None:
    spent(a_customer(), 100, TODAY)
    profiles.recount()
    refresh.refresh_due(now=NOW)
    assert not scoring.due(now=NOW)
    marks.mark_all()
    refresh.refresh_marked(now=NOW)
    assert scoring.due(now=NOW)
    refresh.refresh_due(now=NOW)
    assert not scoring.due(now=NOW)
    Job.objects.create(kind="import", status=Job.Status.DONE, finished_at=NOW + timedelta(minutes=1))
    assert scoring.due(now=NOW)
    refresh.refresh_due(now=NOW + timedelta(minutes=2))
    assert not scoring.due(now=NOW)
    assert scoring.due(now=NOW + timedelta(days=1))


@pytest.mark.django_db
def test_whoever_asks_not_to_be_profiled_loses_the_score_and_counts_for_nobody() -> None:
    people = [a_customer(number=f"C{number}") for number in range(2)]
    for number, customer in enumerate(people):
        spent(customer, 100 * (number + 1), TODAY)
    profiles.recount()
    scoring.remake(now=NOW)
    Customer.objects.filter(pk=people[0].pk).update(no_profiling=True)
    marks.mark_customers(customer_ids=[people[0].pk])
    refresh.refresh_marked(now=NOW)
    assert set(stored()) == {people[1].pk}
    scoring.remake(now=NOW, anew=True)
    assert CutPoints.objects.latest("pk").buyers == 1


@pytest.mark.django_db
def test_without_buyers_nobody_has_a_score_and_unknown_is_everybody() -> None:
    customer = a_customer()
    assert not customers(rule=Condition("r_score", "<=", Decimal(5)), now=NOW).exists()
    assert customers(rule=Condition("r_score", "unknown"), now=NOW).get() == customer
    scoring.remake(now=NOW)
    assert not customers(rule=Condition("rfm_group", "known"), now=NOW).exists()
    assert customers(rule=Condition("r_score", "unknown"), now=NOW, fresh_scores=True).get() == customer


@pytest.mark.django_db
def test_the_commands_score_afresh_and_as_of_the_day_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    today = timezone.localdate()
    people = [a_customer(number=f"C{number}") for number in range(5)]
    for number, customer in enumerate(people):
        spent(customer, 100 * (number + 1), today - timedelta(days=400 + number))
    profiles.recount()  # no cut points are stored
    call_command("segment_count", "m_score = 5")
    call_command("segment_count", 'rfm_group = "New"')
    call_command("segment_members", "r_score = 5 and m_score = 1")
    call_command("segment_count", "m_score = 5", as_of=(today + timedelta(days=400)).isoformat())
    assert capsys.readouterr().out.split() == ["1", "2", "C0", "0"]
