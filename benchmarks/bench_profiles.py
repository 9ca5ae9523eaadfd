"""Rebuilding all profiles and category rows from the facts, against the bare aggregates that this needs.

Those are: receipts by customer, lines by customer, lines by customer and category at every level of the tree, points
and newest consents by customer. Once where every profile is right already, as a check after a restore finds it; once
where all are gone, so that every row has to be written as well.
"""

import time
from collections.abc import Callable, Iterator

from django.db import connection, transaction

from benchmarks import shop
from benchmarks.results import Comparison, Result, Scale, interleaved
from benchmarks.shop import Shop
from crm import profiles

_BARE = (
    """
    SELECT count(*), sum(r) FROM (
        SELECT customer_id, count(*) FILTER (WHERE kind = 'sale') AS r, count(*) FILTER (WHERE kind = 'return'),
               sum(total_minor), sum(discount_minor), min(sold_on) FILTER (WHERE kind = 'sale'),
               max(sold_on) FILTER (WHERE kind = 'sale')
          FROM crm_receipt WHERE customer_id IS NOT NULL GROUP BY customer_id) AS receipt
    """,
    """
    SELECT count(*), sum(u) FROM (
        SELECT customer_id, sum(quantity) AS u FROM crm_receiptline WHERE customer_id IS NOT NULL GROUP BY customer_id
    ) AS line
    """,
    """
    WITH RECURSIVE above AS (
        SELECT id AS leaf_id, id AS category_id FROM crm_category
        UNION ALL
        SELECT above.leaf_id, category.parent_id FROM above JOIN crm_category AS category ON category.id = category_id
         WHERE category.parent_id IS NOT NULL
    )
    SELECT count(*), sum(n) FROM (
        SELECT line.customer_id, above.category_id, count(DISTINCT receipt_id) FILTER (WHERE NOT is_return) AS n,
               sum(quantity), sum(total_minor), min(sold_on) FILTER (WHERE NOT is_return),
               max(sold_on) FILTER (WHERE NOT is_return)
          FROM crm_receiptline AS line
          JOIN crm_product AS product ON product.id = line.product_id
          JOIN above ON above.leaf_id = product.category_id
         WHERE line.customer_id IS NOT NULL
         GROUP BY line.customer_id, above.category_id) AS category
    """,
    "SELECT count(*), sum(p) FROM (SELECT customer_id, sum(points) AS p FROM crm_loyaltyentry GROUP BY 1) AS points",
    """
    SELECT count(*), count(*) FILTER (WHERE granted) FROM (
        SELECT DISTINCT ON (customer_id, channel) customer_id, channel, granted
          FROM crm_consent WHERE purpose = 'marketing' ORDER BY customer_id, channel, stated_at DESC, id DESC) AS newest
    """,
)


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        runs = 5 if scale == "small" else 3
        yield _result("recounting all profiles, all right", interleaved(_recount, _aggregates, runs), made)
        yield _result("rebuilding all profiles from nothing", interleaved(_rebuild, _aggregates, runs), made)


def _result(name: str, compared: Comparison, made: Shop) -> Result:
    return Result(
        name=f"{name}, against the bare aggregates",
        ratio=compared.time_ratio,
        goal=1.5,
        better="lower",
        limit_per_s=compared.limit_per_s(made.sizes.lines),
        more={
            "seconds": round(compared.measured_s, 2),
            "bare_s": round(compared.limit_s, 2),
            "runs": compared.runs,
            **made.said,
        },
    )


def _in_vain(work: Callable[[], None], before: Callable[[], None] | None = None) -> float:
    with transaction.atomic():
        if before:
            before()
        started = time.perf_counter()
        work()
        took = time.perf_counter() - started
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM crm_customerprofile, crm_customercategory")
    return took


def _recount() -> float:
    return _in_vain(profiles.recount)


def _rebuild() -> float:
    def empty() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM crm_customerprofile")
            cursor.execute("TRUNCATE crm_customercategory")

    return _in_vain(profiles.recount, empty)


def _aggregates() -> float:
    started = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '128MB'")
        for statement in _BARE:
            cursor.execute(statement)
    return time.perf_counter() - started
