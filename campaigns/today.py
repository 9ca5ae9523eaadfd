"""Today, three things: what is worth doing, one click away, worked out from the shop's own state."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import Campaign
from campaigns.statistics import Standing
from crm import data_requests
from crm.days import shop_day
from crm.models import Job
from crm.templatetags.regulars import count
from personas.models import Persona
from segments import proof as segment_proof
from segments import statistics as segment_statistics
from segments.models import Segment
from segments.statistics import Growth

REQUEST_DAYS = 10
"""So many days before its last one, a customer's request is worth a line."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something worth doing today, one click away. ``tone``: accent, warm (needs a look) or bad (something failed)."""

    icon: str
    title: str
    why: str
    do: str
    link: str
    tone: str = "accent"


def things(request: HttpRequest, *, now: datetime, segments: list[Growth], campaigns: list[Standing]) -> list[Thing]:
    """What is worth doing today, the most urgent first."""
    user: Any = request.user
    found: list[Thing] = []
    if user.has_perm("campaigns.view_campaign"):
        found += _stuck_campaigns(campaigns)
    found += _requests(user, now)
    found += _broken_rules(user)
    found += _out_of_step(user)
    if user.has_perm("crm.view_job"):
        found += _failed_jobs(now)
    if user.has_perm("campaigns.launch_campaign"):
        found += _waiting_campaigns(campaigns)
        found += _results(now, campaigns)
    if user.has_perm("segments.view_segment"):
        found += _growing_segments(segments)
    return found + _beginnings(user, campaigns) + _unheard(user)


def _stuck_campaigns(campaigns: list[Standing]) -> list[Thing]:
    found = []
    for one in campaigns:
        link = _campaign_link(one.campaign)
        if one.undecided:
            found.append(
                Thing(
                    icon="help",
                    title=ngettext(
                        "%(number)s message of “%(name)s” is unclear",
                        "%(number)s messages of “%(name)s” are unclear",
                        one.undecided,
                    )
                    % {"number": count(one.undecided), "name": one.campaign.name},
                    why=_("Sending was interrupted: they may have left or not. Only you can decide."),
                    do=_("Settle them"),
                    link=link,
                    tone="warm",
                )
            )
        if one.campaign.status == Campaign.Status.PAUSED:
            found.append(
                Thing(
                    icon="pause_circle",
                    title=_("“%(name)s” is paused") % {"name": one.campaign.name},
                    why=one.campaign.pause_reason or _("Someone stopped it; the rest is waiting."),
                    do=_("Look at it"),
                    link=link,
                    tone="warm",
                )
            )
    return found


def _broken_rules(user: Any) -> list[Thing]:
    """Segments and personas whose rule names what is gone."""
    if not user.has_perm("segments.change_segment"):
        return []
    broken = segment_statistics.broken()
    links = segment_links(segment.pk for segment in broken)
    return [
        Thing(
            icon="error",
            title=_("Who belongs to “%(name)s” can't be worked out") % {"name": segment.name},
            why=segment.last_error,
            do=_("Mend the rule"),
            link=links[segment.pk],
            tone="bad",
        )
        for segment in broken
    ]


def _out_of_step(user: Any) -> list[Thing]:
    """Segments whose nightly proof found somebody missing or too many: a fault of the program."""
    if not user.has_perm("segments.change_segment"):
        return []
    return [
        Thing(
            icon="sync_problem",
            title=_("“%(name)s” was out of step") % {"name": fault.segment.name},
            why=_("The nightly check put it right. Tell whoever looks after the program."),
            do=_("See what was found"),
            link=reverse("admin:segments_segment_members", args=[fault.segment_id]),
            tone="warm",
        )
        for fault in segment_proof.unseen()[:3]
    ]


def segment_links(segment_ids: Iterable[int]) -> dict[int, str]:
    """Where each segment is looked at: a persona's own one on the persona's sheet. One query."""
    ids = list(segment_ids)
    personas = dict(Persona.objects.filter(segment__in=ids).values_list("segment_id", "pk")) if ids else {}
    return {
        pk: reverse("admin:personas_persona_sheet", args=[personas[pk]])
        if pk in personas
        else reverse("admin:segments_segment_change", args=[pk])
        for pk in ids
    }


def _waiting_campaigns(campaigns: list[Standing]) -> list[Thing]:
    found = []
    for one in campaigns:
        if one.campaign.status == Campaign.Status.DRAFT:
            found.append(
                Thing(
                    icon="rocket_launch",
                    title=_("“%(name)s” waits to be launched") % {"name": one.campaign.name},
                    why=_("The draft is there. Look at it once more, then send it off."),
                    do=_("Review and launch"),
                    link=_campaign_link(one.campaign),
                )
            )
        elif one.campaign.status == Campaign.Status.SCHEDULED and one.campaign.scheduled_at:
            found.append(
                Thing(
                    icon="schedule_send",
                    title=_("“%(name)s” goes out by itself") % {"name": one.campaign.name},
                    why=_("On %(moment)s.")
                    % {"moment": formats.date_format(timezone.localtime(one.campaign.scheduled_at), "DATETIME_FORMAT")},
                    do=_("Check it"),
                    link=_campaign_link(one.campaign),
                )
            )
    return found


def _results(now: datetime, campaigns: list[Standing]) -> list[Thing]:
    """Campaigns whose days in which purchases count ended within the last week."""
    found = []
    for one in campaigns:
        launched_at, days = one.campaign.launched_at, one.campaign.attribution_days
        if one.campaign.status != Campaign.Status.FINISHED or launched_at is None:
            continue
        if timedelta(days=days) <= now - launched_at < timedelta(days=days + 7):
            found.append(
                Thing(
                    icon="flag",
                    title=_("The result of “%(name)s” is in") % {"name": one.campaign.name},
                    why=_("The %(days)s days in which purchases count are over.") % {"days": days},
                    do=_("Read the report"),
                    link=_campaign_link(one.campaign),
                )
            )
    return found


def _beginnings(user: Any, campaigns: list[Standing]) -> list[Thing]:
    """What a shop that sells already has not begun with yet."""
    offers = [
        (
            "segments.add_segment",
            Segment,
            "pie_chart",
            _("Who do you want to talk to?"),
            _("A segment keeps together the customers who belong together, by itself."),
            _("Make the first segment"),
        ),
        (
            "personas.add_persona",
            Persona,
            "face",
            _("Can you picture your customers?"),
            _("Describe one, and see how many are really like that."),
            _("Describe the first persona"),
        ),
        (
            "campaigns.add_campaign",
            Campaign,
            "campaign",
            _("No campaign is under way"),
            _("Who would be glad to hear from you this week?"),
            _("Start a campaign"),
        ),
    ]
    found = []
    for permission, model, icon, title, why, do in offers:
        begun = bool(campaigns) if model is Campaign else model._default_manager.exists()
        if not begun and user.has_perm(permission) and has_page(model):
            opts = model._meta
            link = reverse(f"admin:{opts.app_label}_{opts.model_name}_add")
            found.append(Thing(icon=icon, title=title, why=why, do=do, link=link))
    return found


def _unheard(user: Any) -> list[Thing]:
    """The largest persona and the largest segment to which no campaign has been addressed yet."""
    if not user.has_perm("campaigns.add_campaign"):
        return []
    found = []
    persona = (
        Persona.objects.filter(is_active=True, campaigns=None, segment__members_count__gt=0)
        .select_related("segment")
        .order_by("-segment__members_count", "pk")
        .first()
    )
    if persona is not None and user.has_perm("personas.view_persona"):
        number = persona.segment.members_count
        found.append(
            Thing(
                icon="face",
                title=_("“%(name)s” has not heard from you yet") % {"name": persona.name},
                why=ngettext("%(number)s customer is like that.", "%(number)s customers are like that.", number)
                % {"number": count(number)},
                do=_("See what would interest them"),
                link=reverse("admin:personas_persona_sheet", args=[persona.pk]),
            )
        )
    segment = (
        Segment.objects.filter(is_archived=False, campaigns=None, members_count__gt=0)
        .exclude(kind=Segment.Kind.PERSONA)
        .order_by("-members_count", "pk")
        .first()
    )
    if segment is not None and user.has_perm("segments.view_segment"):
        found.append(
            Thing(
                icon="pie_chart",
                title=_("No campaign was for “%(name)s” yet") % {"name": segment.name},
                why=ngettext(
                    "%(number)s customer belongs to it.", "%(number)s customers belong to it.", segment.members_count
                )
                % {"number": count(segment.members_count)},
                do=_("See who they are"),
                link=reverse("admin:segments_segment_change", args=[segment.pk]),
            )
        )
    return found


def _requests(user: Any, now: datetime) -> list[Thing]:
    """What customers asked about their data and is due within days: the law gives a month."""
    if not user.has_perm("crm.change_datarequest"):
        return []
    today = shop_day(now)
    due = list(data_requests.open_requests().filter(due_on__lte=today + timedelta(days=REQUEST_DAYS)))
    if not due:
        return []
    late = due[0].due_on < today
    return [
        Thing(
            icon="contact_support",
            title=ngettext(
                "%(number)d customer waits for an answer", "%(number)d customers wait for an answer", len(due)
            )
            % {"number": len(due)},
            why=(_("It was due on %(day)s.") if late else _("It is due on %(day)s at the latest."))
            % {"day": formats.date_format(due[0].due_on)},
            do=_("Answer"),
            link=reverse("admin:crm_datarequest_change", args=[due[0].pk])
            if len(due) == 1
            else reverse("admin:crm_datarequest_changelist"),
            tone="bad" if late else "warm",
        )
    ]


def _failed_jobs(now: datetime) -> list[Thing]:
    if not has_page(Job):
        return []
    since = now - timedelta(days=7)
    return [
        Thing(
            icon="report",
            title=_("“%(kind)s” failed") % {"kind": job.kind},
            why=job.error[:200] or job.note,
            do=_("See why"),
            link=reverse("admin:crm_job_change", args=[job.pk]),
            tone="bad",
        )
        for job in Job.objects.filter(status=Job.Status.FAILED, finished_at__gt=since)[:3]
    ]


def _growing_segments(segments: list[Growth]) -> list[Thing]:
    growing = [segment for segment in segments if segment.net > 0]
    if not growing:
        return []
    most = max(growing, key=lambda segment: segment.net)
    return [
        Thing(
            icon="trending_up",
            title=ngettext(
                "%(number)s more customer in “%(name)s”", "%(number)s more customers in “%(name)s”", most.net
            )
            % {"number": count(most.net), "name": most.name},
            why=_("In the last 4 weeks. A good moment to say something to them."),
            do=_("See who they are"),
            link=segment_links([most.segment_id])[most.segment_id],
        )
    ]


def _campaign_link(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def has_page(model: Any) -> bool:
    return admin.site.is_registered(model)
