"""The copy of one's data, behind an unguessable link that ends with the files."""

import uuid

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from crm import files, privacy_jobs, replies
from crm.models import DataRequest, Shop

FORMS = {"page": privacy_jobs.HTML, "json": privacy_jobs.JSON}
GONE = 410


def _request(public_id: uuid.UUID) -> DataRequest:
    copies = DataRequest.objects.filter(kind=DataRequest.Kind.COPY, status=DataRequest.Status.DONE)
    return get_object_or_404(copies.select_related("customer", "job"), public_id=public_id)


def _private(response: HttpResponseBase) -> HttpResponseBase:
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
@cache_control(private=True, no_store=True)
def page(request: HttpRequest, public_id: uuid.UUID) -> HttpResponseBase:
    """What can be had here, and until when."""
    asked = _request(public_id)
    ends_at = privacy_jobs.link_ends_at(asked)
    with translation.override(replies.language_of(asked.customer)):
        context = {"shop": Shop.current(), "asked": asked, "ends_at": ends_at}
        return _private(render(request, "privacy/my_data.html", context, status=200 if ends_at else GONE))


@require_safe
@cache_control(private=True, no_store=True)
def file(request: HttpRequest, public_id: uuid.UUID, form: str) -> HttpResponseBase:
    """The page to read, shown without any rights of ours; or the file for programs."""
    asked = _request(public_id)
    if form not in FORMS or privacy_jobs.link_ends_at(asked) is None or asked.job is None:
        return _private(HttpResponse(status=404 if form not in FORMS else GONE))
    return _private(copy_file(asked, form))


def copy_file(asked: DataRequest, form: str) -> HttpResponseBase:
    """One of the copy's files. The caller has checked who asks, and that it is there."""
    if asked.job is None:
        raise Http404
    stored = files.beside(asked.job.file, FORMS[form])
    if form == "json":
        return files.serve(stored, name=privacy_jobs.JSON)
    response = FileResponse(files.full_path(stored).open("rb"), content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    return response
