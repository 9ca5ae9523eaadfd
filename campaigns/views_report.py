"""The page of a campaign that is planned, under way or over: what it does, and what came of it."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns import drafts, exports
from campaigns.books import Books
from campaigns.charts import buyers_chart, funnel_chart, spend_chart
from campaigns.models import Campaign, Delivery
from campaigns.pages import address_of, campaign_page, may_edit, page
from campaigns.rendering import MessageError
from campaigns.results import Report, report
from campaigns.verdict import verdict
from campaigns.views_compose import preview_context
from campaigns.views_launch import progress_context
from crm.admin.exporting import export_address
from crm.models import Channel
from crm.templatetags.regulars import signed

Status = Campaign.Status


def show(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    now = timezone.now()
    found = report(campaign=campaign, now=now)
    is_under_way = campaign.status in (Status.SCHEDULED, Status.SENDING, Status.PAUSED)
    return page(
        request,
        "report.html",
        title=campaign.name,
        report=found,
        verdict=verdict(found),
        points=_points(found),
        book_rows=_book_rows(found.books, channel=campaign.channel),
        charts=[chart for chart in (funnel_chart(found), spend_chart(found), buyers_chart(found)) if chart],
        groups=[*campaign.segments.all(), *campaign.personas.all()],
        is_editable=may_edit(request),
        may_add=request.user.has_perm("campaigns.add_campaign"),
        export_address=export_address(request, exports.deliveries_screen, f"campaign={campaign.pk}"),
        time_zone=settings.TIME_ZONE,
        is_under_way=is_under_way,
        **_message(request, campaign),
        **progress_context(request, campaign),
    )


def _message(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """The message as it went out, with the catalogue's examples for the placeholders."""
    variant = campaign.variants.filter(language="").order_by("letter").first()
    if campaign.is_imported or variant is None:
        return {}
    try:
        return {"variant": variant, **preview_context(request, variant=variant)}
    except MessageError:
        return {"variant": variant}


@require_POST
@campaign_page("view_campaign", "change_campaign")
def duplicate(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    if not request.user.has_perm("campaigns.add_campaign"):
        raise PermissionDenied
    copy = drafts.duplicate_campaign(campaign=campaign, by=cast(User, request.user))
    messages.success(request, _("This is a copy. Nothing is sent until you launch it."))
    return redirect(address_of(copy))


def _book_rows(books: Books, *, channel: str) -> list[dict[str, Any]]:
    """The books as lines of a table: the parts, and under some of them their reasons."""
    reasons = dict(Delivery.Reason.choices)

    def parts(found: dict[str, int]) -> list[dict[str, Any]]:
        ordered = sorted(found.items(), key=lambda item: -item[1])
        return [{"label": reasons.get(key, key), "number": number, "is_part": True} for key, number in ordered]

    sent = _("Sent (accepted by the mail server)") if channel == Channel.EMAIL else _("Sent")
    rows: list[dict[str, Any]] = [{"label": sent, "number": books.accepted}]
    if books.suppressed:
        rows.append({"label": _("Not sent, because"), "number": sum(books.suppressed.values())})
        rows += parts(books.suppressed)
    if books.failed:
        rows.append({"label": _("Failed"), "number": sum(books.failed.values())})
        rows += parts(books.failed)
    for label, number in (
        (_("Left out to compare"), books.held_out),
        (_("Unclear"), books.undecided),
        (_("Still to go"), books.to_go),
        (_("Cancelled"), books.cancelled),
    ):
        if number:
            rows.append({"label": label, "number": number})
    return rows


def _points(found: Report) -> list[str]:
    """The difference of the shares and its interval, in percentage points."""
    extra = found.extra
    return [signed(round(100 * share, 1)) for share in (extra.best, extra.low, extra.high)] if extra else []
