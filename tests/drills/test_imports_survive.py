"""A real worker, killed in the middle of an import: another one takes the job, and nothing is there twice."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from crm import files, jobs, uploads
from crm.models import Customer, CustomerProfile, Job, Upload
from tests.support.workers import WorkerFactory

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LEASE = 3
QUICK = {"REGULARS_JOB_LEASE_SECONDS": str(LEASE)}


def wait_until(happens: Callable[[], bool], *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.02)


@pytest.fixture
def upload(drill_is_full: bool) -> Iterator[Upload]:
    """A file of many customers, one of them bad, that takes a worker some seconds."""
    count = 200_000 if drill_is_full else 30_000
    lines = ["customer_id,first_name,email,city"]
    lines += [f"C{number},Anna {number},anna{number}@example.com,Riga" for number in range(count)]
    lines.append("C-bad,Bea,no address,Riga")
    found = uploads.take_text(kind="customers", text="\n".join(lines), by=User.objects.create_user("mia"))
    uploads.read(upload=found, today=timezone.localdate())
    names = ("customer_id", "first_name", "email", "city")
    uploads.choose_columns(upload=found, mapping={name: name for name in names})
    yield found
    files.remove(found.file)
    for job in Job.objects.exclude(error_file=""):
        files.remove(job.error_file)


def status(job: Job) -> str:
    return Job.objects.values_list("status", flat=True).get(pk=job.pk)


def test_a_worker_killed_in_mid_import_is_followed_by_another_and_nothing_is_doubled(
    upload: Upload, celery_worker_process: WorkerFactory, settings: Settings, drill_is_full: bool
) -> None:
    settings.JOB_LEASE_SECONDS = LEASE
    worker = celery_worker_process(["jobs"], env=QUICK)
    assert upload.created_by
    job = uploads.start_import(upload=upload, by=upload.created_by)
    wait_until(lambda: status(job) == "running", seconds=20, what="the import's begin")
    wait_until(lambda: Job.objects.get(pk=job.pk).done > 0, seconds=60, what="its progress")
    time.sleep(random.uniform(0, 0.5))

    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(10)

    assert status(job) == "running"  # nobody had the time to say otherwise
    assert not Customer.objects.exists()  # and nothing of it is there
    celery_worker_process(["jobs", "fast"], beat=True, env=QUICK)
    wait_until(lambda: status(job) == "done", seconds=120, what="the second worker's end")

    done = Job.objects.get(pk=job.pk)
    count = 200_000 if drill_is_full else 30_000
    assert (done.attempts, done.result["created"], done.result["refused"]) == (2, count, 1)
    assert Customer.objects.count() == CustomerProfile.objects.count() == count
    assert jobs.claim(now=timezone.now()) is None
