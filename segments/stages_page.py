"""What the page of lifecycle stages shows: how many are in each, how far people come, and how long it takes them."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.days import shop_day
from crm.lifecycle import STAGES, in_words
from crm.models import Customer, Receipt, Shop
from crm.statistics import customers_by_stage
from crm.templatetags.regulars import percent
from segments.making import segment_link
from segments.tree import And, Condition

KEPT_SECONDS = 6 * 3600

# Each customer's first, second and regular-making purchase, in the order of the index by customer.
_STEPS = """
WITH sale AS (
    SELECT customer_id, sold_on, row_number() OVER (PARTITION BY customer_id ORDER BY sold_at) AS number
      FROM crm_receipt
     WHERE customer_id IS NOT NULL AND kind = 'sale' AND sold_on <= %(today)s
), reached AS (
    SELECT customer_id, min(sold_on) AS first_on,
           min(sold_on) FILTER (WHERE number = 2) AS second_on,
           min(sold_on) FILTER (WHERE number = %(regular)s) AS regular_on
      FROM sale WHERE number <= %(regular)s GROUP BY customer_id
)
SELECT count(*), count(reached.first_on), count(reached.second_on), count(reached.regular_on),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY reached.first_on - customer.joined_on)
           FILTER (WHERE reached.first_on > customer.joined_on),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY reached.second_on - reached.first_on)
           FILTER (WHERE reached.second_on IS NOT NULL),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY reached.regular_on - reached.second_on)
           FILTER (WHERE reached.regular_on IS NOT NULL)
  FROM (SELECT id, (registered_at AT TIME ZONE %(zone)s)::date AS joined_on
          FROM crm_customer WHERE merged_into_id IS NULL AND erased_at IS NULL) AS customer
  LEFT JOIN reached ON reached.customer_id = customer.id
"""


def page(*, now: datetime, may_add: bool) -> dict[str, Any]:
    """The page's context."""
    shop = Shop.current()
    stages = customers_by_stage(now=now)
    total = sum(stages.values())
    return {
        "total": total,
        "rules": in_words(shop),
        "stages_chart": stages_chart(stages, with_links=may_add),
        "stages": [
            {"label": STAGES[stage], "customers": number, "share": number / total, "link": _link(stage)}
            for stage, number in stages.items()
            if total
        ],
        "steps": _steps(now, shop) if total else [],
    }


def _link(stage: str) -> str:
    return segment_link(name=str(STAGES[stage]).capitalize(), rule=And((Condition("lifecycle", "=", stage),)))


def stages_chart(stages: dict[str, int], *, with_links: bool = False) -> dict[str, Any] | None:
    """Customers by stage, each bar a way to its segment where wanted; None where there are no customers."""
    total = sum(stages.values())
    if not total:
        return None
    return {
        "id": "stages",
        "label": _("Customers by lifecycle stage"),
        "kind": "bars",
        "unit": "count",
        "categories": [
            f"{str(STAGES[one]).capitalize()} ({percent(number / total)})" for one, number in stages.items()
        ],
        "series": [{"name": _("Customers"), "values": list(stages.values()), "tone": "accent"}],
        **({"links": [_link(stage) for stage in stages]} if with_links else {}),
        "height": 320,
    }


def reached(*, now: datetime, regular: int) -> tuple[int | None, ...]:
    """Known, bought, bought again, became a regular; and the median days from one to the next (None: nobody did)."""
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, {"today": shop_day(now), "regular": regular, "zone": settings.TIME_ZONE})
        found: tuple[int | None, ...] = cursor.fetchone()
        return found


def _steps(now: datetime, shop: Shop) -> list[dict[str, Any]]:
    """Read once for the same facts and day: at a million customers it takes seconds."""
    newest = (
        Receipt.objects.aggregate(newest=Max("pk"))["newest"],
        Customer.objects.aggregate(newest=Max("pk"))["newest"],
    )
    key = f"segments-steps-{shop_day(now)}-{shop.regular_receipts}-{newest[0]}-{newest[1]}"
    found = cache.get(key)
    if found is None:
        found = reached(now=now, regular=shop.regular_receipts)
        cache.set(key, found, KEPT_SECONDS)
    known, bought, again, regular, to_first, to_second, to_regular = found
    rows = [
        (_("Known"), known, None, None),
        (_("Bought"), bought, known, to_first),
        (_("Bought again"), again, bought, to_second),
        (
            ngettext("%(n)d purchase or more", "%(n)d purchases or more", shop.regular_receipts)
            % {"n": shop.regular_receipts},
            regular,
            again,
            to_regular,
        ),
    ]
    return [
        {
            "label": label,
            "customers": number,
            "of_all": number / known if known else None,
            "of_before": number / before if before else None,
            "days": days,
        }
        for label, number, before, days in rows
    ]
