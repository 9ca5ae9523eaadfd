"""The whole loop on the real stack: sale, segment, campaign, mail, click, sale, and the money in the report.

PostgreSQL, Valkey, Celery workers with beat, SMTP and a browser: nothing here is played by somebody else.
"""

import os
import re
import signal
import time
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from campaigns.books import books
from campaigns.models import Campaign, Delivery, TrackedEvent
from crm import profiles
from crm.consents import record_consent
from crm.models import Receipt
from personas.domain import create_persona
from personas.models import Persona
from segments.domain import create_segment
from segments.models import Membership, Segment
from tests.campaigns.builders import people
from tests.crm import make
from tests.support.people import PASSWORD, person
from tests.support.smtp import SmtpCatcher
from tests.support.workers import WorkerFactory

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

CARD, MILK, BREAD = "29000012345", "4006381333900", "4006381333917"
LEASE = 3
PHONE = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"
)
"""A customer's browser: the headless one of these tests says that it is a machine, and is counted as one."""


@pytest.fixture
def stack(
    celery_worker_process: WorkerFactory,
    smtp_catcher: SmtpCatcher,
    live_server: LiveServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> WorkerFactory:
    """Workers that share this test's database, broker and mail server, and write links to its web server."""
    settings.SITE_URL = live_server.url
    settings.SENDING_LEASE_SECONDS = LEASE
    monkeypatch.setenv("REGULARS_SITE_URL", live_server.url)
    monkeypatch.setenv("REGULARS_SENDING_LEASE_SECONDS", str(LEASE))
    celery_worker_process(["fast"], beat=True)
    return celery_worker_process


def log_in(page: Page, server: LiveServer, role: str, to: str) -> None:
    user = person(role)
    page.goto(f"{server.url}/login/?next={to}")
    page.locator("[name=username]").fill(user.username)
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}{to}")


def ring_up(till: Page, *codes: str) -> None:
    """As a scanner and one key do it; F8 takes a card."""
    for code in codes:
        till.keyboard.type(code)
        till.keyboard.press("Enter")
    expect(till.locator(".who-name")).to_have_text("Marta Kalniņa")
    expect(till.locator("#lines tbody tr")).to_have_count(len(codes) - 1)
    till.keyboard.press("F8")
    expect(till.locator(".done-head")).to_be_visible()


def wait_until(happens: Callable[[], bool], *, seconds: float, what: str) -> float:
    """How many seconds it took."""
    began = time.monotonic()
    while not happens():
        assert time.monotonic() - began < seconds, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.1)
    return time.monotonic() - began


def compose(page: Page, server: LiveServer, *, group: str, button_url: str) -> Campaign:
    """Write a campaign for the segment or persona, look at it, launch it."""
    page.goto(f"{server.url}/admin/campaigns/campaign/add/")
    page.get_by_label("Name, for you and your colleagues").fill("Fresh bread")
    page.get_by_label(group).check()
    page.get_by_role("button", name="Go on to the message").click()
    page.get_by_label("Subject", exact=True).fill('Bread for {{ customer.first_name | default: "you" }}')
    page.get_by_label("Text", exact=True).fill("You bought {{ last_purchase.product | default: 'something' }}.")
    page.locator("[name$=button_label]").fill("See the bread")
    page.locator("[name$=button_url]").fill(button_url)
    page.get_by_role("button", name="Save and look before launching").click()
    page.get_by_role("button", name=re.compile("^Launch to")).click()
    expect(page.get_by_role("button", name=re.compile("^Launch to"))).to_be_hidden()
    return Campaign.objects.get(name="Fresh bread")


def test_a_sale_becomes_a_mail_becomes_a_sale_in_the_report(
    new_page: Callable[..., Page], live_server: LiveServer, smtp_catcher: SmtpCatcher, stack: WorkerFactory
) -> None:
    make.store("main")
    make.product("Whole milk", price_minor=129, barcode=MILK)
    make.product("Rye bread", price_minor=485, barcode=BREAD)
    marta = make.customer("Marta Kalniņa", card=CARD, email="marta@example.com", registered=True)
    record_consent(
        customer=marta, channel="email", granted=True, source="form", wording="Yes.", stated_at=timezone.now(), by=None
    )
    rule = {"v": 1, "rule": {"attribute": "spend", "filters": {"last": "30 days"}, "operator": ">=", "value": 1}}
    segment = create_segment(name="Bought this month", rule=rule, by=None)
    wait_until(lambda: Segment.objects.filter(refreshed_at__isnull=False).exists(), seconds=30, what="first refresh")
    assert not Membership.objects.exists()
    stack(["bulk"])

    till, office = new_page(), new_page()
    log_in(till, live_server, "Shop staff", "/till/")
    expect(till.locator("#scan")).to_be_focused()
    ring_up(till, CARD, MILK)

    took = wait_until(Membership.objects.exists, seconds=20, what="membership")
    print(f"In the segment {took:.1f} s after the sale")
    log_in(office, live_server, "Marketing", "/admin/")
    office.goto(f"{live_server.url}/admin/segments/segment/{segment.pk}/members/")
    expect(office.get_by_role("link", name="Marta Kalniņa")).to_be_visible()

    campaign = compose(office, live_server, group="Bought this month", button_url=f"{live_server.url}/login/?from=mail")
    smtp_catcher.wait_for(1, timeout=30)
    message = smtp_catcher.messages[0]
    assert (message["To"], message["Subject"]) == ("marta@example.com", "Bread for Marta")
    html = message.get_body(("html",))
    assert html is not None
    assert "You bought Whole milk." in html.get_content()
    links = re.findall(rf'href="({re.escape(live_server.url)}/m/c/[^"]+)"', html.get_content())
    assert links

    time.sleep(3)  # a person reads; what comes at once is taken for a mail scanner
    inbox = new_page(user_agent=PHONE)
    inbox.goto(links[0])
    inbox.wait_for_url("**/login/?from=mail")
    assert list(TrackedEvent.objects.values_list("kind", "is_automated")) == [("clicked", False)]

    ring_up(till, CARD, BREAD, MILK)
    assert Receipt.objects.count() == 2
    assert list(profiles.differences()) == []

    wait_until(lambda: Campaign.objects.get(pk=campaign.pk).status == "finished", seconds=20, what="the end")
    office.goto(f"{live_server.url}/admin/campaigns/campaign/{campaign.pk}/change/")
    for term, number in (("Sent", "1"), ("Clicked", "1"), ("Bought", "1")):
        stat = office.locator(".rg-stat").filter(has=office.locator("dt", has_text=re.compile(f"^{term}$")))
        expect(stat.locator("dd").first).to_have_text(number)
    spent = office.locator(".rg-stat").filter(has=office.locator("dt", has_text=re.compile("^Spent$")))
    expect(spent.locator("dd").last).to_have_text("$6.14 each")  # 4.85 + 1.29: the sale after the launch alone
    row = office.locator("tr", has_text="Clicked, then bought")
    expect(row.locator("td")).to_have_text("1 · $6.14")


def test_a_worker_killed_in_the_middle_of_2000_mails_to_a_persona_sends_nobody_two(
    new_page: Callable[..., Page], live_server: LiveServer, smtp_catcher: SmtpCatcher, stack: WorkerFactory
) -> None:
    count = 2_000
    people(count)
    rule = {"v": 1, "rule": {"attribute": "consent_email", "operator": "is", "value": True}}
    create_persona(persona=Persona(name="Vera Newsreader"), rule=rule, by=None)
    wait_until(lambda: Membership.objects.count() == count, seconds=30, what="first refresh")
    worker = stack(["bulk"])

    office = new_page()
    log_in(office, live_server, "Marketing", "/admin/")
    campaign = compose(office, live_server, group="Vera Newsreader", button_url="https://shop.example.com/bread")
    smtp_catcher.wait_for(count // 3, timeout=60)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(10)
    assert 0 < Delivery.objects.filter(status="accepted").count() < count
    stack(["bulk"])
    wait_until(lambda: Campaign.objects.get(pk=campaign.pk).status == "finished", seconds=150, what="the end")

    assert len(smtp_catcher.recipients) == len(set(smtp_catcher.recipients))
    found = books(campaign=campaign, now=timezone.now())
    assert found.is_balanced
    assert (found.audience, found.accepted + found.undecided) == (count, count)
    assert found.undecided <= 100
    assert len(smtp_catcher.recipients) >= found.accepted
    office.goto(f"{live_server.url}/admin/campaigns/campaign/{campaign.pk}/change/")
    expect(office.get_by_text("they balance")).to_be_visible()
    if found.undecided:  # the kill may fall just between two windows
        expect(office.locator("#unclear li")).to_have_count(found.undecided)
        office.get_by_role("button", name="Let be").click()
        expect(office.locator("#unclear")).to_be_hidden()
        assert books(campaign=campaign, now=timezone.now()).undecided == 0
