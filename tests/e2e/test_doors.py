"""The log-in and the API's documentation in a real browser, under the strict policy: the console must stay clean."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.support.people import PASSWORD, person

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_apis_documentation_opens_without_a_word_from_elsewhere(page: Page, live_server: LiveServer) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{live_server.url}/api/docs/")
    expect(page.locator(".opblock-summary-path", has_text="/api/receipts/").first).to_be_visible()
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []


def test_a_wrong_password_says_so_and_the_right_one_opens_the_back_office(page: Page, live_server: LiveServer) -> None:
    user = person("Marketing")
    page.goto(f"{live_server.url}/login/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator(".errorlist")).to_contain_text("correct username and password")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/")
