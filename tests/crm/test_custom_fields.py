"""Fields that an administrator defines: in every process at once, on the page, in files, in the API, in segments."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from crm import custom_fields, customers
from crm.attributes import Group, Privacy, Type, catalogue, lookup
from crm.exporting import lists
from crm.importing import import_file, targets
from crm.models import ChangeMark, Customer, CustomField
from segments import domain, refresh
from segments.models import Membership, Segment
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


def define(slug: str, kind: str = "text", **fields: Any) -> CustomField:
    label = fields.pop("label", slug.title())
    return custom_fields.save_field(field=CustomField(slug=slug, label=label, kind=kind, **fields))


ALL = {
    "colour": ("text", "red"),
    "shoe": ("number", 42.5),
    "plan": ("choice", "gold"),
    "since": ("date", "2026-02-28"),
    "vip": ("flag", True),
    "likes": ("words", ["tea", "jazz"]),
}


@pytest.fixture
def all_kinds() -> dict[str, Any]:
    for slug, (kind, _value) in ALL.items():
        define(slug, kind, choices=["gold", "silver"] if kind == "choice" else [])
    return {slug: value for slug, (_kind, value) in ALL.items()}


def rule(attribute: str, operator: str, value: Any) -> dict[str, Any]:
    return {"v": 1, "rule": {"attribute": attribute, "operator": operator, "value": value}}


def test_a_field_joins_the_catalogue_as_soon_as_it_is_saved() -> None:
    define("shoe", "number", label="Shoe size", help="In EU sizes.", unit="EU", group=Group.PSYCHOGRAPHIC)
    attribute = lookup("custom_shoe")
    assert attribute is not None and catalogue()["custom_shoe"] is attribute
    assert (attribute.label, attribute.help, attribute.unit) == ("Shoe size", "In EU sizes.", "EU")
    assert (attribute.type, attribute.group, attribute.privacy) == (Type.NUMBER, Group.PSYCHOGRAPHIC, Privacy.ORDINARY)


def test_a_field_that_another_process_has_made_is_known_at_once_and_one_it_took_away_with_the_next_request(
    client: Client,
) -> None:
    assert lookup("custom_colour") is None
    field = CustomField.objects.create(slug="colour", label="Colour")
    assert lookup("custom_colour") is not None
    CustomField.objects.filter(pk=field.pk).delete()
    client.get("/healthz")
    assert lookup("custom_colour") is None and "custom_colour" not in catalogue()


def test_usual_attributes_cost_no_query(django_assert_num_queries: Callable[..., Any]) -> None:
    with django_assert_num_queries(0):
        assert lookup("age") is not None
    define("x")
    lookup("custom_x")
    with django_assert_num_queries(0):
        assert [lookup("custom_x") for _ in range(50)]


@pytest.mark.parametrize(
    "fields",
    [
        {"slug": "Colour"},
        {"slug": "1st"},
        {"slug": "a-b"},
        {"slug": "x'; DROP TABLE crm_customer; --"},
        {"kind": "choice"},
        {"kind": "text", "choices": ["red"]},
        {"kind": "essay"},
        {"group": "nowhere"},
        {"privacy": "none"},
        {"label": ""},
    ],
)
def test_a_field_that_cannot_be_right_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        define(**{"slug": "colour", **fields})
    assert not CustomField.objects.exists()


def test_key_and_kind_of_a_field_stay() -> None:
    field = define("colour")
    field.kind = "number"
    with pytest.raises(ValidationError, match="stay"):
        custom_fields.save_field(field=field)


def test_values_are_kept_to_their_kind(all_kinds: dict[str, Any]) -> None:
    anna = make.customer(custom={**all_kinds, "from another program": {"a": 1}})
    anna.refresh_from_db()
    assert anna.custom == {**all_kinds, "from another program": {"a": 1}}
    customers.change_customer(customer=anna, custom={"shoe": "41", "likes": [], "colour": " "})
    anna.refresh_from_db()
    assert anna.custom == {"shoe": 41}
    for wrong in (
        {"shoe": "big"},
        {"shoe": True},
        {"plan": "bronze"},
        {"since": "2026-02-31"},
        {"vip": "yes"},
        {"likes": "tea"},
    ):
        with pytest.raises(ValidationError):
            customers.change_customer(customer=anna, custom=wrong)


@pytest.mark.parametrize(
    ("attribute", "operator", "value"),
    [
        ("custom_colour", "=", "red"),
        ("custom_colour", "starts with", "RE"),
        ("custom_shoe", ">=", "42.5"),
        ("custom_plan", "in", ["gold"]),
        ("custom_since", "between", ["2026-02-28", "2026-03-01"]),
        ("custom_vip", "is", True),
        ("custom_likes", "has all", ["tea", "jazz"]),
    ],
)
def test_segments_can_ask_for_a_field(all_kinds: dict[str, Any], attribute: str, operator: str, value: Any) -> None:
    anna = make.customer(custom=all_kinds)
    make.customer("Bo Ek")
    make.a_customer(custom={"colour": 5, "shoe": "big", "plan": 1, "since": "soon", "vip": "yes", "likes": "tea"})
    found = domain.sample(rule=rule(attribute, operator, value), now=make.NOW)
    assert found == [anna]


def test_a_removed_field_leaves_its_segment_as_it_is_with_a_clear_error() -> None:
    field = define("colour")
    anna = make.customer(custom={"colour": "red"})
    segment = domain.create_segment(name="Red", rule=rule("custom_colour", "=", "red"), by=None)
    other = domain.create_segment(name="All", rule=rule("receipts", ">=", 0), by=None)
    refresh.refresh_due(now=make.NOW)
    custom_fields.remove_field(field=field)
    refresh.refresh_marked(now=make.NOW)
    refresh.refresh_due(now=make.NOW)
    segment.refresh_from_db()
    other.refresh_from_db()
    assert "There is no attribute “custom_colour”." in segment.last_error
    assert list(Membership.objects.filter(segment=segment).values_list("customer", flat=True)) == [anna.pk]
    assert (other.last_error, other.members_count) == ("", 1)
    assert Customer.objects.get().custom == {"colour": "red"}


def test_a_value_taken_from_a_list_is_told_by_the_segment_that_asks_for_it() -> None:
    field = define("plan", "choice", choices=["gold", "silver"])
    segment = domain.create_segment(name="Gold", rule=rule("custom_plan", "=", "gold"), by=None)
    refresh.refresh_due(now=make.NOW)
    field.choices = ["silver"]
    custom_fields.save_field(field=field)
    refresh.refresh_marked(now=make.NOW)
    refresh.refresh_due(now=make.NOW)
    assert "gold" in Segment.objects.get(pk=segment.pk).last_error


def test_an_administrator_defines_a_field_and_fills_it_on_a_customers_page(client: Client) -> None:
    client.force_login(person("Administrator"))
    form = {"slug": "plan", "label": "Plan", "kind": "choice", "choices": "gold\nsilver", "group": "value"}
    answer = client.post(reverse("admin:crm_customfield_add"), {**form, "privacy": "ordinary"})
    assert answer.status_code == 200 and "group" in answer.context["adminform"].form.errors
    answer = client.post(
        reverse("admin:crm_customfield_add"), {**form, "group": "psychographic", "privacy": "ordinary"}
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    define("vip", "flag")
    define("likes", "words")
    anna = make.customer("Anna Ozola")
    ChangeMark.objects.all().delete()
    edit = reverse("admin:crm_customer_edit", args=[anna.pk])
    assert "Our own fields" in client.get(edit).content.decode()
    data = {
        "first_name": "Anna",
        "last_name": "Ozola",
        "custom_plan": "gold",
        "custom_vip": "no",
        "custom_likes": "tea, jazz",
        "cards-TOTAL_FORMS": 0,
        "cards-INITIAL_FORMS": 0,
    }
    answer = client.post(edit, data)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    anna.refresh_from_db()
    assert anna.custom == {"plan": "gold", "vip": False, "likes": ["tea", "jazz"]}
    assert ChangeMark.objects.filter(customer=anna).exists()
    answer = client.post(edit, {**data, "custom_vip": "", "custom_likes": "", "custom_plan": "gold"})
    anna.refresh_from_db()
    assert anna.custom == {"plan": "gold"}
    assert "gold" in client.get(reverse("admin:crm_customer_change", args=[anna.pk])).content.decode()


def test_marketing_sees_fields_and_cannot_define_any(client: Client) -> None:
    define("plan")
    client.force_login(person("Marketing"))
    assert client.get(reverse("admin:crm_customfield_changelist")).status_code == 200
    assert client.get(reverse("admin:crm_customfield_add")).status_code == 403
    anna = make.customer("Anna Ozola", custom={"plan": "x"})
    assert client.get(reverse("admin:crm_customer_edit", args=[anna.pk])).status_code in (200, 403)


def test_the_api_takes_and_refuses_values_of_fields(all_kinds: dict[str, Any]) -> None:
    api = APIClient()
    api.force_authenticate(person("Administrator"))
    make.customer(number="C1")
    answer = api.patch("/api/customers/C1/", {"custom": all_kinds}, format="json")
    assert (answer.status_code, answer.json()["custom"]) == (200, all_kinds)
    answer = api.patch("/api/customers/C1/", {"custom": {"plan": "bronze"}}, format="json")
    assert answer.status_code == 400 and "Choose one of: gold, silver." in str(answer.json())


def test_what_is_exported_can_be_imported_and_the_second_time_nothing_changes(
    all_kinds: dict[str, Any], tmp_path: Path
) -> None:
    make.customer(number="1", custom=all_kinds)
    header = lists.customers.header
    (cells,) = lists.customers.cells(Customer.objects.all())
    assert {f"custom_{slug}" for slug in ALL} <= {column.name for column in targets("customers")} & set(header)
    path = tmp_path / "customers.csv"
    row = ["2" if name == "customer_id" else cell for name, cell in zip(header, cells, strict=True)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, row])
    result = import_file(kind="customers", path=path, now=make.NOW)
    assert (result.created, result.refused) == (1, 0)
    assert Customer.objects.get(number="2").custom == all_kinds
    result = import_file(kind="customers", path=path, now=make.NOW)
    assert (result.created, result.updated, result.unchanged) == (0, 0, 1)


def test_an_import_changes_only_the_fields_that_it_names_and_shows_it_before(tmp_path: Path) -> None:
    for slug, kind in (("colour", "text"), ("shoe", "number"), ("plan", "choice")):
        define(slug, kind, choices=["gold"] if kind == "choice" else [])
    make.customer(number="1", custom={"colour": "red", "shoe": 41, "else": 1})
    path = tmp_path / "customers.csv"
    path.write_text("customer_id,Colour,custom_shoe,plan\n1,,42,GOLD\n2,blue,x,\n3,blue,,bronze\n")
    shown = import_file(kind="customers", path=path, now=make.NOW, dry_run=True).samples
    assert shown is not None and shown.updated[0]["changes"] == {"custom_shoe": [41, 42], "custom_plan": [None, "gold"]}
    result = import_file(kind="customers", path=path, now=make.NOW)
    assert (result.updated, result.refused) == (1, 2)
    assert Customer.objects.get(number="1").custom == {"colour": "red", "shoe": 42, "else": 1, "plan": "gold"}


def test_special_fields_stay_out_of_lists() -> None:
    define("health", privacy="special")
    define("colour", privacy="sensitive")
    assert "custom_colour" in lists.customers.header and "custom_health" not in lists.customers.header
