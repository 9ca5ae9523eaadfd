"""Points as money: what they take off a sale, and from whom they are taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import money
from crm.models import Customer, CustomerProfile, LoyaltyProgramme, Receipt


class RedemptionRefused(ValidationError):
    """These points cannot be redeemed; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Redemption:
    """Points that take money off a sale; ``shares`` says how much off each line, in hundredths."""

    points: int
    shares: Sequence[int]

    @property
    def worth_minor(self) -> int:
        return sum(self.shares)


def open_redemption(*, points: int, lines: Sequence[int]) -> Redemption:
    """What so many points take off lines with these totals, spread by what each costs, to the cent.

    Whether the customer has them is asked when they are taken (:func:`redeem`). Raises :class:`RedemptionRefused`.
    """
    programme = LoyaltyProgramme.current()
    if not programme.redeem_worth_minor:
        raise RedemptionRefused(_("Points cannot be redeemed at present. Take them off the sale."))
    if points <= 0 or points % programme.redeem_points:
        raise RedemptionRefused(
            ngettext(
                "Points are redeemed in multiples of %(step)d.",
                "Points are redeemed in multiples of %(step)d.",
                programme.redeem_points,
            ),
            params={"step": programme.redeem_points},
        )
    worth = points // programme.redeem_points * programme.redeem_worth_minor
    if worth > sum(lines):
        raise RedemptionRefused(
            _("The points are worth %(worth)s, more than the sale comes to (%(total)s). Use fewer."),
            params={"worth": money.show(worth), "total": money.show(sum(lines))},
        )
    return Redemption(points=points, shares=money.spread(worth, lines))


def sharers(customer: Customer) -> list[int]:
    """Ids of the customer and of those whose points they may redeem, too: the household's, where it shares them."""
    if customer.household_id is None:
        return [customer.pk]
    others = Customer.objects.filter(
        household=customer.household_id, household__shares_points=True, merged_into=None, erased_at=None
    )
    return sorted({customer.pk, *others.values_list("pk", flat=True)})


def spendable(customer: Customer) -> int:
    """How many points the customer may redeem: their own and those that the household shares; never below 0."""
    balances = CustomerProfile.objects.filter(customer__in=sharers(customer)).values_list("points", flat=True)
    return max(0, sum(balances))


# Own points first, then the others' in the order of ids. What somebody owes lowers what there is for all. Whoever left
# the household since it was locked is passed over; the balances are those after the lock.
_REDEEM = """
    WITH member AS (
        SELECT profile.customer_id, profile.points, profile.customer_id = %(customer)s AS is_own
          FROM crm_customerprofile AS profile
         WHERE profile.customer_id = %(customer)s
            OR profile.customer_id = ANY(%(held)s) AND EXISTS (
               SELECT FROM crm_customer AS other
                 JOIN crm_household AS household ON household.id = other.household_id
                 JOIN crm_customer AS one ON one.household_id = household.id
                WHERE other.id = profile.customer_id AND one.id = %(customer)s AND household.shares_points
                  AND other.merged_into_id IS NULL AND other.erased_at IS NULL)
    ), pool AS (
        SELECT customer_id, greatest(points, 0) AS has,
               sum(greatest(points, 0)) OVER (ORDER BY is_own DESC, customer_id) - greatest(points, 0) AS before,
               sum(points) OVER () AS balance
          FROM member
    ), taken AS (
        SELECT customer_id, least(has, %(points)s - before) AS points
          FROM pool
         WHERE balance >= %(points)s AND has > 0 AND before < %(points)s
    ), entry AS (
        INSERT INTO crm_loyaltyentry (customer_id, receipt_id, kind, points, key, shares, recorded_at, recorded_by_id)
        SELECT customer_id, %(receipt)s, 'redeem', -points, %(key)s || customer_id, %(shares)s, %(now)s, %(by)s
          FROM taken
         ORDER BY customer_id
        RETURNING customer_id, points
    ), changed AS (
        UPDATE crm_customerprofile AS profile SET points = profile.points + entry.points
          FROM entry WHERE entry.customer_id = profile.customer_id
    )
    SELECT (SELECT array_agg(customer_id ORDER BY customer_id) FROM entry),
           (SELECT greatest(max(balance), 0) FROM pool)
"""


def redeem(
    *, receipt: Receipt, customer: Customer, redemption: Redemption, held: Sequence[int], by: User | None, now: datetime
) -> list[int]:
    """Take the points, in the caller's transaction, which holds the profiles ``held`` (see :func:`sharers`).

    Returns the ids of those whose points were taken. Raises :class:`RedemptionRefused` where there are not enough.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _REDEEM,
            {
                "customer": customer.pk,
                "held": list(held),
                "points": redemption.points,
                "shares": list(redemption.shares),
                "receipt": receipt.pk,
                "key": f"redeem:{receipt.pk}:",
                "now": now,
                "by": by.pk if by else None,
            },
        )
        taken_from, balance = cursor.fetchone()
    if not taken_from:
        raise RedemptionRefused(
            ngettext("Only %(points)d point is left.", "Only %(points)d points are left.", balance or 0)
            + " "
            + _("Use fewer, or take them off the sale."),
            params={"points": balance or 0},
        )
    found: list[int] = taken_from
    return found
