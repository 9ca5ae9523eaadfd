"""A small shop for the personas' tests: facts made plain, and the profile recounted from them."""

from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from crm import profiles
from crm.models import Category, Customer, CustomerProfile, Product, Receipt, ReceiptLine, Store
from personas.domain import create_persona
from personas.models import Persona
from segments.refresh import refresh_all

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
MOTHERS = {"v": 1, "rule": {"attribute": "city", "operator": "=", "value": "Riga"}}


def shelf(path: str) -> Product:
    """A product on a shelf (``Food > Milk``); departments and shelves are made as needed."""
    parent, done = None, ""
    for name in path.split(Category.SEPARATOR):
        done = f"{done}{Category.SEPARATOR}{name}" if done else name
        parent, _made = Category.objects.get_or_create(path=done, defaults={"name": name, "parent": parent})
    product, _made = Product.objects.get_or_create(sku=path, defaults={"name": f"A {path}", "category": parent})
    return product


def customer(**fields: Any) -> Customer:
    made = Customer.objects.create(**{"number": f"C{Customer.objects.count() + 1}", **fields})
    CustomerProfile.objects.create(customer=made)
    return made


def buy(who: Customer, *, on: date, **amounts_minor: int) -> Receipt:
    """A receipt with a line for each shelf: ``buy(anna, on=day, Food__Milk=300)``."""
    store, _made = Store.objects.get_or_create(code="1", defaults={"name": "Main street"})
    receipt = Receipt.objects.create(
        source="test",
        external_id=str(Receipt.objects.count()),
        kind="sale",
        content_hash=b"",
        store=store,
        customer=who,
        sold_at=timezone.make_aware(datetime.combine(on, time(12))),
        sold_on=on,
        total_minor=sum(amounts_minor.values()),
    )
    for position, (path, total) in enumerate(amounts_minor.items(), start=1):
        ReceiptLine.objects.create(
            receipt=receipt,
            position=position,
            product=shelf(path.replace("__", Category.SEPARATOR)),
            customer=who,
            sold_on=on,
            quantity=1,
            unit_price=total / 100,
            total_minor=total,
        )
    return receipt


def settle() -> None:
    """Profiles and memberships as the facts say at :data:`NOW`."""
    profiles.recount()
    refresh_all(now=NOW)


def persona(
    name: str = "Emma Brooks", *, rule: dict[str, Any] | None = None, by: User | None = None, **more: Any
) -> Persona:
    return create_persona(persona=Persona(name=name, **more), rule=rule or MOTHERS, by=by)
