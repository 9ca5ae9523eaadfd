"""Numbers, money and time in templates, written as people of the current language write them."""

import datetime
from collections.abc import Callable
from typing import Any

from babel.dates import format_skeleton, format_timedelta
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from crm import money as money_
from crm.money import locale

register = template.Library()


@register.filter
def money(amount_minor: int | None) -> str:
    """Hundredths of the currency as money: ``{{ receipt.total_minor|money }}`` -> $12.50; "" for None."""
    return money_.show(amount_minor)


@register.filter
def money_whole(amount_minor: int | None) -> str:
    """The same rounded to whole units, for headlines: 1234567 -> $12,346. Never for a receipt."""
    return money_.show_whole(amount_minor)


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """A share of one as a percentage: ``0.127|percent`` -> 13%, ``0.127|percent:1`` -> 12.7%; "" for None."""
    if share is None:
        return ""
    return format_percent(share, format="#,##0" + ("." + "0" * digits if digits else "") + "%", locale=locale())


@register.filter
def share_of(part: float | None, whole: float | None) -> float | None:
    """A share of one: ``12|share_of:48`` -> 0.25; None where there is nothing to share."""
    return part / whole if part is not None and whole else None


@register.filter
def compact(number: float | None) -> str:
    """A large number in short: 1234567 -> 1.2M; up to 9,999 it stays exact; "" for None."""
    if number is None:
        return ""
    if abs(number) < 10_000:
        return count(number)
    return format_compact_decimal(number, fraction_digits=1, locale=locale())


@register.filter
def count(number: float | None) -> str:
    """A number with the language's separators: 155848 -> 155,848; "" for None."""
    return "" if number is None else format_decimal(number, locale=locale())


@register.filter
def decimal(number: float | None, digits: int = 1) -> str:
    """A number with that many decimals: 5.264 -> 5.3; "" for None."""
    return "" if number is None else format_decimal(number, format="#,##0." + "0" * digits, locale=locale())


@register.filter
def signed(number: float | None) -> str:
    """A change with its sign: 12 -> +12, -3 -> −3; "" for None."""
    if number is None:
        return ""
    return ("+" if number > 0 else "−" if number < 0 else "±") + format_decimal(abs(number), locale=locale())


@register.filter
def signed_percent(share: float | None) -> str:
    """A relative change with its sign: 0.04 -> +4%; "" for None."""
    if share is None:
        return ""
    rounded = round(share, 2)
    return ("+" if rounded > 0 else "−" if rounded < 0 else "±") + percent(abs(rounded))


@register.filter
def since(moment: datetime.datetime | datetime.date | None, now: datetime.datetime | None = None) -> str:
    """How long ago, in one unit: "3 days ago"; "in 2 hours" for what lies ahead; days count by the shop's calendar."""
    if moment is None:
        return ""
    now = now or timezone.now()
    if not isinstance(moment, datetime.datetime):
        days = (moment - timezone.localdate(now)).days
        if days == 0:
            return _("today")
        return format_timedelta(datetime.timedelta(days=days), add_direction=True, granularity="day", locale=locale())
    if abs(moment - now) < datetime.timedelta(minutes=1):
        return _("just now")
    return format_timedelta(moment - now, add_direction=True, granularity="minute", locale=locale())


@register.filter
def short_day(day: datetime.date | None) -> str:
    """A day without its year: Nov 9; "" for None."""
    return "" if day is None else format_skeleton("MMMd", day, locale=locale())


_UNITS: dict[str, Callable[[Any], str]] = {
    "money": money_whole,
    "percent": lambda share: percent(share, 1),
    "count": count,
    "decimal": lambda number: decimal(number, 2),
    "index": lambda index: count(round(index)),
}


@register.filter
def chart_rows(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a chart's table (see templates/charts/chart.html), with numbers as text; a gap is a dash."""
    write = _UNITS[chart.get("unit", "count")]
    columns = [one["values"] for one in chart.get("series", [])]
    return [
        {"name": name, "values": ["–" if value is None else write(value) for value in values]}
        for name, values in zip(chart.get("categories", []), zip(*columns, strict=True), strict=True)
    ]


@register.simple_tag
def formats() -> dict[str, Any]:
    """What JavaScript needs to write numbers the same way: a BCP 47 locale and the currency."""
    return {"locale": (get_language() or "en").replace("_", "-"), "currency": settings.CURRENCY}
