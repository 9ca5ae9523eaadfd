"""A recipient's no, given by the link or button of a message."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from campaigns import tracking
from campaigns.models import Delivery, TrackedEvent
from crm.consents import record_consent, suppress
from crm.models import Customer, CustomerProfile, Suppression

SOURCE = "unsubscribe link"


def unsubscribe(*, token: UUID, now: datetime, user_agent: str = "") -> bool:
    """Write nothing more to this address, whoever bears it, and note this customer's no. False for no such delivery.

    A second press changes nothing; after a new yes, the old message's link says no again.
    """
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update(no_key=True, of=["self"]).filter(token=token).first()
        if delivery is None:
            return False
        customer = survivor(delivery.customer)
        if is_unsubscribed(delivery=delivery, customer=customer):
            return True
        record_consent(
            customer=customer, channel=delivery.channel, granted=False, source=SOURCE, stated_at=now, now=now
        )
        if delivery.address_key:
            suppress(
                channel=delivery.channel,
                address_key=delivery.address_key,
                reason=Suppression.Reason.UNSUBSCRIBED,
            )
        kind = TrackedEvent.Kind.UNSUBSCRIBED
        tracking.record_event(token=token, kind=kind, now=now, user_agent=user_agent)
    return True


def is_unsubscribed(*, delivery: Delivery, customer: Customer) -> bool:
    """Whether this delivery's link has been used and no yes has come since."""
    allows = CustomerProfile.objects.filter(customer=customer, **{f"consent_{delivery.channel}": True}).exists()
    return not allows and delivery.events.filter(kind=TrackedEvent.Kind.UNSUBSCRIBED).exists()


def survivor(customer: Customer) -> Customer:
    """The record that a merged-away one lives on in; a record that was never merged is its own."""
    while customer.merged_into is not None:
        customer = customer.merged_into
    return customer
