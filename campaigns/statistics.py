"""Campaigns under way, for the home page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from campaigns.models import Campaign, Delivery
from campaigns.states import is_undecided

_SETTLED = {
    Delivery.Status.ACCEPTED,
    Delivery.Status.FAILED,
    Delivery.Status.SUPPRESSED,
    Delivery.Status.HELD_OUT,
    Delivery.Status.CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A campaign and how many of its audience are settled, one way or another."""

    campaign: Campaign
    audience: int
    settled: int
    accepted: int
    undecided: int

    @property
    def share(self) -> float:
        return self.settled / self.audience if self.audience else 0.0


def in_flight(*, now: datetime, finished_days: int = 28) -> list[Standing]:
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
    counts: dict[int, list[tuple[str, int, int]]] = {campaign.pk: [] for campaign in campaigns}
    rows = (
        Delivery.objects.filter(campaign__in=list(counts))
        .order_by()
        .values_list("campaign_id", "status")
        .annotate(number=Count("pk"), unclear=Count("pk", filter=is_undecided(now)))
    )
    for campaign_id, status, number, unclear in rows:
        counts[campaign_id].append((status, number, unclear))
    return [
        _standing(campaign, counts[campaign.pk])
        for campaign in sorted(campaigns, key=lambda one: (rank[Campaign.Status(one.status)], -one.pk))
    ]


def _standing(campaign: Campaign, rows: list[tuple[str, int, int]]) -> Standing:
    return Standing(
        campaign=campaign,
        audience=sum(number for _status, number, _unclear in rows),
        settled=sum(number for status, number, _unclear in rows if status in _SETTLED),
        accepted=sum(number for status, number, _unclear in rows if status == Delivery.Status.ACCEPTED),
        undecided=sum(unclear for _status, _number, unclear in rows),
    )
