"""RFM, lifecycle, regular buyers and expected value in a real browser."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm import profiles
from segments import flow, scoring
from tests.crm import make

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def shop(transactional_db: None) -> None:
    """Twenty customers who buy milk, ever more rarely."""
    user = User.objects.create_user("marketing", password="marketing-demo-pass", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketing"))
    milk, today = make.product(path="Food > Milk"), timezone.localdate()
    for number in range(20):
        customer = make.a_customer(number=f"M{number}")
        for turn in range(1 + (19 - number) // 3):
            day = today - timedelta(days=number * 6 + turn * (7 + number))
            make.a_receipt(customer, [(milk, "1", 100 * (20 - number))], sold_on=day)
    profiles.recount()
    now = timezone.now()
    scoring.remake(now=now)
    flow.work_out_missing(now=now, limit=3)


def log_in(page: Page, live_server: LiveServer, path: str) -> None:
    page.goto(f"{live_server.url}/admin/login/?next=/admin/segments/segment/{path}")
    page.fill("[name=username]", "marketing")
    page.fill("[name=password]", "marketing-demo-pass")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/segment/{path}")


def test_a_field_of_the_table_becomes_a_segment(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server, "rfm/")
    plot = page.locator("[data-chart=chart-rfm]")
    expect(plot.locator("svg")).to_be_visible()
    plot.get_by_text("Champions").first.click()
    page.wait_for_url("**/segment/add/**")
    expect(page.locator("[data-rule-builder] fieldset").first).to_be_visible()
    expect(page.locator("[data-test=count]")).not_to_have_text("0")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("h1.segment-title")).to_contain_text("Recency")


def test_a_group_becomes_a_segment_by_keyboard(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server, "rfm/")
    expect(page.locator("[data-chart=chart-rfm] svg")).to_be_visible()  # the page is done: nothing takes the focus
    page.locator("[data-group='Champions'] a").press("Enter")
    page.wait_for_url("**/segment/add/**")
    expect(page.locator("[name=name]")).to_have_value("Champions")
    expect(page.locator(".rb-sentence")).to_contain_text("RFM group is “Champions”")


def test_months_and_the_table_of_the_same_numbers(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server, "rfm/")
    page.locator(".kn-months a").nth(1).click()
    expect(page.locator(".kn-months [aria-current]")).to_have_count(1)
    expect(page.locator("[data-chart=chart-flow] svg")).to_be_visible()
    figure = page.locator("[data-chart-figure]").filter(has=page.locator("[data-chart=chart-rfm]"))
    figure.get_by_role("button", name="Show as table").click()
    expect(figure.locator("tbody tr")).to_have_count(5)


@pytest.mark.parametrize("path", ["rfm/", "stages/", "regulars/", "expected/"])
def test_pages_fit_a_phone(path: str, shop: None, live_server: LiveServer, page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    log_in(page, live_server, path)
    expect(page.locator("h1.kn-title")).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    page.locator(".kn-tabs a", has_text="Lifecycle").click()
    page.wait_for_url("**/stages/")


def test_regular_buyers_of_another_category(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server, "regulars/")
    page.get_by_label("Category").select_option("Food > Milk")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("[data-test=regulars]")).to_contain_text("buyers of Food > Milk")
    page.get_by_role("link", name="Make a segment of the late ones").click()
    expect(page.locator("[name=name]")).to_have_value("Late for the next: Food > Milk")
