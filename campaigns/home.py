"""The back office's home page: what to do today, and how the shop is doing, computed as the page is opened."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import statistics as campaign_statistics
from campaigns.today import has_page, segment_links, things
from crm import statistics as shop_statistics
from crm.models import Customer, Product, Receipt
from crm.statistics import Revenue
from crm.templatetags.regulars import short_day
from segments import statistics as segment_statistics
from segments.stages_page import stages_chart


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
    links = segment_links(one.segment_id for one in segments)
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
        "segments": [{"growth": one, "link": links[one.segment_id]} for one in segments],
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
            "link": reverse(f"admin:{name}_changelist") if has_page(model) else "",
        }
        for icon, title, why, model, name in steps
    ]
    found.append(
        {
            "icon": "point_of_sale",
            "title": _("Ring up the first sale"),
            "why": _("At the till. From then on this page shows how the shop is doing."),
            "is_done": False,
            "link": reverse("till") if user.has_perm("crm.ring_up_sale") else "",
        }
    )
    return found
