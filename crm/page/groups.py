"""The pages of a household and of a company: its people, who decides, what they spend together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from crm.days import shop_day
from crm.models import Company, Customer, Household, LoyaltyCard
from crm.page import spending

MOST_MEMBERS = 50


@dataclass(frozen=True, kw_only=True)
class Member:
    """``share`` is their part of what all of them spent; None while nothing was."""

    customer: Customer
    decides: bool
    share: float | None
    cards: tuple[LoyaltyCard, ...]


def group(*, of: Household | Company, now: datetime) -> dict[str, Any]:
    """The page's context. Numbers are of all people, the list of the first fifty; a fixed number of queries."""
    people = _people(of)
    totals = people.order_by().aggregate(
        people=Count("pk"),
        spend_minor=Sum("profile__spend_minor", default=0),
        receipts=Sum("profile__receipts", default=0),
        points=Sum("profile__points", default=0),
        first_sold_on=Min("profile__first_sold_on"),
        last_sold_on=Max("profile__last_sold_on"),
        reachable=Count("pk", filter=Q(profile__consent_email=True)),
    )
    ids = list(people.order_by("pk").values_list("pk", flat=True))
    shown = list(
        people.select_related("profile")
        .prefetch_related("cards")
        .order_by("-profile__spend_minor", "name_key", "pk")[:MOST_MEMBERS]
    )
    spent = totals["spend_minor"]
    members = [
        Member(
            customer=one,
            decides=one.pk == of.decision_maker_id,
            share=one.profile.spend_minor / spent if spent > 0 else None,
            cards=tuple(card for card in one.cards.all() if card.status == LoyaltyCard.Status.ACTIVE),
        )
        for one in shown
    ]
    members.sort(key=lambda member: not member.decides)
    return {
        "members": members,
        "more": totals["people"] - len(members),
        "totals": totals,
        "months_chart": spending.months_chart(ids=ids, today=shop_day(now)),
        "categories_chart": spending.categories_chart(ids=ids),
    }


def _people(of: Household | Company) -> "QuerySet[Customer]":
    whole = Customer.objects.filter(merged_into=None, erased_at=None)
    return whole.filter(household=of) if isinstance(of, Household) else whole.filter(company=of)
