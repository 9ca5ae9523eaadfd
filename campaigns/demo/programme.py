"""The demo's loyalty programme: plausible terms, tiers, rules, and points carried over from the shop's old list."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from crm import loyalty, profiles
from crm.days import shop_day
from crm.models import Category, Customer, LoyaltyEntry, LoyaltyProgramme, PointsRule, Receipt, Tier

CARRIED_OVER = timedelta(days=90)
"""Points for the purchases of so many days were still to be used when the shop changed to Regulars."""

TIERS = (
    ("Bronze", 250_00, "1", "A free coffee on the birthday"),
    ("Silver", 1_000_00, "1.25", "First to hear of new products"),
    ("Gold", 3_000_00, "1.5", "Free delivery, and a basket at New Year"),
)

# Name, factor, category (its path; "" is everything), weekdays, days around the birthday.
RULES: tuple[tuple[str, str, str, list[int], int | None], ...] = (
    ("Twice the points around the birthday", "2", "", [], 3),
    ("Fresh Tuesdays", "2", "Produce", [2], None),
    ("No points on fuel", "0", "Fuel", [], None),
)


def create(*, now: datetime) -> None:
    """Create what is not there yet."""
    with transaction.atomic():
        if not LoyaltyProgramme.objects.exists():
            LoyaltyProgramme(
                redeem_worth_minor=1_00, expire_after_months=18, birthday_points=50, day_done_on=shop_day(now)
            ).save()
        for name, spend_minor, factor, benefit in TIERS:
            fields = {"spend_minor": spend_minor, "factor": Decimal(factor), "benefit": benefit}
            Tier.objects.get_or_create(name=name, defaults=fields)
        for name, factor, path, weekdays, birthday_days in RULES:
            category = Category.objects.filter(path=path).first() if path else None
            if category is None and path:
                continue
            terms = {"factor": Decimal(factor), "category": category, "weekdays": weekdays}
            PointsRule.objects.get_or_create(name=name, defaults={**terms, "birthday_days": birthday_days})
        _carry_over(now)
        loyalty.award_tiers(today=shop_day(now))


def _carry_over(now: datetime) -> None:
    members = Customer.objects.filter(registered_at__isnull=False, loyalty_entries=None)
    spent = dict(
        Receipt.objects.filter(customer__in=members, sold_on__gt=shop_day(now) - CARRIED_OVER)
        .order_by()
        .values_list("customer")
        .annotate(spend=Sum("total_minor"))
        .filter(spend__gte=100)
    )
    profiles.lock_profiles(customer_ids=sorted(spent))
    loyalty.post(
        [
            LoyaltyEntry(
                customer_id=customer,
                kind=LoyaltyEntry.Kind.ADJUST,
                points=spend // 100,
                key=f"carried-over:{customer}",
                note="Carried over from the old programme",
                recorded_at=now,
            )
            for customer, spend in sorted(spent.items())
        ]
    )
