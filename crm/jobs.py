"""Long work as jobs: claimed with a lease, resumed after a crash, cancelled on request, seen while it goes on.

A kind of job is declared beside what it does::

    @job("import", label=_("Import"))
    def run_import(work: Work) -> dict[str, Any]: ...

The function gets its :class:`Work` and returns the result, as JSON. It may be run again after a worker died in the
middle, so what it does must either be undone by the death (one transaction) or be harmless when done twice. To make
"done" true in the same moment as the work itself, call :meth:`Work.settle` inside the work's own transaction.

The lease is prolonged, and progress written, by a thread with a connection of its own: the work's transaction may last
for minutes, and nobody would see a word of it. Each claim has a number (``attempts``); whoever comes back from a long
sleep with an old number can't write any more.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from crm import bell, files
from crm.heartbeat import Heartbeat
from crm.models import Job, Mending, Upload

logger = logging.getLogger(__name__)

TASK = "crm.tasks.run_jobs"
MAX_ATTEMPTS = 3

Status = Job.Status
Run = Callable[["Work"], dict[str, Any] | None]
Clock = Callable[[], datetime]


class JobFailed(Exception):
    """The work cannot be done; the message says why and what to do, in the user's words."""


class JobCancelled(Exception):
    """Somebody asked the job to stop. Raised out of :meth:`Work.progress`."""


class LeaseLost(Exception):
    """Another worker has taken this job over, so this one must stop and write nothing more."""


@dataclass(frozen=True)
class Kind:
    name: str
    label: str | Promise
    run: Run
    may_take: Callable[[User, Job], bool]
    """Whether a person who sees the job may have its files now."""


KINDS: dict[str, Kind] = {}


def job(
    name: str, *, label: str | Promise, may_take: Callable[[User, Job], bool] = lambda user, job: True
) -> Callable[[Run], Run]:
    """Declare what a kind of job does, and who of those who see it ``may_take`` its files."""

    def declare(run: Run) -> Run:
        KINDS[name] = Kind(name, label, run, may_take)
        return run

    return declare


class Work:
    """A job while it is being done, as its function sees it."""

    def __init__(self, found: Job, heartbeat: Heartbeat) -> None:
        self.job = found
        self.params: dict[str, Any] = found.params
        self.settled = False
        self._heartbeat = heartbeat

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell how far it is. Cheap: call it as often as you like. Raises JobCancelled or LeaseLost."""
        self._heartbeat.tell(done, total, str(note)[:500])
        if self._heartbeat.lost:
            raise LeaseLost
        if self._heartbeat.cancelled:
            raise JobCancelled

    @cached_property
    def folder(self) -> str:
        """A private folder for this attempt's files; a killed attempt's is cleared away later."""
        return files.make_folder()

    def path(self, name: str) -> Path:
        return files.full_path(f"{self.folder}/{name}")

    def settle(self, result: dict[str, Any] | None, *, now: datetime, file: str = "", error_file: str = "") -> None:
        """Write that the job is done, in the current transaction. ``file`` and ``error_file`` are names in its folder.

        Raises LeaseLost where another worker has the job, so that the transaction is undone.
        """
        self.settled = _settle(
            self.job,
            now=now,
            status=Status.DONE,
            result=result or {},
            file=f"{self.folder}/{file}" if file else "",
            error_file=f"{self.folder}/{error_file}" if error_file else "",
            done=F("total"),
            note="",
        )
        if not self.settled:
            raise LeaseLost


def start_job(*, kind: str, title: str, by: User | None, **params: Any) -> Job:
    """Queue a job and ring for a worker when the transaction commits. Messages come in the language that is active."""
    params["language"] = translation.get_language() or settings.LANGUAGE_CODE
    queued = Job.objects.create(kind=KINDS[kind].name, title=title[:300], params=params, created_by=by)
    bell.ring_after_commit(TASK)
    return queued


def cancel_job(*, job: Job, now: datetime) -> bool:
    """Cancel a job: at once where it waits, at its next step where it runs. Whether there was anything to cancel."""
    waiting = Job.objects.filter(pk=job.pk, status=Status.QUEUED)
    if waiting.update(status=Status.CANCELLED, cancel_asked_at=now, finished_at=now):
        return True
    running = Job.objects.filter(pk=job.pk, status=Status.RUNNING)
    return bool(running.update(cancel_asked_at=now)) or job.cancel_asked_at is not None


def due(*, now: datetime) -> QuerySet[Job]:
    """Jobs that a worker should take: waiting ones, and those whose worker has not been heard of since its lease."""
    return Job.objects.filter(Q(status=Status.QUEUED) | Q(status=Status.RUNNING, leased_until__lt=now))


def visible_to(user: User) -> QuerySet[Job]:
    """The jobs that a person may see: their own, or everybody's."""
    jobs = Job.objects.select_related("created_by")
    return jobs if user.has_perm("crm.oversee_job") else jobs.filter(created_by=user)


def may_take_files(user: User, found: Job) -> bool:
    """Whether a person who sees this job may have its files: a right may have gone since it was begun."""
    return found.kind in KINDS and KINDS[found.kind].may_take(user, found)


def claim(*, now: datetime) -> Job | None:
    """Take the oldest job that is due, with a lease. One that was given up or tried too often is settled on the way."""
    while True:
        with transaction.atomic():
            found = due(now=now).select_for_update(skip_locked=True, no_key=True).order_by("id").first()
            if found is None:
                return None
            if found.cancel_asked_at:
                _settle(found, now=now, status=Status.CANCELLED)
                continue
            if found.attempts >= MAX_ATTEMPTS:
                _settle(found, now=now, status=Status.FAILED, error=_given_up(found))
                continue
            found.attempts += 1
            found.status, found.leased_until = Status.RUNNING, now + lease()
            found.started_at = found.started_at or now
            found.save(update_fields=["attempts", "status", "leased_until", "started_at"])
            return found


def run_next(*, clock: Clock = timezone.now) -> Job | None:
    """Do one job that is due, from claim to result; the job, or None where none was due.

    Everything that can go wrong ends in the job's row, in words; only the death of the process does not, and then the
    lease runs out.
    """
    found = claim(now=clock())
    if found is None:
        return None
    logger.info("Job %d (%s) begins, attempt %d.", found.pk, found.kind, found.attempts)
    heartbeat = Heartbeat(found, lease=lease(), clock=clock)
    with _language_of(found), heartbeat:
        _do(found, Work(found, heartbeat), clock)
    found.refresh_from_db()
    logger.info("Job %d (%s): %s.", found.pk, found.kind, found.status)
    return found


def _do(found: Job, work: Work, clock: Clock) -> None:
    try:
        if found.kind not in KINDS:
            raise JobFailed(_("This version of the program does not know such a job."))
        result = KINDS[found.kind].run(work)
        if not work.settled:
            work.settle(result, now=clock())
    except JobCancelled:
        _settle(found, now=clock(), status=Status.CANCELLED)
    except LeaseLost:
        logger.warning("Job %d was taken over by another worker; this one stops.", found.pk)
    except JobFailed as failure:
        _settle(found, now=clock(), status=Status.FAILED, error=str(failure))
    except OperationalError:
        # The database went away or cut us off. The next attempt may have more luck; the work itself was undone.
        logger.exception("Job %d lost the database.", found.pk)
        _give_back(found)
    except Exception:
        logger.exception("Job %d failed.", found.pk)
        message = _(
            "Something went wrong that should not. The server's log says more; look there for “Job %(number)d”."
        )
        _settle(found, now=clock(), status=Status.FAILED, error=message % {"number": found.pk})


def lease() -> timedelta:
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


def clean_up(*, now: datetime) -> int:
    """Remove the files of uploads and jobs that have passed their time; how many rows or folders were cleared."""
    before = now - timedelta(days=settings.JOB_FILES_DAYS)
    old_jobs = Job.objects.filter(finished_at__lt=before).exclude(file="", error_file="")
    old_uploads = Upload.objects.filter(created_at__lt=before).exclude(file="")
    in_use = Q(job__status__in=[Status.QUEUED, Status.RUNNING]) | Q(
        check_job__status__in=[Status.QUEUED, Status.RUNNING]
    )
    old_uploads = old_uploads.exclude(pk__in=Upload.objects.filter(in_use).values("pk"))
    Mending.objects.filter(upload__in=old_uploads).delete()
    cleared = 0
    for rows, names in ((old_jobs, ("file", "error_file")), (old_uploads, ("file",))):
        for row in rows.only("pk", *names):
            for stored in filter(None, (getattr(row, name) for name in names)):
                files.remove(stored)
        cleared += rows.update(**dict.fromkeys(names, ""))
    keep = [
        *Job.objects.exclude(file="").values_list("file", flat=True),
        *Job.objects.exclude(error_file="").values_list("error_file", flat=True),
        *Upload.objects.exclude(file="").values_list("file", flat=True),
    ]
    return cleared + files.remove_strays(keep=keep, before=before)


def _settle(found: Job, *, now: datetime, status: Job.Status, **fields: Any) -> bool:
    """End the job, unless another worker has it. The attempt's number tells."""
    mine = Job.objects.filter(pk=found.pk, attempts=found.attempts, status__in=[Status.QUEUED, Status.RUNNING])
    return bool(mine.update(status=status, finished_at=now, leased_until=None, **fields))


def _give_back(found: Job) -> None:
    try:
        mine = Job.objects.filter(pk=found.pk, attempts=found.attempts, status=Status.RUNNING)
        mine.update(status=Status.QUEUED, leased_until=None)
    except OperationalError:
        logger.warning("Job %d can't be given back now; its lease will run out.", found.pk)


def _given_up(found: Job) -> str:
    with _language_of(found):
        return _(
            "It was begun %(times)d times, and each time the worker ended in the middle: killed, restarted or out of "
            "memory. Nothing was changed. Try a smaller file, or ask whoever runs the server."
        ) % {"times": found.attempts}


def _language_of(found: Job) -> AbstractContextManager[None]:
    return translation.override(found.params.get("language") or settings.LANGUAGE_CODE)
