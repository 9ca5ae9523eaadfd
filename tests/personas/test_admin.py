import json
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from crm.models import Category
from personas.models import Persona
from segments.models import Segment
from tests.personas.test_portraits import picture
from tests.personas.worlds import MOTHERS, buy, customer, persona, settle
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def administrator(client: Client) -> User:
    user = person("Administrator")
    client.force_login(user)
    return user


def filled(**changes: Any) -> dict[str, Any]:
    return {"name": "Emma Brooks", "is_active": "on", "rule": json.dumps(MOTHERS), **changes}


def sheet_of(one: Persona) -> str:
    return f"/admin/personas/persona/{one.pk}/sheet/"


def test_an_administrator_describes_a_persona_and_lands_on_its_sheet(client: Client, administrator: User):
    response = client.post(
        "/admin/personas/persona/add/", filled(portrait=picture(50, 50), key_message="Come by", preferred_channel="sms")
    )
    emma = Persona.objects.get()
    assert (response.status_code, response["Location"]) == (302, sheet_of(emma))
    assert (emma.name, emma.key_message, emma.created_by) == ("Emma Brooks", "Come by", administrator)
    assert emma.segment.rule == MOTHERS
    portrait = client.get(f"/admin/personas/persona/{emma.pk}/portrait/")
    assert (portrait.status_code, portrait["Content-Type"]) == (200, "image/webp")


def test_changes_reach_the_segment_and_a_portrait_can_be_removed(client: Client, administrator: User):
    client.post("/admin/personas/persona/add/", filled(portrait=picture(50, 50)))
    emma = Persona.objects.get()
    assert emma.portrait
    client.post(f"/admin/personas/persona/{emma.pk}/change/", filled(name="Emma Stone", **{"portrait-clear": "on"}))
    emma = Persona.objects.get()
    assert (emma.name, emma.segment.name, bool(emma.portrait)) == ("Emma Stone", "Emma Stone", False)
    assert client.get(f"/admin/personas/persona/{emma.pk}/portrait/").status_code == 404


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("rule", '{"v": 1, "rule": {"attribute": "shoe_size", "operator": "=", "value": 41}}'),
        ("rule", "not even JSON"),
        ("rule", ""),
        ("portrait", SimpleUploadedFile("me.jpg", b"<svg onload='alert(1)'/>")),
        ("name", ""),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field_and_nothing_is_saved(
    client: Client, administrator: User, field: str, wrong: Any
):
    response = client.post("/admin/personas/persona/add/", filled(**{field: wrong}))
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]
    assert (Persona.objects.count(), Segment.objects.count()) == (0, 0)


def test_the_sheet_opens_with_how_to_reach_them_and_what_to_tell_them(client: Client, administrator: User):
    for number in range(6):
        anna = customer(city="Riga", email_key=f"a{number}@example.com")
        buy(anna, on=date(2026, 4, 6), Food__Tea=30_00)
        buy(customer(city="Oulu"), on=date(2026, 4, 6), Food__Milk=10_00)
    emma = persona(preferred_channel="email", key_message="Tea from the hills", story="She <b>reads</b>.")
    settle()
    page = client.get(sheet_of(emma)).content.decode()
    order = [page.index(text) for text in ("Reach them by", "Tell them", "Tea from the hills", "She &lt;b&gt;reads")]
    assert order == sorted(order)
    assert "50.0% of all 12" in page
    tea = Category.objects.get(name="Tea")
    assert f"/people/?category={tea.pk}" in page


def test_the_sheet_and_the_list_take_a_fixed_number_of_queries(
    client: Client, administrator: User, django_assert_max_num_queries
):
    def look(emma: Persona) -> None:
        with django_assert_max_num_queries(12):
            assert client.get(sheet_of(emma)).status_code == 200
        with django_assert_max_num_queries(9):
            assert client.get("/admin/personas/persona/").status_code == 200

    emma = persona()
    buy(customer(city="Riga"), on=date(2026, 4, 6), Food__Tea=30_00)
    settle()
    look(emma)
    for name in ("Walter", "Nina", "Claire"):
        persona(name)
        buy(customer(city="Riga", age_band="65+"), on=date(2026, 4, 6), **{f"Food__{name}": 30_00})
    settle()
    look(emma)


def test_nobody_and_not_yet_worked_out_are_told_apart(client: Client, administrator: User):
    emma = persona()
    assert "being worked out" in client.get(sheet_of(emma)).content.decode()
    settle()
    page = client.get(sheet_of(emma)).content.decode()
    assert "No customer is like this yet" in page
    assert "being worked out" not in page


def test_few_people_come_with_a_warning_and_ranges(client: Client, administrator: User):
    for _number in range(6):
        buy(customer(city="Riga"), on=date(2026, 4, 6), Food__Tea=30_00)
        buy(customer(city="Oulu"), on=date(2026, 4, 6), Food__Milk=10_00)
    emma = persona()
    settle()
    page = client.get(sheet_of(emma)).content.decode()
    assert "Only 6 customers are like this" in page
    assert "61%–100%" in page


def test_a_claim_leads_to_its_people_and_to_nobody_else(client: Client, administrator: User):
    anna = customer(city="Riga", first_name="Anna", age_band="25-34")
    buy(anna, on=date(2026, 4, 6), Food__Tea=30_00)
    bea = customer(city="Riga", first_name="Bea", age_band="65+", email_key="bea@example.com")
    customer(city="Oulu", first_name="Oona")
    emma = persona()
    settle()
    bea.profile.refresh_from_db()
    bea.profile.consent_email = True
    bea.profile.save()
    address = f"/admin/personas/persona/{emma.pk}/people/"

    def names(query: str = "") -> list[str]:
        return [one.first_name for one in client.get(address + query).context["page"].object_list]

    assert names() == ["Anna", "Bea"]
    assert names(f"?category={Category.objects.get(name='Tea').pk}") == ["Anna"]
    assert names("?channel=email") == ["Bea"]
    assert names("?age_band=65%2B") == ["Bea"]
    for unknown in ("?category=0", "?category=x", "?channel=pigeon", "?household_size=many"):
        assert client.get(address + unknown).status_code == 404


def test_people_come_in_pages_that_keep_the_claim(client: Client, administrator: User, django_assert_max_num_queries):
    for _number in range(60):
        customer(city="Riga", age_band="65+")
    emma = persona()
    settle()
    with django_assert_max_num_queries(9):
        page = client.get(f"/admin/personas/persona/{emma.pk}/people/?age_band=65%2B&page=1")
    assert len(page.context["page"].object_list) == 50
    assert "?age_band=65%2B&amp;page=2" in page.content.decode()


def test_who_may_only_see_personas_sees_no_people_and_changes_nothing(client: Client):
    emma = persona()
    customer(city="Riga", first_name="Anna")
    settle()
    clerk = User.objects.create_user("sam", is_staff=True)
    client.force_login(clerk)
    for page in ("", "sheet/", "people/", "portrait/"):
        expected = 403 if page else 302
        assert client.get(f"/admin/personas/persona/{emma.pk}/{page}").status_code == expected
    assert client.get("/admin/personas/persona/").status_code == 403

    clerk.user_permissions.add(Permission.objects.get(codename="view_persona"))
    client.force_login(User.objects.get(pk=clerk.pk))
    sheet = client.get(sheet_of(emma))
    assert sheet.status_code == 200
    assert "/people/" not in sheet.content.decode()
    assert client.get(f"/admin/personas/persona/{emma.pk}/people/").status_code == 403
    assert client.post(f"/admin/personas/persona/{emma.pk}/change/", filled(name="Other")).status_code == 403
    assert Persona.objects.get().name == "Emma Brooks"


def test_a_persona_is_put_away_rather_than_deleted(client: Client, administrator: User):
    emma = persona()
    assert client.post(f"/admin/personas/persona/{emma.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"/admin/personas/persona/{emma.pk}/change/", {"name": "Emma Brooks", "rule": json.dumps(MOTHERS)})
    assert (Persona.objects.get().is_active, Segment.objects.get().is_archived) == (False, True)
