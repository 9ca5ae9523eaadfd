"""“Customer asks...”: at the till, in the back office, and the page behind the link."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from crm import data_requests, files, jobs
from crm.models import AuditEntry, Customer, DataRequest, Job
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db

Status = DataRequest.Status


@pytest.fixture(autouse=True)
def _own_media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def anna() -> Customer:
    return make.customer("Anna Ozola", email="anna@example.com")


def noted(customer: Customer, kind: str, **fields: Any) -> DataRequest:
    fields = {"through": "till", "by": None, "now": timezone.now(), **fields}
    return data_requests.note_request(customer=customer, kind=kind, **fields)


def form(kind: str, **fields: str) -> dict[str, str]:
    return {"key": str(uuid.uuid4()), "kind": kind, **fields}


def do(client: Client, asked: DataRequest, what: str, **fields: Any) -> Any:
    return client.post(reverse("admin:crm_datarequest_do", args=[asked.pk]), {"do": what, **fields}, follow=True)


def test_at_the_till_a_request_is_noted_in_one_page(anna: Customer, client: Client) -> None:
    clerk = person("Shop staff")
    client.force_login(clerk)
    page = reverse("till-asks", args=[anna.pk])
    shown = client.get(page).content.decode()
    assert "Anna Ozola" in shown
    assert "a•••@example.com" in shown
    assert "anna@example.com" not in shown
    answer = client.post(page, form("delete", identity="Card and birth date", reply_by_mail="yes"))
    assert answer.status_code == 201
    asked = DataRequest.objects.get()
    assert (asked.kind, asked.through, asked.status, asked.recorded_by) == ("delete", "till", Status.OPEN, clerk)
    assert asked.details == {"reply_to": "anna@example.com"}
    assert asked.identity_checked_at
    assert AuditEntry.objects.filter(action="changed", what="request noted: delete", customer_id=anna.pk).exists()


def test_a_stop_at_the_till_is_done_at_once(anna: Customer, client: Client) -> None:
    client.force_login(person("Shop staff"))
    answer = client.post(reverse("till-asks", args=[anna.pk]), form("stop"))
    assert "Nothing more goes out" in answer.content.decode()
    assert DataRequest.objects.get().status == Status.DONE


def test_a_double_click_at_the_till_is_one_request(anna: Customer, client: Client) -> None:
    client.force_login(person("Shop staff"))
    sent = form("copy")
    for _again in range(2):
        assert client.post(reverse("till-asks", args=[anna.pk]), sent).status_code == 201
    assert DataRequest.objects.count() == 1


@pytest.mark.parametrize("sent", [{}, {"kind": "copy"}, {"key": "x", "kind": "copy"}, form("burn"), form("correct")])
def test_what_is_missing_is_said(sent: dict[str, str], anna: Customer, client: Client) -> None:
    client.force_login(person("Shop staff"))
    answer = client.post(reverse("till-asks", args=[anna.pk]), sent)
    assert answer.status_code == 422
    assert not DataRequest.objects.exists()


def test_the_pages_open_only_to_those_who_may(anna: Customer, client: Client) -> None:
    asked = noted(anna, "copy", identity="seen")
    note, change = reverse("admin:crm_datarequest_add"), reverse("admin:crm_datarequest_change", args=[asked.pk])
    do_it, copy = (
        reverse("admin:crm_datarequest_do", args=[asked.pk]),
        reverse("admin:crm_datarequest_copy", args=[asked.pk, "json"]),
    )
    client.force_login(User.objects.create_user("newcomer", is_staff=True))
    assert [client.get(page).status_code for page in (note, change, copy)] == [403, 403, 403]
    assert client.post(do_it, {"do": "carry_out"}).status_code == 403
    assert client.get(reverse("till-asks", args=[anna.pk])).status_code == 403
    client.force_login(person("Shop staff"))
    assert client.post(do_it, {"do": "carry_out"}).status_code == 302
    asked.refresh_from_db()
    assert (asked.status, asked.job) == (Status.OPEN, None)


def test_a_request_by_letter_is_noted_in_the_back_office(anna: Customer, client: Client) -> None:
    client.force_login(person("Marketing"))
    page = reverse("admin:crm_datarequest_add")
    assert "Customer number" in client.get(page).content.decode()
    assert "Anna Ozola asks" in client.get(page, {"customer": anna.number}).content.decode()
    answer = client.post(f"{page}?customer={anna.pk}", form("copy", through="post", reply_to=""))
    asked = DataRequest.objects.get()
    assert answer["Location"] == reverse("admin:crm_datarequest_change", args=[asked.pk])
    assert (asked.through, asked.details) == ("post", {})
    assert client.post(f"{page}?customer={anna.pk}", form("copy", reply_to="no address")).status_code == 422


def test_the_page_leads_from_the_check_to_the_deed(anna: Customer, client: Client) -> None:
    client.force_login(person("Administrator"))
    asked = noted(anna, "delete")
    page = reverse("admin:crm_datarequest_change", args=[asked.pk])
    assert "First: is it really they?" in client.get(page).content.decode()
    assert "First check who asks" in do(client, asked, "carry_out").content.decode()
    assert "Say how you know" in do(client, asked, "identity", identity=" ").content.decode()
    shown = do(client, asked, "identity", identity="Passport seen").content.decode()
    assert "This goes, for good" in shown
    assert "can't be undone" in shown
    assert "It is being done" in do(client, asked, "carry_out").content.decode()
    assert Job.objects.get().kind == "erase"


def test_what_was_noted_in_words_is_corrected_field_by_field(anna: Customer, client: Client) -> None:
    client.force_login(person("Administrator"))
    asked = noted(anna, "correct", note="Married: Liepa now", identity="seen")
    values = {name: getattr(anna, name) or "" for name in data_requests.CORRECTABLE}
    assert "change a field first" in do(client, asked, "carry_out", **values).content.decode()
    assert do(client, asked, "carry_out", **{**values, "email": "x"}).status_code == 422
    do(client, asked, "carry_out", **{**values, "last_name": "Liepa"})
    anna.refresh_from_db()
    asked.refresh_from_db()
    assert (anna.last_name, asked.status) == ("Liepa", Status.DONE)


def test_extending_and_refusing_need_a_reason(anna: Customer, client: Client) -> None:
    client.force_login(person("Administrator"))
    asked = noted(anna, "copy")
    assert do(client, asked, "extend", because="").status_code == 422
    assert "Extended." in do(client, asked, "extend", because="Ill").content.decode()
    assert "complain" in do(client, asked, "refuse", because="Not you").content.decode()
    assert do(client, asked, "refuse", because="Again").status_code == 422
    assert do(client, asked, "burn").status_code == 404


def test_what_is_overdue_is_red_in_the_list_and_on_the_home_page(anna: Customer, client: Client) -> None:
    client.force_login(person("Administrator"))
    make.receipt(customer=anna)
    asked = noted(anna, "copy", now=timezone.now() - timedelta(days=40))
    noted(anna, "copy", now=timezone.now())
    page = client.get(reverse("admin:crm_datarequest_changelist")).content.decode()
    assert page.count("rg-down") == 1
    assert "overdue" in page
    home = client.get(reverse("admin:index")).content.decode()
    assert "1 customer waits for an answer" in home
    assert reverse("admin:crm_datarequest_change", args=[asked.pk]) in home


@pytest.mark.django_db(transaction=True)
def test_the_copy_is_behind_a_link_that_ends(anna: Customer, client: Client, settings: Settings) -> None:
    asked = noted(anna, "copy", identity="seen", reply_to="anna@example.com")
    page = reverse("data-copy", args=[asked.public_id])
    assert client.get(page).status_code == 404, "not made yet"
    data_requests.carry_out(request=asked, by=None, now=timezone.now())
    job = jobs.run_next()
    assert job and job.status == "done"
    shown = client.get(page)
    assert shown.status_code == 200
    assert "Anna" not in shown.content.decode()
    read = client.get(f"{page}page/")
    assert "Anna" in read.getvalue().decode()
    assert read["Content-Security-Policy"] == "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    assert "attachment" in client.get(f"{page}json/")["Content-Disposition"]
    assert client.get(f"{page}exe/").status_code == 404
    assert client.get(reverse("data-copy", args=[uuid.uuid4()])).status_code == 404
    jobs.clean_up(now=timezone.now() + timedelta(days=settings.JOB_FILES_DAYS + 1))
    ended = client.get(page)
    assert (ended.status_code, "This link has ended" in ended.content.decode()) == (410, True)
    assert client.get(f"{page}page/").status_code == 410


@pytest.mark.django_db(transaction=True)
def test_a_copy_is_handed_over_at_the_counter_and_written_down(anna: Customer, client: Client) -> None:
    asked = noted(anna, "copy", identity="seen")
    data_requests.carry_out(request=asked, by=None, now=timezone.now())
    job = jobs.run_next()
    assert job
    client.force_login(person("Administrator"))
    assert "Open it to print" in client.get(reverse("admin:crm_datarequest_change", args=[asked.pk])).content.decode()
    assert client.get(reverse("admin:crm_datarequest_copy", args=[asked.pk, "page"])).status_code == 200
    assert AuditEntry.objects.filter(action="exported", customer_id=anna.pk).count() == 1
    files.remove(job.file)
    assert client.get(reverse("admin:crm_datarequest_copy", args=[asked.pk, "page"])).status_code == 404
