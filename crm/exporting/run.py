"""Making the file: at once where it is small, as a job where it is not."""

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import jobs
from crm.exporting.declared import EXPORTS, SCREENS, Export
from crm.exporting.sheets import FORMATS, csv_pieces, told
from crm.models import Job

AT_ONCE = 10_000
"""Rows up to which the file is made while one waits."""


def count(export: Export, found: QuerySet[Any]) -> int:
    return export.rows(found).count()


def file_name(export: Export, *, suffix: str, on: date) -> str:
    return f"{export.name}-{on.isoformat()}{suffix}"


def pieces(export: Export, found: QuerySet[Any], *, form: str) -> Iterator[bytes]:
    """The file, piece by piece; in the order of the screen."""
    if form == "csv":
        yield from csv_pieces(export.header, export.cells(found))
        return
    with tempfile.TemporaryDirectory() as folder:  # a workbook is a zip file: its beginning is written last
        path = Path(folder, "export")
        FORMATS[form].write(path, export.header, export.cells(found))
        with path.open("rb") as file:
            while piece := file.read(64 * 1024):
                yield piece


def start(*, export: Export, screen: str, query: str, form: str, by: User) -> Job:
    """Make the file as a job."""
    title = _("Export: %(what)s") % {"what": export.label}
    return jobs.start_job(kind="export", title=title, by=by, export=export.name, screen=screen, query=query, form=form)


def may_take(user: User, job: Job) -> bool:
    """Whether this person may have what the job has exported."""
    export = EXPORTS.get(job.params.get("export", ""))
    return export is not None and export.allowed(user)


def run_export(work: jobs.Work) -> None:
    """What the job does."""
    export, form = EXPORTS[work.params["export"]], FORMATS[work.params["form"]]
    user = work.job.created_by
    try:
        if user is None or not export.allowed(user):
            raise PermissionDenied
        found = SCREENS[work.params["screen"]].find(user, work.params["query"])
    except PermissionDenied:
        raise jobs.JobFailed(_("You may not export this any more.")) from None
    with transaction.atomic():  # the rows come through a cursor of the server, as they were at one moment
        total = count(export, found)
        name = file_name(export, suffix=form.suffix, on=timezone.localdate())
        rows = told(export.cells(found), progress=lambda done: work.progress(done, total, _("writing the file")))
        form.write(work.path(name), export.header, rows)
        message = ngettext("%(number)s row.", "%(number)s rows.", total) % {"number": f"{total:,}"}
        result = {"rows": total, "file": name, "message": message}
        work.settle(result, now=timezone.now(), file=name)
