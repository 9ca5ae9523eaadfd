"""The long part of what customers ask: the copy of their data, and their erasure."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import copying, data_requests, erasing, files, jobs, replies
from crm.models import DataRequest
from crm.text import clean

logger = logging.getLogger(__name__)

HTML, JSON = "data.html", "data.json"


def link_to(request: DataRequest) -> str:
    """The page of the copy: whoever has the link may open it, nobody can guess it, and it ends with the files."""
    return settings.SITE_URL.rstrip("/") + reverse("data-copy", args=[request.public_id])


def link_ends_at(request: DataRequest) -> datetime | None:
    """When the copy is removed; None where there is none."""
    if request.job is None or not request.job.finished_at or not files.exists(request.job.file):
        return None
    return request.job.finished_at + timedelta(days=settings.JOB_FILES_DAYS)


def _asked(work: jobs.Work) -> DataRequest:
    request = DataRequest.objects.select_related("customer").filter(pk=work.params["request"]).first()
    if request is None or request.status != DataRequest.Status.OPEN:
        raise jobs.JobFailed(_("This request was answered before."))
    return request


def make_copy(work: jobs.Work) -> dict[str, Any] | None:
    """Two files in a private folder, and the reply, all in one moment."""
    request = _asked(work)
    now = timezone.now()
    with transaction.atomic(), translation.override(replies.language_of(request.customer)):
        copy = copying.copy_of(customer=request.customer, now=now)
        work.path(HTML).write_text(copying.as_html(copy), encoding="utf-8")
        work.path(JSON).write_text(copying.as_json(copy), encoding="utf-8")
        link = link_to(request) if request.details.get("reply_to") else ""
        data_requests.settle(request=request, by=work.job.created_by, now=now, link=link)
        message = ngettext("%(number)d record.", "%(number)d records.", copy.rows) % {"number": copy.rows}
        page = reverse("admin:crm_datarequest_change", args=[request.pk])
        work.settle({"message": message, "file": HTML, "page": page}, now=now, file=HTML)
    return None


def erase(work: jobs.Work) -> dict[str, Any] | None:
    """Everything in one transaction, then the reply: the address is known only as long as this runs."""
    request = _asked(work)
    now = timezone.now()
    to = request.details.get("reply_to", "")
    with transaction.atomic():
        reply = data_requests.settle(request=request, by=work.job.created_by, now=now)
        erased = erasing.erase_customer(customer=request.customer, by=work.job.created_by, now=now)
        # The reply names nobody, so it may stay: it shows that the request was answered.
        DataRequest.objects.filter(pk=request.pk).update(reply=reply.text)
        message = ngettext(
            "%(number)d record stripped or deleted.",
            "%(number)d records stripped or deleted.",
            total := sum(erased.rows.values()),
        ) % {"number": total}
        result = {
            "message": message,
            "rows": erased.rows,
            "files": erased.files,
            "elsewhere": erased.elsewhere,
            "page": reverse("admin:crm_datarequest_change", args=[request.pk]),
        }
        work.settle(result, now=now)
    if to:
        _tell(to, reply, request)
    return None


def _tell(to: str, reply: replies.Reply, request: DataRequest) -> None:
    """Sent here and not queued: a queue would keep the address. Where it fails, the reply is to be handed over."""
    message = EmailMessage(
        subject=clean(reply.subject), body=reply.text, to=[to], headers={"Auto-Submitted": "auto-generated"}
    )
    try:
        message.send()
    except (OSError, ValueError):
        logger.exception("The reply to request %d could not be mailed.", request.pk)
        DataRequest.objects.filter(pk=request.pk).update(
            note=_("The reply could not be mailed, and the address is gone: hand it over.")
        )
