"""Why somebody belongs to a segment, on their page."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm import profiles
from crm.days import shop_day
from crm.models import Category, Customer
from segments import compile, domain, why
from segments.models import Membership, MembershipEvent, Segment
from segments.refresh import refresh_all
from segments.rules import Node, dump
from tests.crm import make
from tests.crm.make import a_product, a_receipt
from tests.segments.strategies import rules
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW, TODAY, World
from tests.support.people import person

pytestmark = pytest.mark.django_db


def conditions(customer: Customer, name: str) -> list[tuple[str, bool | None]]:
    found = why.why(customer=customer, now=timezone.now(), kinds=Segment.Kind.values)
    belonging = next(one for one in found if one.segment.name == name)
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
    assert conditions(anna, "Either") == [("Any of these", True)]


Row = tuple[str, bool | None, str, str] | tuple[str, bool | None, list[Any]]


def rows(parts: tuple[why.Part, ...]) -> list[Row]:
    return [
        (one.sentence, one.holds, rows(one.parts)) if one.parts else (one.sentence, one.holds, one.has, one.lacks)
        for one in parts
    ]


def explained(customer: Customer, node: Any) -> list[Row]:
    segment = domain.create_segment(name=f"S{Segment.objects.count()}", rule=a_rule(node), by=None)
    found = why.explain(customer=customer, segment=segment, now=timezone.now())
    is_in = compile.customers(rule=segment.rule, now=timezone.now()).filter(pk=customer.pk).exists()
    assert found.holds is is_in
    return rows(found.conditions)


def test_each_condition_has_the_customers_own_value_and_what_would_have_to_change() -> None:
    milk, cement = a_product("milk", make.category("Food")), a_product("cement", make.category("Cement"))
    anna = make.customer("Anna Ozola", city="Riga", interests=["chess"], household_size=3)
    a_receipt(anna, [(milk, "2", 12000)], sold_on=shop_day(timezone.now()) - timedelta(days=20))
    profiles.recount()
    assert cement.category is not None
    node = {
        "and": [
            ask("spend", ">=", 300),
            ask("spend", "between", [10, 100.5]),
            ask("days_since_purchase", ">=", 60),
            ask("city", "in", ["Tallinn", "Tartu"]),
            ask("interests", "has any", ["skiing"]),
            ask("language", "=", "lv"),
            ask("household_size", "<=", 3),
            ask("bought", "is", True, category="Cement"),
            {"not": ask("bought", "is", True, category="Food")},
            {"not": ask("spend", ">=", 100)},
        ]
    }
    assert explained(anna, node) == [
        ("Spend at least $300.00", False, "$120.00", "needs $180.00 more"),
        ("Spend between $10.00 and $100.50", False, "$120.00", "needs $19.50 less"),
        ("Days since the last purchase at least 60", False, "20", "needs 40 more"),
        ("City is one of “Tallinn”, “Tartu”", False, "Riga", "needs one of “Tallinn”, “Tartu”"),
        ("Interests has any of “skiing”", False, "chess", "needs one of “skiing”"),
        ("Language is “lv”", False, "", "is not known"),
        ("Household size at most 3", True, "3", ""),
        ("Purchase of “Cement”", False, "No purchase of “Cement”", ""),
        ("No purchase of “Food”", False, "Purchase of “Food”", ""),
        ("Not (spend at least $100.00)", False, "$120.00", "needs less than $100.00"),
    ]


def test_nesting_is_kept_and_negations_go_down_to_the_conditions() -> None:
    anna = make.customer("Anna Ozola", city="Riga")
    riga, old = ask("city", "=", "Riga"), ask("household_size", ">=", 3)
    assert explained(anna, {"or": [old, {"and": [riga, {"not": {"or": [old, riga]}}]}]}) == [
        (
            "Any of these",
            False,
            [
                ("Household size at least 3", False, "", "is not known"),
                (
                    "All of these",
                    False,
                    [
                        ("City is “Riga”", True, "Riga", ""),
                        (
                            "All of these",
                            False,
                            [
                                ("Not (household size at least 3)", True, "", ""),
                                ("Not (city is “Riga”)", False, "Riga", "must be something else"),
                            ],
                        ),
                    ],
                ),
            ],
        )
    ]
    assert explained(anna, {"not": {"and": [riga, old]}})[0][:2] == ("Any of these", True)


def test_being_in_another_segment_is_a_condition_like_others() -> None:
    anna = make.customer("Anna Ozola", city="Riga")
    domain.create_segment(name="Rigans", rule=a_rule(ask("city", "=", "Riga")), by=None)
    refresh_all(now=timezone.now())
    assert explained(anna, {"and": [ask("segment", "in", "Rigans")]}) == [("In the segment “Rigans”", True, "", "")]
    assert explained(anna, {"not": ask("segment", "in", "Rigans")}) == [("Not in the segment “Rigans”", False, "", "")]


@pytest.mark.slow
def test_what_is_explained_is_what_the_rule_selects() -> None:
    World(seed=3, customers=20)
    people = list(compile.live_customers(today=TODAY))
    segment = put_in(people[0], "Random", a_rule(ask("city", "=", "Riga")))

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(rule=rules(), place=st.integers(0, len(people) - 1))
    def check(rule: Node, place: int) -> None:
        segment.rule, customer = dump(rule), people[place]
        found = why.explain(customer=customer, segment=segment, now=NOW)
        assert found.holds is compile.customers(rule=rule, now=NOW).filter(pk=customer.pk).exists()

    check()


def test_marketing_looks_somebody_up(client: Client) -> None:
    client.force_login(person("Marketing"))
    anna, berta = make.customer("Anna Ozola", city="Riga"), make.customer("Berta Ozola", city="Tartu")
    segment = domain.create_segment(name="In Riga", rule=a_rule(ask("city", "=", "Riga")), by=None)
    refresh_all(now=timezone.now())
    link = reverse("admin:segments_segment_why", args=[segment.pk])
    both = client.get(link, {"q": "Ozola"}).content.decode()
    assert f"?customer={anna.pk}" in both and f"?customer={berta.pk}" in both
    one = client.get(link, {"q": berta.number}).content.decode()
    assert 'data-in="no"' in one and "has Tartu" in one and "needs “Riga”" in one
    part = client.get(link, {"customer": anna.pk}, headers={"HX-Request": "true"}).content.decode()
    assert 'data-in="yes"' in part and "<html" not in part
    assert client.get(link, {"customer": "99999999"}).status_code == 404
    assert client.get(link, {"customer": "1 OR 1=1"}).status_code == 200
    listed = client.get(reverse("admin:segments_customer", args=[berta.pk])).content.decode()
    assert f"{link}?customer={berta.pk}" in listed


def test_who_wants_no_profile_is_told_as_the_reason(client: Client) -> None:
    client.force_login(person("Marketing"))
    wary = make.customer("Anna Ozola", city="Riga", no_profiling=True)
    segment = domain.create_segment(name="In Riga", rule=a_rule(ask("city", "=", "Riga")), by=None)
    page = client.get(reverse("admin:segments_segment_why", args=[segment.pk]), {"customer": wary.pk})
    assert "Asked not to be profiled, and so belongs to no segment." in page.content.decode()


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
