"""The back office's first pages in a real browser: plots and their tables, light and dark, a claim's people."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm import profiles
from personas.models import Persona
from segments.refresh import refresh_all
from tests.personas.worlds import buy, customer, persona
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def emma(transactional_db: None) -> Persona:
    """A shop with thirty customers, half of them tea drinkers, and the persona of those."""
    today = timezone.localdate()
    for number in range(30):
        drinker = number % 2 == 0
        who = customer(
            first_name=f"Ilze{number}",
            city="Riga" if drinker else "Oulu",
            age_band="25-34" if drinker else "65+",
            email_key=f"ilze{number}@example.com",
        )
        for weeks in (1, 2, 3, 15):
            shelf = "Food__Tea" if drinker else "Food__Beer"
            buy(who, on=today - timedelta(weeks=weeks), Food__Bread=3_00, **{shelf: 5_00})
    made = persona("Emma Brooks", preferred_channel="email", key_message="Tea from the hills", quote="A cup first.")
    profiles.recount()
    refresh_all(now=timezone.now())
    return made


def open_as(role: str, page: Page, server: LiveServer, path: str) -> None:
    client = Client()
    client.force_login(person(role))
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server.url}])
    page.goto(server.url + path)


def fits(page: Page) -> bool:
    """Nothing sticks out to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_home_draws_its_plots_and_fits(
    emma: Persona, live_server: LiveServer, new_page: Callable[..., Page], size: str, scheme: str
) -> None:
    page = new_page(viewport=SIZES[size], color_scheme=scheme)
    open_as("Marketing", page, live_server, "/admin/")
    expect(page.locator("[data-test=verdict]")).to_contain_text("Last week brought")
    expect(page.locator("[data-chart] svg")).to_have_count(2)
    assert fits(page)


def test_a_plot_can_be_read_as_a_table_and_back(emma: Persona, live_server: LiveServer, page: Page) -> None:
    open_as("Marketing", page, live_server, "/admin/")
    figure = page.locator("figure", has=page.locator("[data-chart=chart-revenue]"))
    figure.get_by_role("button", name="Show as table").press("Enter")
    expect(figure.locator("[data-chart]")).to_be_hidden()
    expect(figure.get_by_role("row").last).to_contain_text("$240")
    figure.get_by_role("button", name="Show as plot").press("Enter")
    expect(figure.locator("[data-chart] svg")).to_be_visible()


def test_plots_follow_the_switch_between_light_and_dark(emma: Persona, live_server: LiveServer, page: Page) -> None:
    def colour() -> Any:
        return page.evaluate(
            "document.querySelector('[data-chart=chart-revenue] svg path[stroke]:not([stroke=none])').outerHTML"
        )

    open_as("Marketing", page, live_server, "/admin/")
    expect(page.locator("[data-chart=chart-revenue] svg")).to_be_visible()
    before = colour()
    page.evaluate("Alpine.$data(document.documentElement).switchTheme('dark')")
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    page.wait_for_function(
        "before => document.querySelector('[data-chart=chart-revenue] svg path[stroke]:not([stroke=none])').outerHTML"
        " !== before",
        arg=before,
    )


@pytest.mark.parametrize("size", list(SIZES))
def test_a_persona_leads_from_its_card_to_the_people_behind_a_claim(
    emma: Persona, live_server: LiveServer, new_page: Callable[..., Page], size: str
) -> None:
    page = new_page(viewport=SIZES[size])
    open_as("Administrator", page, live_server, "/admin/personas/persona/")
    page.locator(".rg-persona-card a", has_text="Emma Brooks").click()
    expect(page.get_by_role("heading", name="Reach them by")).to_be_visible()
    expect(page.locator(".rg-hero-tell")).to_contain_text("Tea from the hills")
    assert fits(page)
    page.locator(".rg-claims a", has_text="bought Tea").click()
    expect(page.get_by_role("heading", name="15 customers · bought Tea")).to_be_visible()
    expect(page.locator(".rg-table tbody tr")).to_have_count(15)
    assert fits(page)


def test_a_claim_can_be_clicked_in_its_plot(emma: Persona, live_server: LiveServer, page: Page) -> None:
    open_as("Administrator", page, live_server, f"/admin/personas/persona/{emma.pk}/sheet/")
    plot = page.locator("[data-chart=chart-age_band] svg")
    expect(plot).to_be_visible()
    plot.scroll_into_view_if_needed()
    bars = plot.locator("path[fill='#256f61']")
    sizes = [bars.nth(number).bounding_box() for number in range(bars.count())]
    tallest = max((size for size in sizes if size), key=lambda size: size["height"])
    page.mouse.click(tallest["x"] + tallest["width"] / 2, tallest["y"] + tallest["height"] / 2)
    page.wait_for_url("**/people/?age_band=25-34")
