"""What one customer, a household or a company spends: over time, by category, and with which habits."""

import itertools
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import ExtractIsoWeekDay, TruncMonth
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.days import months_before
from crm.models import CustomerCategory, Receipt, ReceiptKind, SalesChannel

MONTHS = 24
LEAST_MONTHS = 6
CATEGORIES = 8
HABIT_MONTHS = 12
LEAST_PURCHASES = 4
"""Fewer purchases make no habit."""
MOST_DAYS = 30

Chart = dict[str, Any]


def months_chart(*, ids: Sequence[int], today: date) -> Chart | None:
    """Net spend a month, up to two years back; None where nothing was bought in them."""
    first = months_before(today.replace(day=1), MONTHS - 1)
    receipts = Receipt.objects.filter(customer__in=ids, sold_on__gte=first, void=None).order_by()
    spent = dict(receipts.annotate(month=TruncMonth("sold_on")).values_list("month").annotate(Sum("total_minor")))
    if not spent:
        return None
    this_month = today.replace(day=1)
    since = min(min(spent), months_before(this_month, LEAST_MONTHS - 1))
    months = [month for ago in range(MONTHS - 1, -1, -1) if (month := months_before(this_month, ago)) >= since]
    return {
        "id": "months",
        "label": _("Spent a month"),
        "kind": "bar",
        "unit": "money",
        "categories": [date_format(month, "M Y") for month in months],
        "series": [{"name": _("Spent"), "values": [spent.get(month, 0) for month in months], "tone": "accent"}],
        "height": 220,
    }


def categories_chart(*, ids: Sequence[int]) -> Chart | None:
    """What was spent on the categories that took most, those without any below them; None where none did."""
    rows = (
        CustomerCategory.objects.filter(customer__in=ids, category__children=None, spend_minor__gt=0)
        .order_by()
        .values_list("category__name")
        .annotate(spent=Sum("spend_minor"))
        .order_by("-spent", "category__name")[:CATEGORIES]
    )
    spent = list(rows)
    if not spent:
        return None
    return {
        "id": "categories",
        "label": _("Spent on"),
        "kind": "bars",
        "unit": "money",
        "categories": [name for name, _spent in spent],
        "series": [{"name": _("Spent"), "values": [minor for _name, minor in spent], "tone": "accent"}],
        "height": 34 * len(spent) + 30,
    }


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What is usual: ``weekday`` from 1 (Monday); blanks where nothing stands out. ``every_days`` is the usual gap."""

    likes: tuple[str, ...] = ()
    weekday: int | None = None
    store: str = ""
    is_online: bool = False
    every_days: int | None = None


def habits(*, ids: Sequence[int], today: date) -> Habits:
    """What they buy again and again, on which weekday, where and how often: of the last year's purchases."""
    since = months_before(today, HABIT_MONTHS)
    sales = Receipt.objects.filter(customer__in=ids, kind=ReceiptKind.SALE, sold_on__gt=since, void=None).order_by()
    groups = list(
        sales.annotate(weekday=ExtractIsoWeekDay("sold_on"))
        .values_list("weekday", "store__name", "channel")
        .annotate(number=Count("pk"))
    )
    likes = tuple(
        CustomerCategory.objects.filter(customer__in=ids, category__children=None, receipts__gt=1)
        .order_by()
        .values("category__name")
        .annotate(times=Sum("receipts"), spent=Sum("spend_minor"))
        .order_by("-times", "-spent", "category__name")
        .values_list("category__name", flat=True)[:2]
    )
    purchases = sum(number for *_group, number in groups)
    if purchases < LEAST_PURCHASES:
        return Habits(likes=likes)
    weekdays: Counter[int] = Counter()
    places: Counter[tuple[str, bool]] = Counter()
    for weekday, store, channel, number in groups:
        weekdays[weekday] += number
        online = channel == SalesChannel.ONLINE
        places["" if online else store, online] += number
    (weekday, most), ((store, online), here) = weekdays.most_common(1)[0], places.most_common(1)[0]
    return Habits(
        likes=likes,
        weekday=weekday if most >= 0.35 * purchases else None,
        store=store if here >= 0.5 * purchases else "",
        is_online=online and here >= 0.5 * purchases,
        every_days=_usual_gap(ids),
    )


def _usual_gap(ids: Sequence[int]) -> int | None:
    days = list(
        Receipt.objects.filter(customer__in=ids, kind=ReceiptKind.SALE, void=None)
        .order_by("-sold_on")
        .values_list("sold_on", flat=True)
        .distinct()[:MOST_DAYS]
    )
    gaps = [(later - earlier).days for later, earlier in itertools.pairwise(days)]
    return round(statistics.median(gaps)) if len(gaps) >= LEAST_PURCHASES - 1 else None
