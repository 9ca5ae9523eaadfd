"""The pages of insight in a real browser: the list, an attribute, one click to a segment; desktop and phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm import jobs as crm_jobs
from segments import jobs
from segments.models import Segment
from tests.e2e.test_home import SIZES, fits, open_as
from tests.segments.insight.test_run import make_shop

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/segments/segment/insight/"


@pytest.fixture
def insight(transactional_db: None) -> None:
    make_shop()
    jobs.start_insight(by=None)
    done = crm_jobs.run_next()
    assert done is not None
    assert done.status == "done", done.error


def test_from_the_list_of_segments_to_a_group_and_its_segment(
    insight: None, live_server: LiveServer, page: Page
) -> None:
    open_as("Marketing", page, live_server, "/admin/segments/segment/")
    page.get_by_role("link", name="Insight", exact=True).click()
    expect(page.locator("[data-test=headline]")).to_contain_text("worth segmenting on")
    expect(page.locator("[data-chart] svg")).to_have_count(1)
    page.locator("[data-test=attributes]").get_by_role("link", name="City").click()
    expect(page.locator("[data-test=verdict]")).to_contain_text("City: known for 100% of customers, explains")
    expect(page.locator("[data-chart] svg")).to_have_count(2)
    page.get_by_role("button", name="Make a segment Riga").click()
    expect(page.locator("[data-test=sentence]")).to_have_text("City is “Riga”")
    assert Segment.objects.get().name == "City: Riga"


def test_asking_for_it_shows_how_far_it_is(transactional_db: None, live_server: LiveServer, page: Page) -> None:
    open_as("Marketing", page, live_server, PAGE)
    expect(page.locator(".rg-empty")).to_contain_text("Nothing has been looked at yet")
    page.get_by_role("button", name="Find out").click()
    expect(page.locator("[data-job-status]")).to_contain_text("Waiting for its turn")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_it_fits_every_screen(
    insight: None, live_server: LiveServer, new_page: Callable[..., Page], size: str, scheme: str
) -> None:
    page = new_page(viewport=SIZES[size], color_scheme=scheme)
    open_as("Marketing", page, live_server, PAGE)
    expect(page.locator("[data-chart] svg")).to_have_count(1)
    assert fits(page)
    page.locator("[data-test=attributes] a").first.click()
    expect(page.locator("[data-chart] svg").first).to_be_visible()
    assert fits(page)
