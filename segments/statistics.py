"""How segments move: who came and who went, for the home page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, OuterRef, Q, Subquery

from segments.models import MembershipEvent, Segment


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A segment's comings and goings within a span of days."""

    segment_id: int
    name: str
    members: int
    entered: int
    left: int

    @property
    def net(self) -> int:
        return self.entered - self.left

    @property
    def share(self) -> float | None:
        """The change as a share of the members there were before; None for a segment that had none."""
        before = self.members - self.net
        return self.net / before if before > 0 else None


def growth(*, now: datetime, days: int = 28, limit: int = 6) -> list[Growth]:
    """The segments that changed most in the last ``days`` days, most first, personas' own ones included.

    A segment's first filling is not growth, nor is what a changed rule moved: only what happened under the present
    rule counts, and only after the first refresh by it (which gives all its comings and goings one moment).
    """
    filled_at = (
        MembershipEvent.objects.filter(segment=OuterRef("segment"), rule_version=OuterRef("segment__rule_version"))
        .order_by("happened_at")
        .values("happened_at")[:1]
    )
    moved = (
        MembershipEvent.objects.filter(
            happened_at__gt=now - timedelta(days=days),
            happened_at__lte=now,
            rule_version=F("segment__rule_version"),
            segment__is_archived=False,
        )
        .filter(happened_at__gt=Subquery(filled_at))
        .order_by()
        .values("segment_id", "segment__name", "segment__members_count")
        .annotate(came=Count("pk", filter=Q(entered=True)), went=Count("pk", filter=Q(entered=False)))
    )
    rows = [
        Growth(
            segment_id=row["segment_id"],
            name=row["segment__name"],
            members=row["segment__members_count"],
            entered=row["came"],
            left=row["went"],
        )
        for row in moved
    ]
    return sorted((row for row in rows if row.net), key=lambda row: (-abs(row.net), row.name))[:limit]


def broken() -> list[Segment]:
    """Segments whose last refresh failed, by name."""
    return list(Segment.objects.filter(is_archived=False).exclude(last_error="").order_by("name", "pk"))
