"""Made-up receipts: some goods sell far more than others, some customers come far more often, a fifth buy unknown."""

import csv
import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = [
    "receipt_id",
    "sold_at",
    "store",
    "customer_id",
    "sku",
    "product",
    "category",
    "quantity",
    "unit_price",
    "discount",
    "line_total",
]
GOODS = 5_000
_DEPARTMENTS = ["Food", "Drinks", "Household", "Garden", "Beauty", "Toys", "Books", "Clothing", "Sports", "Pets"]
_SHELVES = ["Basics", "Fresh", "Frozen", "Organic", "Regional", "Premium", "Gifts", "Seasonal", "Refill", "Sale"]
_SIZES = (1, 1, 1, 2, 2, 3, 4, 5, 7, 12)
_FIRST_DAY = datetime(2024, 1, 2, 8)


def write(path: Path, lines: int, *, customers: int, series: str = "A", seed: int = 23) -> None:
    """So many receipt lines of customers C0000001 and on, in the order of their days, as a file to import."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(itertools.islice(_lines(lines, customers, series, seed), lines))


def _lines(lines: int, customers: int, series: str, seed: int) -> Iterator[list[str]]:
    chance = random.Random(seed)
    step = timedelta(days=700) / lines
    sold_at = _FIRST_DAY
    for receipt in itertools.count(1):
        size = chance.choice(_SIZES)
        sold_at += size * step
        head = [
            f"{series}{receipt:08d}",
            f"{sold_at:%Y-%m-%d %H:%M:%S}",
            f"store-{chance.randrange(8)}",
            f"C{1 + int(customers * chance.random() ** 2):07d}" if chance.random() < 0.8 else "",
        ]
        for _line in range(size):
            yield [*head, *_bought(chance)]


def _bought(chance: random.Random) -> list[str]:
    good = int(GOODS * chance.random() ** 3)
    shelf = _SHELVES[good // 10 % 10]
    cents = 49 + good * 37 % 4_000
    quantity = chance.choice((1, 1, 1, 1, 2, 3))
    discount = cents * quantity // 10 if chance.random() < 0.15 else 0
    return [
        f"{4_000_000 + good}",
        f"{shelf} good {good}",
        f"{_DEPARTMENTS[good % 10]} > {shelf}",
        str(quantity),
        f"{cents / 100:.2f}",
        f"{discount / 100:.2f}" if discount else "",
        f"{(cents * quantity - discount) / 100:.2f}",
    ]
