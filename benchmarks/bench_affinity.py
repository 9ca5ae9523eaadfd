"""What is bought together: the best ten companions of every product with their significance.

Against the bare sparse product of the same matrix by scipy, which gives counts and nothing else; and, from the sale
lines on, against the join of the lines with themselves in SQL.
"""

import time
from collections.abc import Iterator
from datetime import timedelta

from django.db import connection, transaction

from benchmarks import shop
from benchmarks.results import Comparison, Result, Scale, interleaved
from benchmarks.shop import Shop
from crm.days import shop_day
from segments.affinity.counting import best_pairs
from segments.affinity.run import DAYS, read

_SELF_JOIN = """
SELECT count(*) FROM (
    SELECT first.product_id AS one, other.product_id AS two, count(DISTINCT first.receipt_id) AS together
      FROM crm_receiptline AS first
      JOIN crm_receiptline AS other ON other.receipt_id = first.receipt_id AND other.product_id > first.product_id
     WHERE NOT first.is_return AND NOT other.is_return
       AND first.sold_on BETWEEN %(since)s AND %(until)s AND other.sold_on BETWEEN %(since)s AND %(until)s
     GROUP BY first.product_id, other.product_id) AS pair
"""


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        until = shop_day(made.now)
        span = {"since": until - timedelta(days=DAYS - 1), "until": until}
        _skus, has = read(unit="basket", **span)

        def counted() -> float:
            started = time.perf_counter()
            best_pairs(has)
            return time.perf_counter() - started

        def bare() -> float:
            started = time.perf_counter()
            product = has.T @ has
            took = time.perf_counter() - started
            assert product.nnz
            return took

        def from_lines() -> float:
            started = time.perf_counter()
            best_pairs(read(unit="basket", **span)[1])
            return time.perf_counter() - started

        def joined() -> float:
            started = time.perf_counter()
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL work_mem = '256MB'")
                cursor.execute(_SELF_JOIN, span)
            return time.perf_counter() - started

        runs = 5 if scale == "small" else 3
        name = "affinity by basket, top 10 with significance"
        yield _result(f"{name}, against the bare sparse product", interleaved(counted, bare, runs), 2.0, made, has.nnz)
        compared = interleaved(from_lines, joined, runs if scale == "small" else 1)
        yield _result(f"{name}, from the lines on, against the self-join in SQL", compared, 0.5, made, has.nnz)


def _result(name: str, compared: Comparison, goal: float, made: Shop, cells: int) -> Result:
    return Result(
        name=name,
        ratio=compared.time_ratio,
        goal=goal,
        better="lower",
        limit_per_s=compared.limit_per_s(cells),
        more={
            "seconds": round(compared.measured_s, 2),
            "bare_s": round(compared.limit_s, 2),
            "cells": cells,
            "runs": compared.runs,
            **made.said,
        },
    )
