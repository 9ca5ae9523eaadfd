"""The steps of an import in the back office: every one kept, asked where there is a doubt, mended in place."""

import csv
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from crm import files, jobs, mending, uploads
from crm.models import AuditEntry, Customer, Job, Mending, Product, Receipt, Store, Upload
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)

CUSTOMERS = "customer_id,first_name,email,birth_date\nC1,Anna,anna@example.com,1980-02-29\nC2,Bea,,\n"


@pytest.fixture(autouse=True)
def _own_media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def user(client: Client) -> User:
    found = person("Administrator")
    client.force_login(found)
    return found


def address(upload: Upload, step: str) -> str:
    return reverse(f"admin:crm_upload_{step}", args=[upload.pk])


def send(client: Client, content: str | bytes, *, kind: str = "customers", name: str = "list.csv") -> Upload:
    data = content.encode() if isinstance(content, str) else content
    answer = client.post(reverse("admin:crm_upload_add"), {"kind": kind, "file": SimpleUploadedFile(name, data)})
    assert answer.status_code == 302, answer.content.decode()
    upload = Upload.objects.order_by("-id")[0]
    assert answer["Location"] == address(upload, "read")
    return upload


def columns_of(page: Any) -> dict[str, str]:
    """The form as it is offered, to be sent as it is."""
    return {f"column-{at}": one.ours for at, one in enumerate(page.context["theirs"])}


def try_out(client: Client, upload: Upload, **changed: str) -> dict[str, Any]:
    """From the file to the dry run's report."""
    assert client.get(address(upload, "read")).status_code == 200
    form = {**columns_of(client.get(address(upload, "columns"))), **changed}
    answer = client.post(address(upload, "columns"), form)
    assert answer.status_code == 302, answer.context["trouble"]
    assert answer["Location"] == address(upload, "check")
    waiting = client.get(address(upload, "check")).content.decode()
    assert "hx-get" in waiting
    done = jobs.run_next()
    assert done is not None
    assert done.status == "done", done.error
    return done.result


def bring_in(client: Client, upload: Upload, agreed: bool = True) -> dict[str, Any]:
    client.post(address(upload, "start"), {"agreed": "yes"} if agreed else {})
    done = jobs.run_next()
    assert done is not None
    assert done.status == "done", done.error
    return done.result


def counts(report: dict[str, Any]) -> tuple[int, ...]:
    return tuple(report[name] for name in ("rows", "created", "updated", "unchanged", "refused"))


def test_a_file_goes_from_step_to_step_and_is_imported_once(client: Client, user: User) -> None:
    upload = send(client, CUSTOMERS)
    report = try_out(client, upload)
    assert counts(report) == (2, 2, 0, 0, 0)
    assert report["new"] == ["C1 Anna", "C2 Bea"]
    assert not Customer.objects.exists()  # nothing has happened yet
    shown = client.get(address(upload, "check")).content.decode()
    assert "Import 2 rows" in shown

    assert counts(bring_in(client, upload)) == (2, 2, 0, 0, 0)

    assert Customer.objects.get(number="C1").birth_date == date(1980, 2, 29)
    client.post(address(upload, "start"), {"agreed": "yes"})
    assert jobs.run_next() is None
    result = client.get(address(upload, "result")).content.decode()
    assert "2 new." in result
    for step in ("read", "columns", "check", "change"):  # the back button leads to the result
        assert client.get(address(upload, step))["Location"] == address(upload, "result")


def test_the_same_file_twice_says_that_nothing_changes(client: Client, user: User) -> None:
    for _ in (1, 2):
        upload = send(client, CUSTOMERS)
        report = try_out(client, upload)
        bring_in(client, upload)
    assert counts(report) == (2, 0, 0, 2, 0)
    assert "Nothing changes" in client.get(address(upload, "result")).content.decode()


def test_the_dry_run_says_what_would_change_and_leaves_it(client: Client, user: User) -> None:
    make.customer("Anna Ozola", number="C1", city="Riga")
    upload = send(client, "customer_id,first_name,last_name,city,consent_email\nC1,Anna,Ozola,Jelgava,yes\n")
    report = try_out(client, upload)
    assert report["changed"] == [
        {
            "name": "C1 Anna Ozola",
            "changes": [
                {"field": "city", "before": "Riga", "after": "Jelgava"},
                {"field": "may be written to: e-mail", "before": "", "after": "yes"},
            ],
        }
    ]
    assert Customer.objects.get().city == "Riga"
    client.get(address(upload, "check"))
    assert AuditEntry.objects.get(what="dry run of an import").count == 1


def test_what_would_be_created_beside_the_rows_is_asked(client: Client, user: User) -> None:
    make.store("main")
    text = "receipt_id,sold_at,store,customer_id,sku,product,category,quantity,line_total\n"
    text += "1,2026-01-02 10:00,north,C9,T1,Tea,Food > Tea,1,5.00\n1,2026-01-02 10:00,north,C9,T2,Cup,Home,1,7.00\n"
    upload = send(client, text, kind="receipts")
    report = try_out(client, upload)
    assert {one["label"]: (one["count"], one["names"]) for one in report["creates"]} == {
        "Stores": (1, ["north"]),
        "Categories": (3, ["Food", "Home", "Food > Tea"]),
        "Products": (2, ["T1", "T2"]),
        "Customers": (1, ["C9"]),
    }
    answer = client.post(address(upload, "start"), {}, follow=True)
    assert "Tick that" in answer.content.decode()
    assert jobs.run_next() is None
    bring_in(client, upload)
    assert (Receipt.objects.count(), Store.objects.count(), Product.objects.count()) == (1, 2, 2)


def test_a_file_in_windows_1251_with_semicolons_and_decimal_commas_is_read_as_it_is_meant(
    client: Client, user: User
) -> None:
    text = "Артикул;Наименование;Категория;Цена\nЧ1;Чай зелёный;Продукты > Чай;1.234,56\nЧ2;Чашка;Дом;12,50\n"
    upload = send(client, text.encode("cp1251"), kind="products")
    page = client.get(address(upload, "read"))
    found = page.context["found"]
    assert (found.encoding, found.delimiter, found.decimal) == ("cp1251", ";", ",")
    assert "Чай зелёный" in page.content.decode()
    try_out(client, upload)
    assert counts(bring_in(client, upload)) == (2, 2, 0, 0, 0)
    assert Product.objects.get(sku="Ч1").price_minor == 123_456


def test_a_doubt_about_dates_is_asked_and_the_answer_kept(client: Client, user: User) -> None:
    upload = send(client, "customer_id;birth_date\nC1;02/03/1980\nC2;04/05/1990\n")
    page = client.get(address(upload, "read"))
    assert [one.column for one in page.context["asked"]] == ["birth_date"]
    assert client.get(address(upload, "columns"))["Location"] == address(upload, "read")
    assert client.post(address(upload, "read"), {"go": "1"}).status_code == 200  # not before it is answered

    part = client.post(address(upload, "read"), {"date_order": "dmy"}, headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert client.post(address(upload, "read"), {"date_order": "dmy", "go": "1"})["Location"] == address(
        upload, "columns"
    )
    try_out(client, upload)
    bring_in(client, upload)
    assert Customer.objects.get(number="C1").birth_date == date(1980, 3, 2)


def test_columns_are_remembered_for_the_next_file_of_the_same_shape(client: Client, user: User) -> None:
    text = "Nr;Wie sie heisst;Notiz\nC1;Anna;x\n"
    first = send(client, text)
    client.get(address(first, "read"))
    assert try_out(client, first, **{"column-0": "customer_id", "column-1": "first_name", "column-2": ""})
    bring_in(client, first)
    second = send(client, text.replace("C1", "C2"))
    client.get(address(second, "read"))
    page = client.get(address(second, "columns"))
    assert [one.ours for one in page.context["theirs"]] == ["customer_id", "first_name", ""]
    assert page.context["is_remembered"]


def test_a_mapping_that_cannot_be_is_said_in_words_and_kept(client: Client, user: User) -> None:
    upload = send(client, CUSTOMERS)
    client.get(address(upload, "read"))
    answer = client.post(address(upload, "columns"), {"column-0": "", "column-1": "email", "column-2": "email"})
    assert "Two columns" in answer.context["trouble"]
    assert [one.ours for one in answer.context["theirs"]] == ["", "email", "email", ""]
    answer = client.post(address(upload, "columns"), {"column-1": "first_name"})
    assert "missing" in answer.context["trouble"]
    assert not Job.objects.exists()


def test_what_cannot_be_read_is_said_with_the_name_that_its_owner_knows(client: Client, user: User) -> None:
    upload = send(client, b"%PDF-1.7 ...", name="Kunden.pdf")
    answer = client.get(address(upload, "read")).content.decode()
    assert "“Kunden.pdf” is a PDF" in answer
    assert "private/" not in answer


def test_a_pasted_list_is_a_file_like_others(client: Client, user: User) -> None:
    form = {"kind": "customers", "text": "customer_id\tfirst_name\r\nC1\tAnna\r\n"}
    assert client.post(reverse("admin:crm_upload_add"), form).status_code == 302
    upload = Upload.objects.get()
    try_out(client, upload)
    bring_in(client, upload)
    assert Customer.objects.get().first_name == "Anna"


@pytest.mark.parametrize(
    "form", [{}, {"kind": "customers"}, {"kind": "secrets", "text": "a"}, {"kind": "customers", "text": " "}]
)
def test_nothing_chosen_is_said_on_the_same_page(client: Client, user: User, form: dict[str, str]) -> None:
    answer = client.post(reverse("admin:crm_upload_add"), form)
    assert (answer.status_code, bool(answer.context["trouble"])) == (200, True)
    assert not Upload.objects.exists()


def test_a_file_is_forgotten_on_request_but_not_once_it_is_imported(client: Client, user: User) -> None:
    upload = send(client, CUSTOMERS)
    stored = upload.file
    client.post(address(upload, "discard"))
    assert not Upload.objects.exists()
    assert not files.exists(stored)
    upload = send(client, CUSTOMERS)
    try_out(client, upload)
    bring_in(client, upload)
    client.post(address(upload, "discard"))
    assert Upload.objects.exists()


# Refused rows

FAULTY = (
    "customer_id;first_name;email;birth_date\n"
    "C1;Anna;anna@example.com;31.12.1980\n"
    "C2;Bea;no address;24.12.1990\n"
    "C3;Carl;carl@example.com;99.99.1999\n"
    "C4;Dora;wrong;30.02.1990\n"
)


@pytest.fixture
def faulty(client: Client, user: User) -> Upload:
    upload = send(client, FAULTY)
    report = try_out(client, upload)
    assert counts(report) == (4, 1, 0, 0, 3)
    assert report["problems"][0]["row"] == "3"
    bring_in(client, upload)
    upload.refresh_from_db()
    return upload


def test_refused_rows_are_shown_with_the_reason_beside_the_field(client: Client, faulty: Upload) -> None:
    page = mending.page(upload=faulty, number=1)
    assert page.header == ["customer_id", "first_name", "email", "birth_date"]
    assert [row.cells for row in page.rows] == [line.split(";") for line in FAULTY.splitlines()[2:]]
    assert [[bool(reason) for reason in row.reasons] for row in page.rows] == [
        [False, False, True, False],
        [False, False, False, True],
        [False, False, True, True],
    ]
    shown = client.get(address(faulty, "refused")).content.decode()
    assert 'name="cell-0-2" value="no address"' in shown


def test_rows_mended_in_place_are_imported_again_and_no_others(client: Client, faulty: Upload) -> None:
    one = {"cell-0-0": "C2", "cell-0-1": "Bea", "cell-0-2": "bea@example.com", "cell-0-3": "24.12.1990"}
    answer = client.post(address(faulty, "refused"), one, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert 'value="bea@example.com"' in client.get(address(faulty, "refused")).content.decode()  # another day, too
    rest = {"cell-1-0": "C3", "cell-1-1": "Carl", "cell-1-2": "carl@example.com", "cell-1-3": "09.09.1999"}
    answer = client.post(address(faulty, "refused"), {**rest, "do": "import"})
    follow_up = Upload.objects.get(follows=faulty)
    assert answer["Location"] == address(follow_up, "result")

    done = jobs.run_next()

    assert done is not None
    assert done.status == "done", done.error
    assert counts(done.result) == (3, 2, 0, 0, 1)
    assert set(Customer.objects.values_list("number", "email")) == {
        ("C1", "anna@example.com"),
        ("C2", "bea@example.com"),
        ("C3", "carl@example.com"),
    }
    assert Customer.objects.get(number="C3").birth_date == date(1999, 9, 9)
    left = mending.page(upload=Upload.objects.get(follows=faulty), number=1)
    assert [row.cells[0] for row in left.rows] == ["C4"]
    client.post(address(faulty, "refused"), {"do": "import"})  # a second click
    assert Upload.objects.filter(follows=faulty).count() == 1


def test_the_error_file_mended_elsewhere_comes_back(client: Client, faulty: Upload) -> None:
    assert faulty.job
    answer = client.get(reverse("admin:crm_job_file", args=[faulty.job.pk, "errors"]))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # a streamed answer
    assert answer["Content-Disposition"] == 'attachment; filename="list.refused.csv"'
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert rows[0][-1] == "refused_because"
    mended = text.replace("no address", "bea@example.com").replace("99.99.1999", "09.09.1999")
    mended = mended.replace(";wrong;30.02.1990", ";dora@example.com;28.02.1990")
    sent = SimpleUploadedFile("list.refused.csv", mended.encode())
    answer = client.post(address(faulty, "again"), {"file": sent})
    follow_up = Upload.objects.get(follows=faulty)
    assert answer["Location"] == address(follow_up, "read")
    try_out(client, follow_up)
    assert counts(bring_in(client, follow_up)) == (3, 3, 0, 0, 0)
    assert Customer.objects.count() == 4


def test_a_row_put_back_as_it_was_is_no_longer_mended_and_nonsense_is_passed_over(
    client: Client, faulty: Upload
) -> None:
    mending.mend(upload=faulty, rows={0: ["C2", "Bea", "bea@example.com", ""], 1: ["too", "short"], 77: ["a"] * 4})
    assert Mending.objects.count() == 1
    mending.mend(upload=faulty, rows={0: FAULTY.splitlines()[2].split(";")})
    assert Mending.objects.count() == 0
    client.post(address(faulty, "refused"), {"cell-0-0": "x", "cell-0-2": "y", "cell-a-b": "z", "page": "²"})
    assert Mending.objects.count() == 0


def test_many_refused_rows_come_in_pages(client: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "A_PAGE", 3)
    monkeypatch.setattr(mending, "MENDABLE", 7)
    upload = send(client, "customer_id,email\n" + "".join(f"C{number},bad\n" for number in range(9)))
    try_out(client, upload)
    bring_in(client, upload)
    upload.refresh_from_db()
    assert mending.refused_count(upload) == 9
    numbers = [[row.cells[0] for row in mending.page(upload=upload, number=at).rows] for at in (1, 2, 3, 99)]
    assert numbers == [["C0", "C1", "C2"], ["C3", "C4", "C5"], ["C6"], ["C6"]]
    assert "Only the first 7" in client.get(address(upload, "refused")).content.decode()


# Who may


def test_shop_staff_import_nothing_and_marketing_only_people(client: Client) -> None:
    client.force_login(person("Shop staff"))
    assert client.get(reverse("admin:crm_upload_add")).status_code == 302
    marketing = person("Marketing")
    assert set(uploads.kinds_for(marketing)) >= {"customers", "households"}
    assert set(uploads.kinds_for(marketing)).isdisjoint({"products", "receipts"})
    client.force_login(marketing)
    form = {"kind": "products", "text": "sku\tname\nA\tB\n"}
    assert client.post(reverse("admin:crm_upload_add"), form).status_code == 200
    assert not Upload.objects.exists()
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(reverse("admin:crm_upload_add")).status_code == 403
    assert client.get(reverse("admin:crm_upload_changelist")).status_code == 403


def test_a_file_of_somebody_else_is_not_there_but_for_administrators(client: Client) -> None:
    owner, other, administrator = person("Marketing"), person("Marketing", "mia"), person("Administrator")
    upload = uploads.take_text(kind="customers", text=CUSTOMERS, by=owner)
    steps = ("read", "columns", "check", "result", "refused", "change")
    for user, answers in ((other, {404}), (administrator, {200, 302}), (owner, {200, 302})):
        client.force_login(user)
        assert {client.get(address(upload, step)).status_code for step in steps} <= answers
    products = uploads.take_text(kind="products", text="sku,name\nA,B\n", by=owner)
    client.force_login(owner)
    assert client.get(address(products, "read")).status_code == 404  # the right was taken away


def test_a_large_body_is_taken_from_those_who_may_import_only(client: Client, settings: Settings) -> None:
    settings.MAX_REQUEST_BYTES, settings.MAX_UPLOAD_BYTES = 1_000, 3_000
    page = reverse("admin:crm_upload_add")

    def post(size: int, where: str = page) -> int:
        sent = SimpleUploadedFile("a.csv", b"customer_id\n" + b"x" * size)
        return client.post(where, {"kind": "customers", "file": sent}).status_code

    assert post(1_500) == 413
    client.force_login(person("Shop staff"))
    assert post(1_500) == 413
    client.force_login(person("Marketing"))
    assert post(1_500) == 302
    assert post(4_000) == 413
    assert post(1_500, reverse("admin:crm_customer_changelist")) == 413


def test_a_large_upload_changes_its_place_on_the_disk(client: Client, user: User, settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    content = "customer_id,first_name\n" + "".join(f"C{number},Anna\n" for number in range(2_000))
    upload = send(client, content)
    assert files.full_path(upload.file).read_text() == content
    assert upload.size == len(content)


def test_old_files_leave_a_word(client: Client, user: User, settings: Settings) -> None:
    upload = send(client, CUSTOMERS)
    jobs.clean_up(now=datetime(2100, 1, 1, tzinfo=UTC))
    assert "kept for a while" in client.get(address(upload, "read")).content.decode()


def test_reading_the_file_in_another_way_asks_for_another_dry_run(client: Client, user: User) -> None:
    upload = send(client, "customer_id;birth_date\nC1;02.03.1980\n")
    try_out(client, upload)
    client.post(address(upload, "read"), {"go": "1"})  # nothing is different
    upload.refresh_from_db()
    assert upload.check_job_id
    client.post(address(upload, "read"), {"encoding": "cp1251"}, headers={"HX-Request": "true"})
    client.post(address(upload, "start"), {"agreed": "yes"})
    upload.refresh_from_db()
    assert upload.check_job_id is None
    assert upload.job_id is None


def test_two_who_click_at_once_begin_one_import(user: User) -> None:
    upload = uploads.take_text(kind="customers", text=CUSTOMERS, by=user)
    uploads.read(upload=upload, today=date(2026, 5, 20))
    uploads.choose_columns(upload=upload, mapping={"customer_id": "customer_id", "first_name": "first_name"})
    together = threading.Barrier(2)

    def click() -> int:
        try:
            together.wait(10)
            return uploads.start_import(upload=Upload.objects.get(pk=upload.pk), by=user).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        begun = {future.result() for future in [pool.submit(click), pool.submit(click)]}
    assert len(begun) == 1
    assert Job.objects.count() == 1


def test_text_in_a_cell_that_looks_like_markup_stays_text(client: Client, user: User) -> None:
    upload = send(client, 'customer_id,first_name,"<b>x</b>"\nC1,<script>alert(1)</script>,<img src=x>\n')
    for step in ("read", "columns"):
        shown = client.get(address(upload, step)).content.decode()
        assert "<script>alert" not in shown
        assert "<img src=x>" not in shown
        assert "<b>x</b>" not in shown
