"""Fixtures for every test."""

import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright
from pytest_django import Settings

from tests.support import browser as chromium
from tests.support import smtp
from tests.support.smtp import SmtpCatcher
from tests.support.workers import WorkerFactory

DRILL_SIZES = ("small", "full")


@pytest.fixture(scope="session", autouse=True)
def _reset_after_commits() -> Iterator[None]:
    """After a test that really commits, the tables are as the migrations left them (Django would empty them)."""
    from django.db import connection
    from django.test import TransactionTestCase

    def reset(_case: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT seed.reset()")

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", reset):
        yield


@pytest.fixture(autouse=True)
def _own_custom_fields(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test has defined was rolled back; a test without a database has none."""
    from crm.custom_fields import FAMILY, CustomFields

    monkeypatch.setattr(FAMILY, "_fields", ())
    monkeypatch.setattr(FAMILY, "_attributes", {})
    monkeypatch.setattr(FAMILY, "_read_at", None)
    with_database = {"db", "transactional_db", "live_server"} & set(request.fixturenames)
    if not with_database and not request.node.get_closest_marker("django_db"):
        monkeypatch.setattr(CustomFields, "_refresh", lambda self: None)


@pytest.fixture(scope="session")
def _smtp_server() -> Iterator[SmtpCatcher]:
    catcher, controller = smtp.start()
    yield catcher
    controller.stop()


@pytest.fixture
def smtp_catcher(_smtp_server: SmtpCatcher, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> SmtpCatcher:
    """A real SMTP server; Django here, and workers started by this test, send to it."""
    _smtp_server.clear()
    _smtp_server.refuse.clear()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = _smtp_server.host, _smtp_server.port
    monkeypatch.setenv("REGULARS_SMTP_HOST", _smtp_server.host)
    monkeypatch.setenv("REGULARS_SMTP_PORT", str(_smtp_server.port))
    return _smtp_server


@pytest.fixture
def celery_worker_process(transactional_db: None) -> Iterator[WorkerFactory]:
    """A factory of real workers on the test's database and broker; they are killed when the test ends."""
    factory = WorkerFactory()
    yield factory
    factory.kill()


@pytest.fixture
def drill_is_full() -> bool:
    """Whether this run plays the drills in full (REGULARS_DRILL=full, `make drill`) or in a small size."""
    size = os.environ.get("REGULARS_DRILL", "small")
    assert size in DRILL_SIZES, f"REGULARS_DRILL={size!r} is neither small nor full."
    return size == "full"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    # Playwright keeps an event loop in this thread, and Django refuses its ORM beside one unless told.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    path = chromium.find_or_install()
    with sync_playwright() as running:
        os.environ["REGULARS_CHROMIUM"] = path
        yield running
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(
        executable_path=os.environ["REGULARS_CHROMIUM"],
        args=["--no-sandbox"] if os.geteuid() == 0 else [],  # Chromium's sandbox refuses to work for root
    )
    yield launched
    launched.close()


@pytest.fixture
def console_errors() -> list[str]:
    """What the page's console complained about. A test that expects an error clears this list."""
    return []


@pytest.fixture
def new_page(
    browser: Browser, console_errors: list[str], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """A factory of pages, each in a context of its own; arguments are those of Browser.new_context.

    The test fails if a page logs an error to its console, unless it is marked `console_errors_expected`.
    """
    contexts = []

    def make(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: _note(message, console_errors))
        page.on("pageerror", lambda error: console_errors.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    if not request.node.get_closest_marker("console_errors_expected"):
        assert console_errors == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A desktop page, 1280 x 800; its console must stay without errors."""
    return new_page()


def _note(message: ConsoleMessage, errors: list[str]) -> None:
    address = str(message.location.get("url", ""))
    if message.type == "error" and not address.endswith("/favicon.ico"):  # asked for by the browser, not by the page
        errors.append(f"{message.text} ({address})")
