"""A campaign's mail from the draft to the mail server: personal, tracked, and with a way out."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest
from django.test import Client

from campaigns.books import Books, books
from campaigns.models import Campaign, Variant
from campaigns.sending import send_campaign
from campaigns.states import CampaignNotReady, launch_campaign, readiness
from campaigns.tracking import click_url, links_of, pixel_url, unsubscribe_url
from crm.models import Customer, Shop
from tests.campaigns.builders import campaign_for, people, segment_of
from tests.campaigns.test_tracking import FIREFOX, events
from tests.support.smtp import SmtpCatcher

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def sent(count: int, catcher: SmtpCatcher, **names: str) -> tuple[Campaign, list[EmailMessage]]:
    customers = people(count)
    if names:
        Customer.objects.update(**names)
    campaign = launch_campaign(campaign=campaign_for(segment_of(customers, now=NOW)), by=None, now=NOW)
    send_campaign(campaign_id=campaign.pk, seconds=60, clock=lambda: NOW)
    return campaign, catcher.messages


def test_each_mail_is_its_recipient_s_own(smtp_catcher: SmtpCatcher) -> None:
    Shop.objects.create(name="Kirpich & Co.")
    campaign, messages = sent(3, smtp_catcher)

    assert smtp_catcher.recipients == ["Anna1@example.org", "Anna2@example.org", "Anna3@example.org"]
    for number, (delivery, message) in enumerate(zip(campaign.deliveries.order_by("id"), messages, strict=True), 1):
        unsubscribe = unsubscribe_url(token=delivery.token)
        assert (message["To"], message["Subject"]) == (f"Anna{number}@example.org", f"Bricks for Anna{number}")
        assert message["From"] == '"Kirpich & Co." <shop@example.com>'
        assert message["Message-ID"] == f"<{delivery.token.hex}@example.com>"
        assert message["List-Unsubscribe"] == f"<{unsubscribe}>"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        (link_id,) = links_of(campaign_id=campaign.pk).values()
        html = message.get_body(["html"])
        text = message.get_body(["plain"])
        assert html is not None and text is not None
        for content in (html.get_content(), text.get_content()):
            assert click_url(token=delivery.token, link_id=link_id) in content
            assert unsubscribe in content
            assert "https://shop.example.com/bricks" not in content
        assert html.get_content().count(pixel_url(token=delivery.token)) == 1


def test_a_mail_s_own_links_work(smtp_catcher: SmtpCatcher, client: Client) -> None:
    campaign, (message,) = sent(1, smtp_catcher)
    delivery = campaign.deliveries.get()
    html = message.get_body(["html"])
    assert html is not None
    urls = dict.fromkeys(re.findall(r'(?:href|src)="(http://testserver/[^"]+)"', html.get_content()))

    answers = [client.get(urlsplit(url).path, headers={"user-agent": FIREFOX}) for url in urls]

    assert [answer.status_code for answer in answers] == [302, 200, 200]
    assert answers[0]["Location"] == "https://shop.example.com/bricks?from=mail"
    assert [kind for kind, *_rest in events(delivery)] == ["clicked", "opened"]
    one_click = urlsplit(message["List-Unsubscribe"].strip("<>")).path
    assert Client(enforce_csrf_checks=True).post(one_click, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert [kind for kind, *_rest in events(delivery)] == ["clicked", "opened", "unsubscribed"]


def test_a_name_can_add_neither_header_nor_markup_nor_code(smtp_catcher: SmtpCatcher) -> None:
    name = "Eve\r\nBcc: all@example.org\r\n\r\n<script>{{ shop.name }}{% raw %}"

    _campaign, messages = sent(1, smtp_catcher, first_name=name)

    (message,) = messages
    assert message["Bcc"] is None
    assert "Bcc: all@example.org" in message["Subject"]
    html = message.get_body(["html"])
    assert html is not None
    assert "<script>" not in html.get_content()


@pytest.mark.parametrize("name", ["Анна", "お客様", "Þórunn 👩‍👩‍👧", "O'Brien & <Söhne>"])
def test_names_in_any_script_arrive(smtp_catcher: SmtpCatcher, name: str) -> None:
    _campaign, (message,) = sent(1, smtp_catcher, first_name=name)

    assert message["Subject"] == f"Bricks for {name}"


def test_an_address_that_is_none_fails_alone(smtp_catcher: SmtpCatcher) -> None:
    customers = people(3)
    Customer.objects.filter(pk=customers[1].pk).update(email="no address", email_key="no address")
    campaign = launch_campaign(campaign=campaign_for(segment_of(customers, now=NOW)), by=None, now=NOW)

    send_campaign(campaign_id=campaign.pk, seconds=60, clock=lambda: NOW)

    assert smtp_catcher.recipients == ["Anna1@example.org", "Anna3@example.org"]
    assert books(campaign=campaign, now=NOW) == Books(3, 2, {"bad_message": 1}, 0, {}, 0, 0, 0)


def test_a_message_with_an_unknown_placeholder_is_not_launched(smtp_catcher: SmtpCatcher) -> None:
    campaign = campaign_for(segment_of(people(2), now=NOW))
    Variant.objects.update(subject="Dear {{ customer.nmae }}")

    with pytest.raises(CampaignNotReady) as refusal:
        launch_campaign(campaign=campaign, by=None, now=NOW)
    assert refusal.value.reasons == readiness(campaign=campaign, now=NOW)
    assert len(refusal.value.reasons) == 1 and "nmae" in refusal.value.reasons[0]
    assert campaign.deliveries.count() == 0


def test_a_message_broken_after_the_launch_pauses_and_fails_nobody(smtp_catcher: SmtpCatcher) -> None:
    campaign = launch_campaign(campaign=campaign_for(segment_of(people(2), now=NOW)), by=None, now=NOW)
    Variant.objects.update(subject="Dear {{ customer.nmae }}")

    assert send_campaign(campaign_id=campaign.pk, seconds=60, clock=lambda: NOW) == 0
    campaign.refresh_from_db()
    assert campaign.status == "paused"
    assert "nmae" in campaign.pause_reason
    assert books(campaign=campaign, now=NOW).to_go == 2
