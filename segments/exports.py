"""Exports of segments: the list, and the members of one."""

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.exporting import Column, Export, Screen, declare, offer
from crm.exporting.lists import PERSONAL, CustomerColumns
from segments import changes as spans
from segments.models import Membership, Segment

segments = declare(
    Export(
        "segments",
        _("segments"),
        [
            *(Column(name, name) for name in ("name", "description", "kind")),
            Column("members", "members_count"),
            Column("as_of", "refreshed_at"),
            Column("changed_at", "changed_at"),
        ],
        ["segments.view_segment"],
    )
)

members = declare(
    Export(
        "members",
        _("members"),
        CustomerColumns("customer__", also=[Column("member_since", "entered_at")]),
        ["segments.view_membership", "crm.view_customer", PERSONAL],
    )
)


changes = declare(
    Export(
        "membership_changes",
        _("comings and goings"),
        [
            Column("customer_id", "customer__number"),
            Column("first_name", "customer__first_name"),
            Column("last_name", "customer__last_name"),
            Column("what", "entered", lambda entered: "came" if entered else "went"),
            Column("when", "happened_at"),
            Column("rule_version", "rule_version"),
        ],
        ["segments.view_membershipevent", "crm.view_customer", PERSONAL],
    )
)


def _find(user: User, query: str) -> QuerySet[Any]:
    """The members of ?segment=ID, in the order of the page."""
    return Membership.objects.filter(segment=_segment(user, query)).order_by("-entered_at", "id")


def _find_changes(user: User, query: str) -> QuerySet[Any]:
    """The comings and goings of ?segment=ID&since=DAY&until=DAY, in the order of the page."""
    asked = QueryDict(query)
    span = spans.read_span(
        since=asked.get("since", ""), until=asked.get("until", ""), only=asked.get("only", ""), now=timezone.now()
    )
    return spans.events(segment=_segment(user, query), span=span)


def _segment(user: User, query: str) -> Segment:
    key = QueryDict(query).get("segment", "")
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        raise ValueError(key)
    if not user.has_perm("segments.view_segment"):
        raise PermissionDenied
    found = Segment.objects.filter(pk=int(key)).first()
    if found is None:
        raise ValueError(key)
    return found


def _back(query: str) -> str:
    key = QueryDict(query).get("segment", "")
    found = Segment.objects.filter(pk=int(key)).first() if key.isascii() and key.isdecimal() else None
    return (
        reverse("admin:segments_segment_members", args=[found.pk])
        if found
        else reverse("admin:segments_segment_changelist")
    )


changes_screen = offer(Screen("segments.changes", [changes], _find_changes, _back))
members_screen = offer(Screen("segments.members", [members], _find, _back))
