"""Points for a sale, by the rules of its own day."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from crm.days import shop_day
from crm.loyalty.ledger import MOST_POINTS
from crm.loyalty.tiers import AWARD
from crm.models import Customer, LoyaltyProgramme, Receipt

_WHO = """
    card AS (
        SELECT id FROM crm_loyaltycard
         WHERE customer_id = %(customer)s AND status = 'active'
         ORDER BY issued_at DESC, id DESC LIMIT 1
    ), person (id) AS (
        SELECT %(customer)s::bigint WHERE %(registered)s OR EXISTS (SELECT FROM card)
    ), special AS MATERIALIZED (
        SELECT EXISTS (SELECT FROM crm_pointsrule WHERE is_active) OR EXISTS (SELECT FROM crm_tier) AS yes
    )
"""

_ENTRY = f"""
    entry AS (
        INSERT INTO crm_loyaltyentry (customer_id, card_id, receipt_id, kind, points, key, shares, recorded_at,
                                      recorded_by_id)
        SELECT person.id, (SELECT id FROM card), %(receipt)s, 'earn', least(due.points, {MOST_POINTS}), %(key)s,
               due.shares, %(now)s, %(by)s
          FROM person, due
         WHERE due.points > 0
        RETURNING points
    )
"""

_PER_UNIT = "coalesce((SELECT points_per_unit FROM crm_loyaltyprogramme WHERE id = 1), %(usual)s)"

_BALANCE = """
    , balance AS (
        UPDATE crm_customerprofile AS profile
           SET points = profile.points + entry.points
          FROM entry
         WHERE profile.customer_id = %(customer)s
    )
    SELECT special.yes, (SELECT points FROM entry) FROM special
"""

# Where there are neither rules nor tiers this is all; where there are any it does nothing but say so.
_EARN_PLAINLY = f"""
    WITH {_WHO}, due (points, shares) AS (
        SELECT %(total)s / 100 * {_PER_UNIT}::bigint, NULL::bigint[] FROM special WHERE NOT yes
    ), {_ENTRY} {_BALANCE}
"""

# Without a rule that fits, no line is read. Somebody born on 29 February has their day on 1 March of the other years.
_EARN_BY_RULES = f"""
    WITH RECURSIVE {_WHO}, rule AS MATERIALIZED (
        SELECT factor, category_id FROM crm_pointsrule
         WHERE is_active
           AND (weekdays = '{{}}' OR extract(isodow FROM %(day)s::date) = ANY(weekdays))
           AND (starts_on IS NULL OR starts_on <= %(day)s) AND (ends_on IS NULL OR ends_on >= %(day)s)
           AND (birthday_days IS NULL OR EXISTS (
                SELECT FROM generate_series(-1, 1) AS step
                 WHERE abs(%(day)s::date - (make_date(extract(year FROM %(day)s::date)::int + step,
                                                      extract(month FROM %(birth)s::date)::int, 1)
                                            + extract(day FROM %(birth)s::date)::int - 1)) <= birthday_days))
    ), above AS (
        SELECT DISTINCT product.category_id AS leaf_id, product.category_id
          FROM crm_receiptline AS line
          JOIN crm_product AS product ON product.id = line.product_id
         WHERE line.receipt_id = %(receipt)s AND EXISTS (SELECT FROM rule WHERE category_id IS NOT NULL)
        UNION
        SELECT above.leaf_id, category.parent_id
          FROM above
          JOIN crm_category AS category ON category.id = above.category_id
         WHERE category.parent_id IS NOT NULL
    ), line AS MATERIALIZED (
        SELECT line.position, line.total_minor,
               coalesce((SELECT CASE WHEN min(factor) = 0 THEN 0 ELSE max(factor) END
                           FROM rule
                          WHERE rule.category_id IS NULL
                             OR rule.category_id IN (SELECT above.category_id FROM above
                                                      WHERE above.leaf_id = product.category_id)), 1) AS factor
          FROM crm_receiptline AS line
          JOIN crm_product AS product ON product.id = line.product_id
         WHERE line.receipt_id = %(receipt)s AND EXISTS (SELECT FROM rule)
    ), weighed AS (
        SELECT sum(total_minor * factor) AS minor,
               array_agg((total_minor * factor * 100)::bigint ORDER BY position) AS shares
          FROM line
    ), rank (factor) AS (
        SELECT coalesce((SELECT tier.factor FROM crm_tieraward AS award JOIN crm_tier AS tier ON tier.id = award.tier_id
                          WHERE award.customer_id = %(customer)s AND %(day)s BETWEEN award.reached_on AND award.ends_on
                          ORDER BY tier.spend_minor DESC LIMIT 1), 1)
    ), due (points, shares) AS (
        SELECT floor(coalesce(weighed.minor, %(total)s) * rank.factor / 100) * {_PER_UNIT}, weighed.shares
          FROM weighed, rank
    ), {_ENTRY}, award AS (
        {AWARD}
    ) {_BALANCE}
"""

_expects_rules = False
"""Which statement is likely to do: a guess from the last sale. The wrong one costs a round trip, nothing else."""


def earn(*, receipt: Receipt, customer: Customer, by: User | None, now: datetime) -> int:
    """Credit the points of a sale, once, in the caller's transaction, and the tier that it reaches; returns the points.

    Each line counts by the largest factor of the rules that fit it on the sale's day (one of 0 beats all), then the
    factor of the tier that the customer had. Each whole unit of currency of that sum earns
    ``LoyaltyProgramme.points_per_unit`` points, the rest nothing. Only members earn: those who registered or hold a
    card. Expects the customer's profile row to exist, and to be locked by the caller.
    """
    global _expects_rules
    usual = LoyaltyProgramme()
    params: dict[str, Any] = {
        "customer": customer.pk,
        "receipt": receipt.pk,
        "key": f"earn:{receipt.pk}",
        "by": by.pk if by else None,
        "total": max(receipt.total_minor, 0),
        "usual": usual.points_per_unit,
        "registered": customer.registered_at is not None,
        "birth": customer.birth_date,
        "day": receipt.sold_on,
        "now": now,
        "today": shop_day(now),
        "tier_months": usual.tier_months,
        "tier_kept_months": usual.tier_kept_months,
    }
    with connection.cursor() as cursor:
        if not _expects_rules:
            cursor.execute(_EARN_PLAINLY, params)
            _expects_rules, earned = cursor.fetchone()
            if not _expects_rules:
                return earned or 0
        cursor.execute(_EARN_BY_RULES, params)
        _expects_rules, earned = cursor.fetchone()
    return earned or 0
