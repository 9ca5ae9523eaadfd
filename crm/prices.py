"""What a unit of each category usually costs: the measure by which somebody buys cheaper or dearer things.

A stored, dated figure (see :class:`crm.models.UsualPrice`), so that one sale never changes what is said of everybody
else. It is made anew in each calendar month, and after an import.
"""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Max

from crm.days import months_before, shop_day
from crm.models import Category, Job, UsualPrice

MONTHS = 12

# Sales without a customer are left out: those that were voided have none any more.
_REMAKE = """
INSERT INTO crm_usualprice (category_id, unit_price, made_at)
SELECT category.id, sold.unit_price, %(now)s
  FROM crm_category AS category
  LEFT JOIN (SELECT product.category_id, sum(line.total_minor) / sum(line.quantity) / 100 AS unit_price
               FROM crm_receiptline AS line
               JOIN crm_product AS product ON product.id = line.product_id
              WHERE line.customer_id IS NOT NULL AND line.sold_on > %(since)s AND line.sold_on <= %(today)s
              GROUP BY product.category_id
             HAVING sum(line.quantity) > 0 AND sum(line.total_minor) > 0) AS sold ON sold.category_id = category.id
 ORDER BY category.id
    ON CONFLICT (category_id) DO UPDATE SET unit_price = excluded.unit_price, made_at = excluded.made_at
"""


def due(*, now: datetime) -> bool:
    """Whether usual prices are to be made: never yet, in another month, or before the last import was done."""
    made_at = UsualPrice.objects.aggregate(newest=Max("made_at"))["newest"]
    if made_at is None:
        return Category.objects.exists()
    if shop_day(made_at).replace(day=1) < shop_day(now).replace(day=1):
        return True
    return Job.objects.filter(kind="import", status=Job.Status.DONE, finished_at__gt=made_at).exists()


def remake(*, now: datetime) -> None:
    """Make them from what customers bought in the last twelve months; two workers do it one after the other."""
    today = shop_day(now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE crm_usualprice IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(_REMAKE, {"now": now, "today": today, "since": months_before(today, MONTHS)})
