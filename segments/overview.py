"""What the page of a segment shows: how to reach its members, what is relevant to them, who came and went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.days import shop_day
from crm.models import Channel, Customer
from segments.dependencies import dependents
from segments.models import Membership, MembershipEvent, Segment
from segments.rules import RuleError, describe, parse

PAGE = 50


@dataclass(frozen=True)
class Reach:
    """One channel: how many members allow it, and how many say that they prefer it."""

    channel: str
    label: str
    allowed: int
    preferred: int
    share: float


def reach(*, segment: Segment) -> list[Reach]:
    """The channels by how many members may be written to there, the best first."""
    people = Customer.objects.order_by().filter(memberships__segment=segment)
    allowed = {
        f"allowed_{channel}": Count("pk", filter=Q((f"profile__consent_{channel}", True))) for channel in Channel.values
    }
    preferred = {f"preferred_{channel}": Count("pk", filter=Q(preferred_channel=channel)) for channel in Channel.values}
    counted = people.aggregate(everybody=Count("pk"), **allowed, **preferred)
    everybody = counted["everybody"] or 1
    rows = [
        Reach(
            channel,
            str(label),
            counted[f"allowed_{channel}"],
            counted[f"preferred_{channel}"],
            counted[f"allowed_{channel}"] / everybody,
        )
        for channel, label in Channel.choices
    ]
    return sorted(rows, key=lambda row: (-row.allowed, -row.preferred))


@dataclass(frozen=True)
class Like:
    """A category that members buy more often than customers do altogether."""

    name: str
    members: int
    share: float
    index: int
    """Share among members against all buyers; 100 = all customers."""


_LIKES = """
WITH everybody AS (SELECT count(*)::float AS total FROM crm_customerprofile WHERE receipts > 0),
     inside AS (SELECT customer_id FROM segments_membership WHERE segment_id = %(segment)s),
     buying AS (
        SELECT count(*)::float AS total FROM inside JOIN crm_customerprofile USING (customer_id) WHERE receipts > 0
     ),
     shares AS (
        SELECT bought.category_id,
               count(*) FILTER (WHERE inside.customer_id IS NOT NULL) AS members,
               count(*) AS buyers
          FROM crm_customercategory AS bought LEFT JOIN inside USING (customer_id)
         WHERE bought.receipts > 0
         GROUP BY bought.category_id
     )
SELECT category.path, shares.members, shares.members / buying.total,
       round(100 * (shares.members / buying.total) / (shares.buyers / everybody.total))
  FROM shares CROSS JOIN everybody CROSS JOIN buying JOIN crm_category AS category ON category.id = shares.category_id
 WHERE buying.total > 0 AND shares.members >= greatest(10, buying.total * 0.05)
   AND (shares.members / buying.total) > 1.1 * (shares.buyers / everybody.total)
 ORDER BY shares.members / buying.total - shares.buyers / everybody.total DESC, category.path
 LIMIT %(limit)s
"""


def likes(*, segment: Segment, limit: int = 5) -> list[Like]:
    """Categories in which members stand out most from all buyers; only where at least ten of them bought."""
    with connection.cursor() as cursor:
        cursor.execute(_LIKES, {"segment": segment.pk, "limit": limit})
        return [Like(path, members, share, int(index)) for path, members, share, index in cursor.fetchall()]


def members_page(*, segment: Segment, number: Any) -> "Page[Membership]":
    """Members with their customers, the newest first; a fixed number of queries."""
    members = Membership.objects.filter(segment=segment).select_related("customer", "customer__profile")
    paginator = Paginator(members.order_by("-entered_at", "pk"), PAGE)
    # The stored number rather than a count of what may be a million rows.
    paginator.__dict__["count"] = segment.members_count
    return paginator.get_page(number)


def recent_events(*, segment: Segment, limit: int = 12) -> Sequence[MembershipEvent]:
    """Who came and went last."""
    events = MembershipEvent.objects.filter(segment=segment).select_related("customer")
    return list(events.order_by("-happened_at", "-pk")[:limit])


def chart(*, segment: Segment, now: datetime, days: int = 90) -> dict[str, Any] | None:
    """Members at the end of each of the last days; None while there is nothing to draw."""
    today = shop_day(now)
    moved = (
        MembershipEvent.objects.filter(segment=segment, happened_at__gt=now - timedelta(days=days))
        .annotate(day=TruncDate("happened_at"))
        .order_by()
        .values("day")
        .annotate(came=Count("pk", filter=Q(entered=True)), went=Count("pk", filter=Q(entered=False)))
    )
    net = {row["day"]: row["came"] - row["went"] for row in moved}
    if len(net) < 2:
        return None
    number, values, labels = segment.members_count, [], []
    for ago in range((today - min(net)).days + 1):
        day = today - timedelta(days=ago)
        values.append(number)
        labels.append(date_format(day, "j M"))
        number -= net.get(day, 0)
    return {
        "id": "members",
        "label": _("Members at the end of each day"),
        "kind": "line",
        "unit": "count",
        "categories": labels[::-1],
        "series": [{"name": _("Members"), "values": values[::-1], "tone": "accent"}],
        "height": 200,
    }


def used_by(*, segment: Segment) -> list[Segment]:
    """The segments and personas whose rule asks for this one, by name."""
    return list(Segment.objects.filter(pk__in=dependents(segment.pk)).order_by("name", "pk"))


def sentence_of(segment: Segment) -> str:
    """The rule in words; for one that cannot be read any more, why."""
    if segment.kind == Segment.Kind.PICKED:
        return _("Picked by hand.")
    try:
        rule = describe(parse(segment.rule))
    except RuleError as error:
        rule = str(error)
    if segment.kind == Segment.Kind.FROZEN:
        day = date_format(shop_day(segment.created_at), "DATE_FORMAT")
        return _("Frozen as of %(day)s: %(rule)s") % {"day": day, "rule": rule}
    return rule
