"""What we say, to whom, and what came of it."""

from campaigns.models.campaign import Campaign, CampaignMove, Variant
from campaigns.models.coupons import Coupon, Redemption
from campaigns.models.delivery import Delivery, Link, TrackedEvent

__all__ = ["Campaign", "CampaignMove", "Coupon", "Delivery", "Link", "Redemption", "TrackedEvent", "Variant"]
