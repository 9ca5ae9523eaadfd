"""Loyalty points: earned with each purchase, kept as a ledger."""

from django.contrib.auth.models import User
from django.db import connection

from crm.models import Customer, LoyaltyCard, LoyaltyProgramme, Receipt


def card_of(customer: Customer) -> LoyaltyCard | None:
    """The customer's card in use: the newest where there are several."""
    return customer.cards.filter(status=LoyaltyCard.Status.ACTIVE).order_by("-issued_at", "-id").first()


# One round trip at the till: who earns, how much, the entry and the balance.
_EARN = """
    WITH card AS (
        SELECT id FROM crm_loyaltycard
         WHERE customer_id = %(customer)s AND status = 'active'
         ORDER BY issued_at DESC, id DESC LIMIT 1
    ), entry AS (
        INSERT INTO crm_loyaltyentry (customer_id, card_id, receipt_id, kind, points, key, recorded_by_id)
        SELECT %(customer)s, (SELECT id FROM card), %(receipt)s, 'earn', points, %(key)s, %(by)s
          FROM (SELECT %(units)s * coalesce((SELECT points_per_unit FROM crm_loyaltyprogramme WHERE id = 1), %(usual)s)
               ) AS due (points)
         WHERE points > 0 AND (%(registered)s OR EXISTS (SELECT FROM card))
        RETURNING points
    )
    UPDATE crm_customerprofile AS profile
       SET points = profile.points + entry.points
      FROM entry
     WHERE profile.customer_id = %(customer)s
    RETURNING entry.points
"""


def earn(*, receipt: Receipt, customer: Customer, by: User | None) -> int:
    """Credit the points of a sale, once, in the caller's transaction; returns them.

    A whole unit of currency earns ``LoyaltyProgramme.points_per_unit`` points, the rest nothing. Only members earn:
    those who registered or hold a card. Expects the customer's profile row to exist, and to be locked by the caller.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _EARN,
            {
                "customer": customer.pk,
                "receipt": receipt.pk,
                "key": f"earn:{receipt.pk}",
                "by": by.pk if by else None,
                "units": max(receipt.total_minor, 0) // 100,
                "usual": LoyaltyProgramme().points_per_unit,
                "registered": customer.registered_at is not None,
            },
        )
        earned = cursor.fetchone()
    return earned[0] if earned else 0
