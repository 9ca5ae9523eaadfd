"""Small builders of records for tests: what is not said is the plainest possible."""

import hashlib
import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

from crm.models import Category, Customer, Product, Receipt, ReceiptKind, ReceiptLine, Store

_numbers = itertools.count(1)


def a_store(code: str = "main") -> Store:
    return Store.objects.get_or_create(code=code, defaults={"name": code})[0]


def a_category(path: str) -> Category:
    """The category with this path (Food > Dairy), and those above it."""
    parent = None
    names = path.split(Category.SEPARATOR)
    for depth, name in enumerate(names, 1):
        parent, _ = Category.objects.get_or_create(
            path=Category.SEPARATOR.join(names[:depth]), defaults={"name": name, "parent": parent}
        )
    assert parent is not None
    return parent


def a_product(sku: str, category: Category | None = None) -> Product:
    return Product.objects.get_or_create(sku=sku, defaults={"name": sku, "category": category})[0]


def a_customer(**fields: object) -> Customer:
    return Customer.objects.create(**{"number": f"C{next(_numbers)}", **fields})


def a_receipt(
    customer: Customer | None,
    lines: Sequence[tuple[Product, str, int]],
    *,
    sold_on: date,
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
        store=a_store(),
        customer=customer,
        sold_at=datetime.combine(sold_on, time(12), UTC),
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
