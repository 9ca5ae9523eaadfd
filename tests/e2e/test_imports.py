"""An administrator brings in lists as people keep them, and mends what is wrong with them."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from crm import jobs
from crm.models import Customer, Product
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)

FAULTY = """Kundennr;Vorname;Nachname;E-Mail;Geburtsdatum
C1;Anna;Ozola;anna@example.com;31.12.1980
C2;Jürgen;Müller;juergen@;24.12.1990
C3;Bea;Liepa;bea@example.com;30.02.1985
C4;Carl;Zeile;carl@example.com;01.02.1990
C5;Dora;Kalna;dora@example.com;17.05.1971
C6;Emil;Ozols;emil@example.com;08.11.2001
"""


@pytest.fixture(autouse=True)
def _own_media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def office(page: Page, live_server: LiveServer, transactional_db: Any) -> Page:
    """The back office, where an administrator is logged in."""
    client = Client()
    client.force_login(person("Administrator"))
    session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    page.goto(f"{live_server.url}/admin/")
    return page


def send(office: Page, content: bytes, *, kind: str, name: str) -> None:
    office.get_by_role("link", name=re.compile(r"\bImport$")).first.click()
    office.goto(re.sub(r"/upload/.*", "/upload/add/", office.url))
    office.get_by_role("radio", name=kind).check()
    office.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
    expect(office.locator("[data-file-name]")).to_have_text(name)
    office.get_by_role("button", name="Go on").click()
    expect(office.get_by_role("heading", name="This is how the file is read")).to_be_visible()


def work() -> None:
    """What a worker would do now."""
    done = jobs.run_next()
    assert done is not None
    assert done.status == "done", done.error


def import_what_is_tried_out(office: Page) -> None:
    office.get_by_role("button", name=re.compile("^Import ")).click()
    expect(office.get_by_text("You can close this page")).to_be_visible()
    work()
    expect(office.locator("[data-result]")).to_be_visible()  # by itself: the page follows the job


def test_a_list_with_errors_is_imported_mended_in_place_and_the_rest_in_a_file(office: Page, tmp_path: Path) -> None:
    send(office, FAULTY.encode("cp1252"), kind="Customers", name="Kunden.csv")
    expect(office.locator(".im-preview")).to_contain_text("Müller")
    office.get_by_role("button", name="Go on to the columns").click()
    expect(office.get_by_label("Kundennr")).to_have_value("customer_id")
    expect(office.get_by_label("Geburtsdatum")).to_have_value("birth_date")
    office.get_by_role("button", name="Try it out").click()
    work()
    expect(office.locator("[data-count=created]")).to_have_text("4")
    expect(office.locator("[data-count=refused]")).to_have_text("2")
    assert not Customer.objects.exists()
    import_what_is_tried_out(office)

    # Mended with the keyboard: the first wrong field has the focus, Enter goes on to the next one.
    office.get_by_role("link", name="Mend them here").click()
    email = office.locator("[name='cell-0-3']")
    expect(email).to_be_focused()
    expect(office.locator("tr[data-row='0'] .im-bad")).to_contain_text("valid email")
    email.fill("juergen@example.com")
    email.press("Enter")
    expect(office.locator("[data-saved]")).to_have_text("Kept")
    expect(office.locator("[name='cell-1-4']")).to_be_focused()
    office.reload()
    expect(email).to_have_value("juergen@example.com")
    office.get_by_role("button", name="Import these 2 rows again").click()
    expect(office.get_by_text("You can close this page")).to_be_visible()
    work()
    expect(office.locator("[data-count=created]")).to_have_text("1")
    assert Customer.objects.get(number="C2").email == "juergen@example.com"

    # The last one is mended in the downloaded file and brought back.
    with office.expect_download() as download:
        office.get_by_role("link", name="Download them with the reasons").click()
    path = tmp_path / "refused.csv"
    download.value.save_as(path)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert rows[0][-1] == "refused_because"
    assert "Geburtsdatum" in rows[0]
    rows[1][4] = "28.02.1985"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    office.get_by_label("Mended in the downloaded file?").set_input_files(path)
    office.get_by_role("button", name="Upload").click()
    office.get_by_role("button", name="Go on to the columns").click()
    office.get_by_role("button", name="Try it out").click()
    work()
    import_what_is_tried_out(office)
    assert sorted(Customer.objects.values_list("number", flat=True)) == ["C1", "C2", "C3", "C4", "C5", "C6"]
    assert str(Customer.objects.get(number="C3").birth_date) == "1985-02-28"


def test_a_cyrillic_price_list_with_decimal_commas_and_the_same_again(office: Page) -> None:
    text = "Артикул;Наименование;Категория;Цена\nЧ1;Чай зелёный;Продукты > Чай;1.234,56\nЧ2;Чашка;Дом;12,50\n"
    for created in ("2", "0"):
        send(office, text.encode("cp1251"), kind="Products", name="прайс.csv")
        expect(office.locator(".im-preview")).to_contain_text("Чай зелёный")
        expect(office.locator(".im-preview")).to_contain_text("1.234,56")
        office.get_by_role("button", name="Go on to the columns").click()
        office.get_by_role("button", name="Try it out").click()
        work()
        expect(office.locator("[data-count=created]")).to_have_text(created)
        agree = office.get_by_role("checkbox", name="Create these")
        if created == "2":
            agree.check()
            import_what_is_tried_out(office)
    expect(office.get_by_text("Nothing changes: everything in this file is known already.")).to_be_visible()
    assert Product.objects.get(sku="Ч1").price_minor == 123_456
    # Everything stays where it was, also for the back button and a reload.
    office.go_back()
    expect(office.get_by_role("heading", name="Which column is which?")).to_be_visible()
    office.reload()
    expect(office.get_by_label("Цена")).to_have_value("price")


def test_a_wrong_encoding_is_put_right_before_ones_eyes(office: Page) -> None:
    send(office, "customer_id,first_name\nC1,Anna\nC2,Jürgen\n".encode("cp1252"), kind="Customers", name="a.csv")
    office.get_by_label("Encoding").select_option("cp1251")
    expect(office.locator(".im-preview")).to_contain_text("Jьrgen")
    expect(office.locator("#im-reading.htmx-added")).to_have_count(0)  # the new form listens from now on
    office.get_by_label("Encoding").select_option("cp1252")
    expect(office.locator(".im-preview")).to_contain_text("Jürgen")


def test_a_pasted_list_on_a_phone(new_page: Any, live_server: LiveServer, transactional_db: Any) -> None:
    phone = new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    client = Client()
    client.force_login(person("Marketing"))
    session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    phone.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    phone.goto(f"{live_server.url}/admin/crm/upload/add/")
    phone.get_by_text("Or paste a list").click()
    phone.locator("textarea").fill("customer_id\tfirst_name\temail\nC1\tAnna\tbad\n")
    phone.get_by_role("button", name="Go on").click()
    phone.get_by_role("button", name="Go on to the columns").click()
    phone.get_by_role("button", name="Try it out").click()
    work()
    expect(phone.get_by_text("What would be refused")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
