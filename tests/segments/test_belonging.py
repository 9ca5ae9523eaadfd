"""Segments that ask for segments and personas: names, order, circles, renames, archiving."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from crm import marks
from crm.attributes import lookup
from crm.models import ChangeMark, Customer
from personas.domain import create_persona, update_persona
from personas.models import Persona
from segments import dependencies, domain, people, refresh
from segments.models import Membership, Segment
from segments.rules import RuleError, describe, parse
from tests.crm.make import a_customer
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW

pytestmark = pytest.mark.django_db
RIGANS = a_rule(ask("city", "=", "Riga"))


def inside(name: str, *, attribute: str = "segment") -> dict[str, Any]:
    return ask(attribute, "in", name)


def a_segment(name: str, rule: dict[str, Any] = RIGANS) -> Segment:
    return domain.create_segment(name=name, rule=rule, by=None)


def members(segment: Segment) -> set[int]:
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def move(customer: Customer, **fields: Any) -> None:
    with transaction.atomic():
        Customer.objects.filter(pk=customer.pk).update(**fields)
        marks.mark_customers(customer_ids=[customer.pk])


def problem(rule: dict[str, Any], segment: Segment | None = None) -> str:
    with pytest.raises(RuleError) as caught:
        domain.checked(rule, segment_id=segment.pk if segment else None)
    return str(caught.value)


def test_a_segment_is_asked_for_by_its_name_and_read_aloud() -> None:
    a_segment("Rigans")
    rule = a_rule({"and": [inside("Rigans"), {"not": inside("Rigans")}]})
    assert describe(parse(rule)) == "In the segment “Rigans” and not in the segment “Rigans”"
    assert problem(a_rule(inside("Tartuans"))) == "There is no segment “Tartuans”."
    assert problem(a_rule({"not": inside("Tartuans")})) == "There is no segment “Tartuans”."


def test_who_depends_on_a_segment_follows_at_once_in_as_many_statements_for_all(
    django_assert_num_queries: Callable[..., Any],
) -> None:
    customer = a_customer(city="Tartu", gender="male")
    rigans = a_segment("Rigans")
    men = a_segment("Men of Riga", a_rule({"and": [inside("Rigans"), ask("gender", "=", "male")]}))
    others = a_segment("Others", a_rule({"not": inside("Men of Riga")}))
    refresh.refresh_due(now=NOW)
    assert (members(rigans), members(men), members(others)) == (set(), set(), {customer.pk})
    move(customer, city="Tartu")
    refresh.refresh_marked(now=NOW)  # now the statements are there
    move(customer, city="Riga")
    with django_assert_num_queries(17):
        refresh.refresh_marked(now=NOW)
    assert (members(rigans), members(men), members(others)) == ({customer.pk}, {customer.pk}, set())
    for number in range(3):
        a_segment(f"More {number}", a_rule({"and": [inside("Rigans"), {"not": inside("Men of Riga")}]}))
    refresh.refresh_due(now=NOW)
    move(customer, gender="male")
    refresh.refresh_marked(now=NOW)
    move(customer, gender="female")
    with django_assert_num_queries(17):
        refresh.refresh_marked(now=NOW)
    assert Segment.objects.get(name="More 2").members_count == 1


def test_who_came_by_a_new_rule_comes_into_what_depends_on_it() -> None:
    man = a_customer(gender="male")
    base = a_segment("Base")
    follower = a_segment("Follower", a_rule(inside("Base")))
    last = a_segment("Last", a_rule(inside("Follower")))
    refresh.refresh_due(now=NOW)
    later = NOW + timedelta(hours=1)
    domain.change_rule(segment=base, rule=a_rule(ask("gender", "=", "male")), by=None, now=later)
    assert refresh.refresh_due(now=later) == 1  # nobody else is evaluated for everybody
    assert list(ChangeMark.objects.values_list("customer_id", flat=True)) == [man.pk]
    refresh.refresh_marked(now=later)
    assert (members(follower), members(last)) == ({man.pk}, {man.pk})


def test_many_who_came_make_what_depends_on_it_due_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MANY", 2)
    base = a_segment("Base")
    follower = a_segment("Follower", a_rule({"not": inside("Base")}))
    refresh.refresh_due(now=NOW)
    people_ = [a_customer(gender="male") for _ in range(3)]
    marks.mark_customers(customer_ids=[one.pk for one in people_])
    refresh.refresh_marked(now=NOW)
    assert len(members(follower)) == 3
    domain.change_rule(segment=base, rule=a_rule(ask("gender", "=", "male")), by=None, now=NOW)
    assert refresh.refresh_due(now=NOW) == 1
    assert (refresh.refresh_marked(now=NOW), refresh.refresh_due(now=NOW)) == (0, 1)
    assert members(follower) == set()


def test_segments_are_evaluated_after_those_they_ask_for() -> None:
    customer = a_customer(city="Riga")
    first = a_segment("First", a_rule(ask("city", "=", "Tartu")))
    second = a_segment("Second")
    domain.change_rule(segment=first, rule=a_rule(inside("Second")), by=None, now=NOW)
    assert refresh.refresh_due(now=NOW) == 2
    assert (members(first), members(second)) == ({customer.pk}, {customer.pk})


def test_circles_are_refused_by_name() -> None:
    first, second = a_segment("First"), a_segment("Second", a_rule(inside("First")))
    third = a_segment("Third", a_rule({"not": inside("Second")}))
    in_circle = "The segments would ask for each other in a circle: “First” → “Third” → “Second” → “First”."
    assert problem(a_rule(inside("Third")), first) == in_circle
    assert problem(a_rule(inside("First")), first).endswith("“First” → “First”.")
    with pytest.raises(RuleError):
        domain.change_rule(segment=first, rule=a_rule(inside("Third")), by=None, now=NOW)
    assert Segment.objects.get(pk=first.pk).rule == RIGANS
    domain.checked(a_rule(inside("Third")), segment_id=second.pk + third.pk + 1)


def test_a_circle_that_is_there_all_the_same_harms_no_other() -> None:
    customer = a_customer(city="Tartu")
    sound, first = a_segment("Sound"), a_segment("First")
    second = a_segment("Second", a_rule(inside("First")))
    refresh.refresh_due(now=NOW)
    Segment.objects.filter(pk=first.pk).update(rule=a_rule(inside("Second")))
    move(customer, city="Riga")
    refresh.refresh_marked(now=NOW)
    assert members(sound) == {customer.pk}
    for one in (first, second):
        one.refresh_from_db()
        assert one.last_error.startswith("The segments would ask for each other in a circle")


def test_too_many_in_a_row_are_refused() -> None:
    a_segment("S1")
    for number in range(2, dependencies.MAX_LEVELS + 1):
        a_segment(f"S{number}", a_rule(inside(f"S{number - 1}")))
    assert problem(a_rule(inside(f"S{dependencies.MAX_LEVELS}"))).startswith("At most 10 segments may ask")
    domain.checked(a_rule(inside(f"S{dependencies.MAX_LEVELS - 1}")))


def test_levels_put_everything_behind_what_it_needs_and_circles_apart() -> None:
    needs = {1: {2}, 2: set[int](), 3: {1, 9}, 4: {5}, 5: {4}, 6: {5, 3}}
    assert dependencies.levels(needs) == ([[2], [1], [3], [6]], [4, 5])


def test_a_renamed_segment_stays_itself_even_where_another_takes_its_name() -> None:
    customer, other = a_customer(city="Riga"), a_customer(city="Tartu")
    base = a_segment("Base")
    follower = a_segment("Follower", a_rule({"and": [inside("Base")]}))
    refresh.refresh_due(now=NOW)
    domain.rename(segment=base, name="People of Riga", description="", now=NOW)
    a_segment("Base", a_rule(ask("city", "=", "Tartu")))
    refresh.refresh_all(now=NOW)
    follower.refresh_from_db()
    assert (members(follower), follower.rule_version) == ({customer.pk}, 1)
    assert describe(parse(follower.rule)) == "In the segment “People of Riga”"
    move(other, city="Riga")
    refresh.refresh_marked(now=NOW)
    assert members(follower) == {customer.pk, other.pk}


def test_an_archived_segment_is_refused_and_said_where_it_is_used() -> None:
    customer = a_customer(city="Riga")
    base, follower = a_segment("Base"), a_segment("Follower", a_rule(inside("Base")))
    refresh.refresh_due(now=NOW)
    domain.archive(segment=base, now=NOW)
    assert problem(a_rule(inside("Base"))) == "The segment “Base” is archived."
    refresh.refresh_due(now=NOW)
    follower.refresh_from_db()
    assert (follower.last_error, members(follower)) == ("The segment “Base” is archived.", {customer.pk})
    domain.restore(segment=base, now=NOW)
    refresh.refresh_due(now=NOW)  # at once, without waiting for the next try
    follower.refresh_from_db()
    assert (follower.last_error, members(follower)) == ("", {customer.pk})


def test_a_persona_is_asked_for_by_its_name() -> None:
    customer = a_customer(city="Riga")
    anna = create_persona(persona=Persona(name="Anna"), rule=RIGANS, by=None)
    follower = a_segment("Like Anna", a_rule(inside("Anna", attribute="persona")))
    refresh.refresh_due(now=NOW)
    assert members(follower) == {customer.pk}
    move(customer, city="Tartu")
    refresh.refresh_marked(now=NOW)
    assert members(follower) == set()
    anna.name = "Anita"
    update_persona(persona=anna, rule=RIGANS, by=None, now=NOW)
    follower.refresh_from_db()
    assert describe(parse(follower.rule)) == "In the persona “Anita”"
    anna.is_active = False
    update_persona(persona=anna, rule=RIGANS, by=None, now=NOW)
    assert problem(a_rule(inside("Anita", attribute="persona"))) == "The persona “Anita” is not in use."
    assert problem(a_rule(inside("Anita"))) == "There is no segment “Anita”."


def test_a_persona_and_a_segment_can_not_ask_for_each_other() -> None:
    base = a_segment("Base")
    create_persona(persona=Persona(name="Anna"), rule=a_rule(inside("Base")), by=None)
    assert "circle" in problem(a_rule(inside("Anna", attribute="persona")), base)


def test_picked_people_can_be_asked_for() -> None:
    one, other = a_customer(), a_customer()
    picked = people.pick(name="Friends", customer_ids=[one.pk], by=None, now=NOW)
    follower = a_segment("Not friends", a_rule({"not": inside("Friends")}))
    refresh.refresh_due(now=NOW)
    assert members(follower) == {other.pk}
    people.add_people(segment=picked, customer_ids=[other.pk], now=NOW)
    people.remove_people(segment=picked, customer_ids=[one.pk], now=NOW)
    refresh.refresh_marked(now=NOW)
    assert members(follower) == {one.pk}


def test_the_builder_is_offered_what_can_be_asked_for() -> None:
    from segments.offers import values_of

    a_segment("Regulars")
    a_segment("Rigans")
    domain.archive(segment=a_segment("Rich"), now=NOW)
    attribute = lookup("segment")
    assert attribute is not None
    assert [offer.value for offer in values_of(attribute=attribute, text="ri")] == ["Rigans"]
