"""What customers have asked for on their own page, as SQL: a pause, no such topic, not so often.

The audience is judged by it when it is frozen, and each window again when it is opened.
"""

from datetime import datetime
from typing import Any

from campaigns.models import Campaign
from crm.days import shop_day
from crm.models import Frequency, Purpose

DAYS_BETWEEN = {Frequency.WEEKLY: 7, Frequency.MONTHLY: 30, Frequency.QUARTERLY: 91}

# Who was held out counts as written to, like in every cap.
_AGAINST = """
    WHEN c.pause_ends_on >= %(today)s THEN 'paused'
    WHEN %(topic)s = ANY(c.topics_declined) THEN 'topic_declined'
    WHEN c.message_frequency <> '' AND EXISTS (
        SELECT FROM campaigns_delivery earlier
          JOIN campaigns_campaign other ON other.id = earlier.campaign_id
         WHERE earlier.customer_id = c.id AND earlier.campaign_id <> %(campaign)s AND other.purpose = 'marketing'
           AND NOT other.is_imported AND earlier.status IN ('accepted', 'sending', 'held_out')
           AND coalesce(earlier.sent_at, earlier.assigned_at) > %(now)s::timestamptz - make_interval(days =>
               CASE c.message_frequency {days} END)) THEN 'too_often'
"""


def against(campaign: Campaign) -> str:
    """WHEN clauses over the customer ``c``, for marketing; needs the parameters of :func:`params`."""
    if campaign.purpose != Purpose.MARKETING:
        return ""
    return _AGAINST.format(days=" ".join(f"WHEN '{often}' THEN {days}" for often, days in DAYS_BETWEEN.items()))


def params(campaign: Campaign, now: datetime) -> dict[str, Any]:
    return {"today": shop_day(now), "topic": campaign.topic.slug if campaign.topic else "", "now": now}
