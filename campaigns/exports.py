"""Exports of campaigns: the list, and who got what of one."""

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign, Delivery
from campaigns.pages import read_id
from crm.exporting import Column, Export, Screen, declare, offer
from crm.exporting.lists import PERSONAL


def _same(*names: str) -> list[Column]:
    return [Column(name, name) for name in names]


campaigns = declare(
    Export(
        "campaigns",
        _("campaigns"),
        _same("name", "status", "channel", "scheduled_at", "launched_at"),
        ["campaigns.view_campaign"],
    )
)

deliveries = declare(
    Export(
        "deliveries",
        _("who got what"),
        [
            Column("customer_id", "customer__number"),
            Column("first_name", "customer__first_name"),
            Column("last_name", "customer__last_name"),
            *_same("channel", "address", "status", "reason", "detail"),
            Column("variant", "variant__letter"),
            *_same("assigned_at", "sent_at"),
        ],
        ["campaigns.view_delivery", "crm.view_customer", PERSONAL],
    )
)


def _find(user: User, query: str) -> QuerySet[Any]:
    """The deliveries of ?campaign=ID, in the order in which they were assigned."""
    if not user.has_perm("campaigns.view_campaign"):
        raise PermissionDenied
    return Delivery.objects.filter(campaign=read_id(QueryDict(query).get("campaign", ""))).order_by("id")


def _back(query: str) -> str:
    try:
        found = Campaign.objects.filter(pk=read_id(QueryDict(query).get("campaign", ""))).first()
    except ValueError:
        found = None
    if found is None:
        return reverse("admin:campaigns_campaign_changelist")
    return reverse("admin:campaigns_campaign_change", args=[found.pk])


deliveries_screen = offer(Screen("campaigns.deliveries", [deliveries], _find, _back))
