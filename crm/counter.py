"""What the counter shows: of a product its price, of a customer no more than the one who serves them needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from crm import loyalty, money, receipts, wordings
from crm.days import shop_day
from crm.models import (
    Channel,
    Customer,
    CustomerCategory,
    CustomerProfile,
    LoyaltyCard,
    LoyaltyProgramme,
    Product,
    Receipt,
    ReceiptMail,
    Shop,
)
from crm.text import clean

USUALLY = 3
"""So many categories tell what somebody usually buys."""

ROUND_SUMS = (5, 10, 20, 50, 100)
"""Cash is handed over in multiples of these, in whole currency units."""


def product(item: Product) -> dict[str, Any]:
    """A product as the till's script takes it; ``price`` is a plain decimal, "" where one must be typed."""
    return {
        "id": item.pk,
        "sku": item.sku,
        "name": item.name,
        "price_minor": item.price_minor,
        "price": "" if item.price_minor is None else str(money.from_minor(item.price_minor)),
    }


@dataclass(frozen=True, kw_only=True)
class Person:
    """A customer in a list at the till."""

    pk: int
    name: str
    card: str
    city: str
    points: int


def _tail(card_number: str) -> str:
    return f"…{card_number[-4:]}" if len(card_number) > 4 else card_number


def people(found: Sequence[Customer]) -> list[Person]:
    """These customers, in their order, each with the end of a card's number and the points: two queries for all."""
    ids = [one.pk for one in found]
    cards = dict(
        LoyaltyCard.objects.filter(customer__in=ids, status=LoyaltyCard.Status.ACTIVE)
        .order_by("issued_at", "id")
        .values_list("customer", "number")
    )
    points = dict(CustomerProfile.objects.filter(customer__in=ids).values_list("customer", "points"))
    return [
        Person(
            pk=one.pk,
            name=_name(one),
            card=_tail(cards.get(one.pk, "")),
            city=one.city,
            points=points.get(one.pk, 0),
        )
        for one in found
    ]


def _name(one: Customer) -> str:
    """The name; where there is none, something to tell people apart that is not a whole address."""
    return one.full_name or mask(one.email) or one.number


def mask(email: str) -> str:
    """An address that its owner recognises and nobody else can use: a•••@example.com."""
    local, at, domain = email.partition("@")
    return f"{local[:1]}•••{at}{domain}" if at else ""


def customer(one: Customer, *, now: datetime) -> dict[str, Any]:
    """The card of a chosen customer: who, the points and what they are worth, and what they usually buy."""
    usually = (
        CustomerCategory.objects.filter(customer=one, category__children=None, receipts__gt=1)
        .order_by("-receipts", "-spend_minor", "category")
        .values_list("category__name", flat=True)[:USUALLY]
    )
    today = shop_day(now)
    return {
        "person": people([one])[0],
        "usually": [] if one.no_profiling else list(usually),  # no hints about who asked for none
        "is_member": _is_member(one),
        "tier": loyalty.tier_of(one, today),
        "expiring": loyalty.expiring_points(customer_ids=[one.pk], today=today).get(one.pk, 0),
        **_what_points_buy(one),
    }


def _what_points_buy(one: Customer) -> dict[str, int]:
    """Of the points they may redeem (their household's too): how many, in which steps, and what those are worth."""
    programme = LoyaltyProgramme.current()
    if not programme.redeem_worth_minor:
        return {}
    spendable = loyalty.spendable(one)
    return {
        "spendable": spendable,
        "step": programme.redeem_points,
        "step_worth_minor": programme.redeem_worth_minor,
        "worth": spendable // programme.redeem_points * programme.redeem_worth_minor,
    }


def card_hint(number: str) -> str:
    """What to tell whoever scanned a lost card that was replaced; blank for any other."""
    new = loyalty.replacement_of(clean(number).replace(" ", ""))
    if new is None:
        return ""
    return _("This card was reported lost and replaced by %(card)s. Points go to the new one.") % {
        "card": _tail(new.number)
    }


def _is_member(one: Customer) -> bool:
    return one.registered_at is not None or loyalty.card_of(one) is not None


def guess(text: str) -> dict[str, str]:
    """Which fields of a new customer the text that found nobody belongs to."""
    text = clean(text)[:200]
    if "@" in text:
        return {"email": text}
    if sum(char.isdigit() for char in text) >= 5:
        return {"phone": text}
    first, _space, last = text.partition(" ")
    return {"first_name": first[:200], "last_name": last[:200]}


def change(total_minor: int) -> list[tuple[int, int]]:
    """What to give back from the likeliest sums: (handed over, change), both in hundredths."""
    steps = (step * 100 for step in ROUND_SUMS)
    handed = sorted({-(-total_minor // step) * step for step in steps} - {total_minor})
    return [(sum_minor, sum_minor - total_minor) for sum_minor in handed[:4]]


def done(receipt: Receipt) -> dict[str, Any]:
    """The panel after a sale."""
    buyer = receipt.customer
    shop = Shop.current()
    moved = loyalty.of_receipt(receipt)
    profile = CustomerProfile.objects.filter(customer=buyer).first() if buyer else None
    return {
        "receipt": receipt,
        "buyer": _name(buyer) if buyer else "",
        "masked": mask(buyer.email) if buyer else "",
        "earned": moved["points"],
        "redeemed": moved["redeemed"],
        "points": profile.points if profile else 0,
        "may_write": bool(profile and profile.consent_email),
        "change": change(receipt.total_minor) if receipt.payment == "cash" else [],
        "url": receipts.public_url(receipt),
        "wording": wordings.in_force(channel=Channel.EMAIL, shop=shop).text,
        "mail": ReceiptMail.objects.filter(receipt=receipt).first(),
    }
