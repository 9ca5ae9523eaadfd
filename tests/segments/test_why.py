"""Why somebody belongs to a segment, on their page."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Category, Customer
from segments import domain, why
from segments.models import Membership, MembershipEvent, Segment
from segments.refresh import refresh_all
from tests.crm import make
from tests.segments.test_rules import a_rule, ask
from tests.support.people import person

pytestmark = pytest.mark.django_db


def conditions(customer: Customer, name: str) -> list[tuple[str, bool | None]]:
    found = why.why(customer=customer, now=timezone.now(), kinds=Segment.Kind.values)
    belonging = next(one for one in found if one.membership.segment.name == name)
    return [(one.sentence, one.holds) for one in belonging.conditions]


def put_in(customer: Customer, name: str, rule: dict[str, Any]) -> Segment:
    segment = domain.create_segment(name=name, rule=rule, by=None)
    Membership.objects.create(segment=segment, customer=customer, entered_at=timezone.now(), rule_version=1)
    return segment


def test_each_condition_is_ticked_or_crossed_for_this_customer() -> None:
    anna = make.customer("Anna Ozola", city="Riga")
    make.customer("Liga Ozola", city="Liepāja", language="lv")
    put_in(anna, "Two", a_rule({"and": [ask("city", "=", "Riga"), ask("language", "=", "lv")]}))
    put_in(anna, "Either", a_rule({"or": [ask("city", "=", "Riga"), ask("language", "=", "lv")]}))

    assert conditions(anna, "Two") == [("City is “Riga”", True), ("Language is “lv”", False)]
    assert conditions(anna, "Either") == [("City is “Riga” or language is “lv”", True)]


def test_a_rule_whose_names_are_gone_says_that_it_can_not_be_told() -> None:
    anna = make.customer("Anna Ozola", city="Riga")
    make.category("Tea")
    put_in(anna, "Tea", a_rule(ask("receipts", ">=", 1, category="Tea")))
    put_in(anna, "Riga", a_rule(ask("city", "=", "Riga")))
    Category.objects.all().delete()

    assert [holds for _sentence, holds in conditions(anna, "Tea")] == [None]
    assert [holds for _sentence, holds in conditions(anna, "Riga")] == [True]


def test_one_and_three_segments_take_the_same_queries() -> None:
    anna = make.customer("Anna Ozola", city="Riga")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            why.why(customer=anna, now=timezone.now(), kinds=Segment.Kind.values)
        return len(captured)

    put_in(anna, "One", a_rule(ask("city", "=", "Riga")))
    first = queries()
    put_in(anna, "Two", a_rule(ask("city", "=", "Riga")))
    put_in(anna, "Three", a_rule(ask("receipts", ">=", 1)))
    assert queries() == first


def test_the_part_and_the_timeline_show_segments(client: Client) -> None:
    anna = make.customer("Anna Ozola", city="Riga")
    domain.create_segment(name="In Riga", rule=a_rule(ask("city", "=", "Riga")), by=None)
    refresh_all(now=timezone.now())
    client.force_login(person("Marketing"))

    part = client.get(reverse("admin:segments_customer", args=[anna.pk]), headers={"HX-Request": "true"})
    timeline = client.get(
        reverse("admin:crm_customer_timeline", args=[anna.pk]) + "?only=segments", headers={"HX-Request": "true"}
    )

    assert "In Riga" in part.content.decode() and 'data-met="yes"' in part.content.decode()
    assert MembershipEvent.objects.filter(customer=anna).exists()
    assert "Came into “In Riga”" in timeline.content.decode()


def test_who_is_in_none_or_does_not_want_it_is_told_so(client: Client) -> None:
    client.force_login(person("Marketing"))
    for no_profiling, words in ((False, "In none now."), (True, "Asked not to be profiled.")):
        customer = make.customer("Anna Ozola", no_profiling=no_profiling)
        answer = client.get(reverse("admin:segments_customer", args=[customer.pk]))
        assert words in answer.content.decode()
