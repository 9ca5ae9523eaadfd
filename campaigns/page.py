"""What campaigns add to a customer's page: what they were sent, and what they did with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Delivery, TrackedEvent
from crm.page import parts, timeline
from crm.page.timeline import Cursor, Event, Ids

MOST_SHOWN = 10
_DONE = {
    TrackedEvent.Kind.OPENED: gettext_lazy("Opened “%(campaign)s”"),
    TrackedEvent.Kind.CLICKED: gettext_lazy("Clicked in “%(campaign)s”"),
    TrackedEvent.Kind.UNSUBSCRIBED: gettext_lazy("Unsubscribed from “%(campaign)s”"),
    TrackedEvent.Kind.BOUNCED: gettext_lazy("“%(campaign)s” bounced"),
    TrackedEvent.Kind.COMPLAINED: gettext_lazy("Complained about “%(campaign)s”"),
}
_BAD = {TrackedEvent.Kind.UNSUBSCRIBED, TrackedEvent.Kind.BOUNCED, TrackedEvent.Kind.COMPLAINED}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One campaign's delivery to this person, with what they did: each kind of response once."""

    delivery: Delivery
    responses: tuple[str, ...]

    @property
    def outcome(self) -> str:
        status = self.delivery.get_status_display()
        return f"{status}: {self.delivery.get_reason_display()}" if self.delivery.reason else str(status)


def sent_to(*, ids: Sequence[int], limit: int = MOST_SHOWN) -> list[Sent]:
    """The newest deliveries to these records, whatever became of them. Two queries."""
    deliveries = list(
        Delivery.objects.filter(customer__in=ids)
        .select_related("campaign", "variant")
        .order_by("-assigned_at", "-pk")[:limit]
    )
    responses: dict[int, dict[str, None]] = {}
    events = TrackedEvent.objects.filter(delivery__in=[one.pk for one in deliveries], is_automated=False)
    for delivery, kind in events.order_by("happened_at", "pk").values_list("delivery", "kind"):
        responses.setdefault(delivery, {})[str(TrackedEvent.Kind(kind).label)] = None
    return [Sent(delivery=one, responses=tuple(responses.get(one.pk, ()))) for one in deliveries]


def messages(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Delivery.objects.filter(customer__in=ids, status=Delivery.Status.ACCEPTED, sent_at__isnull=False)
    shown = timeline.newest(rows.select_related("campaign"), at="sent_at", key="messages", before=before, limit=limit)
    return [
        Event(
            at=one.sent_at,
            row=one.pk,
            title=_("Sent “%(campaign)s” by %(channel)s")
            % {"campaign": one.campaign.name, "channel": one.get_channel_display()},
            detail=one.address,
            link=reverse("admin:campaigns_campaign_change", args=[one.campaign_id]),
        )
        for one in shown
        if one.sent_at
    ]


def responses(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = TrackedEvent.objects.filter(delivery__customer__in=ids, is_automated=False)
    shown = timeline.newest(
        rows.select_related("delivery__campaign", "link"),
        at="happened_at",
        key="responses",
        before=before,
        limit=limit,
    )
    return [
        Event(
            at=one.happened_at,
            row=one.pk,
            title=str(_DONE[TrackedEvent.Kind(one.kind)]) % {"campaign": one.delivery.campaign.name},
            detail=one.link.url if one.link else "",
            tone="bad" if one.kind in _BAD else "accent",
        )
        for one in shown
    ]


def register() -> None:
    parts.register(
        parts.Part(
            key="messages",
            title=gettext_lazy("What they were sent"),
            url_name="admin:campaigns_customer",
            permission="campaigns.view_delivery",
            order=30,
        )
    )
    label = gettext_lazy("Messages")
    for key, icon, permission, read in (
        ("messages", "outgoing_mail", "campaigns.view_delivery", messages),
        ("responses", "ads_click", "campaigns.view_trackedevent", responses),
    ):
        timeline.register(
            timeline.Source(key=key, group="messages", label=label, icon=icon, permission=permission, read=read)
        )
