"""Loyalty points: earned with each purchase, kept as a ledger."""

from django.contrib.auth.models import User
from django.db.models import F

from crm.models import Customer, CustomerProfile, LoyaltyCard, LoyaltyEntry, Receipt, Shop


def points_for(*, total_minor: int, points_per_unit: int) -> int:
    """Points for an amount: so many for each whole unit of currency, nothing for the rest."""
    return max(total_minor, 0) // 100 * points_per_unit


def card_of(customer: Customer) -> LoyaltyCard | None:
    """The customer's card in use: the newest where there are several."""
    return customer.cards.filter(status=LoyaltyCard.Status.ACTIVE).order_by("-issued_at", "-id").first()


def earn(*, receipt: Receipt, customer: Customer, by: User | None) -> int:
    """Credit the points of a sale, once, in the caller's transaction; returns them.

    Only members earn: those who registered or hold a card. Expects the customer's profile row to exist.
    """
    points = points_for(total_minor=receipt.total_minor, points_per_unit=Shop.current().points_per_unit)
    card = card_of(customer)
    if not points or (card is None and customer.registered_at is None):
        return 0
    entry = LoyaltyEntry(
        customer=customer,
        card=card,
        receipt=receipt,
        kind=LoyaltyEntry.Kind.EARN,
        points=points,
        key=f"earn:{receipt.pk}",
        recorded_by=by,
    )
    entry.save(force_insert=True)
    CustomerProfile.objects.filter(customer=customer).update(points=F("points") + points)
    return points
