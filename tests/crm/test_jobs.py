"""Jobs: claimed once, resumed after a death, cancelled, followed on a page, and private."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from crm import files, heartbeat, jobs
from crm.models import Job, Store, Upload
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def kind() -> Iterator[Callable[[jobs.Run], jobs.Run]]:
    """Declares what jobs of the kind "test" do."""
    yield lambda run: jobs.job("test", label="Test")(run)
    jobs.KINDS.pop("test", None)


def queued(by: User | None = None, **params: Any) -> Job:
    return jobs.start_job(kind="test", title="A test", by=by, **params)


def add_store(work: jobs.Work) -> dict[str, Any]:
    Store.objects.create(code=work.params.get("code", "new"), name="New")
    return {"rows": 1}


@pytest.mark.django_db(transaction=True)
def test_a_job_is_done_and_its_result_kept(kind: Any) -> None:
    kind(add_store)
    job = queued(code="north")

    done = jobs.run_next()

    assert done is not None
    assert (done.pk, done.status, done.result, done.attempts) == (job.pk, "done", {"rows": 1}, 1)
    assert done.finished_at
    assert Store.objects.filter(code="north").exists()
    assert jobs.run_next() is None


def test_two_workers_never_claim_the_same_job(kind: Any) -> None:
    kind(add_store)
    first, second = queued(), queued()
    now = timezone.now()
    claimed = [jobs.claim(now=now), jobs.claim(now=now), jobs.claim(now=now)]
    assert [job and job.pk for job in claimed] == [first.pk, second.pk, None]


def test_a_dead_workers_job_is_taken_again_after_its_lease_and_given_up_after_three_attempts(
    kind: Any, settings: Settings
) -> None:
    kind(add_store)
    settings.JOB_LEASE_SECONDS = 60
    job, now = queued(), timezone.now()
    for attempt in (1, 2, 3):
        claimed = jobs.claim(now=now)
        assert claimed is not None
        assert claimed.attempts == attempt
        assert jobs.claim(now=now + timedelta(seconds=59)) is None
        now += timedelta(seconds=61)
    assert jobs.claim(now=now) is None
    job.refresh_from_db()
    assert job.status == "failed"
    assert "3 times" in job.error


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_wakes_after_its_lease_undoes_its_work_and_writes_nothing(kind: Any) -> None:
    def sleepy(work: jobs.Work) -> None:
        with transaction.atomic():
            add_store(work)
            if work.job.attempts == 1:  # meanwhile, as far as the database knows
                Job.objects.filter(pk=work.job.pk).update(attempts=2)
            work.settle({"by": work.job.attempts}, now=timezone.now())

    kind(sleepy)
    job = queued()
    jobs.run_next()
    job.refresh_from_db()
    assert (job.status, job.result, Store.objects.count()) == ("running", {}, 0)


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_prolonged_and_progress_seen_while_the_works_transaction_is_open(
    kind: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOB_LEASE_SECONDS = 1
    monkeypatch.setattr(heartbeat, "PAUSE", 0.05)
    seen: list[tuple[int, int, str, datetime | None]] = []

    def slow(work: jobs.Work) -> None:
        with transaction.atomic(), ThreadPoolExecutor(1) as outside:
            add_store(work)
            first = work.job.leased_until
            work.progress(3, 10, "reading")
            time.sleep(1.5)
            outside.submit(look).result()
            assert first is not None
            assert seen[0][3] is not None
            assert seen[0][3] > first

    def look() -> None:
        job = Job.objects.get()
        seen.append((job.done, job.total, job.note, job.leased_until))
        connection.close()

    kind(slow)
    queued()
    done = jobs.run_next()
    assert done is not None
    assert done.status == "done", done.error
    assert seen[0][:3] == (3, 10, "reading")


@pytest.mark.django_db(transaction=True)
def test_a_running_job_stops_at_its_next_step_when_asked_and_leaves_nothing(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "PAUSE", 0.02)

    def undone(work: jobs.Work) -> None:
        jobs.cancel_job(job=work.job, now=timezone.now())
        with transaction.atomic():
            add_store(work)
            for step in range(500):
                work.progress(step, 500)
                time.sleep(0.01)

    kind(undone)
    queued()
    done = jobs.run_next()
    assert done is not None
    assert (done.status, Store.objects.count()) == ("cancelled", 0)


def test_a_waiting_job_is_cancelled_at_once_and_one_that_is_over_not_at_all(kind: Any) -> None:
    kind(add_store)
    job, now = queued(), timezone.now()
    assert jobs.cancel_job(job=job, now=now) is True
    job.refresh_from_db()
    assert (job.status, job.finished_at) == ("cancelled", now)
    assert jobs.claim(now=now) is None
    over = queued()
    Job.objects.filter(pk=over.pk).update(status="done")
    over.refresh_from_db()
    assert jobs.cancel_job(job=over, now=now) is False


def test_a_cancelled_job_whose_worker_died_is_not_begun_again(kind: Any) -> None:
    kind(add_store)
    job, now = queued(), timezone.now()
    jobs.claim(now=now)
    jobs.cancel_job(job=job, now=now)
    assert jobs.claim(now=now + timedelta(hours=1)) is None
    job.refresh_from_db()
    assert job.status == "cancelled"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (jobs.JobFailed("The file is empty."), "failed", "The file is empty."),
        (ZeroDivisionError("secret"), "failed", "server's log"),
        (OperationalError("server closed the connection"), "queued", ""),
    ],
)
def test_what_goes_wrong_is_said_in_words_and_a_lost_database_is_tried_again(
    kind: Any, error: Exception, status: str, said: str
) -> None:
    def breaks(work: jobs.Work) -> None:
        raise error

    kind(breaks)
    queued()
    done = jobs.run_next()
    assert done is not None
    assert done.status == status
    assert said in done.error
    assert "secret" not in done.error


@pytest.mark.django_db(transaction=True)
def test_a_job_of_a_kind_that_is_gone_fails_with_a_reason() -> None:
    Job.objects.create(kind="of-last-year")
    done = jobs.run_next()
    assert done is not None
    assert (done.status, "does not know" in done.error) == ("failed", True)


# Files


def stored(name: str, *, age: timedelta = timedelta()) -> str:
    path = f"{files.make_folder()}/{name}"
    full = files.full_path(path)
    full.write_text("a,b\n")
    then = (timezone.now() - age).timestamp()
    os.utime(full.parent, (then, then))
    return path


def test_files_of_old_jobs_and_uploads_are_removed_and_the_rest_stays(settings: Settings) -> None:
    settings.JOB_FILES_DAYS = 30
    now = timezone.now()
    old, young = now - timedelta(days=31), now - timedelta(days=29)
    month = timedelta(days=40)
    gone = [stored("old.csv", age=month), stored("refused.csv", age=month), stored("upload.csv", age=month)]
    stray, kept = stored("stray.csv", age=month), [stored("young.csv"), stored("in-use.csv", age=month)]
    Job.objects.create(kind="x", status="done", finished_at=old, file=gone[0], error_file=gone[1])
    Job.objects.create(kind="x", status="done", finished_at=young, file=kept[0])
    Upload.objects.create(kind="customers", name="upload.csv", file=gone[2], created_at=old)
    Upload.objects.create(
        kind="customers", name="a.csv", file=kept[1], created_at=old, job=Job.objects.create(kind="import")
    )

    jobs.clean_up(now=now)

    assert [files.exists(path) for path in (*gone, stray)] == [False] * 4
    assert [files.exists(path) for path in kept] == [True, True]
    assert Job.objects.filter(finished_at=old).values_list("file", "error_file").get() == ("", "")
    assert jobs.clean_up(now=now) == 0


@pytest.mark.parametrize("path", ["../secret", "private/../../secret", "/etc/hostname", "private"])
def test_a_stored_path_cannot_lead_out_of_the_private_folder(path: str) -> None:
    with pytest.raises(ValueError, match=path):
        files.full_path(path)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Kunden 2026.csv", "Kunden 2026.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\List.XLSX", "List.xlsx"),
        ("клиенты.csv", "клиенты.csv"),
        ("a\x00b\n.csv", "a_b_.csv"),
        (".csv", "file.csv"),
        ("", "file"),
    ],
)
def test_file_names_are_made_safe_and_stay_readable(name: str, kept: str) -> None:
    assert files.safe_name(name) == kept


# Pages


def page_of(job: Job, name: str = "change", *args: Any) -> str:
    return reverse(f"admin:crm_job_{name}", args=[job.pk, *args])


def test_a_person_sees_their_own_jobs_and_an_administrator_everybodys(client: Client) -> None:
    marketing, other, administrator = person("Marketing"), person("Marketing", "mia"), person("Administrator")
    path = stored("customers.csv")
    job = Job.objects.create(
        kind="export",
        title="My customers",
        created_by=marketing,
        status="done",
        file=path,
        params={"export": "customers"},
    )
    addresses = [page_of(job), page_of(job, "progress"), page_of(job, "file", "result")]
    for user, answer in ((marketing, 200), (other, 404), (administrator, 200)):
        client.force_login(user)
        assert [client.get(address).status_code for address in addresses] == [answer] * 3
        listed = client.get(reverse("admin:crm_job_changelist")).content.decode()
        assert ("My customers" in listed) is (answer == 200)


def test_a_file_is_a_download_and_a_removed_one_is_gone(client: Client) -> None:
    user = person("Marketing")
    client.force_login(user)
    path = stored("customers.csv")
    job = Job.objects.create(kind="export", created_by=user, status="done", file=path, params={"export": "customers"})
    answer = client.get(page_of(job, "file", "result"))
    assert b"".join(answer.streaming_content) == b"a,b\n"  # type: ignore[attr-defined]  # a streamed answer
    assert answer["Content-Disposition"] == 'attachment; filename="customers.csv"'
    assert client.get(page_of(job, "file", "errors")).status_code == 404
    assert client.get(page_of(job, "file", "params")).status_code == 404
    files.remove(path)
    assert client.get(page_of(job, "file", "result")).status_code == 404
    user.groups.clear()
    user.user_permissions.add(Permission.objects.get(codename="view_job"))  # sees the job, may export no more
    assert client.get(page_of(job)).status_code == 200
    assert client.get(page_of(job, "file", "result")).status_code == 403


def test_the_page_follows_a_running_job_and_reloads_when_it_is_over(client: Client) -> None:
    user = person("Marketing")
    client.force_login(user)
    job = Job.objects.create(
        kind="export", created_by=user, status="running", done=30, total=120, note="writing", started_at=timezone.now()
    )
    shown = client.get(page_of(job)).content.decode()
    assert "25%" in shown
    assert f'hx-get="{page_of(job, "progress")}"' in shown
    assert "HX-Refresh" not in client.get(page_of(job, "progress"))
    Job.objects.filter(pk=job.pk).update(status="failed", error="The <disk> is full.")
    assert client.get(page_of(job, "progress"))["HX-Refresh"] == "true"
    over = client.get(page_of(job)).content.decode()
    assert "The &lt;disk&gt; is full." in over
    assert "hx-get" not in over.split('id="job-')[1].split(">")[0]


def test_cancelling_takes_a_post(client: Client) -> None:
    user = person("Marketing")
    client.force_login(user)
    job = Job.objects.create(kind="export", created_by=user)
    assert client.get(page_of(job, "cancel")).status_code == 405
    answer = client.post(page_of(job, "cancel"), {"next": "https://elsewhere.example/"})
    assert (answer.status_code, answer["Location"]) == (302, page_of(job))
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_the_list_of_jobs_takes_as_many_queries_for_three_as_for_one(client: Client) -> None:
    client.force_login(person("Administrator"))
    counts = []
    for name in ("one", "two", "three"):
        Job.objects.create(kind="export", created_by=person("Marketing", name))
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("admin:crm_job_changelist"))
        counts.append(len(queries))
    assert counts[2] == counts[0]
