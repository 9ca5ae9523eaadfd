"""The loyalty programme: points earned and redeemed, kept as a ledger whose sum is the balance; tiers and cards."""

from crm.loyalty.adjusting import AdjustmentRefused, adjust_points
from crm.loyalty.cards import (
    CardRefused,
    check_digit,
    close_card,
    issue_card,
    lose_card,
    next_number,
    replace_card,
    replacement_of,
)
from crm.loyalty.earning import earn
from crm.loyalty.ledger import MOST_POINTS, card_of, moved_by, of_receipt, post, settle_returns
from crm.loyalty.nights import Done, expire_points, expiring_points, give_birthday_points, see_to_day
from crm.loyalty.redeeming import Redemption, RedemptionRefused, open_redemption, redeem, sharers, spendable
from crm.loyalty.tiers import Standing, award_tiers, standing, tier_of, tiers_of

__all__ = [
    "MOST_POINTS",
    "AdjustmentRefused",
    "CardRefused",
    "Done",
    "Redemption",
    "RedemptionRefused",
    "Standing",
    "adjust_points",
    "award_tiers",
    "card_of",
    "check_digit",
    "close_card",
    "earn",
    "expire_points",
    "expiring_points",
    "give_birthday_points",
    "issue_card",
    "lose_card",
    "moved_by",
    "next_number",
    "of_receipt",
    "open_redemption",
    "post",
    "redeem",
    "replace_card",
    "replacement_of",
    "see_to_day",
    "settle_returns",
    "sharers",
    "spendable",
    "standing",
    "tier_of",
    "tiers_of",
]
