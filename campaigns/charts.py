"""A report's plots, as the dicts that templates/charts/chart.html takes."""

from typing import Any

from django.utils.translation import gettext as _

from campaigns.results import Report
from crm.templatetags.regulars import short_day

Chart = dict[str, Any]


def funnel_chart(report: Report) -> Chart | None:
    """From the audience to the buyers, each a bar as long as its number."""
    books, responses = report.books, report.responses
    if not books.audience:
        return None
    rows = [(_("In the audience"), books.audience), (_("Sent"), books.accepted)]
    if not report.campaign.is_imported:
        rows += [(_("Opened, by people"), responses.opened), (_("Clicked, by people"), responses.clicked)]
    if report.coupons.offered:
        rows.append((_("Redeemed a coupon"), report.coupons.customers))
    rows.append((_("Bought"), report.sent.buyers))
    return {
        "id": "funnel",
        "label": _("From the audience to the till"),
        "kind": "bars",
        "unit": "count",
        "categories": [label for label, _number in rows],
        "series": [{"name": _("People"), "values": [number for _label, number in rows], "tone": "accent"}],
        "height": 44 * len(rows) + 30,
    }


def buyers_chart(report: Report) -> Chart | None:
    """Shares of buyers a day where there is a draw to compare with, else how many bought each day."""
    if not report.by_day or not report.sent.units:
        return None
    if report.held_out.units:
        series = [
            {"name": _("Sent"), "values": [d.buyers / report.sent.units for d in report.by_day], "tone": "accent"},
            {
                "name": _("Left out to compare"),
                "values": [d.held_out_buyers / report.held_out.units for d in report.by_day],
                "tone": "quiet",
            },
        ]
        unit, label = "percent", _("Share that bought, day by day")
    else:
        days = report.by_day
        series = [
            {"name": _("Before"), "values": [d.buyers if d.offset <= 0 else None for d in days], "tone": "quiet"},
            {
                "name": _("Since the launch"),
                "values": [d.buyers if d.offset >= 0 else None for d in days],
                "tone": "accent",
            },
        ]
        unit, label = "count", _("How many bought, day by day")
    return _daily(report, "buyers", label, unit, series)


def spend_chart(report: Report) -> Chart | None:
    """What was spent since the launch, summed up day by day."""
    if not report.by_day or not report.sent.units or report.day < 1:
        return None
    after = [day for day in report.by_day if day.offset >= 0]
    total, sums = 0, []
    for day in after:
        total += day.spend_minor
        sums.append(total)
    return {
        "id": "spend",
        "label": _("Spent since the launch, summed up"),
        "kind": "line",
        "unit": "money",
        "categories": [short_day(day.on) for day in after],
        "series": [{"name": _("Spent"), "values": sums, "tone": "accent"}],
    }


def _daily(report: Report, key: str, label: str, unit: str, series: list[dict[str, Any]]) -> Chart:
    return {
        "id": key,
        "label": label,
        "kind": "line",
        "unit": unit,
        "categories": [short_day(day.on) for day in report.by_day],
        "series": series,
    }
