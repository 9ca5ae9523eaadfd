"""Duplicates by keyboard in a real browser: looked at, merged, taken apart again."""

from datetime import date

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm import consents, duplicates, profiles
from crm.models import Customer, DuplicatePair, Merge, Receipt
from tests.crm import make
from tests.crm.make import NOW
from tests.support.people import PASSWORD, person

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = "+371 2012 3456"


def two_pairs() -> tuple[Customer, Customer]:
    """Anna is there twice, and so, a little less surely, is Igor."""
    anna = make.customer(
        "Anna Ozolina",
        phone=PHONE,
        email="anna.ozolina@example.com",
        birth_date=date(1984, 3, 12),
        address="Brivibas iela 12-3",
        postcode="LV-1010",
        city="Riga",
        registered=True,
    )
    again = make.customer("Анна Озолиня", phone=PHONE, card="29000017", email="ozolina@example.com", registered=True)
    igor = make.customer("Игорь Петров", birth_date=date(1990, 1, 2), city="Riga")
    make.customer("Igor Petrov", birth_date=date(1990, 1, 2))
    milk = make.product("Milk", path="Food > Dairy")
    for customer, count in ((anna, 4), (again, 2)):
        for _ in range(count):
            make.receipt(make.line(milk), customer=customer)
    for customer, granted in ((anna, True), (again, False)):
        consents.record_consent(
            customer=customer, channel="email", granted=granted, source="till", stated_at=NOW, now=NOW
        )
    duplicates.find_duplicates(now=NOW)
    DuplicatePair.objects.filter(first=igor).update(score=0.6)
    return anna, again


def log_in(page: Page, address: str) -> None:
    user = person("Marketing")
    page.goto(f"{address}/login/?next=/admin/crm/duplicatepair/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    ready(page)


def ready(page: Page) -> None:
    """The page's keys are heard; a page that is being left is not."""
    page.wait_for_load_state("networkidle")
    page.locator("html[data-keys=ready]").wait_for()


def test_a_pair_is_merged_by_key_and_taken_apart_again(page: Page, live_server: LiveServer) -> None:
    anna, again = two_pairs()
    log_in(page, live_server.url)
    expect(page.get_by_role("heading", name="One person, or two?")).to_be_visible()
    result = page.locator("[data-test=result]")
    expect(result).to_contain_text("Anna Ozolina")
    expect(result).to_contain_text("6 receipts")
    expect(result).to_contain_text(f"no, since {again.number} said no on")

    page.keyboard.press("2")
    expect(result).to_contain_text("Анна Озолиня")
    page.keyboard.press("1")
    expect(result).to_contain_text("Anna Ozolina")
    page.locator("[data-field=email] input[value=right]").check()
    expect(result).to_contain_text("ozolina@example.com")
    page.keyboard.press("s")

    merged = page.locator("[data-test=merged]")
    expect(merged).to_contain_text("has gone up in Anna Ozolina")
    expect(page.locator("[data-pair]")).to_contain_text("Igor Petrov")
    assert Receipt.objects.filter(customer=anna).count() == 6
    assert Customer.objects.get(pk=anna.pk).email == "ozolina@example.com"

    ready(page)
    page.keyboard.press("u")
    expect(page.locator("body")).to_contain_text("are two records again")
    assert Merge.objects.get().undone_at is not None
    assert Receipt.objects.filter(customer=again).count() == 2
    assert Customer.objects.get(pk=anna.pk).email == "anna.ozolina@example.com"
    assert profiles.differences() == []


def test_two_people_and_later_are_a_key_each(page: Page, live_server: LiveServer) -> None:
    two_pairs()
    log_in(page, live_server.url)
    expect(page.locator("[data-pair]")).to_contain_text("Anna Ozolina")

    page.keyboard.press("t")
    expect(page.locator("[data-pair]")).to_contain_text("Igor Petrov")
    ready(page)
    page.keyboard.press("l")
    expect(page.locator("[data-test=none]")).to_contain_text("No two records look like one person.")

    assert sorted(DuplicatePair.objects.values_list("status", flat=True)) == ["different", "later"]


def test_the_page_fits_a_phone(page: Page, live_server: LiveServer) -> None:
    two_pairs()
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page, live_server.url)
    expect(page.locator("[data-pair]")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
