"""The job, on a shop in which one thing matters: what came later never explains itself."""

from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from crm import jobs as crm_jobs
from crm import profiles
from crm.attributes import Attribute, Group, Privacy, Type, register, unregister
from crm.models import Consent, Customer, Job, Purpose, Receipt, ReceiptKind
from crm.sources import Column
from segments import domain, jobs
from segments.insight import findings, reading
from segments.insight.findings import Finding, Verdict
from segments.models import AttributeInsight, InsightRun, Segment
from tests.crm.make import a_product, store
from tests.segments.test_rules import a_rule, ask

pytestmark = pytest.mark.django_db(transaction=True)  # a job's life signs come over another connection


def make_shop(customers: int = 240, days: int = 220, seed: int = 1) -> None:
    """Customers of two cities; those of Riga spend four times as much. Age has nothing to do with it."""
    random = np.random.default_rng(seed)
    today = timezone.localdate()
    milk, main = a_product("milk"), store()
    people = Customer.objects.bulk_create(
        Customer(
            number=f"S{number}",
            city="Riga" if number % 2 else "Tartu",
            birth_date=date(1950, 1, 1) + timedelta(days=int(random.integers(0, 18_000))) if number % 3 else None,
            registered_at=timezone.now() - timedelta(days=days),
            opinions=["secret"] if number % 2 else ["other"],
        )
        for number in range(customers)
    )
    rows = []
    for person in people:
        for _visit in range(int(random.poisson(8))):
            amount = int(random.lognormal(6, 0.5) * (4 if person.city == "Riga" else 1))
            rows.append((person, today - timedelta(days=int(random.integers(0, days))), amount))
    receipts = Receipt.objects.bulk_create(
        Receipt(
            source="shop",
            external_id=str(number),
            kind=ReceiptKind.SALE,
            content_hash=b"",
            store=main,
            customer=person,
            sold_at=timezone.make_aware(datetime.combine(day, time(12))),
            sold_on=day,
            total_minor=amount,
        )
        for number, (person, day, amount) in enumerate(rows)
    )
    assert receipts
    assert milk
    profiles.recount()


def run() -> Job:
    job = jobs.start_insight(by=None)
    crm_jobs.run_next()
    job.refresh_from_db()
    return job


def found(key: str) -> Finding:
    return findings.read(AttributeInsight.objects.get(run=InsightRun.objects.latest("made_at"), key=key).data)


def test_what_matters_is_first_and_what_does_not_is_not_worth_it() -> None:
    make_shop()
    Segment.objects.all().delete()
    rigans = domain.create_segment(name="Rigans", rule=a_rule({"and": [ask("city", "=", "Riga")]}), by=None)
    job = run()
    assert (job.status, job.error) == ("done", "")
    run_ = InsightRun.objects.get()
    assert run_.until_on - run_.measured_on == timedelta(days=90)
    assert (run_.customers, run_.sampled) == (240, 240)
    city, age = found("city"), found("age")
    assert (city.verdict, city.known) == (Verdict.YES, 1.0)
    assert city.outcomes["spend"].earlier is not None
    assert age.verdict in (Verdict.NO, Verdict.UNCLEAR)
    assert age.known == pytest.approx(2 / 3, abs=0.01)
    members = findings.read(run_.segments.get(segment=rigans).data)
    assert members.verdict == Verdict.YES
    assert {part.customers for part in members.parts} == {120}
    assert not run_.attributes.filter(attribute__in=["r_score", "rfm_group"]).exists()  # their cut points are of today
    assert run_.data["left_out"]["r_score"] == "relative"


def test_spend_is_known_as_of_the_day_before_its_outcome() -> None:
    """Whoever bought only after that day has spent nothing by then, whatever the profile says now."""
    make_shop()
    newcomer = Customer.objects.create(number="new", registered_at=timezone.now() - timedelta(days=200))
    Receipt.objects.create(
        source="shop",
        external_id="late",
        kind=ReceiptKind.SALE,
        content_hash=b"",
        store=store(),
        customer=newcomer,
        sold_at=timezone.now(),
        sold_on=timezone.localdate(),
        total_minor=99_999_999,
    )
    profiles.recount(customer_ids=[newcomer.pk])
    seen: list[Any] = []
    read = reading.values

    def spy(question: Any, **how: Any) -> list[Any]:
        values = read(question, **how)
        if question.key == "spend":
            seen.append(max(values))
        return values

    reading.values = spy
    try:
        assert run().status == "done"
    finally:
        reading.values = read
    assert len(seen) == 2
    assert max(seen) < 99_999_999


def test_special_categories_are_read_only_of_those_who_consented() -> None:
    make_shop(120)
    for person in Customer.objects.order_by("pk")[:30]:
        before = timezone.now() - timedelta(days=210)
        Consent.objects.create(
            customer=person, purpose=Purpose.SENSITIVE, granted=True, stated_at=before, source="test"
        )
    belief = Attribute(
        name="belief", label="belief", group=Group.PSYCHOGRAPHIC, type=Type.WORDS, source=Column("opinions", []),
        privacy=Privacy.SPECIAL,
    )  # fmt: skip
    register(belief)
    try:
        assert run().status == "done"
    finally:
        unregister("belief")
    assert found("belief").known == pytest.approx(30 / 120)


def test_a_new_shop_is_told_what_is_missing() -> None:
    make_shop(120, days=30)
    job = run()
    assert job.status == "failed"
    assert "two months" in job.error
    assert not InsightRun.objects.exists()


def test_a_shop_with_few_customers_is_told_how_many_it_takes() -> None:
    make_shop(20)
    job = run()
    assert (job.status, "100" in job.error) == ("failed", True)


def test_asking_twice_starts_one_job_and_a_second_run_stands_beside_the_first() -> None:
    make_shop(120)
    someone = User.objects.create_user("m")
    assert jobs.start_insight(by=someone) == jobs.start_insight(by=None)
    crm_jobs.run_next()
    assert run().status == "done"
    assert InsightRun.objects.count() == 2
    keys = [sorted(one.attributes.values_list("key", flat=True)) for one in InsightRun.objects.all()]
    assert keys[0] == keys[1]
