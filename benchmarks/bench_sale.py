"""Recording sales at the till (three lines, a card holder) against bare inserts of the rows that a sale adds.

The limit writes receipt, lines, points and mark with psycopg alone: ready-made values, one statement a table, one
commit a sale. It checks nothing and leaves the customer's profile and categories alone; a sale updates those as well.
"""

import itertools
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.results import Result, Scale, interleaved
from crm import customers, sales
from crm.models import Category, Customer, LoyaltyCard, LoyaltyEntry, Product, Receipt, Store

COUNTS: dict[Scale, int] = {"small": 200, "full": 2_000}
CUSTOMERS = 50
LINES = 3
_INSERT_LINES = (
    "INSERT INTO crm_receiptline (receipt_id, position, product_id, customer_id, sold_on, is_return, quantity, "
    "unit_price, total_minor) VALUES (%s, %s, %s, %s, %s, false, 1, 1.99, 199)"
) + ", (%s, %s, %s, %s, %s, false, 1, 1.99, 199)" * (LINES - 1)
_numbers = itertools.count(1)


def run(scale: Scale) -> Iterator[Result]:
    count = COUNTS[scale]
    shop = _Shop()
    before = (LoyaltyEntry.objects.count(), Receipt.objects.count())  # of a benchmark that ran earlier
    shop.sales(20)  # imports, caches and statements of both
    shop.bare(20)
    compared = interleaved(lambda: shop.sales(count), lambda: shop.bare(count))
    written = (LoyaltyEntry.objects.count() - before[0], Receipt.objects.count() - before[1])
    assert written == (2 * (compared.runs * count + 20),) * 2, written
    yield Result(
        name="recording a sale against bare inserts",
        ratio=compared.time_ratio,
        goal=4.0,
        better="lower",
        limit_per_s=compared.limit_per_s(count),
        more={"per_s": round(compared.per_s(count), 1), "sales": count, "lines": LINES, "runs": compared.runs},
    )


class _Shop:
    def __init__(self) -> None:
        self.store = Store.objects.create(code="bench", name="Bench")
        top = Category.objects.create(name="Food", path="Food")
        self.products = [
            Product.objects.create(
                sku=f"P{n}",
                name=f"Product {n}",
                price_minor=199 + n,
                category=Category.objects.create(parent=top, name=f"C{n}", path=f"Food > C{n}"),
            )
            for n in range(LINES)
        ]
        self.people = [self._member(n) for n in range(CUSTOMERS)]

    def _member(self, number: int) -> Customer:
        member = customers.create_customer(now=timezone.now(), registered=True, first_name=f"Anna{number}")
        LoyaltyCard.objects.create(number=f"2900{number:06d}", customer=member)
        return member

    def sales(self, count: int) -> float:
        """Ring up so many sales, each as the till does; seconds."""
        lines = [sales.SaleLine(product=product, quantity=Decimal(1)) for product in self.products]
        started = time.perf_counter()
        for number in range(count):
            sale = sales.Sale(
                client_key=uuid.uuid4(),
                store=self.store,
                customer=self.people[number % CUSTOMERS],
                payment="card",
                lines=lines,
            )
            sales.record_sale(sale=sale, by=None)
        return time.perf_counter() - started

    def bare(self, count: int) -> float:
        """Insert the rows of so many sales; seconds."""
        started = time.perf_counter()
        for number in range(count):
            self._insert(self.people[number % CUSTOMERS].pk, f"bare-{next(_numbers):09d}")
        return time.perf_counter() - started

    def _insert(self, customer: int, number: str) -> None:
        now = timezone.now()
        total = sum(product.price_minor or 0 for product in self.products)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO crm_receipt (source, external_id, kind, channel, client_key, content_hash, store_id, "
                "customer_id, sold_at, sold_on, payment, total_minor) "
                "VALUES ('bare', %s, 'sale', 'till', %s, %s, %s, %s, %s, %s, 'card', %s) RETURNING id",
                [number, uuid.uuid4(), b"0" * 32, self.store.pk, customer, now, now.date(), total],
            )
            receipt = cursor.fetchone()[0]
            cursor.execute(
                _INSERT_LINES,
                [
                    value
                    for position, product in enumerate(self.products, 1)
                    for value in (receipt, position, product.pk, customer, now.date())
                ],
            )
            cursor.execute(
                "INSERT INTO crm_loyaltyentry (customer_id, receipt_id, kind, points, key) "
                "VALUES (%s, %s, 'earn', 5, %s)",
                [customer, receipt, f"earn:{receipt}"],
            )
            cursor.execute("INSERT INTO crm_changemark (customer_id) VALUES (%s)", [customer])
