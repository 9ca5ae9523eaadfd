"""What the page of expected value shows: whether the forecast earned it, and what it says."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, IntegerField, Sum
from django.db.models.functions import Cast, Floor, Least
from django.utils.translation import gettext as _

from crm.models import Shop
from crm.templatetags.regulars import percent
from segments import expected
from segments.making import segment_link
from segments.models import CustomerValue, ValueModel
from segments.tree import And, Condition

BINS = 5
MUCH = 0.3
"""A correlation of frequency and amount from which on expected spend is to be taken with salt."""


def page() -> dict[str, Any]:
    """The page's context; three queries."""
    model = expected.in_force()
    if model is None:
        return {"model": None, "months": Shop.current().forecast_months}
    result = model.result
    context = {
        "model": model,
        "months": model.months,
        "why_not": expected.why_not(result),
        "result": result,
        "cut_on": date.fromisoformat(result["cut_on"]) if "cut_on" in result else None,
        "known_from": date.fromisoformat(result["known_from"]) if "known_from" in result else None,
        "calibration": _calibration(result),
        "correlation": _correlation(result.get("correlation")),
    }
    return {**context, **_customers(model)} if model.is_used else context


def _calibration(result: dict[str, Any]) -> dict[str, Any] | None:
    """What was forecast for customers who had come back so often, and what they did."""
    rows = result.get("calibration")
    if not rows:
        return None
    last = expected.BINS - 1
    return {
        "id": "calibration",
        "label": _("Purchase days in the %(days)d days held back, by how often customers had come back before")
        % {"days": result["days"]},
        "kind": "line",
        "unit": "decimal",
        "categories": [f"{row['times']}+" if row["times"] == last else str(row["times"]) for row in rows],
        "series": [
            {"name": _("What happened"), "values": [row["actual"] for row in rows], "tone": "accent"},
            {"name": _("Forecast"), "values": [row["forecast"] for row in rows], "tone": "warm"},
            {"name": _("Carrying on as before"), "values": [row["naive"] for row in rows], "tone": "quiet"},
        ],
        "height": 300,
    }


def _correlation(found: float | None) -> str:
    if found is None:
        return ""
    said = _("How often customers come back and what they spend each time correlate by %(number)s.") % {
        "number": f"{found:.2f}"
    }
    if abs(found) < MUCH:
        return said + " " + _("The forecast of spend takes them to be independent: that is near enough.")
    return said + " " + _("The forecast of spend takes them to be independent: read it with care.")


def _customers(model: ValueModel) -> dict[str, Any]:
    width = 100 // BINS
    bins = Cast(Least(Floor("alive") / width, BINS - 1), IntegerField())
    counted = dict(
        CustomerValue.objects.order_by().annotate(bin=bins).values_list("bin").annotate(customers=Count("pk"))
    )
    totals = CustomerValue.objects.aggregate(
        customers=Count("pk"), purchases=Sum("purchases"), spend=Sum("spend_minor")
    )
    bounds = [(number * width, (number + 1) * width) for number in range(BINS)]
    return {
        "totals": totals,
        "alive": {
            "id": "alive",
            "label": _("Customers by how probably they still are customers"),
            "kind": "bars",
            "unit": "count",
            "categories": [f"{percent(low / 100)} – {percent(high / 100)}" for low, high in reversed(bounds)],
            "series": [
                {
                    "name": _("Customers"),
                    "values": [counted.get(number, 0) for number in reversed(range(BINS))],
                    "tone": "accent",
                }
            ],
            "links": [_link(low, high) for low, high in reversed(bounds)],
            "height": 240,
        },
    }


def _link(low: int, high: int) -> str:
    conditions = [Condition("probably_customer", ">=", Decimal(low))]
    if high < 100:
        conditions.append(Condition("probably_customer", "<", Decimal(high)))
    name = _("Probably still customers: %(low)d to %(high)d%%") % {"low": low, "high": high}
    return segment_link(name=name, rule=And(tuple(conditions)))
