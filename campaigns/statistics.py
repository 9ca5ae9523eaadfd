"""Campaigns under way, for the home page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from campaigns.models import Campaign, Delivery

_SETTLED = {
    Delivery.Status.ACCEPTED,
    Delivery.Status.FAILED,
    Delivery.Status.SUPPRESSED,
    Delivery.Status.HELD_OUT,
    Delivery.Status.CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A campaign and how many of its audience are settled, one way or another."""

    campaign: Campaign
    audience: int
    settled: int
    accepted: int
    undecided: int

    @property
    def share(self) -> float:
        return self.settled / self.audience if self.audience else 0.0


def in_flight(*, now: datetime, finished_days: int = 28) -> list[Progress]:
    """Campaigns not yet over, and those finished lately, the most urgent first. Two queries."""
    rank = {
        Campaign.Status.PAUSED: 0,
        Campaign.Status.SENDING: 1,
        Campaign.Status.SCHEDULED: 2,
        Campaign.Status.DRAFT: 3,
        Campaign.Status.FINISHED: 4,
    }
    lately = Q(status=Campaign.Status.FINISHED, finished_at__gt=now - timedelta(days=finished_days))
    under_way = Q(status__in=[status for status in rank if status != Campaign.Status.FINISHED])
    campaigns = list(Campaign.objects.filter(under_way | lately, is_imported=False))
    counts: dict[int, dict[str, int]] = {campaign.pk: {} for campaign in campaigns}
    rows = (
        Delivery.objects.filter(campaign__in=list(counts))
        .order_by()
        .values_list("campaign_id", "status")
        .annotate(number=Count("pk"))
    )
    for campaign_id, status, number in rows:
        counts[campaign_id][status] = number
    return [
        _progress(campaign, counts[campaign.pk])
        for campaign in sorted(campaigns, key=lambda one: (rank[Campaign.Status(one.status)], -one.pk))
    ]


def _progress(campaign: Campaign, by_status: dict[str, int]) -> Progress:
    to_go = by_status.get(Delivery.Status.PENDING, 0) + by_status.get(Delivery.Status.LEASED, 0)
    # While a worker is at it, a window of deliveries is always on its way; what stays afterwards is unclear.
    at_work = campaign.status == Campaign.Status.SENDING and to_go > 0
    return Progress(
        campaign=campaign,
        audience=sum(by_status.values()),
        settled=sum(number for status, number in by_status.items() if status in _SETTLED),
        accepted=by_status.get(Delivery.Status.ACCEPTED, 0),
        undecided=0 if at_work else by_status.get(Delivery.Status.SENDING, 0),
    )
