"""The back office's home page: what to do today, and how the shop is doing, computed as the page is opened."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns import statistics as campaign_statistics
from campaigns.models import Campaign
from campaigns.statistics import Progress
from crm import statistics as shop_statistics
from crm.customer_attributes import STAGES
from crm.models import Customer, Job, Product, Receipt
from crm.statistics import Revenue
from crm.templatetags.regulars import count, percent, short_day
from segments import statistics as segment_statistics
from segments.models import Segment
from segments.statistics import Growth


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something worth doing today, one click away. ``tone``: accent, warm (needs a look) or bad (something failed)."""

    icon: str
    title: str
    why: str
    do: str
    link: str
    tone: str = "accent"


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What django-unfold shows at the admin's address: each part only to those who may see what it tells."""
    now = timezone.now()
    user: Any = request.user  # the admin site lets nobody else in
    sees_revenue = user.has_perm("crm.view_receipt")
    sees_customers = user.has_perm("crm.view_customer")
    sees_segments = user.has_perm("segments.view_segment")
    sees_campaigns = user.has_perm("campaigns.view_campaign")
    revenue = shop_statistics.revenue(now=now) if sees_revenue else None
    segments = segment_statistics.growth(now=now) if sees_segments else []
    campaigns = campaign_statistics.in_flight(now=now) if sees_campaigns else []
    is_new = revenue is not None and revenue.is_empty and not Receipt.objects.exists()
    return {
        **context,
        "title": _("Home"),
        "now": now,
        "revenue": revenue,
        "revenue_chart": revenue_chart(revenue) if revenue else None,
        "bought": shop_statistics.customers_of_last_days(now=now) if sees_revenue else None,
        "stages_chart": stages_chart(shop_statistics.customers_by_stage(now=now)) if sees_customers else None,
        "sees_segments": sees_segments,
        "segments": segments,
        "sees_campaigns": sees_campaigns,
        "campaigns": campaigns[:6],
        "is_new": is_new,
        "steps": first_steps(request) if is_new else [],
        "things": [] if is_new else things(request, now=now, segments=segments, campaigns=campaigns)[:3],
    }


def revenue_chart(revenue: Revenue) -> dict[str, Any]:
    """Revenue a week, the latest complete weeks over as many before them."""
    names = [short_day(week.starts_on) for week in revenue.weeks]
    series = [
        {
            "name": _("Last %(weeks)s weeks") % {"weeks": len(names)},
            "values": [week.revenue_minor for week in revenue.weeks],
            "tone": "accent",
        }
    ]
    if revenue.before_is_complete:
        series.append(
            {
                "name": _("The %(weeks)s weeks before") % {"weeks": len(names)},
                "values": [week.revenue_minor for week in revenue.before],
                "tone": "quiet",
            }
        )
    return {
        "id": "revenue",
        "label": _("Revenue a week, by the Monday on which the week begins"),
        "kind": "line",
        "unit": "money",
        "categories": names,
        "series": series,
        "height": 280,
    }


def stages_chart(stages: dict[str, int]) -> dict[str, Any] | None:
    """Customers by lifecycle stage; None where there are none."""
    total = sum(stages.values())
    if not total:
        return None
    return {
        "id": "stages",
        "label": _("Customers by lifecycle stage"),
        "kind": "bars",
        "unit": "count",
        "categories": [
            f"{str(STAGES[stage]).capitalize()} ({percent(number / total)})" for stage, number in stages.items()
        ],
        "series": [{"name": _("Customers"), "values": list(stages.values()), "tone": "accent"}],
        "height": 230,
    }


def things(request: HttpRequest, *, now: datetime, segments: list[Growth], campaigns: list[Progress]) -> list[Thing]:
    """What is worth doing today, the most urgent first."""
    user: Any = request.user
    found: list[Thing] = []
    if user.has_perm("campaigns.view_campaign"):
        found += _stuck_campaigns(campaigns)
    if user.has_perm("segments.change_segment"):
        found += [
            Thing(
                icon="error",
                title=_("The segment “%(name)s” can't be worked out") % {"name": segment.name},
                why=segment.last_error,
                do=_("Mend its rule"),
                link=reverse("admin:segments_segment_change", args=[segment.pk]),
                tone="bad",
            )
            for segment in segment_statistics.broken()
            if _has_page(Segment)
        ]
    if user.has_perm("crm.view_job"):
        found += _failed_jobs(now)
    if user.has_perm("campaigns.launch_campaign"):
        found += _waiting_campaigns(campaigns)
    if user.has_perm("segments.view_segment") and _has_page(Segment):
        found += _growing_segments(segments)
    if user.has_perm("campaigns.add_campaign") and _has_page(Campaign) and not campaigns:
        found.append(
            Thing(
                icon="campaign",
                title=_("No campaign is under way"),
                why=_("Who would be glad to hear from you this week?"),
                do=_("Start a campaign"),
                link=reverse("admin:campaigns_campaign_add"),
            )
        )
    return found


def _stuck_campaigns(campaigns: list[Progress]) -> list[Thing]:
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


def _waiting_campaigns(campaigns: list[Progress]) -> list[Thing]:
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


def _failed_jobs(now: datetime) -> list[Thing]:
    if not _has_page(Job):
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
            link=reverse("admin:segments_segment_change", args=[most.segment_id]),
        )
    ]


def first_steps(request: HttpRequest) -> list[dict[str, Any]]:
    """What a shop without any sales does first; what is done already says so."""
    user: Any = request.user
    steps = [
        ("inventory_2", _("Bring your products"), _("Import a file or add them by hand."), Product, "crm_product"),
        (
            "group",
            _("Bring your customers"),
            _("From a file, or one by one as they come in."),
            Customer,
            "crm_customer",
        ),
    ]
    found = [
        {
            "icon": icon,
            "title": title,
            "why": why,
            "is_done": model._default_manager.exists(),
            "link": reverse(f"admin:{name}_changelist") if _has_page(model) else "",
        }
        for icon, title, why, model, name in steps
    ]
    found.append(
        {
            "icon": "point_of_sale",
            "title": _("Ring up the first sale"),
            "why": _("At the till. From then on this page shows how the shop is doing."),
            "is_done": False,
            "link": "/till/" if user.has_perm("crm.ring_up_sale") else "",
        }
    )
    return found


def _campaign_link(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk]) if _has_page(Campaign) else ""


def _has_page(model: Any) -> bool:
    return admin.site.is_registered(model)
