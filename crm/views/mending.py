"""The refused rows of an import: mended in place, or in a file, and imported again."""

import re
from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm import mending, uploads
from crm.models import Job, Upload
from crm.views.imports import address, importer_page, may_send_large, page

_CELL = re.compile(r"cell-([0-9]{1,6})-([0-9]{1,4})")


@importer_page
def refused(request: HttpRequest, upload: Upload) -> HttpResponse:
    """The refused rows as a table to write in. Every change is kept at once; the button imports them again."""
    if upload.job is None or upload.job.status != Job.Status.DONE:
        return redirect(address(upload, uploads.step_of(upload)))
    if request.method == "POST":
        mending.mend(upload=upload, rows=_rows(request))
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204)
        if request.POST.get("do") == "import":
            job = mending.import_again(upload=upload, by=cast(User, request.user))
            follow_up = Upload.objects.get(job=job)
            return redirect(address(follow_up, "result"))
        messages.success(request, _("Kept. Nothing is imported before you say so."))
        return redirect(f"{address(upload, 'refused')}?p={_number(request.POST.get('page', ''))}")
    return page(
        request,
        "refused.html",
        upload,
        "result",
        page=mending.page(upload=upload, number=_number(request.GET.get("p", ""))),
        count=mending.refused_count(upload),
        shown=mending.MENDABLE,
        job=upload.job,
        follow_up=upload.follow_ups.filter(job__isnull=False).order_by("-id").first(),
    )


@require_POST
@importer_page
def again(request: HttpRequest, upload: Upload) -> HttpResponse:
    """The refused rows come back in a file, mended elsewhere: one of its own, which follows this one."""
    sent = request.FILES.get("file")
    if sent is None or not sent.size:
        messages.error(request, _("Choose the mended file."))
        return redirect(address(upload, "result"))
    follow_up = uploads.take_file(kind=upload.kind, sent=sent, by=cast(User, request.user), follows=upload)
    return redirect(address(follow_up, "read"))


again.takes_uploads = may_send_large  # type: ignore[attr-defined]  # config.middleware reads it


def _rows(request: HttpRequest) -> dict[int, list[str]]:
    """Rows as the form sends them: cell-POSITION-COLUMN."""
    found: dict[int, dict[int, str]] = {}
    for name, value in request.POST.items():
        if match := _CELL.fullmatch(name):
            found.setdefault(int(match[1]), {})[int(match[2])] = str(value)
    return {
        position: [cells[at] for at in sorted(cells)]
        for position, cells in found.items()
        if sorted(cells) == list(range(len(cells)))
    }


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 1
