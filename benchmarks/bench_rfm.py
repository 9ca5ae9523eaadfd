"""RFM scores of everybody as of a new day, against a plain hash aggregate over all receipts.

The night's work: the figures that time alone changed are read from the facts, cut points are made from everybody's
figures, everybody is scored by them, whoever moved is written and marked. For comparison also everybody's figures read
from all receipts again, as after a large import: with the first scores of the shop, all of which are written.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.db import connection, transaction

from benchmarks import shop
from benchmarks.results import Comparison, Result, Scale, interleaved
from benchmarks.shop import Shop
from segments import scoring

_PLAIN = """
SELECT count(*), sum(f), sum(m) FROM (
    SELECT customer_id, max(sold_on) FILTER (WHERE kind = 'sale') AS r,
           count(*) FILTER (WHERE kind = 'sale' AND sold_on > %(start)s) AS f,
           sum(total_minor) FILTER (WHERE sold_on > %(start)s) AS m
      FROM crm_receipt WHERE customer_id IS NOT NULL GROUP BY customer_id) AS figures
"""


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE segments_customerscore, segments_cutpoints, segments_scoresasked")
        anew = interleaved(lambda: _first(made), lambda: _plain(made), runs=3)
        yield _result("first RFM scores of everybody, written", anew, made, goal=None)
        scoring.remake(now=made.now, anew=True)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) segments_customerscore")
        night = interleaved(lambda: _night(made), lambda: _plain(made), runs=5 if scale == "small" else 3)
        yield _result("RFM scores of everybody on a new day", night, made, goal=0.4)


def _result(name: str, compared: Comparison, made: Shop, goal: float | None) -> Result:
    return Result(
        name=f"{name}, against a plain hash aggregate over receipts",
        ratio=compared.time_ratio,
        goal=goal or 5.0,
        better="lower",
        limit_per_s=compared.limit_per_s(made.sizes.receipts),
        more={"seconds": round(compared.measured_s, 2), "plain_s": round(compared.limit_s, 2), **made.said},
    )


def _in_vain(work: Callable[[], object]) -> float:
    with transaction.atomic():
        started = time.perf_counter()
        work()
        took = time.perf_counter() - started
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM segments_customerscore")
    return took


def _first(made: Shop) -> float:
    return _in_vain(lambda: scoring.remake(now=made.now, anew=True))


def _night(made: Shop) -> float:
    return _in_vain(lambda: scoring.remake(now=made.now + timedelta(days=1)))


def _plain(made: Shop) -> float:
    started = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute("SET LOCAL enable_indexonlyscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(_PLAIN, {"start": made.now.date() - timedelta(days=730)})
    return time.perf_counter() - started
