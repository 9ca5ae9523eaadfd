"""Receipts after the sale: whom they belong to, and sending them by mail."""

import uuid
from datetime import datetime
from typing import Any

from babel.numbers import format_decimal
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from crm import addresses, bell, consents, customers, loyalty, money, opt_ins, outbox, sales
from crm.models import Channel, Customer, Receipt, ReceiptLine, ReceiptMail, ReceiptVoid, Shop
from crm.text import clean


class AddressNeedsPerson(ValidationError):
    """More than one customer has this address; ``people`` are they, for the till to ask which one stands there."""

    def __init__(self, people: list[Customer]) -> None:
        super().__init__(_("More than one customer has this address. Choose who is here."))
        self.people = people


def with_lines(receipts: QuerySet[Receipt]) -> QuerySet[Receipt]:
    """Receipts with all that a printed one shows, in a fixed number of queries."""
    lines = ReceiptLine.objects.select_related("product").order_by("position")
    return receipts.select_related("store").prefetch_related(Prefetch("lines", lines))


def public_url(receipt: Receipt) -> str:
    """The receipt's page on the web, behind its unguessable id."""
    return settings.SITE_URL.rstrip("/") + reverse("receipt", args=[receipt.public_id])


def shown(receipt: Receipt, shop: Shop) -> dict[str, Any]:
    """What a receipt says, on its page and in its mail: no name and no address but the shop's."""
    lines = receipt.lines.all()
    return {
        "receipt": receipt,
        "lines": [
            {
                "name": line.product.name,
                "quantity": format_decimal(line.quantity, format="#,##0.###", locale=money.locale()),
                "unit_price": money.show_exact(line.unit_price),
                "discount_minor": abs(line.discount_minor),
                "total_minor": line.total_minor,
            }
            for line in lines
        ],
        "shop": shop,
        "before_discount_minor": sum(line.total_minor + line.discount_minor for line in lines),
        "saved_minor": -receipt.discount_minor,
        **loyalty.of_receipt(receipt),
        "is_voided": ReceiptVoid.objects.filter(receipt=receipt).exists(),
        "url": public_url(receipt),
    }


@transaction.atomic
def email_receipt(
    *,
    receipt: Receipt,
    email: str,
    by: User | None,
    now: datetime,
    marketing: bool = False,
    customer_id: int | None = None,
) -> ReceiptMail:
    """Send a receipt by mail, and know the buyer from now on.

    A guest's receipt is linked to the one customer with this address, or to a new one; :class:`AddressNeedsPerson`
    where several have it and ``customer_id`` does not say which. A known customer without an address gets this one.
    ``marketing`` is the customer's yes (:func:`crm.opt_ins.allow_email`). The mail itself is a service: it needs no
    such consent. Asked twice for one address, it goes out once. Raises ValidationError where the address can't be used.
    """
    email = addresses.clean_email(email)
    if not email:
        raise ValidationError(_("Type an e-mail address."))
    key = addresses.email_key(email)
    if consents.suppressed(channel=Channel.EMAIL, address_keys=[key], reasons=consents.FORBIDS_SERVICE):
        raise ValidationError(_("Mail to this address came back, or its owner asked to be forgotten. Ask for another."))
    buyer = _buyer(receipt, email, key, customer_id, now)
    sales.claim_receipt(receipt=receipt, customer=buyer, by=by)
    if marketing:
        opt_ins.allow_email(customer=buyer, source="till", by=by, now=now)
    mail, _created = ReceiptMail.objects.get_or_create(
        receipt=receipt, email_key=key, defaults={"email": email, "asked_at": now, "due_at": now}
    )
    bell.ring_after_commit(outbox.TASK)
    return mail


def _buyer(receipt: Receipt, email: str, key: str, customer_id: int | None, now: datetime) -> Customer:
    if receipt.customer_id:
        buyer = Customer.objects.select_for_update(no_key=True).get(pk=receipt.customer_id)
        return buyer if buyer.email else customers.change_customer(customer=buyer, email=email)
    known = list(customers.live().filter(email_key=key).order_by("name_key", "id"))
    known = [one for one in known if one.pk == customer_id] or known
    if len(known) > 1:
        raise AddressNeedsPerson(known)
    # The receipt's own id is the key: a repeated request finds the customer that the first one made.
    return (
        known[0]
        if known
        else customers.create_customer(now=now, key=uuid.uuid5(receipt.public_id, key), email=email, source="till")
    )


def receipt_message(*, receipt: Receipt, to: str) -> EmailMultiAlternatives:
    """The mail that carries a receipt: text and HTML, with the link to its page. Names never reach a header unclean."""
    shop = Shop.current()
    receipt = with_lines(Receipt.objects.filter(pk=receipt.pk)).get()
    name = clean(shop.name)
    context = shown(receipt, shop)
    message = EmailMultiAlternatives(
        subject=_("Your receipt %(number)s from %(shop)s") % {"number": clean(receipt.external_id), "shop": name},
        body=render_to_string("receipts/mail.txt", context),
        to=[to],
        headers={"Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("receipts/mail.html", context), "text/html")
    return message
