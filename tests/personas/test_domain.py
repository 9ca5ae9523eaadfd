import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from crm.models import Customer
from personas.domain import create_persona, update_persona
from personas.models import Persona
from segments.models import Membership, Segment
from segments.refresh import refresh_all
from segments.rules import RuleError
from tests.personas.worlds import MOTHERS, NOW, customer, persona, settle

pytestmark = pytest.mark.django_db
ALICES = {"v": 1, "rule": {"attribute": "city", "operator": "=", "value": "Oulu"}}


def members(one: Persona) -> list[Customer]:
    return [row.customer for row in Membership.objects.filter(segment=one.segment).order_by("customer_id")]


def test_a_persona_brings_a_segment_of_its_own_that_matches_customers():
    anna, _other = customer(city="Riga"), customer(city="Oulu")
    maria = User.objects.create_user("maria")
    emma = persona(by=maria)
    settle()
    segment = Segment.objects.get(pk=emma.segment_id)
    assert (segment.name, segment.kind, segment.rule, segment.created_by) == ("Emma Brooks", "persona", MOTHERS, maria)
    assert members(emma) == [anna]


def test_a_rule_that_cannot_be_read_leaves_nothing_behind():
    with pytest.raises(RuleError):
        persona(rule={"v": 1, "rule": {"attribute": "shoe_size", "operator": "=", "value": 41}})
    assert (Persona.objects.count(), Segment.objects.count()) == (0, 0)


def test_two_personas_cannot_be_called_alike_and_the_second_leaves_no_segment():
    persona()
    with pytest.raises(IntegrityError):
        persona()


def test_a_new_name_and_rule_reach_the_segment_and_its_members():
    _anna, oona = customer(city="Riga"), customer(city="Oulu")
    emma = persona()
    settle()
    emma.name = "Emma Stone"
    update_persona(persona=emma, rule=ALICES, by=None, now=NOW)
    refresh_all(now=NOW)
    segment = Segment.objects.get(pk=emma.segment_id)
    assert (segment.name, segment.rule, segment.rule_version) == ("Emma Stone", ALICES, 2)
    assert members(emma) == [oona]


def test_saving_again_without_a_change_changes_nothing():
    emma = persona()
    settle()
    for _time in range(2):
        update_persona(persona=emma, rule=MOTHERS, by=None, now=NOW)
    assert Segment.objects.get(pk=emma.segment_id).rule_version == 1


def test_a_persona_put_away_follows_nothing_until_it_is_taken_up_again():
    emma = persona()
    settle()
    emma.is_active = False
    update_persona(persona=emma, rule=MOTHERS, by=None, now=NOW)
    anna = customer(city="Riga")
    refresh_all(now=NOW)
    assert members(emma) == []
    emma.is_active = True
    update_persona(persona=emma, rule=MOTHERS, by=None, now=NOW)
    refresh_all(now=NOW)
    assert members(emma) == [anna]


def test_creating_rings_for_the_worker_after_commit(django_capture_on_commit_callbacks, monkeypatch):
    rung: list[str] = []
    monkeypatch.setattr("crm.bell.ring", lambda task, **arguments: rung.append(task))
    with django_capture_on_commit_callbacks(execute=True):
        create_persona(persona=Persona(name="Emma"), rule=MOTHERS, by=None)
    assert rung == ["segments.tasks.refresh_due"]
