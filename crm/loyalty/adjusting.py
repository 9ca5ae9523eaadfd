"""Points moved by hand, with a reason."""

import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm import bell, marks, profiles
from crm.loyalty.ledger import MOST_POINTS, card_of, post
from crm.models import Customer, CustomerProfile, LoyaltyEntry
from crm.text import clean


class AdjustmentRefused(ValidationError):
    """These points cannot be moved; the message says why."""


def adjust_points(
    *, customer: Customer, points: int, reason: str, by: User | None, now: datetime, key: uuid.UUID
) -> LoyaltyEntry:
    """Give or take points by hand. The same ``key`` (of the page's making) is one adjustment, however often it is sent.

    Raises :class:`AdjustmentRefused`: without a reason, for nothing, or for more than the customer has.
    """
    reason = clean(reason)
    if not reason:
        raise AdjustmentRefused({"note": _("Say why; the customer may ask.")})
    if not points or abs(points) > MOST_POINTS:
        raise AdjustmentRefused({"points": _("Type how many points, with a minus to take them.")})
    if not customer.is_live:
        raise AdjustmentRefused(_("This customer's record is closed. Look the customer up again."))
    entry = LoyaltyEntry(
        customer=customer,
        card=card_of(customer),
        kind=LoyaltyEntry.Kind.ADJUST,
        points=points,
        key=f"adjust:{key}",
        note=reason[:200],
        recorded_at=now,
        recorded_by=by,
    )
    with transaction.atomic():
        profiles.lock_profiles(customer_ids=[customer.pk])
        if first := LoyaltyEntry.objects.filter(key=entry.key).first():
            return first
        balance = CustomerProfile.objects.get(customer=customer).points
        if points < 0 and balance + points < 0:
            raise AdjustmentRefused({"points": _("There are only %(points)d points.") % {"points": balance}})
        post([entry])
        marks.mark_customers(customer_ids=[customer.pk])
        bell.ring_after_commit("segments.tasks.refresh_marked")
    return entry
