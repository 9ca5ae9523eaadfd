"""What is bought in the generated shop: drawn by numpy, written by binary COPY.

Skewed as real shops are: how often somebody comes is a negative binomial (a gamma-distributed rate, and a Poisson
process at that rate from the day they came to the day they stay away), goods sell by Zipf's law, customers have
favourites and a store of their own, some goods go together, weekdays, hours and seasons differ, the shop grows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from benchmarks import binary
from benchmarks.binary import Column
from benchmarks.shop_people import MERGED_EVERY

Array = NDArray[Any]

DAYS = 3 * 365
"""The last one is the day before the shop's today."""
GUESTS, RETURNS, PROSPECTS, ONLINE = 0.15, 0.02, 0.12, 0.18
BLOCK = 300_000
"""Receipts drawn and written at once."""
_WEEK = np.array([0.8, 0.8, 0.9, 1.0, 1.3, 1.7, 0.9])  # from Monday
_HOURS = np.array([1, 2, 3, 4, 5, 4, 4, 5, 7, 9, 7, 3.0])  # from 9:00
_BOUGHT = np.array([1] * 80 + [2] * 13 + [3] * 4 + [6] * 3)


@dataclass(frozen=True)
class Sizes:
    """The returns are among the receipts, and their lines among the lines."""

    customers: int

    @property
    def receipts(self) -> int:
        return 10 * self.customers

    @property
    def lines(self) -> int:
        return 30 * self.customers

    @property
    def returns(self) -> int:
        return int(RETURNS * self.receipts)

    @property
    def sales(self) -> int:
        return self.receipts - self.returns

    @property
    def products(self) -> int:
        return min(max(self.customers // 50, 500), 20_000)

    @property
    def departments(self) -> int:
        return 12

    @property
    def stores(self) -> int:
        return 11


@dataclass(frozen=True)
class Sales:
    """Columns of all sales, in the order of their time. Customer 0 is a guest."""

    customer: Array
    day: Array
    second: Array
    store: Array
    lines: Array


class Trade:
    """Everything that is drawn, for one seed."""

    def __init__(self, sizes: Sizes, *, today: date, zone: ZoneInfo, seed: int) -> None:
        self.sizes, self.seed = sizes, seed
        self.first = today - timedelta(days=DAYS)
        chance = np.random.default_rng(seed)
        self.shelves = chance.integers(1, 25 * sizes.departments + 1, sizes.products)
        self.prices = np.clip(np.exp(chance.normal(6.0, 0.8, sizes.products)), 29, 90_000).astype("i8")
        popularity = 1 / (chance.permutation(sizes.products) + 2.7) ** 1.05
        self.popularity = np.cumsum(popularity / popularity.sum())
        self.companion = chance.permutation(sizes.products)
        self.favourites = self._goods(chance, (sizes.customers + 1, 3))
        self.home = chance.integers(2, sizes.stores + 1, sizes.customers + 1)
        midnights = (datetime.combine(self.first + timedelta(days=n), time(), zone) for n in range(DAYS))
        self.midnights = np.array([(at.astimezone(UTC) - binary.EPOCH).total_seconds() for at in midnights], "i8")
        self.sales = self._sales(chance)

    def _goods(self, chance: np.random.Generator, shape: Any) -> Array:
        """Places of products, by how well they sell."""
        return np.searchsorted(self.popularity, chance.random(shape)).clip(max=self.sizes.products - 1)

    @cached_property
    def clock(self) -> Array:
        """How much of the trade lies before each day: weekdays, Christmas, and growth."""
        days = np.arange(DAYS)
        dates = [self.first + timedelta(days=int(day)) for day in days]
        weekday = np.array([day.weekday() for day in dates])
        season = np.where(np.array([day.month for day in dates]) == 12, 1.5, 1.0)
        return np.concatenate([[0], np.cumsum(_WEEK[weekday] * season * (1 + days / DAYS / 2))])

    def _sales(self, chance: np.random.Generator) -> Sales:
        sizes = self.sizes
        buyers = sizes.customers
        came = np.where(chance.random(buyers) < 0.35, 0.0, DAYS * chance.random(buyers) ** 0.9)
        stays = np.minimum(DAYS, came + 1 + chance.exponential(500, buyers))
        rate = chance.gamma(0.8, 1.0, buyers) * (chance.random(buyers) >= PROSPECTS)
        rate[MERGED_EVERY - 1 :: MERGED_EVERY] = 0  # customer n is at n - 1
        starts, ends = (np.interp(at, np.arange(DAYS + 1), self.clock) for at in (came, stays))
        weight = rate * (ends - starts)
        guests = int(GUESTS * sizes.sales)
        counts = chance.multinomial(sizes.sales - guests, weight / weight.sum())
        customer = np.concatenate([np.zeros(guests, "i8"), np.repeat(np.arange(1, buyers + 1), counts)])
        since = np.concatenate([np.zeros(guests), np.repeat(starts, counts)])
        until = np.concatenate([np.full(guests, self.clock[-1]), np.repeat(ends, counts)])
        at = since + chance.random(sizes.sales) * (until - since)
        day = (np.searchsorted(self.clock, at, side="right") - 1).clip(0, DAYS - 1)
        hour = np.searchsorted(np.cumsum(_HOURS / _HOURS.sum()), chance.random(sizes.sales)).clip(max=11)
        second = (9 + hour) * 3600 + chance.integers(0, 3600, sizes.sales)
        order = np.argsort(day * 86_400 + second, kind="stable")
        customer, day, second = customer[order], day[order], second[order]
        home = np.where(customer > 0, self.home[customer], chance.integers(2, sizes.stores + 1, sizes.sales))
        elsewhere = chance.random(sizes.sales) < 0.2
        store = np.where(elsewhere, chance.integers(2, sizes.stores + 1, sizes.sales), home)
        store = np.where(chance.random(sizes.sales) < ONLINE, 1, store)  # the web shop
        weight = chance.gamma(0.8, 1.0, sizes.sales)
        more = chance.multinomial(sizes.lines - sizes.returns - sizes.sales, weight / weight.sum())
        return Sales(customer=customer, day=day, second=second, store=store, lines=1 + more)

    def sold_at(self, day: Array, second: Array) -> Array:
        return (self.midnights[day] + second) * 1_000_000

    def sold_on(self, day: Array) -> Array:
        return day + self.first.toordinal() - binary.EPOCH_DAY

    def blocks(self) -> Iterator["Block"]:
        """Some sales after the other with their lines; the last block holds the returns."""
        chance = np.random.default_rng([self.seed, 1])
        chosen = np.flatnonzero((self.sales.customer > 0) & (self.sales.day < DAYS - 1))
        taken_back = np.sort(chance.choice(chosen, self.sizes.returns, replace=False))
        kept: list[tuple[Array, ...]] = []
        line = 1
        for start in range(0, self.sizes.sales, BLOCK):
            block = self._block(start, line)
            yield block
            inside = taken_back[(taken_back >= start) & (taken_back < start + BLOCK)] - start
            first = block.first_line[inside]
            kept.append((inside + start, first + line, *(column[first] for column in block.goods)))
            line += len(block.receipt)
        yield self._returns(chance, [np.concatenate(parts) for parts in zip(*kept, strict=True)], line)

    def _block(self, start: int, line: int) -> "Block":
        chance = np.random.default_rng([self.seed, 2, start])
        part = slice(start, min(start + BLOCK, self.sizes.sales))
        sizes, customer, day = self.sales.lines[part], self.sales.customer[part], self.sales.day[part]
        receipt = np.repeat(np.arange(len(sizes)), sizes)
        first_line = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        position = np.arange(len(receipt)) - first_line[receipt] + 1
        buyer = customer[receipt]
        usual = (chance.random(len(receipt)) < 0.35) & (buyer > 0)
        product = self._goods(chance, len(receipt))
        product = np.where(usual, self.favourites[buyer, chance.integers(0, 3, len(receipt))], product)
        along = np.flatnonzero((chance.random(len(receipt)) < 0.12) & (position > 1))
        product[along] = self.companion[product[along - 1]]
        quantity = chance.choice(_BOUGHT, len(receipt))
        gross = quantity * self.prices[product]
        discount = np.where(chance.random(len(receipt)) < 0.12, gross // 10, 0)
        return Block(
            first_receipt=start + 1,
            first=line,
            customer=customer,
            sold_at=self.sold_at(day, self.sales.second[part]),
            sold_on=self.sold_on(day),
            store=self.sales.store[part],
            receipt=receipt,
            first_line=first_line,
            position=position,
            goods=(product, quantity, self.prices[product], discount, gross - discount),
        )

    def _returns(self, chance: np.random.Generator, kept: list[Array], line: int) -> "Block":
        """The first line of some sales comes back in full, days later."""
        sale, of_line, product, quantity, price, discount, total = kept
        count = len(sale)
        day = np.minimum(self.sales.day[sale] + 1 + chance.geometric(0.15, count), DAYS - 1)
        return Block(
            first_receipt=self.sizes.sales + 1,
            first=line,
            customer=self.sales.customer[sale],
            sold_at=self.sold_at(day, chance.integers(9 * 3600, 20 * 3600, count)),
            sold_on=self.sold_on(day),
            store=self.sales.store[sale],
            receipt=np.arange(count),
            first_line=np.arange(count),
            position=np.ones(count, "i8"),
            goods=(product, -quantity, price, -discount, -total),
            of_receipt=sale + 1,
            of_line=of_line,
        )


@dataclass(frozen=True)
class Block:
    """Some receipts and their lines: both numbered on from ``first_receipt`` and ``first``."""

    first_receipt: int
    first: int
    customer: Array
    sold_at: Array
    sold_on: Array
    store: Array
    receipt: Array
    first_line: Array
    position: Array
    goods: tuple[Array, Array, Array, Array, Array]
    """Product (its place), quantity, price, discount and total of each line."""
    of_receipt: Array | None = None
    of_line: Array | None = None

    def write(self, cursor: Any) -> None:
        self._write_receipts(cursor)
        self._write_lines(cursor)

    def _write_receipts(self, cursor: Any) -> None:
        count = len(self.customer)
        numbers = np.arange(self.first_receipt, self.first_receipt + count)
        _product, _quantity, _price, discount, total = self.goods
        returned = [] if self.of_receipt is None else [Column("returns_id", "int8", self.of_receipt)]
        columns = [
            Column("id", "int8", numbers),
            Column("source", "text", np.array(b"generated")),
            Column("external_id", "text", binary.numbered(b"R", numbers, 9)),
            Column("kind", "text", np.array(b"sale" if self.of_receipt is None else b"return")),
            Column("channel", "text", np.where(self.store == 1, b"online", b"till")),
            Column("content_hash", "bytea", binary.numbered(b"", numbers, 32)),
            Column("store_id", "int8", self.store),
            Column("customer_id", "int8", self.customer, null=self.customer == 0),
            Column("sold_at", "timestamptz", self.sold_at),
            Column("sold_on", "date", self.sold_on),
            Column("payment", "text", np.array(b"card")),
            Column("total_minor", "int8", np.add.reduceat(total, self.first_line)),
            Column("discount_minor", "int8", np.add.reduceat(discount, self.first_line)),
            *returned,
        ]
        binary.copy(cursor, "crm_receipt", columns, count)

    def _write_lines(self, cursor: Any) -> None:
        count = len(self.receipt)
        product, quantity, price, discount, total = self.goods
        customer = self.customer[self.receipt]
        returned = [] if self.of_line is None else [Column("returns_line_id", "int8", self.of_line)]
        columns = [
            Column("id", "int8", np.arange(self.first, self.first + count)),
            Column("receipt_id", "int8", self.first_receipt + self.receipt),
            Column("position", "int2", self.position),
            Column("product_id", "int8", product + 1),
            Column("customer_id", "int8", customer, null=customer == 0),
            Column("sold_on", "date", self.sold_on[self.receipt]),
            Column("is_return", "bool", np.uint8(self.of_line is not None)),
            Column("quantity", "quantity", quantity),
            Column("unit_price", "price", price),
            Column("discount_minor", "int8", discount),
            Column("total_minor", "int8", total),
            *returned,
        ]
        binary.copy(cursor, "crm_receiptline", columns, count)
