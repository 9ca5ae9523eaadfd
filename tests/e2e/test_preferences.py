"""A customer's own page in a real browser: by keyboard, without a log-in, on a phone."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm import consents, preferences
from crm.models import Consent, Customer, CustomerProfile, OptIn, ServiceMail, SignupForm, Topic
from tests.crm import make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def anna(transactional_db: Any, live_server: LiveServer, settings: Any) -> Customer:
    settings.SITE_URL = live_server.url
    Topic.objects.create(slug="wine", name="Wine", description="New bottles and tastings.")
    customer = make.customer("Anna Ozola", email="anna@example.com", phone="+371 20000001")
    consents.record_consent(customer=customer, channel="email", granted=True, source="till", stated_at=make.NOW)
    return customer


def test_a_customer_chooses_what_comes_and_then_that_nothing_does(page: Page, anna: Customer) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(preferences.url(anna))
    expect(page.get_by_role("heading", name="Anna, what may we send you?")).to_be_visible()
    expect(page.get_by_role("checkbox", name=re.compile("E-mail"))).to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.get_by_role("checkbox", name=re.compile("SMS")).check()
    page.get_by_role("checkbox", name=re.compile("Wine")).focus()
    page.keyboard.press("Space")
    page.get_by_label("How often at most").select_option("monthly")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    expect(page.get_by_role("checkbox", name=re.compile("Wine"))).not_to_be_checked()
    anna.refresh_from_db()
    assert (anna.topics_declined, anna.message_frequency) == (["wine"], "monthly")
    assert CustomerProfile.objects.get(customer=anna).consent_sms is True

    page.get_by_role("button", name="Stop all messages").click()
    expect(page.get_by_role("status")).to_contain_text("no more news")
    expect(page.get_by_role("checkbox", name=re.compile("E-mail"))).not_to_be_checked()
    assert CustomerProfile.objects.get(customer=anna).consent_email is False


@pytest.mark.console_errors_expected  # the refused form
def test_a_customer_sees_and_corrects_their_data_by_a_link_in_the_mail(page: Page, anna: Customer) -> None:
    page.goto(preferences.url(anna))
    expect(page.locator("body")).not_to_contain_text("Ozola")
    page.get_by_role("button", name="Mail me the link").click()
    expect(page.get_by_role("status")).to_contain_text("a***@example.com")
    found = re.search(r"https?://\S+", ServiceMail.objects.get().text)
    assert found
    page.goto(found[0])
    page.get_by_label("Last name").fill("Bērziņa")
    page.get_by_label("Birth date").fill("2999-01-01")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved yet")
    page.get_by_label("Birth date").fill("1990-02-03")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    anna.refresh_from_db()
    assert (anna.last_name, str(anna.birth_date)) == ("Bērziņa", "1990-02-03")


@pytest.mark.console_errors_expected  # the refused form
def test_somebody_joins_and_confirms(page: Page, anna: Customer, live_server: LiveServer) -> None:
    SignupForm.objects.create(slug="news", title="News from the dairy", goal="newsletter")
    page.goto(f"{live_server.url}/join/news/")
    page.get_by_label("First name").fill("Matti")
    page.get_by_label("E-mail").first.fill("matti@example.com")
    page.get_by_role("button", name="Sign me up").click()
    expect(page.locator(".error")).to_contain_text("Tick the box")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Sign me up").click()
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    waiting = OptIn.objects.get()
    page.goto(f"{live_server.url}/confirm/{waiting.public_id}/")
    assert not Consent.objects.filter(customer=waiting.customer).exists()
    page.get_by_role("button", name="Yes, that was me").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert Consent.objects.get(customer=waiting.customer).granted is True
    page.get_by_role("link", name="Choose what we send").click()
    expect(page.get_by_role("heading", name="Matti, what may we send you?")).to_be_visible()
