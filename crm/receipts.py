"""Receipts after the sale: whom they belong to, and sending them by mail."""

import logging
import smtplib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from babel.numbers import format_decimal
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet, Sum
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from crm import addresses, bell, consents, customers, money, sales
from crm.models import Channel, Customer, Receipt, ReceiptLine, ReceiptMail, Shop
from crm.text import clean

logger = logging.getLogger(__name__)

MAIL_TASK = "crm.tasks.mail_receipts"
MAX_ATTEMPTS = 8
UNCLEAR_AFTER = timedelta(minutes=10)
"""A mail still "sending" after this was left so by a worker that died: nobody knows whether it went out."""


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


def consent_wording(shop: Shop) -> str:
    """What a customer agrees to at the till; kept with the consent, word by word."""
    return _("%(shop)s may send me news and offers by e-mail. I can stop this at any time.") % {"shop": shop.name}


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
        "points": receipt.loyalty_entries.aggregate(points=Sum("points"))["points"] or 0,
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
    ``marketing`` is the customer's yes to :func:`consent_wording`. The mail itself is a service: it needs no such
    consent. Asked twice for one address, it goes out once. Raises ValidationError where the address cannot be used.
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
        consents.record_consent(
            customer=buyer,
            channel=Channel.EMAIL,
            granted=True,
            source="till",
            wording=consent_wording(Shop.current()),
            stated_at=now,
            now=now,
            by=by,
        )
    mail, _created = ReceiptMail.objects.get_or_create(
        receipt=receipt, email_key=key, defaults={"email": email, "asked_at": now, "due_at": now}
    )
    bell.ring_after_commit(MAIL_TASK)
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


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What one round of :func:`send_due` did."""

    sent: int = 0
    waiting: int = 0
    failed: int = 0


def send_due(*, now: datetime, limit: int = 50) -> Sent:
    """Send receipts that wait, one at a time; each is "sending" in the database before its first byte leaves.

    Two workers never take the same one. A mail server that is down, or that says "later", leaves them waiting, longer
    each time; what it refuses for good has failed, with its words kept. A round ends with the first line that breaks:
    a server that hangs costs one mail's patience and leaves one unclear, and the next round tries it again.
    """
    sent = failed = waiting = 0
    connection: BaseEmailBackend | None = None
    for _round in range(limit):
        mail = _claim(now)
        if mail is None:
            break
        try:
            connection = connection or _open()
        except OSError as error:  # smtplib's own errors are OSErrors too: nothing has left
            _settle(mail, error, now, again=True)
            waiting += 1
            break
        outcome = _send(mail, connection, now)
        sent, failed, waiting = (
            sent + (outcome == "sent"),
            failed + (outcome == "failed"),
            waiting + (outcome in ("queued", "trouble")),
        )
        if outcome in ("unclear", "trouble"):
            connection = None
            break
    if connection is not None:
        connection.close()
    return Sent(sent=sent, waiting=waiting, failed=failed)


def _open() -> BaseEmailBackend:
    connection: BaseEmailBackend = get_connection()
    connection.open()
    return connection


def _claim(now: datetime) -> ReceiptMail | None:
    with transaction.atomic():
        mail = (
            ReceiptMail.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(status=ReceiptMail.Status.QUEUED, due_at__lte=now)
            .order_by("due_at", "id")
            .first()
        )
        if mail is not None:
            mail.status, mail.attempts, mail.settled_at = ReceiptMail.Status.SENDING, mail.attempts + 1, now
            mail.save(update_fields=["status", "attempts", "settled_at"])
    return mail


def _send(mail: ReceiptMail, connection: BaseEmailBackend, now: datetime) -> str:
    """Send one claimed mail and settle it.

    Returns its new status; "unclear" where nobody can know, and "trouble" where the server said "later" to us rather
    than to the recipient.
    """
    try:
        if consents.suppressed(channel=Channel.EMAIL, address_keys=[mail.email_key], reasons=consents.FORBIDS_SERVICE):
            raise ValidationError(_("The address is not written to any more."))
        message = receipt_message(receipt=mail.receipt, to=mail.email)
        message.connection = connection
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        later = all(400 <= code < 500 for code, _words in error.recipients.values())
        return _settle(mail, error, now, again=later)
    except smtplib.SMTPResponseException as error:
        later = 400 <= error.smtp_code < 500
        status = _settle(mail, error, now, again=later)
        return "trouble" if later else status
    except (ValidationError, ValueError) as error:  # our own refusal, before any byte (a line break in a header)
        return _settle(mail, error, now, again=False)
    except OSError:
        # The line broke while bytes were leaving. It stays "sending": shown as unclear, never sent again by itself.
        logger.exception("Receipt mail %s is unclear.", mail.pk)
        return "unclear"
    return _settle(mail, None, now, again=False)


def _settle(mail: ReceiptMail, error: Exception | None, now: datetime, *, again: bool) -> str:
    if error is None:
        mail.status, mail.error = ReceiptMail.Status.SENT, ""
    else:
        mail.error = clean("; ".join(error.messages) if isinstance(error, ValidationError) else str(error))[:500]
        mail.status = ReceiptMail.Status.FAILED
        if again and mail.attempts < MAX_ATTEMPTS:
            mail.status, mail.due_at = ReceiptMail.Status.QUEUED, now + timedelta(seconds=30 * 2**mail.attempts)
    mail.settled_at = now
    mail.save(update_fields=["status", "error", "due_at", "settled_at"])
    return mail.status


def send_again(*, mails: QuerySet[ReceiptMail], now: datetime) -> int:
    """Queue mails once more on a human's word: those that failed, and those long enough unclear. Returns how many."""
    settled = Q(status=ReceiptMail.Status.FAILED)
    unclear = Q(status=ReceiptMail.Status.SENDING, settled_at__lt=now - UNCLEAR_AFTER)
    queued = mails.filter(settled | unclear).update(
        status=ReceiptMail.Status.QUEUED, attempts=0, due_at=now, error="", settled_at=None
    )
    bell.ring_after_commit(MAIL_TASK)
    return queued


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
