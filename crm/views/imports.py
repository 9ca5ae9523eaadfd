"""The steps of an import: which file, how it is read, which column is which, the dry run, the import."""

import zoneinfo
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from crm import audit, files, uploads
from crm.importing import FileRefused, Recognised, targets
from crm.importing.dates import EXAMPLES
from crm.importing.mapping import labels
from crm.models import Job, Upload
from crm.views.jobs import job_context

View = Callable[..., HttpResponse]

ENCODINGS = {
    "utf-8": "UTF-8",
    "cp1252": "Windows-1252 (Western Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1257": "Windows-1257 (Baltic)",
    "iso8859-15": "ISO 8859-15",
    "cp850": "DOS 850",
    "cp866": "DOS 866 (Cyrillic)",
    "koi8-r": "KOI8-R",
    "mac-roman": "Mac Roman",
    "utf-16": "UTF-16",
}
DELIMITERS = {",": ",", ";": ";", "\t": gettext_lazy("Tab"), "|": "|"}


def importer_page(view: View) -> View:
    """Gives the view its upload, and only to those who may import such a file."""

    @wraps(view)
    def inner(request: HttpRequest, pk: Any) -> HttpResponse:
        if not uploads.kinds_for(request.user):
            raise PermissionDenied
        upload = get_object_or_404(uploads.visible_to(cast(User, request.user)), pk=pk)
        try:
            return view(request, upload)
        except FileRefused as error:  # the file is gone, or is no longer what it was
            return page(request, "trouble.html", upload, "read", trouble=uploads.in_words(error, upload))

    return inner


def page(request: HttpRequest, template: str, upload: Upload | None, step: str, **context: Any) -> HttpResponse:
    """A page of the import, with the steps above it."""
    full = {
        **admin.site.each_context(request),
        "opts": Upload._meta,
        "title": upload.name if upload else _("Import a file"),
        "upload": upload,
        "kind": uploads.about(upload.kind) if upload else None,
        "step": step,
        "steps": steps(upload, step),
        **context,
    }
    return TemplateResponse(request, f"imports/{template}", full)


def steps(upload: Upload | None, current: str) -> list[dict[str, Any]]:
    """The steps as a list above the page: which is open, and where the others are."""
    named = [
        ("add", _("File")),
        ("read", _("How it is read")),
        ("columns", _("Columns")),
        ("check", _("Try out")),
        ("result", _("Import")),
    ]
    order = [name for name, _label in named]
    if upload is None:
        reached = 0
    elif upload.job_id:
        reached = order.index("result")
    elif upload.check_job_id:
        reached = order.index("check")
    else:
        reached = order.index("columns" if "found" in upload.how else "read")
    return [
        {
            "label": label,
            "is_current": name == current,
            "is_done": at < order.index(current),
            "link": address(upload, name)
            if upload and name not in ("add", current) and at <= reached and not (upload.job_id and name != "result")
            else "",
        }
        for at, (name, label) in enumerate(named)
    ]


def address(upload: Upload, step: str) -> str:
    return reverse(f"admin:crm_upload_{step}", args=[upload.pk])


def resume(request: HttpRequest, pk: str) -> HttpResponse:
    """On to the step where the work on this file stands."""
    if not uploads.kinds_for(request.user):
        raise PermissionDenied
    if not (pk.isascii() and pk.isdecimal() and len(pk) < 19):
        raise Http404
    upload = get_object_or_404(uploads.visible_to(cast(User, request.user)), pk=int(pk))
    return redirect(address(upload, uploads.step_of(upload)))


# The file


def may_send_large(request: HttpRequest) -> bool:
    return bool(request.user.is_authenticated and uploads.kinds_for(request.user))


def add(request: HttpRequest) -> HttpResponse:
    """Choose the kind, and send a file or paste a list."""
    kinds = uploads.kinds_for(request.user)
    if not kinds:
        raise PermissionDenied
    trouble = ""
    chosen = request.POST.get("kind") or request.GET.get("kind", "")
    if request.method == "POST":
        sent, text = request.FILES.get("file"), request.POST.get("text", "")
        by = cast(User, request.user)
        if chosen not in kinds:
            trouble = _("Say what is in the file.")
        elif sent is not None and sent.size:
            return redirect(address(uploads.take_file(kind=chosen, sent=sent, by=by), "read"))
        elif text.strip():
            return redirect(address(uploads.take_text(kind=chosen, text=text, by=by), "read"))
        elif sent is not None:
            trouble = _("“%(name)s” is empty.") % {"name": sent.name}
        else:
            trouble = _("Choose a file, or paste a list.")
    return page(
        request,
        "add.html",
        None,
        "add",
        kinds=kinds,
        chosen=chosen if chosen in kinds else next(iter(kinds)),
        trouble=trouble,
        text=request.POST.get("text", ""),
        limit=settings.MAX_UPLOAD_BYTES // (1024 * 1024),
    )


add.takes_uploads = may_send_large  # type: ignore[attr-defined]  # config.middleware reads it


@require_POST
@importer_page
def discard(request: HttpRequest, upload: Upload) -> HttpResponse:
    uploads.discard(upload=upload)
    messages.success(request, _("The file was removed. Nothing was imported."))
    return redirect(reverse("admin:crm_upload_changelist"))


# How it is read


@importer_page
def read(request: HttpRequest, upload: Upload) -> HttpResponse:
    """What was recognised, each of it to be changed, beside the first rows as they are read now."""
    if upload.job_id:
        return redirect(address(upload, "result"))
    today = timezone.localdate()
    trouble, found, shown = "", None, None
    try:
        if request.method == "POST":
            choice = _choice(request, upload)
            zone = request.POST.get("time_zone", "")
            found = uploads.choose(
                upload=upload, choice=choice, today=today, time_zone=zone if zone in _zones() else ""
            )
        else:
            found = uploads.read(upload=upload, today=today)
        shown = uploads.preview(upload=upload, found=found)
    except FileRefused as error:
        trouble = uploads.in_words(error, upload)
    asked = uploads.questions(found) if found else []
    if request.POST.get("go") and found and not asked:
        return redirect(address(upload, "columns"))
    context = {
        "found": found,
        "chosen": uploads.chosen(upload),
        "preview": shown,
        "heads": list(zip(shown.header, found.findings, strict=False)) if shown and found else [],
        "asked": asked,
        "trouble": trouble,
        "encodings": _encodings(found),
        "delimiters": DELIMITERS,
        "orders": {order: EXAMPLES[order] for order in ("dmy", "mdy", "ymd")},
        "time_zone": upload.how.get("time_zone") or settings.TIME_ZONE,
        "zones": _zones() if upload.kind in ("receipts", "loyalty", "consents", "answers") else [],
    }
    if request.headers.get("HX-Request"):
        return render(request, "imports/_reading.html", {"upload": upload, **context})
    return page(request, "read.html", upload, "read", **context)


def _choice(request: HttpRequest, upload: Upload) -> Recognised:
    """What the form says; a field left at “recognised” says nothing. A change of sheet looks for the header anew."""
    said = request.POST
    header = said.get("header_row", "")
    before = uploads.chosen(upload)
    sheet, encoding = said.get("sheet", "")[:200], said.get("encoding", "")
    likely = upload.how.get("found", {}).get("encodings", [])
    if sheet != before.sheet and header == str(before.header_row or ""):
        header = ""
    return Recognised(
        encoding=encoding if encoding in ENCODINGS or encoding in likely else "",
        delimiter=delimiter if (delimiter := said.get("delimiter", "")) in DELIMITERS else "",
        sheet=sheet,
        header_row=int(header) if header.isascii() and header.isdecimal() and len(header) < 6 else None,
        decimal=said.get("decimal", "") if said.get("decimal") in (",", ".") else "",
        thousands=_thousands(said.get("decimal", "")),
        date_order=said.get("date_order", "") if said.get("date_order") in EXAMPLES else "",
    )


def _thousands(decimal: str) -> str:
    return {",": ".", ".": ","}.get(decimal, "")


def _encodings(found: Recognised | None) -> dict[str, str]:
    """Those to choose from; the likely ones first."""
    likely = [*(found.encodings if found else ()), *([found.encoding] if found and found.encoding else [])]
    names = dict.fromkeys([*likely, *ENCODINGS])
    return {name: ENCODINGS.get(name, name) for name in names}


def _zones() -> list[str]:
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))


# Which column is which


@importer_page
def columns(request: HttpRequest, upload: Upload) -> HttpResponse:
    """Each of their columns with samples, and what it is taken for."""
    if upload.job_id:
        return redirect(address(upload, "result"))
    found = uploads.read(upload=upload, today=timezone.localdate())
    if uploads.questions(found):
        return redirect(address(upload, "read"))
    trouble = ""
    if request.method == "POST":
        header = labels([finding.column for finding in found.findings])
        known = {column.name for column in targets(upload.kind)}
        mapping = {
            label: name if (name := request.POST.get(f"column-{at}", "")) in known else None
            for at, label in enumerate(header)
        }
        try:
            uploads.choose_columns(upload=upload, mapping=mapping)
            uploads.start_check(upload=upload, by=cast(User, request.user))
            return redirect(address(upload, "check"))
        except FileRefused as error:
            trouble = uploads.in_words(error, upload)
    theirs = uploads.columns(upload=upload, found=found)
    ours = targets(upload.kind)
    return page(
        request,
        "columns.html",
        upload,
        "columns",
        theirs=theirs,
        ours=sorted(ours, key=lambda column: str(column.label or column.name).lower()),
        required=[column for column in ours if column.required],
        trouble=trouble,
        is_remembered=upload.mapping is None and any(one.why == _("as last time") for one in theirs),
    )


# The dry run


@importer_page
def check(request: HttpRequest, upload: Upload) -> HttpResponse:
    """What the import would do. POST begins the dry run anew."""
    if upload.job_id:
        return redirect(address(upload, "result"))
    if upload.mapping is None:
        return redirect(address(upload, "columns"))
    if request.method == "POST" or upload.check_job is None:
        uploads.start_check(upload=upload, by=cast(User, request.user))
        if request.method == "POST":
            return redirect(address(upload, "check"))
    job = cast(Job, upload.check_job)
    report = job.result if job.status == Job.Status.DONE else None
    if report and upload.kind in ("customers", "consents", "loyalty"):  # what is known of them stands beside the file
        audit.searched(what="dry run of an import", count=len(report.get("changed", [])), request=request)
    return page(
        request,
        "check.html",
        upload,
        "check",
        report=report,
        has_errors=files.exists(job.error_file),
        next=address(upload, "check"),
        **job_context(job, now=timezone.now()),
    )


@require_POST
@importer_page
def start(request: HttpRequest, upload: Upload) -> HttpResponse:
    """Begin the import. What would be created beside the rows themselves has to be agreed to."""
    report = upload.check_job.result if upload.check_job and upload.check_job.status == Job.Status.DONE else None
    if report is None:
        return redirect(address(upload, "check"))
    if report.get("asks") and request.POST.get("agreed") != "yes":
        messages.error(request, _("Tick that what is missing shall be created, or mend the file first."))
        return redirect(address(upload, "check"))
    uploads.start_import(upload=upload, by=cast(User, request.user))
    return redirect(address(upload, "result"))


# The import


@importer_page
def result(request: HttpRequest, upload: Upload) -> HttpResponse:
    """How far the import is, and what came of it. POST begins one that failed anew."""
    if upload.job is None:
        return redirect(address(upload, uploads.step_of(upload)))
    if request.method == "POST":
        uploads.start_import(upload=upload, by=cast(User, request.user))
        return redirect(address(upload, "result"))
    job = upload.job
    return page(
        request,
        "result.html",
        upload,
        "result",
        report=job.result if job.status == Job.Status.DONE else None,
        next=address(upload, "result"),
        follow_up=upload.follow_ups.filter(job__isnull=False).order_by("-id").first(),
        **job_context(job, now=timezone.now()),
    )
