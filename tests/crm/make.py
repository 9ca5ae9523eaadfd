"""Rows that tests of the records need, made the way the application makes them."""

import hashlib
import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from crm import customers, sales
from crm.models import Category, Customer, LoyaltyCard, Product, Receipt, ReceiptKind, ReceiptLine, Store

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def store(code: str = "main", **fields: Any) -> Store:
    return Store.objects.get_or_create(code=code, defaults={"name": code.title(), **fields})[0]


def category(path: str) -> Category:
    """The category of this path, with those above it."""
    parent = None
    names = path.split(Category.SEPARATOR)
    for depth, name in enumerate(names, 1):
        parent, _ = Category.objects.get_or_create(
            parent=parent, name=name, defaults={"path": Category.SEPARATOR.join(names[:depth])}
        )
    assert parent
    return parent


def product(name: str = "", *, price_minor: int | None = 1000, path: str = "", **fields: Any) -> Product:
    number = next(_numbers)
    name = name or f"Product {number}"
    return Product.objects.create(
        sku=fields.pop("sku", f"P{number}"),
        name=name,
        search_text=fields.pop("search_text", f" {name.lower()}"),
        price_minor=price_minor,
        category=category(path) if path else None,
        **fields,
    )


def customer(name: str = "Anna Ozola", *, card: str = "", **fields: Any) -> Customer:
    first, _, last = name.partition(" ")
    made = customers.create_customer(now=NOW, first_name=first, last_name=last, **fields)
    if card:
        LoyaltyCard.objects.create(number=card, customer=made)
    return made


def line(product: Product, quantity: str = "1", price: str | None = None, discount_minor: int = 0) -> sales.SaleLine:
    return sales.SaleLine(
        product=product,
        quantity=Decimal(quantity),
        unit_price=None if price is None else Decimal(price),
        discount_minor=discount_minor,
    )


def sale(*lines: sales.SaleLine, **fields: Any) -> sales.Sale:
    return sales.Sale(
        client_key=fields.pop("client_key", None) or uuid.uuid4(),
        store=fields.pop("store", None) or store(),
        lines=lines or (line(product()),),
        **fields,
    )


def receipt(*lines: sales.SaleLine, **fields: Any) -> Receipt:
    now = fields.pop("now", NOW)
    return sales.record_sale(sale=sale(*lines, **fields), by=None, now=now)


# Rows as they stand in the tables, without anything that the application does along with them.


def a_product(sku: str, category: Category | None = None) -> Product:
    """The product of this SKU and name, without a price or a text to search."""
    return Product.objects.get_or_create(sku=sku, defaults={"name": sku, "category": category})[0]


def a_customer(**fields: object) -> Customer:
    """A customer as a row alone: no profile, no text to search, no mark."""
    return Customer.objects.create(**{"number": f"C{next(_numbers)}", **fields})


def a_receipt(
    customer: Customer | None,
    lines: Sequence[tuple[Product, str, int]],
    *,
    sold_on: date,
    sold_at: datetime | None = None,
    kind: str = ReceiptKind.SALE,
    discount_minor: int = 0,
) -> Receipt:
    """A receipt as it stands in the tables, without its effect on any profile. Lines are (product, quantity, minor)."""
    number = f"R{next(_numbers)}"
    is_return = kind == ReceiptKind.RETURN
    receipt = Receipt.objects.create(
        source="test",
        external_id=number,
        kind=kind,
        content_hash=hashlib.sha256(number.encode()).digest(),
        store=store(),
        customer=customer,
        sold_at=sold_at or datetime.combine(sold_on, time(12), UTC),
        sold_on=sold_on,
        total_minor=sum(minor for _, _, minor in lines),
        discount_minor=discount_minor,
    )
    ReceiptLine.objects.bulk_create(
        ReceiptLine(
            receipt=receipt,
            position=position,
            product=product,
            customer=customer,
            sold_on=sold_on,
            is_return=is_return,
            quantity=Decimal(quantity),
            unit_price=Decimal(0),
            total_minor=minor,
        )
        for position, (product, quantity, minor) in enumerate(lines, 1)
    )
    return receipt
