"""What segments add to a customer's page: the segments they are in and why, and their comings and goings."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.page import parts, timeline
from crm.page.timeline import Cursor, Event, Ids
from segments.models import MembershipEvent


def moves(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = MembershipEvent.objects.filter(customer__in=ids).select_related("segment")
    shown = timeline.newest(rows, at="happened_at", key="segments", before=before, limit=limit)
    return [
        Event(
            at=one.happened_at,
            row=one.pk,
            title=(_("Came into “%(segment)s”") if one.entered else _("Left “%(segment)s”"))
            % {"segment": one.segment.name},
        )
        for one in shown
    ]


def register() -> None:
    parts.register(
        parts.Part(
            key="segments",
            title=gettext_lazy("Segments"),
            url_name="admin:segments_customer",
            permission="segments.view_segment",
            order=10,
        )
    )
    timeline.register(
        timeline.Source(
            key="segments",
            group="segments",
            label=gettext_lazy("Segments"),
            icon="pie_chart",
            permission="segments.view_membershipevent",
            read=moves,
        )
    )
