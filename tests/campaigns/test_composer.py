"""The composer's pages by plain requests: what they save, show, refuse and never let out."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from campaigns.drafts import duplicate_campaign, main_variant
from campaigns.models import Campaign, Delivery
from crm.consents import suppress
from crm.models import Customer
from personas.models import Persona
from segments.models import Segment
from tests.campaigns.builders import campaign_for, people, segment_of
from tests.support.people import person

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def marketing(client: Client) -> Client:
    user = person("Marketing")
    user.email = "manager@example.com"
    user.save()
    client.force_login(user)
    return client


def url(campaign: Campaign, page: str = "change", *args: Any) -> str:
    return reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk, *args])


def form_of(campaign: Campaign, **changed: Any) -> dict[str, Any]:
    """What the composer's form would send."""
    variant = main_variant(campaign)
    names = ("subject", "preheader", "heading", "body", "button_label", "button_url", "sender_name", "mjml")
    return {
        "name": campaign.name,
        "segments": [segment.pk for segment in campaign.segments.all()],
        "personas": [persona.pk for persona in campaign.personas.all()],
        "attribution_days": campaign.attribution_days,
        "holdout_percent": campaign.holdout_percent,
        **{name: getattr(variant, name) for name in names},
        **changed,
    }


def may_not(client: Client, campaign: Campaign) -> dict[str, int]:
    return {
        page: client.post(url(campaign, page)).status_code
        for page in ("launch", "pause", "resume", "cancel", "unschedule", "settle")
    }


def test_a_new_campaign_begins_with_whom_it_is_for_and_opens_in_the_composer(marketing: Client) -> None:
    segment = segment_of(people(2), now=NOW)
    page = marketing.get(reverse("admin:campaigns_campaign_add"), {"segment": segment.pk})
    assert f'value="{segment.pk}" checked' in page.content.decode()
    response = marketing.post(
        reverse("admin:campaigns_campaign_add"),
        {"name": "Spring", "segments": [segment.pk], "attribution_days": 14, "holdout_percent": 0},
    )
    campaign = Campaign.objects.get()
    assert (response.status_code, response["Location"]) == (302, url(campaign))
    assert (campaign.name, list(campaign.segments.all()), campaign.status) == ("Spring", [segment], "draft")
    assert campaign.variants.count() == 1


def test_a_draft_is_saved_with_its_errors_and_says_what_they_are(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(1), now=NOW))
    response = marketing.post(url(campaign), form_of(campaign, subject="{{ custmer.name }}", body="Kept"), follow=True)
    variant = main_variant(campaign)
    assert (variant.subject, variant.body) == ("{{ custmer.name }}", "Kept")
    assert "There is no placeholder “custmer.name”" in response.content.decode()


def test_what_no_column_can_hold_is_not_saved_and_nothing_typed_is_lost(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(1), now=NOW))
    response = marketing.post(url(campaign), form_of(campaign, name="", subject="New subject", holdout_percent=51))
    assert response.status_code == 422
    assert "New subject" in response.content.decode()
    assert main_variant(campaign).subject != "New subject"


def test_the_waterfall_shows_what_is_ticked_and_saves_nothing(marketing: Client) -> None:
    allowed, silent = people(3), people(2, consent=False, start=10)
    nobody = Customer.objects.create(number="no-address")
    suppress(channel="email", address_key=allowed[0].email_key, reason="bounced")
    segment = segment_of([*allowed, *silent, nobody], now=NOW)
    campaign = campaign_for()
    response = marketing.post(url(campaign, "audience"), form_of(campaign, segments=[segment.pk]))
    text = " ".join(response.content.decode().split())
    assert "<strong>2</strong> of 6 people get it." in text
    for label, taken in (("No address", 1), ("No consent", 2), ("Bounced earlier", 1)):
        assert label in text
        assert f"−{taken}" in text
    assert not campaign.segments.exists()


def test_a_step_of_the_waterfall_shows_five_people_and_why(marketing: Client) -> None:
    segment = segment_of([*people(3), *people(7, consent=False, start=20)], now=NOW)
    campaign = campaign_for(segment)
    form = form_of(campaign)
    page = marketing.post(url(campaign, "audience_step", "no_consent"), form).content.decode()
    assert page.count("Never said yes") == 5
    assert marketing.post(url(campaign, "audience_step", "no_consent"), form).content.decode() == page
    page = marketing.post(url(campaign, "audience_step", "to_send"), form).content.decode()
    assert page.count("In “Regular guests” since") == 3
    assert marketing.post(url(campaign, "audience_step", "nonsense"), form).status_code == 404


def test_the_preview_shows_what_is_typed_for_the_chosen_customer_in_a_sandbox(marketing: Client) -> None:
    [anna] = people(1)
    Customer.objects.filter(pk=anna.pk).update(first_name="<img src=x onerror=alert(1)>")
    campaign = campaign_for(segment_of([anna], now=NOW))
    form = form_of(campaign, body='Dear {{ customer.first_name | default: "you" }}', customer=anna.pk, theme="dark")
    response = marketing.post(url(campaign, "preview"), form)
    page = response.content.decode()
    assert "<img" not in page
    assert "iframe sandbox src=" in page
    frame_url = page.split('iframe sandbox src="')[1].split('"')[0]
    frame = marketing.get(frame_url)
    html = frame.content.decode()
    assert "Dear &lt;img src=x onerror=alert(1)&gt;" in html
    assert frame["Content-Security-Policy"].startswith("sandbox; default-src 'none';")
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    assert "@media all" in html
    assert "@media not all" in marketing.get(frame_url.replace("dark", "light")).content.decode()
    assert main_variant(campaign).body != form["body"]


@pytest.mark.parametrize("sent", [{"customer": "²"}, {"customer": "random", "segments": ["²"]}])
def test_a_preview_for_nobody_that_exists_is_no_error(marketing: Client, sent: dict[str, Any]) -> None:
    campaign = campaign_for(segment_of(people(1), now=NOW))
    assert marketing.post(url(campaign, "preview"), form_of(campaign) | sent).status_code == 200


def test_a_preview_is_only_for_the_one_who_asked_for_it(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(1), now=NOW))
    page = marketing.post(url(campaign, "preview"), form_of(campaign)).content.decode()
    other = Client()
    other.force_login(person("Marketing", "other"))
    frame_url = page.split('iframe sandbox src="')[1].split('"')[0]
    assert "Bricks are back" in marketing.get(frame_url).content.decode()
    assert "Bricks are back" not in other.get(frame_url).content.decode()


def test_without_a_cache_the_pages_come_without_their_preview(marketing: Client, settings: Settings) -> None:
    draft = campaign_for(segment_of(people(1), now=NOW))
    launched = campaign_for(draft.segments.get(), status="finished", launched_at=NOW)
    before = marketing.post(url(draft, "preview"), form_of(draft)).content.decode()
    frame = before.split('iframe sandbox src="')[1].split('"')[0]
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    pages = [
        marketing.get(url(draft)),
        marketing.get(url(launched)),
        marketing.post(url(draft, "preview"), form_of(draft)),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "iframe" not in page.content.decode()
        assert "The message can't be shown at the moment" in page.content.decode()
    assert "no longer kept" in marketing.get(frame).content.decode()


def test_problems_take_the_place_of_the_problems_not_of_the_preview(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(1), now=NOW))
    response = marketing.post(url(campaign, "preview"), form_of(campaign, heading="{{ customer.city }}"))
    assert response["HX-Retarget"] == "#cm-problems"
    assert "customer.city" in response.content.decode()


def test_a_test_goes_to_oneself_only_and_as_the_chosen_customer(marketing: Client) -> None:
    [anna] = people(1)
    campaign = campaign_for(segment_of([anna], now=NOW))
    form = form_of(campaign, customer=anna.pk, sender_name="Shop\r\nBcc: x@example.com", _test="")
    marketing.post(url(campaign), form)
    [message] = mail.outbox
    assert (message.to, message.subject) == (["manager@example.com"], "Test: Bricks for Anna1")
    assert "\n" not in message.from_email
    assert not Delivery.objects.exists()


def test_a_test_comes_from_the_shops_bare_address_under_its_own_name(marketing: Client, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = '"Bricks, <Riga>" <shop@example.com>'
    campaign = campaign_for(segment_of(people(1), now=NOW))
    marketing.post(url(campaign), form_of(campaign, sender_name="Bricks & Sons", _test=""))
    assert [message.from_email for message in mail.outbox] == ["Bricks & Sons <shop@example.com>"]


def test_a_test_without_an_address_or_with_a_broken_message_says_why(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(1), now=NOW))
    page = marketing.post(url(campaign), form_of(campaign, subject="{{ x }}", _test=""), follow=True)
    assert "Saved, but no test was sent." in page.content.decode()
    assert mail.outbox == []


def test_launching_shows_five_real_recipients_then_sends_once_however_often_it_is_clicked(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(8), now=NOW))
    page = marketing.get(url(campaign, "launch")).content.decode()
    assert "<strong>8 people</strong> will get this message." in page
    assert page.count("@example.org") == 5
    assert page.count("Bricks for Anna") == 5
    first = marketing.post(url(campaign, "launch"), {"when": "now"}, follow=True).content.decode()
    second = marketing.post(url(campaign, "launch"), {"when": "now"}, follow=True).content.decode()
    assert "Launched." in first
    assert "already been launched" in second
    campaign.refresh_from_db()
    assert campaign.status == "sending"
    assert Delivery.objects.count() == 8


def test_what_is_not_ready_is_said_and_not_launched(marketing: Client) -> None:
    campaign = campaign_for()
    assert "Choose a segment or persona" in marketing.get(url(campaign, "launch")).content.decode()
    page = marketing.post(url(campaign, "launch"), {"when": "now"}, follow=True).content.decode()
    assert "Choose a segment or persona" in page
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_a_time_is_taken_in_the_shops_zone_and_a_past_one_is_refused(marketing: Client, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    campaign = campaign_for(segment_of(people(1), now=NOW))
    past = {"when": "later", "send_at": "2020-01-01T09:00"}
    response = marketing.post(url(campaign, "launch"), past)
    assert response.status_code == 422
    assert "That moment has passed." in response.content.decode()
    year = timezone.now().year + 1
    page = marketing.post(url(campaign, "launch"), {"when": "later", "send_at": f"{year}-07-01T09:00"}, follow=True)
    campaign.refresh_from_db()
    assert campaign.status == "scheduled"
    assert campaign.scheduled_at is not None
    assert campaign.scheduled_at.isoformat() == f"{year}-07-01T13:00:00+00:00"
    assert "America/New_York" in page.content.decode()
    marketing.post(url(campaign, "unschedule"))
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_pause_correct_resume_cancel(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(2), now=NOW))
    marketing.post(url(campaign, "launch"), {"when": "now"})
    texts = {key: value for key, value in form_of(campaign).items() if key not in ("name", "segments", "personas")}
    marketing.post(url(campaign), form_of(campaign, subject="Changed while sending"))
    assert main_variant(campaign).subject != "Changed while sending"
    marketing.post(url(campaign, "correct"), texts | {"subject": "Changed while sending"})
    assert main_variant(campaign).subject != "Changed while sending"
    marketing.post(url(campaign, "pause"))
    broken = marketing.post(url(campaign, "correct"), texts | {"subject": "{{ nonsense }}"})
    assert broken.status_code == 422
    assert (main_variant(campaign).subject, main_variant(campaign).version) != ("{{ nonsense }}", 2)
    marketing.post(
        url(campaign, "correct"), texts | {"subject": "Better", "button_url": "https://shop.example.com/new"}
    )
    assert (main_variant(campaign).subject, main_variant(campaign).version) == ("Better", 2)
    assert campaign.links.filter(url="https://shop.example.com/new").exists()
    marketing.post(url(campaign, "correct"), form_of(campaign))
    assert main_variant(campaign).version == 2
    marketing.post(url(campaign, "resume"))
    campaign.refresh_from_db()
    assert campaign.status == "sending"
    marketing.post(url(campaign, "cancel"))
    campaign.refresh_from_db()
    assert campaign.status == "cancelled"
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}


def test_unclear_ones_are_listed_and_settled_by_a_human(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(3), now=NOW))
    marketing.post(url(campaign, "launch"), {"when": "now"})
    Delivery.objects.update(status="sending", sent_at=NOW)
    Campaign.objects.update(status="finished", finished_at=NOW)
    page = marketing.get(url(campaign)).content.decode()
    assert "3 messages are unclear" in page
    first = Delivery.objects.order_by("pk")[0]
    marketing.post(url(campaign, "settle"), {"do": "let_be", "delivery": [first.pk]})
    assert Delivery.objects.filter(status="failed").get() == first
    for nothing in ({}, {"all": "no"}):
        page = marketing.post(url(campaign, "settle"), {"do": "resend", **nothing}, follow=True).content.decode()
        assert "Nothing was sent: tick the messages to send again" in page
    for do in ("resend", "let_be"):
        page = marketing.post(url(campaign, "settle"), {"do": do, "delivery": ["²"]}, follow=True).content.decode()
        assert "Nothing was changed" in page
    assert Delivery.objects.filter(status="sending").count() == 2
    marketing.post(url(campaign, "settle"), {"do": "resend", "all": "yes"})
    assert Delivery.objects.filter(status="pending").count() == 2
    campaign.refresh_from_db()
    assert campaign.status == "sending"


def test_letting_be_with_nothing_ticked_means_all(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(3), now=NOW))
    marketing.post(url(campaign, "launch"), {"when": "now"})
    Delivery.objects.update(status="sending", sent_at=NOW)
    marketing.post(url(campaign, "settle"), {"do": "let_be"})
    assert set(Delivery.objects.values_list("status", "reason")) == {("failed", "unclear")}


def test_the_progress_is_polled_while_sending_and_the_page_reloads_when_the_state_changes(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(2), now=NOW))
    marketing.post(url(campaign, "launch"), {"when": "now"})
    response = marketing.get(url(campaign, "progress"), {"status": "sending"})
    assert 'hx-trigger="every 2s"' in response.content.decode()
    assert "HX-Refresh" not in response
    marketing.post(url(campaign, "pause"))
    response = marketing.get(url(campaign, "progress"), {"status": "sending"})
    assert response["HX-Refresh"] == "true"
    assert 'hx-trigger="every 2s"' not in response.content.decode()


def test_duplicating_says_the_same_with_a_draw_of_its_own(marketing: Client) -> None:
    campaign = campaign_for(segment_of(people(2), now=NOW), holdout_percent=10)
    marketing.post(url(campaign, "launch"), {"when": "now"})
    marketing.post(url(campaign, "duplicate"))
    copy = Campaign.objects.exclude(pk=campaign.pk).get()
    assert (copy.name, copy.status, copy.holdout_percent) == ("Copy of Bricks are back", "draft", 10)
    assert copy.seed != campaign.seed
    assert main_variant(copy).subject == main_variant(campaign).subject
    assert list(copy.segments.all()) == list(campaign.segments.all())
    assert not copy.deliveries.exists()


def test_without_the_permission_nothing_is_launched_and_no_button_is_shown(client: Client) -> None:
    writer = person("Marketing", "writer")
    group = writer.groups.get()
    writer.groups.clear()
    writer.user_permissions.set(group.permissions.exclude(codename="launch_campaign"))
    client.force_login(writer)
    campaign = campaign_for(segment_of(people(1), now=NOW))
    page = client.get(url(campaign)).content.decode()
    assert 'name="_launch"' not in page
    assert 'name="_save"' in page
    assert set(may_not(client, campaign).values()) == {403}
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_whoever_may_only_look_saves_nothing(client: Client) -> None:
    looker = person("Marketing", "looker")
    view = looker.groups.get().permissions.get(codename="view_campaign")
    looker.groups.clear()
    looker.user_permissions.set([view])
    client.force_login(looker)
    campaign = campaign_for(segment_of(people(1), now=NOW))
    assert client.get(url(campaign)).status_code == 200
    refused = {
        "change": client.post(url(campaign), form_of(campaign, name="Hacked")).status_code,
        "correct": client.post(url(campaign, "correct")).status_code,
        "duplicate": client.post(url(campaign, "duplicate")).status_code,
        "add": client.post(reverse("admin:campaigns_campaign_add"), {"name": "x"}).status_code,
        "delete": client.post(url(campaign, "delete"), {"post": "yes"}).status_code,
    }
    refused["people"] = client.get(url(campaign, "people"), {"q": "Anna"}).status_code
    refused["faces"] = client.post(url(campaign, "audience_step", "total"), form_of(campaign)).status_code
    assert set(refused.values()) == {403}
    anna = Customer.objects.get()
    assert "As Anna1" not in client.post(url(campaign, "preview"), form_of(campaign, customer=anna.pk)).content.decode()
    assert list(Campaign.objects.values_list("name", flat=True)) == ["Bricks are back"]


def test_shop_staff_see_no_campaign_page_at_all(client: Client) -> None:
    client.force_login(person("Shop staff"))
    campaign = campaign_for(segment_of(people(1), now=NOW))
    pages = ("change", "launch", "people", "progress", "correct")
    assert {client.get(url(campaign, page)).status_code for page in pages} <= {302, 403}
    posts = ("audience", "preview", "duplicate", "launch", "cancel")
    assert {client.post(url(campaign, page)).status_code for page in posts} <= {302, 403}
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_only_drafts_can_be_deleted(marketing: Client) -> None:
    draft, launched = (campaign_for(segment_of(people(1, start=n), now=NOW, name=str(n))) for n in (1, 2))
    marketing.post(url(launched, "launch"), {"when": "now"})
    assert marketing.post(url(launched, "delete"), {"post": "yes"}).status_code == 403
    assert marketing.post(url(draft, "delete"), {"post": "yes"}).status_code == 302
    assert list(Campaign.objects.all()) == [launched]


def test_the_list_takes_as_many_queries_for_three_campaigns_as_for_one(
    marketing: Client, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert marketing.get(reverse("admin:campaigns_campaign_changelist")).status_code == 200
        return len(captured)

    campaign_for(segment_of(people(1), now=NOW))
    queries()
    one = queries()
    for number in (2, 3):
        campaign = campaign_for(segment_of(people(1, start=number), now=NOW, name=str(number)))
        Campaign.objects.filter(pk=campaign.pk).update(
            status="finished", launched_at=NOW - timedelta(days=9), finished_at=NOW
        )
    assert queries() == one


def test_a_persona_is_an_audience_too(marketing: Client) -> None:
    segment = segment_of(people(4), now=NOW)
    Segment.objects.filter(pk=segment.pk).update(kind="persona")
    segment.refresh_from_db()
    persona = Persona.objects.create(name="Busy Bettina", segment=segment)
    campaign = campaign_for()
    text = marketing.post(url(campaign, "audience"), form_of(campaign, personas=[persona.pk])).content.decode()
    assert "<strong>4</strong>" in text
    copy = duplicate_campaign(campaign=campaign, by=person("Marketing", "copier"))
    assert not copy.personas.exists()
