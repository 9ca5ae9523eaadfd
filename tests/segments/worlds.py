"""Small random shops for the property tests: few of everything, so that rules and facts often meet."""

import hashlib
import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from crm import marks, prices, profiles
from crm.models import (
    Category,
    Consent,
    Customer,
    LoyaltyEntry,
    Product,
    Receipt,
    ReceiptKind,
    ReceiptLine,
    SalesChannel,
    Store,
    Tier,
    TierAward,
)
from tests.crm import make
from tests.crm.make import a_product

TODAY = date(2027, 3, 1)
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
CATEGORIES = ("Food", "Food > Dairy", "Food > Dairy > Milk", "Tools")
SKUS = ("milk", "kefir", "bread", "hammer", "loose")
STORES = ("main", "online")
CITIES = ("Riga", "Tallinn", "rīga", "")
BANDS = ("low", "high", "")
INTERESTS = ("skiing", "knitting", "chess")
HOURS = (time(0), time(9, 59), time(10), time(17), time(21, 30))
BRANDS = ("Valio", "Ozols")
TIERS = {"Silver": 10_000, "Gold": 50_000}


def tiers() -> list[Tier]:
    """The shop's tiers, the lowest first."""
    return [Tier.objects.get_or_create(name=name, defaults={"spend_minor": spend})[0] for name, spend in TIERS.items()]


class World:
    """A shop whose customers and receipts come from one seed."""

    def __init__(self, seed: int, customers: int = 10) -> None:
        self.random = random.Random(seed)
        categories = {path: make.category(path) for path in CATEGORIES}
        homes = ("Food > Dairy > Milk", "Food > Dairy", "Food", "Tools", None)
        self.products = [
            a_product(sku, categories[home] if home else None) for sku, home in zip(SKUS, homes, strict=True)
        ]
        for product, brand in zip(self.products, ("Valio", "Valio", "Ozols", "", ""), strict=True):
            product.brand = brand
        Product.objects.bulk_update(self.products, ["brand"])
        self.stores = [make.store(code) for code in STORES]
        self.customers = Customer.objects.bulk_create(self._customer(number) for number in range(customers))
        self.receipts = 0
        self.today = TODAY
        for customer in self.customers[: -customers // 5]:  # some never bought, and have no profile row
            self.buy(customer, self.random.randint(0, 7))
        self.tell(self.customers[: customers // 2])
        self.award(self.customers[: customers // 2])
        profiles.recount(customer_ids=[customer.pk for customer in self.customers[: -customers // 5]])
        prices.remake(now=NOW)

    def _customer(self, number: int) -> Customer:
        pick = self.random
        return Customer(
            number=f"W{number}",
            birth_date=pick.choice(
                [
                    None,
                    date(2004, 2, 29),
                    date(1987, 3, 1),
                    date(1987, 3, 2),
                    date(1990, 2, 28),
                    date(1950, 7, 7),
                    date(2004, 12, 31),
                ]
            ),
            gender=pick.choice(["", "female", "male"]),
            city=pick.choice(CITIES),
            income_band=pick.choice(BANDS),
            interests=pick.sample(INTERESTS, pick.randint(0, 3)),
            household_size=pick.choice([None, 1, 2, 4]),
            registered_at=pick.choice([None, NOW]),
            no_profiling=number % 9 == 8,
        )

    def _day(self) -> date:
        """Around the edges of windows; sometimes ahead, as where a till's clock is wrong."""
        ago = [-25, -1, 0, 1, 6, 7, 28, 29, 30, 31, 89, 90, 179, 180, 364, 365, 400]
        return self.today - timedelta(days=self.random.choice(ago))

    def buy(self, customer: Customer, times: int) -> None:
        """That many random receipts, returns among them."""
        receipts = [self._receipt(customer) for _ in range(times)]
        lines = [line for receipt in receipts for line in self._lines(receipt)]
        for receipt in receipts:
            mine = [line for line in lines if line.receipt is receipt]
            receipt.total_minor = sum(line.total_minor for line in mine)
            receipt.discount_minor = sum(line.discount_minor for line in mine)
        Receipt.objects.bulk_create(receipts)
        ReceiptLine.objects.bulk_create(lines)

    def _receipt(self, customer: Customer) -> Receipt:
        self.receipts += 1
        sold_on = self._day()
        number = f"W{customer.pk}-{self.receipts}"
        return Receipt(
            source="world",
            external_id=number,
            kind=self.random.choice([ReceiptKind.SALE] * 4 + [ReceiptKind.RETURN]),
            channel=self.random.choice(SalesChannel.values),
            content_hash=hashlib.sha256(number.encode()).digest(),
            store=self.random.choice(self.stores),
            customer=customer,
            sold_at=datetime.combine(sold_on, self.random.choice(HOURS), UTC),
            sold_on=sold_on,
        )

    def _lines(self, receipt: Receipt) -> list[ReceiptLine]:
        sign = -1 if receipt.kind == ReceiptKind.RETURN else 1
        return [
            ReceiptLine(
                receipt=receipt,
                position=position,
                product=self.random.choice(self.products),
                customer=receipt.customer,
                sold_on=receipt.sold_on,
                is_return=sign < 0,
                quantity=sign * Decimal(self.random.choice(["0", "1", "2", "0.5"])),
                unit_price=Decimal(1),
                discount_minor=sign * self.random.choice([0, 0, 50]),
                total_minor=sign * self.random.choice([0, 100, 250, 500, 1000]),
            )
            for position in range(1, self.random.randint(1, 3) + 1)
        ]

    def tell(self, customers: list[Customer]) -> None:
        """Points and consents, as their ledgers have them."""
        self.receipts += 1
        LoyaltyEntry.objects.bulk_create(
            LoyaltyEntry(customer=customer, kind="adjust", points=5, key=f"world:{customer.pk}:{self.receipts}")
            for customer in customers
        )
        Consent.objects.bulk_create(
            Consent(
                customer=customer, channel="email", granted=self.random.random() < 0.5, stated_at=NOW, source="world"
            )
            for customer in customers
        )

    def award(self, customers: list[Customer]) -> None:
        """Tiers that began and end around now, some of them running side by side."""
        ranks = tiers()
        TierAward.objects.bulk_create(
            TierAward(
                customer=customer,
                tier=self.random.choice(ranks),
                reached_on=TODAY + timedelta(days=reached),
                ends_on=TODAY + timedelta(days=reached + self.random.choice([0, 30, 31, 400])),
            )
            for customer in customers
            for reached in self.random.sample([-400, -31, -30, -1, 0, 1], 2)
        )

    def change(self) -> None:
        """Something new about some customers, marked as every door does."""
        changed = self.random.sample(self.customers, 3)
        self.buy(changed[0], 2)
        self.tell(changed[1:2])
        Customer.objects.filter(pk=changed[2].pk).update(city=self.random.choice(CITIES), no_profiling=False)
        ids = [customer.pk for customer in changed]
        profiles.recount(customer_ids=ids)
        marks.mark_customers(customer_ids=ids)


__all__ = ["CATEGORIES", "NOW", "SKUS", "STORES", "TODAY", "Category", "Product", "Store", "World"]
