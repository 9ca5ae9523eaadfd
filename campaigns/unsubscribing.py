"""A recipient's no, given by the link or button of a message."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from campaigns import tracking
from campaigns.models import Delivery, TrackedEvent
from crm.consents import stop_address, suppressed
from crm.customers import survivor
from crm.models import Customer, CustomerProfile, Suppression

SOURCE = "unsubscribe link"


def unsubscribe(*, token: UUID, now: datetime, user_agent: str = "") -> bool:
    """Write nothing more to this address, whoever bears it, and note their no. False for no such delivery.

    A second press changes nothing; after a new yes, the old message's link says no again.
    """
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update(no_key=True, of=["self"]).filter(token=token).first()
        if delivery is None:
            return False
        customer = survivor(delivery.customer)
        if customer.erased_at is not None or is_unsubscribed(delivery=delivery, customer=customer):
            return True
        stop_address(
            channel=delivery.channel,
            address_key=delivery.address_key,
            by_customer=customer,
            source=SOURCE,
            stated_at=now,
        )
        kind = TrackedEvent.Kind.UNSUBSCRIBED
        tracking.record_event(token=token, kind=kind, now=now, user_agent=user_agent)
    return True


def is_unsubscribed(*, delivery: Delivery, customer: Customer) -> bool:
    """Whether this delivery's link has been used and no yes has come since, of anybody at this address.

    Somebody who was erased is written to no more, and counts as one who has used it.
    """
    if customer.erased_at is not None:
        return True
    allows = CustomerProfile.objects.filter(customer=customer, **{f"consent_{delivery.channel}": True}).exists()
    if allows or not delivery.events.filter(kind=TrackedEvent.Kind.UNSUBSCRIBED).exists():
        return False
    keys, reasons = [delivery.address_key], [Suppression.Reason.UNSUBSCRIBED]
    return not delivery.address_key or bool(suppressed(channel=delivery.channel, address_keys=keys, reasons=reasons))
