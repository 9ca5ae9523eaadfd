"""The nightly proof finds nothing to change; where it does, it mends and tells."""

import logging
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from crm import marks
from crm.models import Customer
from segments import domain, proof, refresh, tasks
from segments.models import Membership, OutOfStep, Segment
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_refresh import Elsewhere
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW, TODAY
from tests.support.people import person

RIGANS = a_rule(ask("city", "=", "Riga"))
NIGHT = NOW.replace(hour=4) + timedelta(days=1)


def a_segment(name: str = "S") -> Segment:
    segment = domain.create_segment(name=name, rule=RIGANS, by=None)
    refresh.refresh_due(now=NOW)
    return segment


@pytest.mark.django_db
def test_it_is_made_once_a_night_after_the_new_day_was_seen_to() -> None:
    a_customer(city="Riga")
    segment = a_segment()
    assert proof.prove_due(now=NOW) == 0  # evaluated for everybody today
    assert proof.prove_due(now=NIGHT) == 0  # the day has not been seen to
    refresh.refresh_due(now=NIGHT)
    assert proof.prove_due(now=NIGHT.replace(hour=2)) == 0
    assert (proof.prove_due(now=NIGHT), proof.prove_due(now=NIGHT)) == (1, 0)
    segment.refresh_from_db()
    assert (segment.proved_on, OutOfStep.objects.count()) == (TODAY + timedelta(days=1), 0)


@pytest.mark.django_db
def test_what_it_finds_is_mended_and_told(caplog: pytest.LogCaptureFixture) -> None:
    missing, surplus = a_customer(city="Riga"), a_customer(city="Tartu")
    segment = a_segment()
    Membership.objects.update(customer=surplus)  # behind the program's back
    refresh.refresh_due(now=NIGHT)
    with caplog.at_level(logging.ERROR):
        assert proof.prove_due(now=NIGHT) == 1
    assert set(Membership.objects.values_list("customer", flat=True)) == {missing.pk}
    assert list(OutOfStep.objects.values_list("segment", "found_at", "missing", "surplus")) == [
        (segment.pk, NIGHT, 1, 1)
    ]
    assert "was out of step: 1 members were missing, 1 too many" in caplog.text


@pytest.mark.django_db
def test_marks_that_wait_are_no_fault() -> None:
    customer = a_customer(city="Tartu")
    a_segment()
    refresh.refresh_due(now=NIGHT)
    Customer.objects.update(city="Riga")
    marks.mark_customers(customer_ids=[customer.pk])
    assert proof.prove_due(now=NIGHT) == 1
    assert (OutOfStep.objects.count(), Membership.objects.count()) == (0, 1)
    refresh.refresh_marked(now=NIGHT)
    marks.mark_all()
    Customer.objects.update(city="Tartu")
    Segment.objects.update(proved_on=None)
    assert proof.prove_due(now=NIGHT) == 0  # everybody waits: nothing can be proved
    assert Membership.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_marks_that_a_worker_has_in_hand_are_no_fault() -> None:
    customer = a_customer(city="Tartu")
    segment = a_segment()
    with transaction.atomic():
        Customer.objects.update(city="Riga")
        marks.mark_customers(customer_ids=[customer.pk])
    with transaction.atomic():
        assert refresh.refresh_marked(now=NOW) == 1  # not yet committed
        proving = Elsewhere(lambda: proof.prove(segment_id=segment.pk, now=NOW))
        proving.until_waiting()
    proving.finished()
    assert (OutOfStep.objects.count(), Membership.objects.count()) == (0, 1)


@pytest.mark.django_db
def test_a_broken_segment_is_not_proved() -> None:
    segment = a_segment()
    refresh.refresh_due(now=NIGHT)
    Segment.objects.filter(pk=segment.pk).update(refreshed_version=0)
    assert proof.prove_due(now=NIGHT) == 0


@pytest.mark.django_db
def test_task_goes_from_one_segment_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(tasks, "ring", rung.append)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NIGHT)
    a_segment("A")
    a_segment("B")
    Segment.objects.update(proved_on=None, swept_on=NIGHT.date())
    for left in (1, 0):
        tasks.refresh_due()
        assert Segment.objects.filter(proved_on=None).count() == left
    tasks.refresh_due()
    assert rung == ["segments.tasks.refresh_due"] * 2


@pytest.mark.django_db
def test_a_fault_is_shown_on_home_and_on_the_segments_page_until_it_was_seen(client: Client) -> None:
    segment = a_segment("Rigans")
    proof.OutOfStep.objects.create(segment=segment, found_at=NOW, missing=3, surplus=0)
    a_receipt(a_customer(), [(a_product("milk"), "1", 100)], sold_on=TODAY)  # a shop that has begun
    client.force_login(person("Administrator"))
    assert "“Rigans” was out of step" in client.get(reverse("admin:index")).content.decode()
    page = reverse("admin:segments_segment_members", args=[segment.pk])
    assert "found 3 missing and 0 too many" in client.get(page).content.decode()
    client.post(reverse("admin:segments_segment_do", args=[segment.pk]), {"do": "seen"})
    assert "out of step" not in client.get(page).content.decode()
    assert "out of step" not in client.get(reverse("admin:index")).content.decode()
    assert OutOfStep.objects.get().seen_at is not None
