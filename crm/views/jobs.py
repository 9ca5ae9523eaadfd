"""What a page says about a job."""

from datetime import datetime, timedelta
from typing import Any

from babel.dates import format_timedelta

from crm import files
from crm.models import Job
from crm.templatetags.regulars import locale

Status = Job.Status


def job_context(job: Job, *, now: datetime) -> dict[str, Any]:
    """What ``jobs/_progress.html`` shows."""
    return {
        "job": job,
        "percent": percent_of(job),
        "remaining": remaining(job, now=now),
        "took": time_of(job, now=now),
        "is_cancelling": job.status == Status.RUNNING and job.cancel_asked_at is not None,
        "has_file": files.exists(job.file),
        "has_error_file": files.exists(job.error_file),
        "files_removed": job.status == Status.DONE and bool(job.result.get("file")) and not job.file,
    }


def percent_of(job: Job) -> int:
    return min(100, 100 * job.done // job.total) if job.total else 0


def remaining(job: Job, *, now: datetime) -> str:
    """About how long it will take still, once there is something to reckon from; in one unit."""
    if job.status != Status.RUNNING or not job.started_at or job.done * 20 < job.total or not job.done:
        return ""
    left = (now - job.started_at) * (max(0, job.total - job.done) / job.done)
    return format_timedelta(left, threshold=1.2, locale=locale()) if left > timedelta(seconds=2) else ""


def time_of(job: Job, *, now: datetime) -> str:
    """How long it has worked."""
    if not job.started_at:
        return ""
    return format_timedelta((job.finished_at or now) - job.started_at, threshold=1.2, locale=locale())
