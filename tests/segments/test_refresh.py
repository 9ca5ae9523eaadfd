"""Who keeps membership, and when: marks, leases, days, races."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.utils import timezone

from crm import marks
from crm.categories import save_category
from crm.models import Category, ChangeMark, Customer
from segments import domain, follow, refresh, standing, tasks
from segments.models import Membership, MembershipEvent, Segment
from segments.rules import describe, parse
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW, TODAY

RIGANS = a_rule(ask("city", "=", "Riga"))


def a_segment(rule: dict[str, Any] = RIGANS, name: str = "S") -> Segment:
    return domain.create_segment(name=name, rule=rule, by=None)


def members(segment: Segment) -> set[int]:
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def move(customer: Customer, city: str) -> None:
    """Facts change as every door changes them: together with a mark."""
    with transaction.atomic():
        Customer.objects.filter(pk=customer.pk).update(city=city)
        marks.mark_customers(customer_ids=[customer.pk])


def world() -> list[tuple[Any, ...]]:
    """All that a refresh may write."""
    return [
        *Membership.objects.order_by("pk").values_list(),
        *MembershipEvent.objects.order_by("pk").values_list(),
        *Segment.objects.order_by("pk").values_list("members_count", "refreshed_version", "swept_on", "last_error"),
        *ChangeMark.objects.values_list(),
    ]


@pytest.mark.django_db
def test_new_segment_gets_its_members_with_their_history() -> None:
    here, _ = a_customer(city="Riga"), a_customer(city="Tartu")
    segment = a_segment()
    assert refresh.refresh_segment(segment_id=segment.pk, now=NOW) == refresh.Moved(came=1, went=0)
    segment.refresh_from_db()
    assert (segment.members_count, segment.refreshed_at, segment.refreshed_version) == (1, NOW, 1)
    assert list(Membership.objects.values_list("customer", "entered_at", "rule_version")) == [(here.pk, NOW, 1)]
    assert list(MembershipEvent.objects.values_list("customer", "entered", "happened_at", "rule_version")) == [
        (here.pk, True, NOW, 1)
    ]


@pytest.mark.django_db
def test_changed_rule_moves_only_those_who_differ() -> None:
    stays, goes, comes = a_customer(city="Riga", gender="male"), a_customer(city="Riga"), a_customer(gender="male")
    segment = a_segment()
    refresh.refresh_due(now=NOW)
    later = NOW + timedelta(hours=1)
    domain.change_rule(segment=segment, rule=a_rule(ask("gender", "=", "male")), by=None, now=later)
    assert refresh.refresh_due(now=later) == 1
    assert members(segment) == {stays.pk, comes.pk}
    assert Membership.objects.get(customer=stays).entered_at == NOW
    newer = MembershipEvent.objects.filter(happened_at=later)
    assert set(newer.values_list("customer", "entered", "rule_version")) == {(goes.pk, False, 2), (comes.pk, True, 2)}


@pytest.mark.django_db
def test_same_rule_again_changes_nothing() -> None:
    segment = a_segment()
    refresh.refresh_due(now=NOW)
    domain.change_rule(segment=segment, rule=RIGANS, by=None, now=NOW)
    assert (segment.rule_version, refresh.refresh_due(now=NOW)) == (1, 0)


@pytest.mark.django_db
def test_mark_brings_a_customer_into_every_segment_at_once() -> None:
    customer = a_customer(city="Tartu")
    rigans, men = a_segment(), a_segment(a_rule(ask("gender", "=", "male")), "Men")
    refresh.refresh_due(now=NOW)
    Customer.objects.update(city="Riga", gender="male")
    marks.mark_customers(customer_ids=[customer.pk])
    marks.mark_customers(customer_ids=[customer.pk])
    assert refresh.refresh_marked(now=NOW) == 2
    assert (members(rigans), members(men)) == ({customer.pk}, {customer.pk})
    assert list(Segment.objects.values_list("members_count", flat=True)) == [1, 1]


@pytest.mark.django_db
def test_statements_do_not_grow_with_segments_or_customers(django_assert_num_queries: Callable[..., Any]) -> None:
    people = [a_customer(city="Tartu") for _ in range(5)]
    make.category("Food > Milk")
    for number in range(5):
        a_segment(a_rule({"or": [ask("city", "=", "Riga"), ask("bought", "is", True, category="Milk")]}), f"S{number}")
    refresh.refresh_due(now=NOW)
    marks.mark_customers(customer_ids=[people[0].pk])
    refresh.refresh_marked(now=NOW)  # now the statement is there
    for some, city in ((people[:1], "Riga"), (people, "Tartu")):
        Customer.objects.update(city=city)
        marks.mark_customers(customer_ids=[one.pk for one in some])
        # Marks, segments with their locks, profiles (missing, held), merges, whether anything is another, savepoints,
        # the statement, its numbers; of scores their lock, the cut points and the rows.
        with django_assert_num_queries(15):
            refresh.refresh_marked(now=NOW)


@pytest.mark.django_db
def test_time_alone_lets_a_customer_leave_and_downtime_is_caught_up_with() -> None:
    customer = a_customer()
    milk = a_product("milk", make.category("Food"))
    a_receipt(customer, [(milk, "1", 100)], sold_on=TODAY)
    segment = a_segment(a_rule(ask("bought", "is", True, last="7 days", category="Food")))
    refresh.refresh_due(now=NOW)
    assert members(segment) == {customer.pk}
    for days, due, left in ((6, 1, {customer.pk}), (6, 0, {customer.pk}), (30, 1, set())):
        assert refresh.refresh_due(now=NOW + timedelta(days=days)) == due
        assert members(segment) == left


@pytest.mark.django_db
def test_days_are_those_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    customer = a_customer()
    a_receipt(customer, [(a_product("milk"), "1", 100)], sold_on=TODAY)
    rule = a_rule(ask("bought", "is", True, last="1 day"))
    late = datetime(2027, 3, 2, 4, 59, tzinfo=UTC)  # a minute before midnight in New York
    with timezone.override("Asia/Tokyo"):  # whatever the zone of whoever looks
        assert domain.count(rule=rule, now=late) == 1
        assert domain.count(rule=rule, now=late + timedelta(minutes=1)) == 0


@pytest.mark.django_db
def test_mark_all_evaluates_everybody_anew() -> None:
    segment = a_segment()
    refresh.refresh_due(now=NOW)
    customer = a_customer(city="Riga")
    marks.mark_all()
    assert refresh.refresh_marked(now=NOW) == 1
    assert members(segment) == set()
    assert refresh.refresh_due(now=NOW) == 1
    assert members(segment) == {customer.pk}


@pytest.mark.django_db
def test_broken_segment_keeps_its_members_says_why_and_harms_no_other() -> None:
    category = make.category("Food")
    customer = a_customer(city="Tartu")
    broken = a_segment(a_rule({"not": ask("bought", "is", True, category="Food")}), "Broken")
    sound = a_segment(name="Sound")
    refresh.refresh_due(now=NOW)
    category.delete()
    move(customer, "Riga")
    refresh.refresh_marked(now=NOW)
    assert (members(sound), members(broken)) == ({customer.pk}, {customer.pk})
    broken.refresh_from_db()
    assert broken.last_error == "There is no category “Food”."
    refresh.refresh_due(now=NOW)
    assert refresh.refresh_due(now=NOW) == 0  # not again at once
    make.category("Food")
    refresh.refresh_due(now=NOW + refresh.BACKOFF)
    broken.refresh_from_db()
    assert (broken.last_error, broken.members_count) == ("", 1)


@pytest.mark.django_db
def test_renamed_category_stays_itself() -> None:
    food, milk = make.category("Food"), make.category("Food > Milk")
    customer = a_customer()
    a_receipt(customer, [(a_product("milk", milk), "1", 100)], sold_on=TODAY)
    node = {"not": {"or": [{"and": [ask("bought", "is", False, category="Food > Milk", last="9 days")]}]}}
    segment = a_segment(a_rule(node))
    refresh.refresh_due(now=NOW)
    save_category(category=food, name="Groceries", parent=None)
    save_category(category=milk, name="Dairy", parent=Category.objects.get(pk=food.pk))
    move(customer, "Riga")
    refresh.refresh_marked(now=NOW)
    refresh.refresh_due(now=NOW)
    segment.refresh_from_db()
    assert (members(segment), segment.last_error, segment.rule_version) == ({customer.pk}, "", 1)
    assert describe(parse(segment.rule)) == "None of these: no purchase of “Groceries > Dairy” in the last 9 days"


@pytest.mark.django_db
def test_segment_whose_sql_fails_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    customer = a_customer(city="Tartu")
    broken, sound = a_segment(a_rule(ask("age", ">=", 3)), "Broken"), a_segment(name="Sound")
    refresh.refresh_due(now=NOW)
    move(customer, "Riga")
    honest = standing.predicate

    def failing(node: Any, scope: Any) -> Any:
        asked = RawSQL("1 / (random() * 0)::int = 1", [], BooleanField())
        return asked if node.attribute == "age" else honest(node, scope)

    monkeypatch.setattr(standing, "predicate", failing)
    standing.forget()
    refresh.refresh_marked(now=NOW)
    broken.refresh_from_db()
    assert (members(sound), broken.last_error) == ({customer.pk}, "The database could not answer this rule.")


@pytest.mark.django_db
def test_tasks_run_twice_leave_the_same_world() -> None:
    customer = a_customer(city="Tartu")
    a_segment()
    tasks.refresh_due()
    move(customer, "Riga")
    tasks.refresh_marked()
    tasks.refresh_due()
    before = world()
    tasks.refresh_marked()
    tasks.refresh_due()
    assert world() == before


@pytest.mark.django_db
def test_archived_and_picked_segments_follow_nothing() -> None:
    customer = a_customer(city="Riga")
    segment = a_segment()
    domain.archive(segment=segment, now=NOW)
    Segment.objects.create(name="Picked", rule=RIGANS, kind=Segment.Kind.PICKED)
    marks.mark_customers(customer_ids=[customer.pk])
    assert (refresh.refresh_marked(now=NOW), refresh.refresh_due(now=NOW), Membership.objects.count()) == (1, 0, 0)
    domain.restore(segment=segment, now=NOW)
    refresh.refresh_due(now=NOW)
    assert members(segment) == {customer.pk}


@pytest.mark.django_db
def test_two_workers_never_refresh_the_same_segment() -> None:
    a_customer(city="Riga")
    segment = a_segment()
    Segment.objects.update(leased_until=NOW + timedelta(seconds=1))
    assert refresh.refresh_segment(segment_id=segment.pk, now=NOW) is None
    assert refresh.refresh_due(now=NOW) == 0
    # A worker that died leaves its lease behind, and the lease runs out.
    assert refresh.refresh_due(now=NOW + timedelta(seconds=1)) == 1
    assert len(members(segment)) == 1


class Elsewhere(threading.Thread):
    """Runs a function on a connection of its own, until it ends or waits for a lock."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.error: BaseException | None = None
        self.backend = 0
        self.start()

    def run(self) -> None:
        try:
            connection.ensure_connection()
            self.backend = connection.connection.info.backend_pid
            self.work()
        except BaseException as error:  # handed to the test's own thread
            self.error = error
        finally:
            connections.close_all()

    def until_waiting(self) -> None:
        with connection.cursor() as cursor:
            for _ in range(2000):
                cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [self.backend])
                if cursor.fetchone()[0] or not self.is_alive():
                    return
                cursor.execute("SELECT pg_sleep(0.005)")
        raise AssertionError("It neither waited nor ended.")

    def finished(self) -> None:
        self.join(20)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


@pytest.mark.django_db(transaction=True)
def test_mark_written_while_a_worker_evaluates_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    customer = a_customer(city="Tartu")
    segment = a_segment()
    refresh.refresh_due(now=NOW)
    move(customer, "Riga")
    honest = follow._apply

    def apply_then_change(*arguments: Any) -> Any:
        moves = honest(*arguments)
        Elsewhere(lambda: move(customer, "Tartu")).finished()  # after the answer was read, before it is committed
        return moves

    monkeypatch.setattr(follow, "_apply", apply_then_change)
    refresh.refresh_marked(now=NOW)
    assert members(segment) == {customer.pk}
    monkeypatch.setattr(follow, "_apply", honest)
    assert refresh.refresh_marked(now=NOW) == 1
    assert members(segment) == set()


@pytest.mark.django_db(transaction=True)
def test_slow_worker_does_not_overwrite_a_newer_answer() -> None:
    """Two workers hold marks of one customer: whoever comes second waits, and reads the newer facts."""
    customer = a_customer(city="Tartu")
    segment = a_segment()
    refresh.refresh_due(now=NOW)
    move(customer, "Riga")
    with transaction.atomic():
        refresh.refresh_marked(now=NOW)

        def move_on() -> None:
            move(customer, "Tartu")
            refresh.refresh_marked(now=NOW)

        second = Elsewhere(move_on)
        second.until_waiting()
    second.finished()
    assert members(segment) == set()


@pytest.mark.django_db(transaction=True)
def test_refresh_of_everybody_and_of_the_marked_do_not_undo_each_other() -> None:
    customer = a_customer(city="Tartu")
    segment = a_segment()
    refresh.refresh_due(now=NOW)
    with transaction.atomic():
        move(customer, "Riga")
        refresh.refresh_marked(now=NOW)  # not yet committed
        everybody = Elsewhere(lambda: refresh.refresh_segment(segment_id=segment.pk, now=NOW))
        everybody.until_waiting()
    everybody.finished()
    segment.refresh_from_db()
    assert (members(segment), segment.members_count) == ({customer.pk}, 1)


@pytest.mark.django_db(transaction=True)
def test_rule_changed_while_it_is_refreshed_is_applied_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    man = a_customer(gender="male")
    a_customer(city="Riga")
    segment = a_segment()
    honest, men = refresh.member_ids, a_rule(ask("gender", "=", "male"))

    def change_meanwhile(**arguments: Any) -> Any:
        monkeypatch.setattr(refresh, "member_ids", honest)
        Elsewhere(lambda: domain.change_rule(segment=segment, rule=men, by=None, now=NOW)).finished()
        return honest(**arguments)

    monkeypatch.setattr(refresh, "member_ids", change_meanwhile)
    refresh.refresh_due(now=NOW)
    refresh.refresh_due(now=NOW)
    assert members(segment) == {man.pk}
    assert Membership.objects.get().rule_version == 2
