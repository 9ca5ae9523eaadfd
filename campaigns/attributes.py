"""What customers do with our messages, as something that rules can ask: ``mails("opened", last: 90 days) >= 3``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Expression, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from campaigns.models import Delivery, TrackedEvent
from crm.attributes import Attribute, Filter, Group, Predicate, Scope, TimeEffect, Type, register
from crm.models import Channel
from segments.deeds import WHEN, Counted, Deeds

SENT = Deeds(
    Delivery, "sent_at", only=Q(status=Delivery.Status.ACCEPTED, channel=Channel.EMAIL), customer="customer", stays=True
)


def _responses(kind: str) -> Deeds:
    """Mails with such a response of a person; what a machine did never counts. Their day is that of the response."""
    return Deeds(
        TrackedEvent,
        "happened_at",
        only=Q(kind=kind, is_automated=False, delivery__channel=Channel.EMAIL),
        customer="delivery__customer",
        stays=True,
        counted="delivery_id",
    )


OF_EVENT = {
    "sent": SENT,
    "opened": _responses(TrackedEvent.Kind.OPENED),
    "clicked": _responses(TrackedEvent.Kind.CLICKED),
}


@dataclass(frozen=True)
class Mails:
    """How many mails of the event; a mail that was opened five times is one."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        return self._of(filters).matches(scope=scope, filters=_others(filters), operator=operator, value=value)

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        return self._of(filters).value(scope=scope, filters=_others(filters))

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        return self._of(filters).due(scope=scope, since=since, filters=_others(filters), operator=operator, value=value)

    def _of(self, filters: Mapping[Filter, Any]) -> Counted:
        return Counted(OF_EVENT[filters[Filter.EVENT]])


def _others(filters: Mapping[Filter, Any]) -> dict[Filter, Any]:
    return {name: value for name, value in filters.items() if name != Filter.EVENT}


MAILS = Attribute(
    name="mails",
    label=_("mails of campaigns"),
    help=_("How many were sent, opened or clicked. What machines open does not count."),
    group=Group.ENGAGEMENT,
    type=Type.NUMBER,
    source=Mails(),
    always_known=True,
    minimum=0,
    argument=Filter.EVENT,
    events={"sent": _("sent"), "opened": _("opened"), "clicked": _("clicked")},
    filters=WHEN,
    time=TimeEffect.WITH_WINDOW,
)


def register_all() -> None:
    register(MAILS)
