"""The people behind a number: a few of those at a step of the waterfall, each with the reason in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib import admin
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from campaigns.audience import audience_segments, sample_audience
from campaigns.models import Campaign, Delivery
from crm.models import Consent, Customer
from segments.models import Membership

FEW = 5
IN_GROUPS, TO_SEND, HELD_OUT = "total", "to_send", "held_out"


@dataclass(frozen=True)
class Face:
    customer: Customer
    address: str
    why: str
    link: str


def faces(*, campaign: Campaign, step: str, now: datetime, count: int = FEW) -> list[Face]:
    """Up to ``count`` people at this step of the campaign's audience as it is now, in an order that stays the same."""
    ids = sample_audience(campaign=campaign, step=step, now=now, count=count)
    customers = Customer.objects.in_bulk(ids)
    reasons = _reasons(campaign, step, ids)
    has_page = admin.site.is_registered(Customer)
    return [
        Face(
            customer=customers[key],
            address=customers[key].email,
            why=reasons.get(key, ""),
            link=reverse("admin:crm_customer_change", args=[key]) if has_page else "",
        )
        for key in ids
        if key in customers
    ]


def _reasons(campaign: Campaign, step: str, ids: Sequence[int]) -> dict[int, str]:
    if step in (IN_GROUPS, TO_SEND):
        return _memberships(campaign, ids)
    if step == HELD_OUT:
        return dict.fromkeys(ids, _("Left out by the draw; counts in the comparison"))
    if step == Delivery.Reason.NO_CONSENT:
        return _refusals(campaign, ids)
    sentences = {
        Delivery.Reason.NOT_LIVE: _("This record was merged or erased"),
        Delivery.Reason.NO_ADDRESS: _("No address on file"),
        Delivery.Reason.PAUSED: _("Asked for a pause on their own page"),
        Delivery.Reason.TOPIC_DECLINED: _("Does not want this topic"),
        Delivery.Reason.TOO_OFTEN: _("Wants fewer messages, and got one lately"),
        Delivery.Reason.ERASED: _("Asked to be forgotten"),
        Delivery.Reason.COMPLAINED: _("Complained about a message"),
        Delivery.Reason.UNSUBSCRIBED: _("Unsubscribed this address"),
        Delivery.Reason.BOUNCED: _("Messages to this address came back"),
        Delivery.Reason.SAME_ADDRESS: _("Shares the address with somebody who bought more recently"),
    }
    return dict.fromkeys(ids, str(sentences.get(Delivery.Reason(step), Delivery.Reason(step).label)))


def _memberships(campaign: Campaign, ids: Sequence[int]) -> dict[int, str]:
    members = Membership.objects.filter(segment__in=audience_segments(campaign), customer__in=ids)
    found: dict[int, list[str]] = {}
    for member in members.select_related("segment").order_by("entered_at"):
        values = {"group": member.segment.name, "day": _day(member.entered_at)}
        found.setdefault(member.customer_id, []).append(_("In “%(group)s” since %(day)s") % values)
    return {key: "; ".join(sentences) for key, sentences in found.items()}


def _refusals(campaign: Campaign, ids: Sequence[int]) -> dict[int, str]:
    """Who said no, when and where; who was never asked."""
    records = Customer.objects.filter(Q(pk__in=ids) | Q(merged_into__in=ids)).order_by()
    newest = (
        Consent.objects.filter(customer__in=records.values("pk"), channel=campaign.channel, purpose=campaign.purpose)
        .annotate(person=Coalesce("customer__merged_into", "customer"))
        .order_by("person", "-stated_at", "-id")
        .distinct("person")
    )
    said = {
        consent.person: _("Said no on %(day)s (%(source)s)")
        % {"day": _day(consent.stated_at), "source": consent.source}
        for consent in newest
    }
    return {key: said.get(key, _("Never said yes")) for key in ids}


def _day(moment: datetime) -> str:
    return date_format(localdate(moment), "DATE_FORMAT")
