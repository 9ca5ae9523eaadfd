"""What campaigns do when a person is forgotten: nothing more goes out to them, and the books still balance."""

from collections.abc import Sequence
from datetime import datetime

from campaigns.models import Delivery
from crm import person


def forget(ids: Sequence[int], now: datetime) -> None:
    """What has not left yet is not sent. What is just leaving stays undecided: nobody can call it back."""
    Delivery.objects.filter(customer__in=ids, status__in=[Delivery.Status.PENDING, Delivery.Status.LEASED]).update(
        status=Delivery.Status.SUPPRESSED,
        reason=Delivery.Reason.ERASED,
        lease=None,
        leased_until=None,
        not_before=None,
    )


def register() -> None:
    person.register(person.Room(name="campaigns", forget=forget))
