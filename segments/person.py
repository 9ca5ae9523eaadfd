"""What segments do when a person is forgotten, or does not want to be profiled."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _

from crm import person
from crm.person import Section
from segments.models import Membership, MembershipEvent, Segment
from segments.overview import sentence_of
from segments.refresh import hold_against_sweeps

_LEAVE = """
    WITH gone AS (DELETE FROM segments_membership WHERE customer_id = ANY(%s) RETURNING segment_id),
         counted AS (SELECT segment_id, count(*) AS members FROM gone GROUP BY segment_id)
    UPDATE segments_segment AS segment
       SET members_count = greatest(segment.members_count - counted.members, 0)
      FROM counted
     WHERE segment.id = counted.segment_id
"""


def hold() -> None:
    """Let no evaluation of everybody run beside: it would count somebody who is leaving."""
    hold_against_sweeps(list(Segment.objects.order_by("pk").values_list("pk", flat=True)))


def forget(ids: Sequence[int], now: datetime) -> None:
    """Take these out of all segments, picked ones too, without a trace in their history."""
    with connection.cursor() as cursor:
        cursor.execute(_LEAVE, [list(ids)])
    MembershipEvent.objects.filter(customer__in=ids).delete()


def unprofile(ids: Sequence[int], now: datetime) -> None:
    """Take these out of all segments; that they left is noted, and those that follow a rule let them in no more."""
    members = Membership.objects.filter(customer__in=ids).values_list("segment", "customer", "rule_version")
    MembershipEvent.objects.bulk_create(
        MembershipEvent(
            segment_id=segment, customer_id=customer, entered=False, happened_at=now, rule_version=rule_version
        )
        for segment, customer, rule_version in members
    )
    with connection.cursor() as cursor:
        cursor.execute(_LEAVE, [list(ids)])


def copy(ids: Sequence[int], now: datetime) -> list[Section]:
    """Which groups of customers and personas they are in, since when, and by which rule."""
    members = Membership.objects.filter(customer__in=ids).select_related("segment").order_by("entered_at", "pk")
    return [
        Section(
            key="segments.Membership",
            title=_("Groups of customers (segments, personas)"),
            columns={"group": _("Group"), "kind": _("Kind"), "entered_at": _("Since"), "why": _("Because")},
            rows=[
                {
                    "group": member.segment.name,
                    "kind": member.segment.get_kind_display(),
                    "entered_at": member.entered_at,
                    "why": sentence_of(member.segment),
                }
                for member in members
            ],
        )
    ]


def register() -> None:
    person.register(person.Room(name="segments", hold=hold, forget=forget, unprofile=unprofile, copy=copy))
