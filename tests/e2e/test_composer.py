"""A marketing manager writes a campaign, looks at it as a customer, and launches it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Campaign, Delivery
from tests.campaigns.builders import campaign_for, people, segment_of
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(page: Page, server: LiveServer) -> None:
    user = person("Marketing", "manager")
    user.email = "manager@example.com"
    user.save()
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server.url}])


def test_compose_preview_and_launch(page: Page, live_server: LiveServer, transactional_db: Any) -> None:
    anna, *_others = people(6)
    segment_of([anna, *_others], now=timezone.now())
    segment_of(people(3, consent=False, start=50), now=timezone.now(), name="Silent guests")
    log_in(page, live_server)

    page.goto(f"{live_server.url}/admin/campaigns/campaign/add/")
    page.get_by_label("Name, for you and your colleagues").fill("Spring coffee")
    page.get_by_label("Regular guests").check()
    page.get_by_role("button", name="Go on to the message").click()

    expect(page.locator("#cm-audience")).to_contain_text("6 of 6 people get it.")
    page.get_by_label("Silent guests").check()
    expect(page.locator("#cm-audience")).to_contain_text("6 of 9 people get it.")
    page.get_by_role("button", name="No consent").click()
    expect(page.locator("#cm-faces-no_consent li")).to_have_count(3)
    expect(page.locator("#cm-faces-no_consent")).to_contain_text("Never said yes")

    # A placeholder by keyboard alone: two braces, a few letters, Enter.
    subject = page.get_by_label("Subject", exact=True)
    subject.fill("Coffee for ")
    subject.press_sequentially("{{ first")
    page.keyboard.press("Enter")
    expect(subject).to_have_value('Coffee for {{ customer.first_name | default: "friend" }}')
    expect(page.locator("[data-subject-hint]")).to_contain_text("20 characters")
    page.get_by_label("Text", exact=True).fill("Dear {{ customer.frist_name }}")
    expect(page.locator("#cm-problems")).to_contain_text("Did you mean “customer.first_name”?")
    page.get_by_label("Text", exact=True).fill("Dear ")
    page.locator("summary", has_text="Insert what we know of the customer").press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Text", exact=True)).to_have_value('Dear {{ customer.first_name | default: "friend" }}')
    expect(page.locator("#cm-problems")).to_be_empty()

    page.get_by_label("Preview as a customer").press_sequentially("Anna1@example.org")
    page.locator("#cm-found button").first.click()
    frame = page.frame_locator("#cm-frame iframe")
    expect(frame.get_by_text("Dear Anna1")).to_be_visible()
    expect(page.locator(".cm-inbox")).to_contain_text("Coffee for Anna1")
    page.locator("#cm-preview").get_by_text("Dark", exact=True).click()
    expect(page.locator("#cm-frame iframe")).to_have_attribute("src", re.compile("theme=dark$"))

    page.get_by_role("button", name="Save and look before launching").click()
    expect(page.get_by_text("6 people will get this message.")).to_be_visible()
    expect(page.locator(".cm-recipients li")).to_have_count(5)
    page.get_by_role("button", name="Launch to 6 people").dblclick()
    expect(page.get_by_text("Sending", exact=True)).to_be_visible()
    campaign = Campaign.objects.get()
    assert (campaign.status, Delivery.objects.filter(status="pending").count()) == ("sending", 6)

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.get_by_text("Cancel…").click()
    page.get_by_role("button", name="Cancel this campaign").click()
    expect(page.get_by_text("Cancelled. What was sent stays in the books.")).to_be_visible()


def test_the_composer_fits_a_phone_and_works_in_the_dark(
    new_page: Callable[..., Page], live_server: LiveServer, transactional_db: Any
) -> None:
    campaign = campaign_for(segment_of(people(2), now=timezone.now()))
    page = new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/campaigns/campaign/{campaign.pk}/change/")
    expect(page.frame_locator("#cm-frame iframe").get_by_text("Bricks are back").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    preview, launch = (page.locator(where).bounding_box() for where in ("#cm-preview", "#cm-go"))
    assert preview and launch and preview["y"] < launch["y"]
