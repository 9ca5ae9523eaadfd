"""Lists out: as on the screen, safe in a spreadsheet, back in without loss, and only for those who may."""

import csv
import io
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from python_calamine import CalamineWorkbook

from crm import consents, custom_fields, jobs
from crm.exporting import EXPORTS, SCREENS
from crm.exporting import run as exporting
from crm.exporting.sheets import as_cell, csv_cell, write_csv, write_xlsx
from crm.formulas import neutralised, original
from crm.importing import import_file
from crm.importing.run import IMPORTERS
from crm.models import AuditEntry, Customer, Household, Job, LoyaltyEntry, Store
from segments.models import Segment
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def export_page(screen: str, query: str = "") -> str:
    return reverse("admin:crm_job_export", args=[screen]) + (f"?{query}" if query else "")


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def exported(client: Client, screen: str, what: str, query: str = "", form: str = "csv") -> list[dict[str, str]]:
    answer = client.post(export_page(screen, query), {"what": what, "format": form})
    assert answer.status_code == 200, answer.content
    return rows_of(body(answer))


@pytest.fixture
def marketing(client: Client) -> User:
    user = person("Marketing")
    client.force_login(user)
    return user


# Cells


@pytest.mark.parametrize("risky", ["=1+1", "+371 2000", "-x", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0", "'=1"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(risky: str) -> None:
    assert as_cell(risky) == "'" + risky


@pytest.mark.parametrize("harmless", ["Anna", "O'Neill", "'t Hooft", "'", "", "a=b", " =x"])
def test_other_text_stays_as_it_is(harmless: str) -> None:
    assert as_cell(harmless) == harmless


@given(st.text(alphabet="'=+-@\t\rab0") | st.text())
def test_nothing_is_lost_on_the_way_back(text: str) -> None:
    assert original(neutralised(text)) == text


def test_numbers_stay_numbers() -> None:
    assert [as_cell(-5), as_cell(Decimal("-12.50")), as_cell(True), as_cell(None)] == [
        -5,
        Decimal("-12.50"),
        "yes",
        None,
    ]
    assert [csv_cell(Decimal("1E+3")), csv_cell(-5), csv_cell(date(2026, 12, 31))] == ["1000", "-5", "2026-12-31"]


def test_a_workbook_holds_numbers_days_and_text_but_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    row = [
        as_cell(value) for value in ("=1+1", 12, Decimal("9.90"), date(2026, 1, 31), "x" * 40_000, "http://a.b/", None)
    ]
    write_xlsx(path, list("abcdefg"), [row])
    sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert sheet[0] == list("abcdefg")
    assert sheet[1][:4] == ["'=1+1", 12.0, 9.9, date(2026, 1, 31)]
    assert len(str(sheet[1][4])) == 32_767
    assert sheet[1][5:] == ["http://a.b/", ""]


def test_a_workbook_without_rows_has_its_header(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", ["a", "b"], [])
    assert CalamineWorkbook.from_path(str(tmp_path / "a.xlsx")).get_sheet_by_index(0).to_python() == [["a", "b"]]


def peak_of(work: Callable[[], None]) -> int:
    """The bytes of Python's memory that were in use at once."""
    tracemalloc.start()
    work()
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top


def test_a_workbook_is_written_row_by_row(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "warm.xlsx", ["n"], [])
    rows: Iterator[list[int | str]] = ([number, f"row {number}"] for number in range(15_000))
    assert peak_of(lambda: write_xlsx(tmp_path / "many.xlsx", ["n", "text"], rows)) < 2_000_000


def test_a_hundred_thousand_rows_of_the_database_pass_through_without_staying(tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crm_store (code, name, city, is_active)"
            " SELECT n::text, 'Store ' || n, '', true FROM generate_series(1, 100000) AS n"
        )
    export, path = EXPORTS["stores"], tmp_path / "stores.csv"
    rows = export.cells(Store.objects.order_by("id"))
    assert peak_of(lambda: write_csv(path, export.header, rows)) < 5_000_000
    assert len(path.read_bytes().splitlines()) == 100_001


# Lists


def test_customers_come_out_as_they_can_come_in_and_a_round_trip_changes_nothing(
    client: Client, marketing: User, tmp_path: Path
) -> None:
    anna = make.customer(
        "Anna Ozola",
        card="C-1",
        email="anna@example.com",
        phone="+37120000000",
        birth_date=date(1980, 2, 29),
        tags=["regular", "tea"],
        household=Household.objects.create(number="H1"),
        city="=cmd|' /C calc'!A0",
    )
    make.customer("-Bea O'Neill", number="=7", email="", job_title="@home", region="'=x")
    consents.record_consent(
        customer=anna, channel="email", granted=True, stated_at=make.NOW, now=make.NOW, source="till"
    )
    consents.record_consent(
        customer=anna, channel="sms", granted=False, stated_at=make.NOW, now=make.NOW, source="till"
    )

    for form in ("xlsx", "csv"):
        answer = client.post(export_page("crm.customer"), {"what": "customers", "format": form})
        path = tmp_path / f"customers.{form}"
        path.write_bytes(body(answer))
        before = list(Customer.objects.order_by("id").values())
        result = import_file(kind="customers", path=path)
        assert (result.rows, result.unchanged, result.refused) == (2, 2, 0)
        assert list(Customer.objects.order_by("id").values()) == before

    first = next(row for row in rows_of(path.read_bytes()) if row["first_name"] == "Anna")
    assert (first["city"], first["phone"], first["tags"]) == ("'=cmd|' /C calc'!A0", "'+37120000000", "regular; tea")
    assert (first["consent_email"], first["consent_sms"], first["consent_post"]) == ("yes", "no", "")
    assert (first["card_number"], first["household_id"]) == ("C-1", "H1")


def test_an_export_follows_the_filters_and_the_search_of_the_screen(client: Client, marketing: User) -> None:
    make.customer("Anna Ozola", gender="female")
    make.customer("Bruno Kalns", gender="male")
    make.customer("Berta Zarina", gender="female")
    assert [row["first_name"] for row in exported(client, "crm.customer", "customers", "gender__exact=female")] == [
        "Anna",
        "Berta",
    ]
    assert [row["first_name"] for row in exported(client, "crm.customer", "customers", "q=Kalns")] == ["Bruno"]
    listed = client.get(reverse("admin:crm_customer_changelist") + "?gender__exact=female").content.decode()
    assert export_page("crm.customer", "gender__exact=female") in listed


def test_receipts_come_out_with_a_row_for_each_line(client: Client, marketing: User) -> None:
    tea = make.product("Tea", sku="T", path="Food > Tea")
    anna = make.customer("Anna Ozola")
    make.receipt(make.line(tea, "2"), make.line(tea, "0.5", "3.1250", discount_minor=6), customer=anna)
    lines = exported(client, "crm.receipt", "receipt-lines")
    names = ("sku", "category", "quantity", "unit_price", "discount", "line_total")
    assert [tuple(row[name] for name in names) for row in lines] == [
        ("T", "Food > Tea", "2", "10", "0.00", "20.00"),
        ("T", "Food > Tea", "0.5", "3.125", "0.06", "1.50"),
    ]
    assert {row["customer_id"] for row in lines} == {anna.number}
    assert len(exported(client, "crm.receipt", "receipts")) == 1


def test_a_balance_is_the_ledgers_and_stands_once_for_each_customer(client: Client, marketing: User) -> None:
    anna = make.customer("Anna Ozola", number="A", card="C-1")
    make.customer("Bea", number="B", card="C-3")
    anna.cards.create(number="C-2")
    for number, points in enumerate((50, -20)):
        LoyaltyEntry.objects.create(customer=anna, kind="adjust", points=points, key=f"k{number}")
    assert exported(client, "crm.loyaltycard", "loyalty") == [
        {"customer_id": "A", "card_number": "C-1", "points": "30"},
        {"customer_id": "B", "card_number": "C-3", "points": "0"},
    ]
    assert {row["card_number"] for row in exported(client, "crm.loyaltycard", "cards")} == {"C-1", "C-2", "C-3"}
    assert [row["points"] for row in exported(client, "crm.loyaltycard", "loyalty-ledger")] == ["50", "-20"]


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_every_export_takes_one_query_for_its_rows(name: str) -> None:
    screen = next(screen for screen in SCREENS.values() if EXPORTS[name] in screen.exports)
    root = User.objects.create_superuser("root")
    custom_fields.fields()  # read once a request
    of_segment = f"segment={Segment.objects.create(name='Regulars').pk}"
    query = {
        "segments.members": of_segment,
        "segments.changes": of_segment,
        "campaigns.deliveries": "campaign=1",
    }.get(screen.name, "")
    found = screen.find(root, query)
    with CaptureQueriesContext(connection) as queries:
        list(EXPORTS[name].cells(found))
    assert len(queries) == 1
    assert screen.back(query).startswith("/admin/")


# Who may


def test_shop_staff_and_accounts_without_the_right_can_export_nothing(client: Client) -> None:
    make.customer("Anna Ozola")
    client.force_login(person("Shop staff"))
    assert client.post(export_page("crm.customer"), {"what": "customers", "format": "csv"}).status_code == 302
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_customer"))
    client.force_login(reader)
    assert client.get(export_page("crm.customer")).status_code == 403
    assert client.post(export_page("crm.customer"), {"what": "customers", "format": "csv"}).status_code == 403
    assert "Export…" not in client.get(reverse("admin:crm_customer_changelist")).content.decode()
    assert not AuditEntry.objects.filter(action="exported").exists()


def test_what_a_person_may_not_have_is_not_among_the_choices(client: Client, marketing: User) -> None:
    assert client.get(export_page("crm.suppression")).status_code == 403
    answer = client.post(export_page("crm.product"), {"what": "customers", "format": "csv"})
    assert answer.status_code == 400
    assert client.post(export_page("crm.product"), {"what": "products", "format": "exe"}).status_code == 400
    assert client.get(export_page("crm.apitoken")).status_code in (403, 404)


def test_an_export_of_personal_data_is_noted_and_one_of_products_is_not(client: Client, marketing: User) -> None:
    make.customer("Anna Ozola", gender="female")
    exported(client, "crm.customer", "customers", "gender__exact=female&q=Ozola")
    exported(client, "crm.product", "products")
    entry = AuditEntry.objects.get(action="exported")
    assert (entry.what, entry.count, entry.user, entry.detail) == ("customers", 1, marketing, "csv; gender__exact, q")


def test_filters_that_do_not_exist_lead_back_with_a_word(client: Client, marketing: User) -> None:
    answer = client.get(export_page("crm.customer", "secret__exact=1"), follow=True)
    assert answer.redirect_chain
    assert "do not exist" in answer.content.decode()
    assert client.get(export_page("segments.members", "segment=²"), follow=True).redirect_chain


# Large ones


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_large_list_is_made_by_a_job_and_downloaded_from_its_page(
    client: Client, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(exporting, "AT_ONCE", 2)
    user = person("Marketing")
    client.force_login(user)
    for name in ("Anna", "Bea", "Carl"):
        make.customer(name, gender="female")
    make.customer("Dora")
    answer = client.post(export_page("crm.customer", "gender__exact=female"), {"what": "customers", "format": form})
    job = Job.objects.get()
    assert answer["Location"] == reverse("admin:crm_job_change", args=[job.pk])

    done = jobs.run_next()

    assert done is not None
    assert (done.status, done.result["rows"], done.error) == ("done", 3, "")
    data = body(client.get(reverse("admin:crm_job_file", args=[job.pk, "result"])))
    if form == "csv":
        assert [row["first_name"] for row in rows_of(data)] == ["Anna", "Bea", "Carl"]
    else:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
        assert [row[1] for row in sheet] == ["first_name", "Anna", "Bea", "Carl"]
    assert AuditEntry.objects.get(action="exported").count == 3


@pytest.mark.django_db(transaction=True)
def test_a_right_that_was_taken_away_stops_a_waiting_export() -> None:
    user = person("Marketing")
    exporting.start(export=EXPORTS["customers"], screen="crm.customer", query="", form="csv", by=user)
    user.groups.clear()
    done = jobs.run_next()
    assert done is not None
    assert (done.status, "may not" in done.error) == ("failed", True)


def test_every_column_that_an_import_of_customers_knows_is_exported() -> None:
    importer = IMPORTERS["customers"](zone=ZoneInfo("UTC"), now=make.NOW, source="import")
    missing = {column.name for column in importer.columns} - set(EXPORTS["customers"].header)
    assert missing == {"consent_date", "consent_source"}
