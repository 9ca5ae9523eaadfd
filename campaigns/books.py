"""Where a campaign's audience stands: the books, which always balance, and the pace of what is going out."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Q

from campaigns.models import Campaign, Delivery
from campaigns.states import is_undecided


@dataclass(frozen=True)
class Books:
    """audience = accepted + failed + undecided + suppressed + held_out + cancelled + to_go."""

    audience: int
    accepted: int
    failed: dict[str, int]
    undecided: int
    suppressed: dict[str, int]
    held_out: int
    cancelled: int
    to_go: int

    @property
    def is_balanced(self) -> bool:
        parts = self.accepted + self.undecided + self.held_out + self.cancelled + self.to_go
        return self.audience == parts + sum(self.failed.values()) + sum(self.suppressed.values())


def books(*, campaign: Campaign, now: datetime) -> Books:
    """The campaign's books at this moment, in one statement. "To go" holds what a live worker has in hand."""
    rows = (
        Delivery.objects.filter(campaign=campaign)
        .values_list("status", "reason")
        .annotate(count=Count("id"), unclear=Count("id", filter=is_undecided(now)))
        .order_by("status", "reason")
    )
    by_status: Counter[str] = Counter()
    reasons: dict[str, dict[str, int]] = {"failed": {}, "suppressed": {}}
    undecided_count = 0
    for status, reason, count, unclear_count in rows:
        by_status[status] += count
        undecided_count += unclear_count
        if status in reasons:
            reasons[status][reason] = count
    return Books(
        audience=by_status.total(),
        accepted=by_status["accepted"],
        failed=reasons["failed"],
        undecided=undecided_count,
        suppressed=reasons["suppressed"],
        held_out=by_status["held_out"],
        cancelled=by_status["cancelled"],
        to_go=by_status["pending"] + by_status["leased"] + by_status["sending"] - undecided_count,
    )


@dataclass(frozen=True)
class Progress:
    """``per_second`` over the last minute; ``seconds_left`` is None while nothing goes out."""

    sent: int
    to_go: int
    per_second: float
    seconds_left: float | None


RECENT = 2000


def progress(*, campaign: Campaign, now: datetime) -> Progress:
    """How far the sending has come and how fast it goes."""
    counts = Delivery.objects.filter(campaign=campaign).aggregate(
        sent=Count("id", filter=Q(status="accepted")),
        to_go=Count("id", filter=Q(status__in=["pending", "leased"]) | (Q(status="sending") & ~is_undecided(now))),
    )
    # The newest by id are about the newest sent, and an index finds them however large the campaign is.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(sent_at) FROM (SELECT sent_at FROM campaigns_delivery "
            "WHERE campaign_id = %s AND status = 'accepted' ORDER BY id DESC LIMIT %s) newest WHERE sent_at > %s",
            [campaign.pk, RECENT, now - timedelta(seconds=60)],
        )
        count, since = cursor.fetchone()
    seconds = max((now - since).total_seconds(), 1.0) if since else 1.0
    pace = count / seconds
    return Progress(counts["sent"], counts["to_go"], pace, counts["to_go"] / pace if pace else None)
