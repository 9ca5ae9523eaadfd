"""A customer's page in a real browser: its parts load, the timeline is narrowed and goes on, notes come and go."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm.models import Customer
from segments.domain import create_segment
from segments.refresh import refresh_all
from segments.tree import And, Condition
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def anna(transactional_db: None) -> Customer:
    """A regular of forty weeks, in a segment."""
    anna = make.customer("Anna Ozola", email="anna@example.com", city="Riga", card="29001")
    milk = make.product("Milk 1 l", path="Food > Milk")
    now = timezone.now()
    for week in range(40):
        make.receipt(make.line(milk), customer=anna, now=now - timedelta(weeks=week, hours=1))
    create_segment(name="In Riga", rule=And((Condition("city", "=", "Riga"),)), by=None)
    refresh_all(now=now)
    return anna


def open_page(page: Page, server: LiveServer, customer: Customer) -> None:
    client = Client()
    client.force_login(person("Marketing"))
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server.url}])
    page.goto(f"{server.url}/admin/crm/customer/{customer.pk}/change/")


@pytest.mark.parametrize("size", list(SIZES))
def test_the_page_says_who_this_is_and_loads_its_parts(
    page: Page, live_server: LiveServer, anna: Customer, size: str
) -> None:
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]  # a dict of the two numbers
    open_page(page, live_server, anna)

    expect(page.locator("[data-test=lines]")).to_contain_text("Anna Ozola, from Riga")
    expect(page.locator("[data-test=segments]")).to_contain_text("In Riga")
    expect(page.locator("[data-test=segments] [data-met=yes]")).to_have_count(1)
    expect(page.locator("[data-test=messages]")).to_contain_text("Nothing yet.")
    expect(page.locator("[data-chart] :is(svg, canvas)").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_timeline_goes_on_and_is_narrowed(page: Page, live_server: LiveServer, anna: Customer) -> None:
    open_page(page, live_server, anna)
    events = page.locator(".customer-event")
    expect(events).to_have_count(25)

    page.get_by_role("link", name="Show more").click()
    expect(events.nth(40)).to_be_visible()
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)

    page.get_by_role("navigation", name="Show only").get_by_role("link", name="Points").click()
    expect(events).to_have_count(1)
    expect(events).to_contain_text("Got a card")


def test_a_note_is_written_and_removed(page: Page, live_server: LiveServer, anna: Customer) -> None:
    open_page(page, live_server, anna)

    page.get_by_label("A note").fill("Allergic to nuts")
    page.get_by_role("button", name="Add note").click()
    note = page.locator(".customer-event[data-kind=notes]")
    expect(note).to_contain_text("Allergic to nuts")

    note.get_by_role("button", name="Remove note").click()
    expect(page.locator(".customer-event[data-kind=notes]")).to_have_count(0)
