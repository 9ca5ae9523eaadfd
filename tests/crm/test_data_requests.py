"""What customers may ask about their data: checked, in time, carried out and answered."""

import json
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from pytest_django import Settings

from crm import audit, consents, copying, counter, customers, data_requests, files, jobs, person
from crm.models import AuditEntry, Channel, Consent, CustomerProfile, DataRequest, Household, Job, Note, ServiceMail
from segments import refresh
from segments.models import Membership, MembershipEvent, Segment
from tests.crm import make
from tests.support.everything import full_person
from tests.support.people import person as staff
from tests.support.smtp import SmtpCatcher

pytestmark = pytest.mark.django_db

NOW = make.NOW
Status = DataRequest.Status


@pytest.fixture(autouse=True)
def _own_media(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def noted(kind: str, **fields: Any) -> DataRequest:
    customer = fields.pop("customer", None) or make.customer("Anna Ozola", email="anna@example.com")
    return data_requests.note_request(
        **{"customer": customer, "kind": kind, "through": "till", "by": None, "now": NOW, **fields}
    )


def carry_out(request: DataRequest) -> DataRequest:
    data_requests.carry_out(request=request, by=None, now=NOW)
    request.refresh_from_db()
    return request


@pytest.mark.parametrize(
    ("asked", "due", "extended"),
    [
        (date(2026, 1, 31), date(2026, 2, 28), date(2026, 4, 30)),
        (date(2028, 1, 30), date(2028, 2, 29), date(2028, 4, 30)),
        (date(2026, 12, 15), date(2027, 1, 15), date(2027, 3, 15)),
        (date(2026, 11, 30), date(2026, 12, 30), date(2027, 2, 28)),
    ],
)
def test_the_clock_runs_for_a_calendar_month_and_two_more(asked: date, due: date, extended: date) -> None:
    assert data_requests.due_on(asked_on=asked) == due
    assert data_requests.due_on(asked_on=asked, months=3) == extended


def test_the_clock_starts_on_the_shops_day(settings: Settings) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    late = datetime(2026, 5, 30, 14, 0, tzinfo=UTC)  # the 31st in Auckland
    assert noted("copy", now=late).due_on == date(2026, 6, 30)


def test_stop_is_done_at_once_for_every_channel() -> None:
    anna = make.customer("Anna Ozola", email="anna@example.com", phone="+1 212 555 0199")
    for channel in Channel:
        consents.record_consent(
            customer=anna, channel=channel, granted=True, source="till", stated_at=NOW - timedelta(days=9), now=NOW
        )
    consents.record_consent(
        customer=anna, channel="email", purpose="research", granted=True, source="till", stated_at=NOW, now=NOW
    )
    request = noted("stop", customer=anna, now=NOW + timedelta(hours=1), reply_to="anna@example.com")
    assert (request.status, request.decided_at) == (Status.DONE, NOW + timedelta(hours=1))
    profile = CustomerProfile.objects.get(customer=anna)
    assert not any(getattr(profile, flag) for flag in consents.PROFILE_FLAGS.values())
    newest = consents.current(customer=anna, channel="email", purpose="research")
    assert newest and not newest.granted
    assert "We send you nothing more" in ServiceMail.objects.get().text
    assert consents.suppressed(channel="email", address_keys=["anna@example.com"])


def test_a_no_to_profiling_keeps_the_points_and_leaves_every_segment() -> None:
    anna = make.customer("Anna Ozola", card="29001")
    make.receipt(make.line(make.product(price_minor=5000)), customer=anna)
    followed = Segment.objects.create(name="All", rule={"version": 1, "all": []}, members_count=1)
    picked = Segment.objects.create(name="Picked", kind="picked", members_count=1)
    for segment in (followed, picked):
        Membership.objects.create(segment=segment, customer=anna, entered_at=NOW, rule_version=1)
    noted("no_profiling", customer=anna)
    anna.refresh_from_db()
    assert anna.no_profiling
    assert not Membership.objects.exists()
    assert list(Segment.objects.values_list("members_count", flat=True)) == [0, 0]
    assert list(MembershipEvent.objects.values_list("entered", flat=True)) == [False, False]
    refresh.refresh_marked(now=NOW)
    assert not Membership.objects.exists()
    assert CustomerProfile.objects.get(customer=anna).points == 50


def test_the_same_said_on_the_customers_page_leaves_picked_segments_and_the_till_gives_no_hints() -> None:
    anna = make.customer("Anna Ozola")
    picked = Segment.objects.create(name="Picked", kind="picked", members_count=1)
    Membership.objects.create(segment=picked, customer=anna, entered_at=NOW, rule_version=1)
    for _time in range(2):
        make.receipt(make.line(make.product(path="Food > Dairy")), customer=anna)
    assert counter.customer(anna, now=NOW)["usually"] == ["Dairy"]
    anna = customers.change_customer(customer=anna, no_profiling=True)
    assert not Membership.objects.exists()
    assert counter.customer(anna, now=NOW)["usually"] == []


@pytest.mark.parametrize("kind", ["copy", "correct", "delete"])
def test_nothing_is_handed_out_changed_or_erased_before_somebody_has_checked_who_asks(kind: str) -> None:
    request = noted(kind, corrections={"city": "Riga"})
    with pytest.raises(data_requests.NotNow, match="First check who asks"):
        carry_out(request)
    with pytest.raises(ValidationError):
        data_requests.check_identity(request=request, how=" ", by=None, now=NOW)
    assert not Job.objects.exists()


def test_a_correction_changes_what_was_asked_and_is_in_the_book() -> None:
    corrections = {"last_name": "Liepa", "birth_date": date(1980, 2, 29), "email": "liepa@example.com"}
    request = noted("correct", corrections=corrections, identity="card and birth date")
    assert carry_out(request).status == Status.DONE
    anna = request.customer
    anna.refresh_from_db()
    assert (anna.full_name, anna.birth_date, anna.email_key) == ("Anna Liepa", date(1980, 2, 29), "liepa@example.com")
    assert "customer: birth_date, email, last_name" in AuditEntry.objects.values_list("what", flat=True)
    with pytest.raises(data_requests.NotNow, match="answered before"):
        carry_out(request)


@pytest.mark.parametrize("corrections", [{}, {"number": "1"}, {"email": "no address"}, {"birth_date": "1980-02-30"}])
def test_a_correction_that_cannot_be_right_is_refused_when_it_is_noted(corrections: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        noted("correct", corrections=corrections)
    assert not DataRequest.objects.exists()


def test_a_double_click_is_one_request() -> None:
    anna, key = make.customer("Anna Ozola"), uuid.uuid4()
    assert noted("copy", customer=anna, key=key) == noted("copy", customer=anna, key=key)
    assert DataRequest.objects.count() == 1


def test_a_request_is_extended_once_with_a_reason() -> None:
    request = noted("copy", reply_to="anna@example.com")
    with pytest.raises(ValidationError):
        data_requests.extend(request=request, because=" ", by=None, now=NOW)
    data_requests.extend(request=request, because="Many requests", by=None, now=NOW)
    assert request.due_on == date(2026, 8, 20)
    assert "Many requests" in ServiceMail.objects.get().text
    assert "Aug. 20, 2026" in ServiceMail.objects.get().text
    with pytest.raises(data_requests.NotNow):
        data_requests.extend(request=request, because="Again", by=None, now=NOW)


def test_a_refusal_says_why_and_whom_to_turn_to() -> None:
    request = noted("delete", reply_to="anna@example.com")
    with pytest.raises(ValidationError):
        data_requests.refuse(request=request, because="", by=None, now=NOW)
    data_requests.refuse(request=request, because="An open invoice.", by=None, now=NOW)
    assert request.status == Status.REFUSED
    mail = ServiceMail.objects.get()
    assert "An open invoice." in mail.text
    assert "data protection authority" in mail.text
    assert "Anna" not in mail.text + mail.subject


def test_open_requests_come_by_urgency() -> None:
    later, sooner = noted("copy", now=NOW), noted("delete", now=NOW - timedelta(days=20))
    assert list(data_requests.open_requests()) == [sooner, later]


@pytest.mark.django_db(transaction=True)
def test_a_copy_is_made_as_a_job_and_ends_the_request() -> None:
    boss = staff("Administrator")
    request = noted("copy", identity="passport", reply_to="anna@example.com")
    data_requests.carry_out(request=request, by=boss, now=NOW)
    with pytest.raises(data_requests.NotNow, match="being done"):
        data_requests.carry_out(request=request, by=boss, now=NOW)
    job = jobs.run_next()
    assert job and job.status == Job.Status.DONE, job and job.error
    request.refresh_from_db()
    assert (request.status, request.decided_by) == (Status.DONE, boss)
    page = files.full_path(job.file).read_text()
    told = json.loads(files.full_path(files.beside(job.file, "data.json")).read_text())
    assert "Anna" in page
    assert told["data"]["crm.Customer"][0]["first_name"] == "Anna"
    assert f"/my-data/{request.public_id}/" in ServiceMail.objects.get().text


@pytest.mark.django_db(transaction=True)
def test_an_erasure_is_done_as_a_job_and_the_last_mail_is_kept_nowhere(smtp_catcher: SmtpCatcher) -> None:
    request = noted("delete", identity="passport", reply_to="anna@example.com", note="She said Anna")
    copied = noted("copy", customer=request.customer, identity="passport")
    data_requests.carry_out(request=copied, by=None, now=NOW)
    copy_job = jobs.run_next()
    data_requests.carry_out(request=request, by=None, now=NOW)
    job = jobs.run_next()
    assert job and job.status == Job.Status.DONE, job and job.error
    request.refresh_from_db()
    assert (request.status, request.note, request.details, request.identity) == (Status.DONE, "", {}, "")
    assert request.identity_checked_at
    assert request.customer.erased_at
    assert copy_job and not files.exists(copy_job.file), "a copy of what was erased would not be an erasure"
    assert smtp_catcher.recipients == ["anna@example.com"]
    assert not ServiceMail.objects.exists()
    assert jobs.run_next() is None


def test_a_copy_holds_everything_but_housemates_and_names_of_staff() -> None:
    home = Household.objects.create(number="H1")
    berta = make.customer("Berta Wvu", household=home)
    anna = full_person("Qzx", other=berta)
    type(anna).objects.filter(pk=anna.pk).update(household=home)
    boss = staff("Administrator", "bossname")
    Note.objects.create(customer=anna, text="Likes rye", written_by=boss)
    audit.noted(what="customer page", by=boss, customer_id=anna.pk)
    segment = Segment.objects.create(name="Bread lovers", rule={"version": 1, "all": []})
    Membership.objects.create(segment=segment, customer=anna, entered_at=NOW, rule_version=1)

    copy = copying.copy_of(customer=anna, now=timezone.now())
    page, told = copying.as_html(copy), copying.as_json(copy)

    for text in (page, told):
        for wanted in (anna.email, "Likes rye", "Bread lovers", "customer page", "H1", "19.99"):
            assert wanted in text
        for hidden in ("Berta", "Wvu", "bossname", "search_text"):
            assert hidden not in text
    keys = json.loads(told)["data"].keys()
    assert {"crm.Receipt", "crm.ReceiptLine", "crm.Consent", "campaigns.Delivery", "campaigns.TrackedEvent"} <= keys
    assert "<script" not in page
    assert Consent.objects.filter(customer=anna).exists()
    assert person.whole_person(customer=anna) == [anna.pk]


def test_a_copy_escapes_what_people_wrote() -> None:
    anna = make.customer("Anna <script>alert(1)</script>")
    assert "<script>alert" not in copying.as_html(copying.copy_of(customer=anna, now=NOW))
