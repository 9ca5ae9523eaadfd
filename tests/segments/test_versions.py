"""The rules that a segment has had."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from crm.categories import save_category
from segments import domain, refresh
from segments.models import SegmentVersion
from segments.rules import describe, parse
from segments.versions import editions
from tests.crm import make
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW
from tests.support.people import person

pytestmark = pytest.mark.django_db
RIGANS = a_rule({"and": [ask("city", "=", "Riga"), ask("age", ">=", 18)]})
TARTUANS = a_rule({"and": [ask("city", "=", "Tartu"), ask("age", ">=", 18)]})


def test_every_rule_is_kept_with_who_and_when_and_what_it_changed() -> None:
    anna = User.objects.create_user("anna", first_name="Anna", last_name="Ozola")
    segment = domain.create_segment(name="S", rule=RIGANS, by=anna)
    domain.change_rule(segment=segment, rule=RIGANS, by=None, now=NOW)
    domain.change_rule(segment=segment, rule=TARTUANS, by=None, now=NOW)
    domain.change_rule(segment=segment, rule=a_rule({"or": TARTUANS["rule"]["and"]}), by=anna, now=NOW)
    joined, changed, first = editions(segment=segment)
    assert (joined.number, joined.joined_anew, joined.came, joined.is_current) == (3, True, [], True)
    assert (changed.came, changed.went) == (["city is “Tartu”"], ["city is “Riga”"])
    assert (changed.made_by, changed.made_at) == ("", NOW)
    assert (first.number, first.made_by, first.came, first.went) == (1, "Anna Ozola", [], [])


def test_an_old_rule_is_taken_up_again_as_a_new_version_and_knows_what_was_renamed() -> None:
    food = make.category("Food")
    base = domain.create_segment(name="Base", rule=RIGANS, by=None)
    asked = {"and": [ask("bought", "is", True, category="Food"), ask("segment", "in", "Base")]}
    segment = domain.create_segment(name="S", rule=a_rule(asked), by=None)
    domain.change_rule(segment=segment, rule=TARTUANS, by=None, now=NOW)
    save_category(category=food, name="Groceries", parent=None)
    domain.rename(segment=base, name="Adults of Riga", description="", now=NOW)
    domain.restore_version(segment=segment, number=1, by=None, now=NOW)
    segment.refresh_from_db()
    assert segment.rule_version == 3
    assert describe(parse(segment.rule)) == "Purchase of “Groceries” and in the segment “Adults of Riga”"
    assert list(SegmentVersion.objects.filter(segment=segment).values_list("number", flat=True)) == [3, 2, 1]


def test_the_page_shows_versions_and_restores_one(client: Client) -> None:
    client.force_login(person("Marketing"))
    segment = domain.create_segment(name="S", rule=RIGANS, by=None)
    domain.change_rule(segment=segment, rule=TARTUANS, by=None, now=NOW)
    link = reverse("admin:segments_segment_versions", args=[segment.pk])
    page = client.get(link).content.decode()
    assert "city is “Tartu”" in page and "Use it again" in page
    assert client.post(link, {"number": "x"}).status_code == 400
    assert "There is no such version." in client.post(link, {"number": "9"}, follow=True).content.decode()
    client.post(link, {"number": "1"})
    segment.refresh_from_db()
    assert (segment.rule, segment.rule_version) == (RIGANS, 3)
    refresh.refresh_due(now=NOW)
    assert SegmentVersion.objects.get(segment=segment, number=3).made_by is not None


def test_a_rule_whose_names_are_gone_is_not_restored(client: Client) -> None:
    client.force_login(person("Marketing"))
    food = make.category("Food")
    segment = domain.create_segment(name="S", rule=a_rule(ask("bought", "is", True, category="Food")), by=None)
    domain.change_rule(segment=segment, rule=TARTUANS, by=None, now=NOW)
    food.delete()
    link = reverse("admin:segments_segment_versions", args=[segment.pk])
    told = client.post(link, {"number": "1"}, follow=True).content.decode()
    assert "Version 1 can&#x27;t be used any more: There is no category “Food”." in told
    segment.refresh_from_db()
    assert segment.rule == TARTUANS
