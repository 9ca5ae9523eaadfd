"""The list, the builder's answers, and the page of a segment."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from crm import profiles
from crm.models import Customer
from segments import builder, domain, refresh
from segments.models import Membership, Segment
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW, TODAY

pytestmark = pytest.mark.django_db
RIGANS = a_rule({"and": [ask("city", "=", "Riga")]})


@pytest.fixture
def marketing(client: Client) -> Client:
    user = User.objects.create_user("m", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketing"))
    client.force_login(user)
    return client


def fields(**changed: str) -> dict[str, str]:
    return {"name": "Rigans", "description": "", "rule": json.dumps(RIGANS), **changed}


def preview(client: Client, rule: Any) -> Any:
    return client.post(reverse("admin:segments_segment_preview"), json.dumps(rule), content_type="application/json")


def counted(number: int) -> dict[str, int]:
    """A figure that is exact."""
    return {"value": number, "low": number, "high": number}


def values(client: Client, **asked: str) -> Any:
    return client.get(reverse("admin:segments_segment_values"), asked).json()["values"]


def test_segment_is_made_by_a_plain_post(marketing: Client) -> None:
    answer = marketing.post(reverse("admin:segments_segment_add"), fields())
    segment = Segment.objects.get(created_by__username="m")
    assert (segment.name, segment.rule, segment.rule_version) == ("Rigans", RIGANS, 1)
    assert answer.headers["Location"] == reverse("admin:segments_segment_members", args=[segment.pk])


def test_changed_rule_raises_the_version_and_a_new_name_does_not(marketing: Client) -> None:
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    link = reverse("admin:segments_segment_change", args=[segment.pk])
    marketing.post(link, fields(name="Of Riga"))
    segment.refresh_from_db()
    assert (segment.name, segment.rule_version) == ("Of Riga", 1)
    marketing.post(link, fields(rule=json.dumps(a_rule({"or": [ask("city", "=", "Tartu")]}))))
    segment.refresh_from_db()
    assert (segment.name, segment.rule_version) == ("Rigans", 2)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "Say who belongs to it: add at least one condition."),
        ("{", "The rule could not be read."),
        ("[" * 100_000, "The rule could not be read."),
        (json.dumps(a_rule({"and": []})), "This group has no conditions. Add one, or remove the group."),
        (json.dumps(a_rule(ask("agee", "=", 3))), "There is no attribute “agee”. Did you mean “age”?"),
        (json.dumps(a_rule(ask("bought", "is", True, category="Nix"))), "There is no category “Nix”."),
    ],
)
def test_form_says_what_is_wrong_and_saves_nothing(marketing: Client, rule: str, message: str) -> None:
    answer = marketing.post(reverse("admin:segments_segment_add"), fields(rule=rule))
    assert message in answer.content.decode()
    assert not Segment.objects.exists()


def test_preview_counts_explains_and_shows_some(marketing: Client) -> None:
    for city, gender in (("Riga", "male"), ("Riga", "female"), ("Riga", ""), ("Tartu", "male")):
        a_customer(first_name="Ilze", city=city, gender=gender)
    found = preview(marketing, a_rule({"and": [ask("city", "=", "Riga"), ask("gender", "=", "male")]})).json()
    rigan = Customer.objects.get(city="Riga", gender="male")
    rule = a_rule({"and": [ask("city", "=", "Riga"), ask("gender", "=", "male")]})
    assert found == {
        "members": counted(1),
        "customers": 4,
        "looked_at": None,
        "taken_away": [counted(1), counted(2)],
        "change": None,
        "sentence": "City is “Riga” and gender is “male”",
        "text": 'city = "Riga" and gender = "male"',
        "rule": rule,
        "sample": [{"id": rigan.pk, "name": "Ilze", "city": "Riga"}],
        "problems": [],
        "warnings": [],
    }


def test_value_that_nobody_has_is_a_warning_that_says_what_may_be_meant(marketing: Client) -> None:
    a_customer(city="Rīga", interests=["skiing"])
    rule = {"or": [ask("city", "in", ["Rīga", "Riga"]), ask("interests", "has", "golf"), ask("city", "contains", "x")]}
    found = preview(marketing, a_rule(rule)).json()
    assert (found["members"], found["problems"]) == (counted(1), [])
    assert [(one["path"], one["message"]) for one in found["warnings"]] == [
        ([0], "Nobody has “Riga”. Did you mean “Rīga”?"),
        ([1], "Nobody has “golf”."),
    ]


def test_rule_too_slow_to_wait_for_says_so(marketing: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "PATIENCE_MS", 30)
    honest = domain.member_ids
    monkeypatch.setattr(domain, "member_ids", lambda **asked: honest(**asked).extra(where=["pg_sleep(1) IS NOT NULL"]))
    a_customer()
    (problem,) = preview(marketing, a_rule(ask("city", "unknown"))).json()["problems"]
    assert problem["message"] == "This rule takes too long to count while you wait. Save it: the workers count it."


def test_preview_says_where_each_mistake_is(marketing: Client) -> None:
    found = preview(marketing, a_rule({"and": [ask("age", ">=", 3), {"not": {"or": [ask("age", ">=", -1)]}}]})).json()
    assert found == {
        "problems": [{"path": [1, 0, 0], "message": "“age” runs from 0 to 150.", "word": "-1"}],
    }


def test_values_are_offered_with_their_counts(marketing: Client) -> None:
    food = make.category("Food > Milk")
    milk = a_product("milk-1", food)
    for city, words in (("Riga", ["chess"]), ("Riga", ["chess", "skiing"]), ("Ogre", []), ("", [])):
        customer = a_customer(city=city, interests=words)
        a_receipt(customer, [(milk, "1", 100)], sold_on=TODAY)
    make.category("Food > Bread")
    profiles.recount()
    assert values(marketing, attribute="city", text="r") == [
        {"value": "Riga", "label": "Riga", "count": 2},
        {"value": "Ogre", "label": "Ogre", "count": 1},
    ]
    assert values(marketing, attribute="interests", text="CHE") == [{"value": "chess", "label": "chess", "count": 2}]
    assert values(marketing, filter="category", text="food") == [
        {"value": "Food", "label": "Food", "count": 4},
        {"value": "Food > Milk", "label": "Food > Milk", "count": 4},
        {"value": "Food > Bread", "label": "Food > Bread", "count": 0},
    ]
    assert values(marketing, filter="product", text="milk-1") == [{"value": "milk-1", "label": "milk-1", "count": None}]
    assert values(marketing, filter="store", text="") == [{"value": "main", "label": "Main", "count": None}]


def test_what_is_no_question_is_refused(marketing: Client) -> None:
    link = reverse("admin:segments_segment_preview")
    assert marketing.get(link).status_code == 400
    for body in ("{", "[" * 100_000, "x" * 300_000, ""):
        assert marketing.post(link, body, content_type="application/json").status_code == 400
    assert marketing.get(reverse("admin:segments_segment_values"), {"attribute": "no"}).status_code == 400


def test_nobody_without_the_permission_reads_numbers_or_members(client: Client) -> None:
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    user = User.objects.create_user("s", is_staff=True)
    client.force_login(user)
    for link in (
        reverse("admin:segments_segment_members", args=[segment.pk]),
        reverse("admin:segments_segment_values") + "?attribute=city",
        reverse("admin:segments_segment_changelist"),
    ):
        assert client.get(link).status_code == 403
    assert preview(client, RIGANS).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_segment"))
    a_customer(city="Riga", first_name="Ilze")
    refresh.refresh_due(now=NOW)
    assert preview(client, RIGANS).json()["sample"] == []
    page = client.get(reverse("admin:segments_segment_members", args=[segment.pk]))
    assert "Ilze" not in page.content.decode()
    done = client.post(reverse("admin:segments_segment_do", args=[segment.pk]), {"do": "archive"})
    assert (done.status_code, Segment.objects.get().is_archived) == (403, False)


def test_segment_is_duplicated_archived_and_restored(marketing: Client) -> None:
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    link = reverse("admin:segments_segment_do", args=[segment.pk])
    assert marketing.get(link).status_code == 400
    for _ in range(2):
        marketing.post(link, {"do": "duplicate"})
    copies = Segment.objects.exclude(pk=segment.pk).order_by("pk")
    assert [(copy.name, copy.rule) for copy in copies] == [("Copy of Rigans", RIGANS), ("Copy of Rigans 2", RIGANS)]
    marketing.post(link, {"do": "archive"})
    assert Segment.objects.get(pk=segment.pk).is_archived
    listed = marketing.get(reverse("admin:segments_segment_changelist")).content.decode()
    assert "Copy of Rigans 2" in listed
    assert f"/{segment.pk}/change/" not in listed
    marketing.post(link, {"do": "restore"})
    assert not Segment.objects.get(pk=segment.pk).is_archived


def test_lists_take_as_many_queries_for_three_as_for_one(
    marketing: Client, django_assert_num_queries: Callable[..., Any], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    link = reverse("admin:segments_segment_members", args=[segment.pk])
    used = []
    for number in range(3):
        a_customer(city="Riga", first_name=f"Ilze{number}")
        refresh.refresh_all(now=NOW)
        with django_assert_max_num_queries(30) as queries:
            page = marketing.get(link).content.decode()
        used.append(len(queries))
        assert all(f"Ilze{one}" in page for one in range(number + 1))
    assert used[1:] == used[:1] * 2
    used = []
    for number in range(3):
        domain.create_segment(name=f"S{number}", rule=RIGANS, by=None)
        with django_assert_max_num_queries(30) as queries:
            marketing.get(reverse("admin:segments_segment_changelist"))
        used.append(len(queries))
    assert used[1:] == used[:1] * 2


def test_page_of_a_segment_says_how_to_reach_its_members_and_what_sets_them_apart(marketing: Client) -> None:
    milk, nails = a_product("milk", make.category("Milk")), a_product("nails", make.category("Nails"))
    for number in range(30):
        customer = a_customer(city="Riga" if number < 12 else "Tartu", preferred_channel="sms" if number < 5 else "")
        bought = [milk, nails] if number < 12 else [nails]
        a_receipt(customer, [(product, "1", 100) for product in bought], sold_on=TODAY)
    profiles.recount()
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    refresh.refresh_due(now=NOW)
    page = marketing.get(reverse("admin:segments_segment_members", args=[segment.pk]))
    assert [(like.name, like.members, like.index) for like in page.context["likes"]] == [("Milk", 12, 250)]
    assert next((one.channel, one.allowed, one.preferred) for one in page.context["reach"]) == ("sms", 0, 5)
    assert Membership.objects.count() == 12


def test_preview_reads_text_and_says_where_it_is_wrong(marketing: Client) -> None:
    a_customer(city="Riga")
    found = preview(marketing, 'city = "Riga"\nor city = Tartuu').json()
    assert (found["members"], found["rule"]) == (
        counted(1),
        a_rule({"or": [ask("city", "=", "Riga"), ask("city", "=", "Tartuu")]}),
    )
    assert found["warnings"] == [
        {
            "message": "Nobody has “Tartuu”.",
            "word": "Tartuu",
            "path": [1],
            "line": 2,
            "column": 11,
            "length": 6,
            "offset": 24,
        }
    ]
    (problem,) = preview(marketing, 'city = "Riga" and bought(category: "Milk")').json()["problems"]
    assert (problem["message"], problem["column"], problem["length"]) == ("There is no category “Milk”.", 36, 6)


def test_preview_tells_the_change_against_the_saved_rule(marketing: Client) -> None:
    for city, age in (("Riga", 1), ("Riga", 0), ("Tartu", 1), ("Tartu", 1), ("Ogre", 0)):
        a_customer(city=city, household_size=age)
    segment = domain.create_segment(name="Rigans", rule=RIGANS, by=None)
    address = reverse("admin:segments_segment_preview", query={"segment": segment.pk})

    def change(rule: Any) -> Any:
        return marketing.post(address, json.dumps(rule), content_type="application/json").json()["change"]

    assert change("household_size = 1") == {"came": counted(2), "went": counted(1)}
    assert change("city = Riga and household_size = 1") == {"came": counted(0), "went": counted(1)}
    assert change(RIGANS) is None
    assert preview(marketing, RIGANS).json()["change"] is None
    Segment.objects.update(rule=a_rule(ask("bought", "is", True, category="Gone")))
    assert change("household_size = 1") is None


def test_segment_is_saved_from_text_and_mistakes_name_their_line(marketing: Client) -> None:
    link = reverse("admin:segments_segment_add")
    page = marketing.post(link, fields(rule="age > 3 and\nagee = 3")).content.decode()
    assert "Line 2: There is no attribute “agee”. Did you mean “age”?" in page
    assert "age &gt; 3 and" in page
    marketing.post(link, fields(rule="city in (Riga)\nor not bought"))
    rule = a_rule({"or": [ask("city", "in", ["Riga"]), {"not": ask("bought", "is", True)}]})
    assert Segment.objects.get().rule == rule
