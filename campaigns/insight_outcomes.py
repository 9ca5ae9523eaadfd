"""What came of messages, as outcomes that attributes and segments are compared by."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns.models import Delivery, Redemption, TrackedEvent
from crm import past
from crm.models import Shop
from segments.insight.outcomes import Outcome, register

# Whoever was written to in the time; responded: a human click, or a coupon of the campaign used.
_RESPONSE = """
SELECT delivery.customer_id,
       bool_or(EXISTS (SELECT FROM campaigns_trackedevent AS event
                        WHERE event.delivery_id = delivery.id AND event.kind = 'clicked' AND NOT event.is_automated
                          AND event.happened_at < %(until)s)
               OR EXISTS (SELECT FROM campaigns_redemption AS redemption
                            JOIN campaigns_coupon AS coupon ON coupon.id = redemption.coupon_id
                           WHERE coupon.campaign_id = delivery.campaign_id
                             AND redemption.customer_id = delivery.customer_id
                             AND redemption.redeemed_on <= %(last)s))::int
  FROM campaigns_delivery AS delivery
 WHERE delivery.status = 'accepted' AND delivery.customer_id = ANY(%(ids)s)
   AND delivery.sent_at >= %(since)s AND delivery.sent_at < %(until)s
 GROUP BY delivery.customer_id
"""

# Net spend in the days after a message, for each message; a purchase counts once, however many messages came before.
_RETURN = """
WITH message AS MATERIALIZED (
    SELECT customer_id, (sent_at AT TIME ZONE %(zone)s)::date AS sent_on
      FROM campaigns_delivery
     WHERE status = 'accepted' AND customer_id = ANY(%(ids)s) AND sent_at >= %(since)s AND sent_at < %(until)s
)
SELECT written.customer_id, coalesce(spent.total, 0)::float8 / written.messages
  FROM (SELECT customer_id, count(*) AS messages FROM message GROUP BY customer_id) AS written
  LEFT JOIN (SELECT receipt.customer_id, sum(receipt.total_minor) AS total
               FROM crm_receipt AS receipt
              WHERE receipt.customer_id = ANY(%(ids)s) AND receipt.sold_on BETWEEN %(first)s AND %(last)s
                AND EXISTS (SELECT FROM message
                             WHERE message.customer_id = receipt.customer_id
                               AND receipt.sold_on BETWEEN message.sent_on AND message.sent_on + %(days)s)
              GROUP BY receipt.customer_id) AS spent USING (customer_id)
"""


def response(customer_ids: Sequence[int], since: date, until: date) -> Mapping[int, float]:
    """1 for whoever responded to a message of the time, 0 for the others who got one."""
    return _asked(_RESPONSE, customer_ids, since, until)


def spend_per_message(customer_ids: Sequence[int], since: date, until: date) -> Mapping[int, float]:
    """In hundredths, within the days after a message in which the shop counts purchases."""
    return _asked(_RETURN, customer_ids, since, until)


def _asked(sql: str, customer_ids: Sequence[int], since: date, until: date) -> Mapping[int, float]:
    zone = timezone.get_default_timezone()
    params: dict[str, Any] = {
        "ids": list(customer_ids),
        "since": datetime.combine(since, time(), zone),
        "until": datetime.combine(until + timedelta(days=1), time(), zone),
        "first": since,
        "last": until,
        "zone": timezone.get_default_timezone_name(),
        "days": Shop.current().attribution_days,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {pk: float(figure) for pk, figure in cursor.fetchall()}


def register_all() -> None:
    """The outcomes, and how the tables behind them are cut off at a past day."""
    register(
        Outcome(
            name="response",
            label=_("responses to messages"),
            average=_("Responded to a message"),
            unit="percent",
            read=response,
            otherwise=None,
        )
    )
    register(
        Outcome(
            name="return",
            label=_("spend after a message"),
            average=_("Spend after each message"),
            unit="money",
            read=spend_per_message,
            otherwise=None,
        )
    )
    past.register(Delivery, kept=f"{past.OF_PEOPLE} AND coalesce(sent_at, assigned_at) <= %(moment)s")
    past.register(TrackedEvent, kept="happened_at <= %(moment)s AND delivery_id IN (SELECT id FROM campaigns_delivery)")
    past.register(Redemption, kept=f"{past.OF_PEOPLE} AND redeemed_on <= %(day)s")
