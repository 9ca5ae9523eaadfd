"""What changed in a segment: who came and who went between two days, and under which version of its rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.days import shop_day
from segments.models import MembershipEvent, Segment

PAGE = 50
DAYS = 28
"""Without other dates, what changed in so many days."""
MOST_DAYS = 400
"""Days that the plot shows one by one; of a longer time the last ones."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The shop's days from ``since`` to ``until``, both included; ``only`` those who came or those who went."""

    since: date
    until: date
    only: str = ""

    @property
    def query(self) -> str:
        """As it stands in an address."""
        return f"since={self.since}&until={self.until}" + (f"&only={self.only}" if self.only else "")


def read_span(*, since: str, until: str, only: str, now: datetime) -> Span:
    """The span that somebody asked for, with the last weeks for what was left out. Raises ValueError."""
    last = date.fromisoformat(until) if until else shop_day(now)
    first = date.fromisoformat(since) if since else last - timedelta(days=DAYS - 1)
    if first > last or only not in ("", "came", "went"):
        raise ValueError((since, until, only))
    return Span(since=first, until=last, only=only)


def events(*, segment: Segment, span: Span) -> "QuerySet[MembershipEvent]":
    """The comings and goings in that time, the newest first."""
    found = MembershipEvent.objects.filter(
        segment=segment, happened_at__gte=_midnight(span.since), happened_at__lt=_midnight(span.until, days=1)
    )
    if span.only:
        found = found.filter(entered=span.only == "came")
    return found.order_by("-happened_at", "-pk")


def _midnight(day: date, *, days: int = 0) -> datetime:
    try:
        day += timedelta(days=days)
    except OverflowError:
        day = date.max
    return timezone.make_aware(datetime.combine(day, time()), timezone.get_default_timezone())


@dataclass(frozen=True, kw_only=True)
class ByVersion:
    number: int
    came: int
    went: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How many came and went, altogether, by day and by the version of the rule that was in force."""

    came: int
    went: int
    versions: Sequence[ByVersion]
    chart: dict[str, Any] | None

    @property
    def net(self) -> int:
        return self.came - self.went


def summary(*, segment: Segment, span: Span) -> Summary:
    """One query, however long the time."""
    both = Span(since=span.since, until=span.until)
    rows = list(
        events(segment=segment, span=both)
        .order_by()
        .annotate(day=TruncDate("happened_at", tzinfo=timezone.get_default_timezone()))
        .values("day", "rule_version")
        .annotate(came=Count("pk", filter=Q(entered=True)), went=Count("pk", filter=Q(entered=False)))
    )
    numbers = sorted({row["rule_version"] for row in rows}, reverse=True)

    def total(column: str, **where: Any) -> int:
        return sum(row[column] for row in rows if all(row[name] == value for name, value in where.items()))

    return Summary(
        came=total("came"),
        went=total("went"),
        versions=[
            ByVersion(number=one, came=total("came", rule_version=one), went=total("went", rule_version=one))
            for one in numbers
        ],
        chart=_chart(rows, both),
    )


def _chart(rows: Sequence[dict[str, Any]], span: Span) -> dict[str, Any] | None:
    if not rows:
        return None
    first = max(span.since, span.until - timedelta(days=MOST_DAYS - 1), min(row["day"] for row in rows))
    days = [first + timedelta(days=number) for number in range((span.until - first).days + 1)]
    came, went = dict.fromkeys(days, 0), dict.fromkeys(days, 0)
    for row in rows:
        if row["day"] >= first:
            came[row["day"]] += row["came"]
            went[row["day"]] += row["went"]
    return {
        "id": "changes",
        "label": _("Who came and who went, by day"),
        "kind": "bar",
        "unit": "count",
        "categories": [date_format(day, "j M") for day in days],
        "series": [
            {"name": _("Came"), "values": list(came.values()), "tone": "accent"},
            {"name": _("Went"), "values": list(went.values()), "tone": "warm"},
        ],
        "height": 220,
    }


def events_page(*, segment: Segment, span: Span, number: Any, total: int) -> "Page[MembershipEvent]":
    """Comings and goings with their customers; ``total`` is how many there are."""
    paginator = Paginator(events(segment=segment, span=span).select_related("customer"), PAGE)
    paginator.__dict__["count"] = total
    return paginator.get_page(number)
