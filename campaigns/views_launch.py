"""Launching and what follows: the last look, pause, resume, cancel, live progress, and the unclear ones."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from babel.dates import format_timedelta
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from campaigns import drafts, states
from campaigns.audience import preview_audience
from campaigns.books import books, progress
from campaigns.faces import TO_SEND, faces
from campaigns.forms import ScheduleForm
from campaigns.models import Campaign
from campaigns.pages import address_of, campaign_page, may_launch, page, posted_ids
from campaigns.rendering import MessageError
from crm import audit
from crm.templatetags.regulars import count, locale

Status = Campaign.Status


@campaign_page("launch_campaign")
def launch(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """The last look before it goes: how many, five real ones with their subject lines, now or later."""
    if request.method == "POST":
        return _launch(request, campaign)
    return _launch_page(request, campaign, ScheduleForm())


def _launch_page(request: HttpRequest, campaign: Campaign, form: ScheduleForm) -> HttpResponse:
    if campaign.status not in (Status.DRAFT, Status.SCHEDULED):
        return redirect(address_of(campaign))
    now = timezone.now()
    reasons = states.readiness(campaign=campaign, now=now)
    recipients = []
    if not reasons:
        variant = drafts.main_variant(campaign)
        for face in faces(campaign=campaign, step=TO_SEND, now=now):
            try:
                subject = drafts.render_for(variant=variant, customer_id=face.customer.pk).subject
            except MessageError as error:
                subject = str(error)
            recipients.append((face, subject))
    audit.searched(what="campaign launch", count=len(recipients), request=request, detail=f"campaign {campaign.pk}")
    return page(
        request,
        "launch.html",
        title=_("Launch: %(name)s") % {"name": campaign.name},
        campaign=campaign,
        reasons=reasons,
        recipients=recipients,
        audience=None if reasons else preview_audience(campaign=campaign, now=now),
        form=form,
        time_zone=settings.TIME_ZONE,
        now=timezone.localtime(now),
        status=422 if form.is_bound else 200,
    )


def _launch(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    now, by = timezone.now(), cast(User, request.user)
    form = ScheduleForm(request.POST if request.POST.get("when") == "later" else None)
    try:
        if form.is_bound:
            if not form.is_valid():
                return _launch_page(request, campaign, form)
            moment = form.cleaned_data["send_at"]
            states.schedule_campaign(campaign=campaign, send_at=moment, by=by, now=now)
            messages.success(request, _("It goes out on %(moment)s.") % {"moment": _shown(moment)})
        else:
            states.launch_campaign(campaign=campaign, by=by, now=now)
            messages.success(request, _("Launched. The first messages are leaving now."))
    except states.CampaignNotReady as error:
        for reason in error.reasons:
            messages.error(request, reason)
    except states.IllegalMove:
        # The second of two clicks, or a colleague was faster: one launch, and its page says how it stands.
        messages.info(request, _("This campaign has already been launched."))
    return redirect(address_of(campaign))


def _shown(moment: Any) -> str:
    return f"{date_format(timezone.localtime(moment), 'DATETIME_FORMAT')} ({settings.TIME_ZONE})"


@require_POST
@campaign_page("launch_campaign")
def move(request: HttpRequest, campaign: Campaign, action: str) -> HttpResponse:
    """Pause, resume, cancel, or take a planned one back."""
    moves: dict[str, tuple[Callable[..., Campaign], str]] = {
        "pause": (states.pause_campaign, _("Paused. Nothing more leaves until you resume.")),
        "resume": (states.resume_campaign, _("Going on.")),
        "cancel": (states.cancel_campaign, _("Cancelled. What was sent stays in the books.")),
        "unschedule": (states.unschedule_campaign, _("A draft again.")),
    }
    run, done = moves[action]
    try:
        run(campaign=campaign, by=cast(User, request.user), now=timezone.now())
    except states.IllegalMove as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect(address_of(campaign))


@require_POST
@campaign_page("launch_campaign")
def settle(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """A human's word on the unclear ones: send again those that are named, or let be (all, where none is named)."""
    resend = request.POST.get("do") == "resend"
    try:
        ids = posted_ids(request, "delivery")
    except ValueError:
        messages.error(request, _("Nothing was changed: the page sent something that can't be read."))
        return redirect(address_of(campaign))
    everyone = request.POST.get("all") == "yes" or not (resend or ids)
    if not (everyone or ids):
        messages.error(request, _("Nothing was sent: tick the messages to send again, or that you mean all of them."))
        return redirect(address_of(campaign))
    try:
        settled = states.settle_undecided(
            campaign=campaign,
            resend=resend,
            by=cast(User, request.user),
            now=timezone.now(),
            delivery_ids=None if everyone else ids,
        )
    except states.IllegalMove as error:
        messages.error(request, str(error))
        return redirect(address_of(campaign))
    values = {"count": count(settled)}
    if resend:
        text = ngettext("%(count)s message is sent again.", "%(count)s messages are sent again.", settled)
    else:
        text = ngettext("%(count)s message is left as it is.", "%(count)s messages are left as they are.", settled)
    messages.success(request, text % values)
    return redirect(address_of(campaign))


@campaign_page("view_campaign", "change_campaign")
def live(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """The progress block, polled while something moves; the whole page reloads when the state has changed."""
    response = render(request, "campaigns/_progress.html", progress_context(request, campaign))
    if request.GET.get("status") not in (None, campaign.status):
        response["HX-Refresh"] = "true"
    return response


UNCLEAR_SHOWN = 100


def progress_context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    now = timezone.now()
    unclear = states.undecided(campaign=campaign, now=now).select_related("customer").order_by("id")[:UNCLEAR_SHOWN]
    pace = progress(campaign=campaign, now=now)
    found = books(campaign=campaign, now=now)
    if "HX-Request" not in request.headers:  # a page that refreshes itself is one look
        audit.searched(
            what="campaign: unclear messages",
            count=len(unclear),
            request=request,
            detail=f"campaign {campaign.pk}",
        )
    return {
        "campaign": campaign,
        "books": found,
        "settled": found.audience - found.to_go,
        "progress": pace,
        "remaining": _remaining(pace.seconds_left),
        "unclear": list(unclear),
        "may_launch": may_launch(request),
    }


def _remaining(seconds: float | None) -> str:
    """About how long, in one unit."""
    if seconds is None:
        return ""
    return format_timedelta(timedelta(seconds=seconds), threshold=1.2, locale=locale())
