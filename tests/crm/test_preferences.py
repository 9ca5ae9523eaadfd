"""The customers' own pages: decisions are kept, a look changes nothing, and a link tells no more than it should."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from crm import consents, customers, opt_ins, preferences, wordings
from crm.models import (
    ChangeMark,
    Channel,
    Consent,
    ConsentWording,
    Customer,
    CustomerProfile,
    OptIn,
    ServiceMail,
    Shop,
    SignupForm,
    Suppression,
    Topic,
)
from tests.crm import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Customer:
    Topic.objects.create(slug="wine", name="Wine")
    Topic.objects.create(slug="cheese", name="Cheese")
    return make.customer(
        "Anna Ozola", email="anna@example.com", phone="+371 20000001", city="Riga", birth_date="1990-02-03"
    )


def path(url: str) -> str:
    return urlsplit(url).path


def form_of(customer: Customer, **changes: str) -> dict[str, str]:
    """The page's form, as it is shown, with these changes."""
    return {"do": "save", "topic_wine": "on", "topic_cheese": "on", **changes}


def test_a_look_changes_nothing_and_shows_contact_data_masked(anna: Customer, client: Client) -> None:
    ChangeMark.objects.all().delete()
    page = client.get(path(preferences.url(anna)))
    text = page.content.decode()
    assert page.status_code == 200
    assert "a***@example.com" in text
    assert "anna@example.com" not in text and "20000001" not in text and "1990" not in text and "Ozola" not in text
    assert (page["Cache-Control"], page["X-Robots-Tag"]) == ("no-store", "noindex, nofollow")
    assert not Consent.objects.exists() and not ChangeMark.objects.exists() and not ServiceMail.objects.exists()


@pytest.mark.parametrize("token", ["x", "0" * 32, "0" * 32 + ":abc", "%00"])
def test_a_link_that_is_not_ours_leads_nowhere(client: Client, token: str) -> None:
    assert client.get(f"/p/{token}/").status_code == 404


def test_what_is_decided_is_kept_with_its_proof(anna: Customer, client: Client) -> None:
    until = (timezone.localdate() + timedelta(days=30)).isoformat()
    body = {
        "do": "save",
        "channel_email": "on",
        "topic_cheese": "on",
        "message_frequency": "monthly",
        "pause_ends_on": until,
        "language": "en",
        "interests": "wine, Käse , wine",
    }
    answer = client.post(path(preferences.url(anna)), body, headers={"user-agent": "Firefox"})
    assert (answer.status_code, answer["Location"]) == (302, f"{path(preferences.url(anna))}?done=saved")
    anna.refresh_from_db()
    assert (anna.topics_declined, anna.message_frequency, anna.language) == (["wine"], "monthly", "en")
    assert (anna.pause_ends_on.isoformat() if anna.pause_ends_on else "", anna.interests) == (until, ["wine", "Käse"])
    said = Consent.objects.get()
    assert (said.channel, said.granted, said.source) == ("email", True, "preference page")
    assert (said.proof["browser"], said.proof["page"]) == ("Firefox", "preferences")
    assert said.wording.startswith("Our shop may send me news")
    assert CustomerProfile.objects.get().consent_email is True


def test_saving_the_same_again_says_nothing_new(anna: Customer, client: Client) -> None:
    body = {"do": "save", "channel_email": "on", "topic_wine": "on", "topic_cheese": "on"}
    for _ in range(2):
        client.post(path(preferences.url(anna)), body)
    assert Consent.objects.count() == 1


def test_a_tick_taken_away_stops_the_address_for_everybody_who_bears_it(anna: Customer, client: Client) -> None:
    sister = make.customer("Ilze Ozola", email="Anna@example.com")
    for one in (anna, sister):
        consents.record_consent(customer=one, channel="email", granted=True, source="till", stated_at=make.NOW)
    client.post(path(preferences.url(anna)), form_of(anna))
    assert list(CustomerProfile.objects.values_list("consent_email", flat=True)) == [False, False]
    assert Suppression.objects.get().reason == "unsubscribed"


def test_one_press_stops_everything(anna: Customer, client: Client) -> None:
    for channel in ("email", "sms", "phone"):
        consents.record_consent(customer=anna, channel=channel, granted=True, source="till", stated_at=make.NOW)
    assert client.post(path(preferences.url(anna)), {"do": "stop"}).status_code == 302
    profile = CustomerProfile.objects.get()
    assert [getattr(profile, flag) for flag in consents.PROFILE_FLAGS.values()] == [False] * 4


def test_a_topic_that_was_put_aside_stays_declined(anna: Customer, client: Client) -> None:
    customers.change_customer(customer=anna, topics_declined=["old", "wine"])
    client.post(path(preferences.url(anna)), form_of(anna))
    anna.refresh_from_db()
    assert anna.topics_declined == ["old"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pause_ends_on", "2020-01-01"),
        ("pause_ends_on", "2999-01-01"),
        ("pause_ends_on", "soon"),
        ("message_frequency", "hourly"),
        ("language", "xx-yy"),
        ("interests", "x" * 101),
    ],
)
def test_what_cannot_be_right_is_said_at_its_field_and_nothing_is_saved(
    anna: Customer, client: Client, field: str, value: str
) -> None:
    answer = client.post(path(preferences.url(anna)), form_of(anna, **{field: value, "channel_email": "on"}))
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Consent.objects.exists()


def test_a_merged_customers_link_leads_to_the_survivor_and_an_erased_ones_nowhere(
    anna: Customer, client: Client
) -> None:
    survivor = make.customer("Anna Kalniņa", email="new@example.com")
    Customer.objects.filter(pk=anna.pk).update(merged_into=survivor)
    assert "n***@example.com" in client.get(path(preferences.url(anna))).content.decode()
    Customer.objects.filter(pk=survivor.pk).update(erased_at=make.NOW)
    assert client.get(path(preferences.url(anna))).status_code == 404


def test_ones_data_are_behind_a_link_mailed_to_the_own_address_for_an_hour(anna: Customer, client: Client) -> None:
    for _ in range(2):
        client.post(path(preferences.url(anna)), {"do": "data"})
    mail = ServiceMail.objects.get()
    assert mail.email == "anna@example.com"
    found = re.search(r"https?://\S+", mail.text)
    assert found
    page = client.get(path(found[0]))
    assert "Ozola" in page.content.decode() and "+371 20000001" in page.content.decode()
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert client.get(path(found[0])).status_code == 404
    assert client.get(path(preferences.url(anna)) + "data/").status_code == 404


def test_a_customer_corrects_their_own_data(anna: Customer, client: Client) -> None:
    ChangeMark.objects.all().delete()
    address = path(preferences.data_url(anna))
    body = {"first_name": "Anna", "last_name": "Bērziņa", "phone": "+371 20000001", "city": "Riga"}
    assert client.post(address, {**body, "birth_date": "1991-02-03"}).status_code == 302
    anna.refresh_from_db()
    assert (anna.last_name, str(anna.birth_date), anna.email) == ("Bērziņa", "1991-02-03", "anna@example.com")
    assert [one.pk for one in customers.search(text="berzina")] == [anna.pk]
    assert ChangeMark.objects.count() == 1
    wrong = client.post(address, {**body, "birth_date": "2999-01-01"})
    assert (wrong.status_code, "can&#x27;t be a birth date" in wrong.content.decode()) == (422, True)


# Double opt-in


@pytest.fixture
def confirming() -> Shop:
    shop = Shop(double_opt_in=True)
    shop.save()
    return shop


def asked(customer: Customer) -> OptIn:
    said = opt_ins.allow_email(customer=customer, source="till", now=timezone.now())
    assert isinstance(said, OptIn)
    return said


def test_a_yes_counts_once_it_is_confirmed_and_once_only(anna: Customer, confirming: Shop, client: Client) -> None:
    waiting = asked(anna)
    assert asked(anna) == waiting
    assert not Consent.objects.exists()
    address = path(opt_ins.confirm_url(waiting))
    assert opt_ins.confirm_url(waiting) in ServiceMail.objects.get().text
    assert client.get(address).status_code == 200
    assert not Consent.objects.exists()
    for _ in range(2):
        assert client.post(address).status_code == 200
    said = Consent.objects.get()
    assert (said.granted, said.source, said.proof["opt_in"]) == (True, "till", str(waiting.public_id))
    assert CustomerProfile.objects.get().consent_email is True


def test_a_confirmation_that_comes_late_or_for_another_address_is_refused(
    anna: Customer, confirming: Shop, client: Client
) -> None:
    address = path(opt_ins.confirm_url(asked(anna)))
    with time_machine.travel(timezone.now() + timedelta(days=15)):
        assert client.post(address).status_code == 422
    customers.change_customer(customer=anna, email="other@example.com")
    assert client.post(address).status_code == 422
    assert not Consent.objects.exists()


def test_a_no_said_after_asking_is_not_undone_by_an_old_link_used_twice(
    anna: Customer, confirming: Shop, client: Client
) -> None:
    address = path(opt_ins.confirm_url(asked(anna)))
    client.post(address)
    consents.stop_address(
        channel="email",
        address_key="anna@example.com",
        by_customer=anna,
        source="unsubscribe link",
        stated_at=timezone.now(),
    )
    client.post(address)
    assert CustomerProfile.objects.get().consent_email is False


# Joining


def test_a_form_makes_one_prospect_who_is_asked_to_confirm(client: Client) -> None:
    SignupForm.objects.create(slug="news", title="Our news", goal="newsletter")
    body = {"first_name": "Matti", "email": "matti@example.com", "agrees": "on"}
    for _ in range(2):
        assert client.post("/join/news/", body).status_code == 302
    customer = Customer.objects.get()
    assert (customer.first_name, customer.source, customer.goal) == ("Matti", "form: Our news", "newsletter")
    assert (OptIn.objects.count(), ServiceMail.objects.count(), Consent.objects.count()) == (1, 1, 0)
    client.post(path(opt_ins.confirm_url(OptIn.objects.get())))
    said = Consent.objects.get()
    assert (said.form.slug if said.form else "", said.granted) == ("news", True)


def test_nobody_can_say_yes_for_somebody_who_said_no(anna: Customer, client: Client) -> None:
    SignupForm.objects.create(slug="news", title="Our news")
    consents.record_consent(customer=anna, channel="email", granted=False, source="till", stated_at=make.NOW)
    client.post("/join/news/", {"email": "ANNA@example.com", "agrees": "on"})
    assert CustomerProfile.objects.get().consent_email is False
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "status", "prospects"),
    [({}, 302, 1), ({"website": "spam"}, 302, 0), ({"agrees": ""}, 422, 0), ({"email": "nobody"}, 422, 0)],
)
def test_programs_and_unticked_boxes_make_no_prospect(
    client: Client, changes: dict[str, str], status: int, prospects: int
) -> None:
    SignupForm.objects.create(slug="news", title="Our news")
    body = {"email": "matti@example.com", "agrees": "on", **changes}
    assert client.post("/join/news/", {k: v for k, v in body.items() if v}).status_code == status
    assert Customer.objects.count() == prospects


def test_a_closed_form_is_gone(client: Client) -> None:
    SignupForm.objects.create(slug="news", title="Our news", is_active=False)
    assert client.get("/join/news/").status_code == 404


# Wordings


def test_the_newest_wording_in_the_language_of_the_page_is_kept_with_the_consent(anna: Customer) -> None:
    wordings.publish(purpose="marketing", channel="", language="en", text="Old words")
    newest = wordings.publish(purpose="marketing", channel="", language="en", text="New words")
    special = wordings.publish(purpose="marketing", channel="sms", language="en", text="Words for SMS")
    wordings.publish(purpose="marketing", channel="", language="fi", text="Sanat")
    assert newest.version == 2
    assert wordings.in_force(channel=Channel.EMAIL) == wordings.Wording("New words", newest)
    assert wordings.in_force(channel=Channel.SMS).version == special
    said = opt_ins.allow_email(customer=anna, source="till", now=timezone.now())
    assert isinstance(said, Consent)
    assert (said.wording, said.wording_version) == ("New words", newest)
    assert ConsentWording.objects.count() == 4
