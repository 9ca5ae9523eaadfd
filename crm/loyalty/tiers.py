"""Tiers: ranks that members reach by what they spend, and keep for a while.

An award is a fact: it stays until its end, whatever is returned later. The highest one that runs counts; once it has
ended, whoever still spends enough is awarded anew with the next night, the next sale or the next import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection, transaction

from crm import marks
from crm.days import months_before
from crm.models import Customer, LoyaltyProgramme, Receipt, Tier, TierAward

# Expects person (id), and the parameters today, tier_months, tier_kept_months (used where no programme is saved).
AWARD = """
        INSERT INTO crm_tieraward (customer_id, tier_id, reached_on, ends_on)
        SELECT person.id, tier.id, %(today)s::date, (%(today)s::date + make_interval(months => terms.kept))::date
          FROM (SELECT coalesce(max(tier_kept_months), %(tier_kept_months)s)::int AS kept
                  FROM crm_loyaltyprogramme WHERE id = 1) AS terms
         CROSS JOIN person
          LEFT JOIN (
               SELECT customer_id, sum(total_minor) AS spend_minor FROM crm_receipt
                WHERE customer_id IN (SELECT id FROM person) AND sold_on <= %(today)s
                  AND sold_on > (SELECT (%(today)s::date - make_interval(
                        months => coalesce(max(tier_months), %(tier_months)s)::int))::date
                                   FROM crm_loyaltyprogramme WHERE id = 1)
                GROUP BY customer_id) AS spent ON spent.customer_id = person.id
         CROSS JOIN LATERAL (
               SELECT tier.id, tier.spend_minor FROM crm_tier AS tier
                WHERE tier.spend_minor <= coalesce(spent.spend_minor, 0)
                ORDER BY tier.spend_minor DESC LIMIT 1) AS tier
         WHERE NOT EXISTS (
               SELECT FROM crm_tieraward AS award JOIN crm_tier AS held ON held.id = award.tier_id
                WHERE award.customer_id = person.id AND held.spend_minor >= tier.spend_minor
                  AND %(today)s BETWEEN award.reached_on AND award.ends_on)
            ON CONFLICT DO NOTHING
        RETURNING customer_id
"""

# Members, as for earning: those who registered or hold a card.
_MEMBERS = """
    SELECT id FROM crm_customer AS customer
     WHERE merged_into_id IS NULL AND erased_at IS NULL AND {whom}
       AND (registered_at IS NOT NULL
            OR EXISTS (SELECT FROM crm_loyaltycard AS card WHERE card.customer_id = customer.id AND status = 'active'))
"""


def award_tiers(*, today: date, query: str = "", customer_ids: Sequence[int] | None = None) -> int:
    """Give the tiers that members have reached: of those customers whose ids the SQL query gives, or who are named.

    Everybody's where neither says whom. One statement, to be called after imports and merges and once a night; asking
    again adds nothing. Returns how many were given; whoever got one is marked as changed.
    """
    if not Tier.objects.exists():
        return 0
    whom, params = "true", {"today": today, **_usual_terms()}
    if query:
        whom = f"id IN ({query})"
    elif customer_ids is not None:
        whom, params["whom"] = "id = ANY(%(whom)s)", list(customer_ids)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"WITH person AS MATERIALIZED ({_MEMBERS.format(whom=whom)}) {AWARD}", params)
        given = [row[0] for row in cursor.fetchall()]
        if len(given) >= marks.MANY:
            marks.mark_all()
        else:
            marks.mark_customers(customer_ids=given)
    return len(given)


def _usual_terms() -> dict[str, Any]:
    usual = LoyaltyProgramme()
    return {"tier_months": usual.tier_months, "tier_kept_months": usual.tier_kept_months}


def tiers_of(*, customer_ids: Sequence[int], today: date) -> dict[int, Tier]:
    """The tier in which each of these customers is today; who is in none is left out. One query."""
    running = (
        TierAward.objects.filter(customer__in=customer_ids, reached_on__lte=today, ends_on__gte=today)
        .select_related("tier")
        .order_by("customer_id", "-tier__spend_minor")
        .distinct("customer_id")
    )
    return {award.customer_id: award.tier for award in running}


def tier_of(customer: Customer, today: date) -> Tier | None:
    """The highest tier that runs today; None without one."""
    return tiers_of(customer_ids=[customer.pk], today=today).get(customer.pk)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a customer stands: ``missing_minor`` is what is still to be spent within the months for ``next_tier``."""

    tier: Tier | None
    ends_on: date | None
    spend_minor: int
    next_tier: Tier | None
    missing_minor: int


def standing(*, customer: Customer, today: date) -> Standing:
    """The tier, until when, what was spent within the programme's months, and what the next tier asks for."""
    awards = TierAward.objects.filter(customer=customer, reached_on__lte=today, ends_on__gte=today)
    award = awards.select_related("tier").order_by("-tier__spend_minor", "-ends_on").first()
    since = months_before(today, LoyaltyProgramme.current().tier_months)
    spend = sum(
        Receipt.objects.filter(customer=customer, sold_on__gt=since, sold_on__lte=today)
        .order_by()
        .values_list("total_minor", flat=True)
    )
    above = Tier.objects.filter(spend_minor__gt=max(spend, award.tier.spend_minor if award else -1))
    following = above.order_by("spend_minor").first()
    return Standing(
        tier=award.tier if award else None,
        ends_on=award.ends_on if award else None,
        spend_minor=spend,
        next_tier=following,
        missing_minor=following.spend_minor - spend if following else 0,
    )
