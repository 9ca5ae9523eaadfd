"""The loyalty programme: points earned and redeemed, kept as a ledger whose sum is the balance."""

from crm.loyalty.earning import earn
from crm.loyalty.ledger import MOST_POINTS, card_of, moved_by, of_receipt, post, settle_returns
from crm.loyalty.redeeming import Redemption, RedemptionRefused, open_redemption, redeem, sharers, spendable
from crm.loyalty.tiers import Standing, award_tiers, standing, tier_of, tiers_of

__all__ = [
    "MOST_POINTS",
    "Redemption",
    "RedemptionRefused",
    "Standing",
    "award_tiers",
    "card_of",
    "earn",
    "moved_by",
    "of_receipt",
    "open_redemption",
    "post",
    "redeem",
    "settle_returns",
    "sharers",
    "spendable",
    "standing",
    "tier_of",
    "tiers_of",
]
