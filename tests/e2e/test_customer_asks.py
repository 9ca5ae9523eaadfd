"""“Customer asks…”: from the till to an erasure that is done, and the copy of somebody's data on a phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from crm import data_requests, jobs, products
from crm.models import Customer, DataRequest, Receipt
from tests.crm import make
from tests.support.people import PASSWORD, person
from tests.support.smtp import SmtpCatcher

pytestmark = pytest.mark.django_db(transaction=True)

CARD = "29000012345"


@pytest.fixture
def marta(transactional_db: None, settings: Settings, tmp_path: Path) -> Customer:
    settings.MEDIA_ROOT = tmp_path
    make.store("main")
    person("Shop staff", "anna")
    person("Administrator", "boss")
    marta = make.customer("Marta Kalniņa", card=CARD, email="marta@example.com", phone="+1 212 555 0147")
    milk = make.product("Milk", path="Food", search_text=products.search_text(name="Milk", sku="M"))
    make.receipt(make.line(milk), customer=marta)
    return marta


def log_in(page: Page, live_server: LiveServer, username: str, address: str) -> None:
    page.goto(live_server.url + address)
    page.locator("[name=username]").fill(username)
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")


def test_from_the_till_to_a_done_erasure(
    new_page: Callable[..., Page], live_server: LiveServer, marta: Customer, smtp_catcher: SmtpCatcher
) -> None:
    till = new_page()
    log_in(till, live_server, "anna", "/till/")
    expect(till.locator("body[data-ready] #scan")).to_be_focused()
    till.keyboard.type(CARD)
    till.keyboard.press("Enter")
    till.get_by_role("link", name="Customer asks…").click()
    expect(till.get_by_role("heading", name="Customer asks…")).to_be_visible()
    till.get_by_label("delete my data").check()
    till.get_by_label("How do you know that it is they?").fill("Loyalty card and birth date")
    till.get_by_label("Answer by e-mail to").check()
    till.get_by_role("button", name="Note it").click()
    expect(till.get_by_text("an answer comes by")).to_be_visible()
    till.get_by_role("link", name="Back to the till").click()
    # The sale that was begun is still there.
    expect(till.locator(".who-name")).to_have_text("Marta Kalniņa")

    office = new_page()
    log_in(office, live_server, "boss", "/admin/crm/datarequest/")
    office.get_by_role("link", name="delete my data").first.click()
    expect(office.get_by_text("This goes, for good")).to_be_visible()
    expect(office.get_by_text("true to the cent")).to_be_visible()
    office.get_by_role("button", name="Erase this person").click()
    expect(office.get_by_text("It is being done.")).to_be_visible()
    done = jobs.run_next()
    assert done and done.status == "done", done and done.error
    office.reload()
    expect(office.locator("[data-status=done]")).to_be_visible()
    expect(office.get_by_text("We have erased your data.")).to_be_visible()
    expect(office.locator("body")).not_to_contain_text("Marta")

    marta.refresh_from_db()
    assert (marta.full_name, marta.email, marta.is_live) == ("", "", False)
    assert Receipt.objects.get().customer is None
    assert smtp_catcher.recipients == ["marta@example.com"]
    another_till = new_page()
    log_in(another_till, live_server, "anna", "/till/")
    expect(another_till.locator("body[data-ready] #scan")).to_be_focused()
    another_till.locator("#customer-search").fill("Marta")
    expect(another_till.get_by_text("Nobody found for “Marta”.")).to_be_visible()


def test_the_copy_opens_from_its_link_on_a_phone(
    new_page: Callable[..., Page], live_server: LiveServer, marta: Customer
) -> None:
    now = make.NOW
    asked = data_requests.note_request(
        customer=marta,
        kind=DataRequest.Kind.COPY,
        through="email",
        by=None,
        now=now,
        identity="Known address",
        reply_to="marta@example.com",
    )
    data_requests.carry_out(request=asked, by=None, now=now)
    done = jobs.run_next()
    assert done and done.status == "done", done and done.error
    phone = new_page(viewport={"width": 390, "height": 844})
    phone.goto(live_server.url + reverse("data-copy", args=[asked.public_id]))
    phone.get_by_role("link", name="Read or print it").click()
    expect(phone.get_by_role("heading", name="Your data at")).to_be_visible()
    expect(phone.get_by_text("Marta", exact=True).first).to_be_visible()
    width = phone.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"the page is {width} px wide on a phone"
