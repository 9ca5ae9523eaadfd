"""Ringing up sales."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import bell, customers, loyalty, marks, money, profiles, returned
from crm.content import content_hash
from crm.models import Customer, Product, Receipt, ReceiptKind, ReceiptLine, ReceiptVoid, SalesChannel, Store

TILL = "till"
"""The source of receipts that the till itself numbers."""

REFRESH = "segments.tasks.refresh_marked"

MAX_LINES = 500
MAX_QUANTITY = Decimal(100_000)
MAX_TOTAL_MINOR = 10_000_000_00
MAX_AHEAD = timedelta(minutes=5)
"""How far a client's clock may run before ours."""


class SaleRefused(ValidationError):
    """The sale cannot be recorded as it is; the message says which line and why."""


class SaleClash(SaleRefused):
    """The client's key already stands for a sale with other content."""


@dataclass(frozen=True, kw_only=True)
class SaleLine:
    """One position. ``unit_price`` is in whole currency units; None takes the product's own price."""

    product: Product
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    discount_minor: int = 0


@dataclass(frozen=True, kw_only=True)
class Sale:
    """A sale as a till or an API client tells it.

    ``sold_at`` None means now; a blank ``number`` lets the store number it.
    """

    client_key: uuid.UUID
    store: Store
    lines: Sequence[SaleLine]
    customer: Customer | None = None
    payment: str = ""
    sold_at: datetime | None = None
    source: str = TILL
    number: str = ""
    channel: str = SalesChannel.TILL
    redeem_points: int = 0
    """Points that the customer uses: they take money off the lines (see :mod:`crm.loyalty`)."""
    expected_total_minor: int | None = field(default=None)
    """What the client showed to the customer; another result refuses the sale rather than charge a surprise."""

    def content_hash(self) -> bytes:
        return content_hash(
            kind=ReceiptKind.SALE,
            store=self.store.code,
            customer=self.customer.number if self.customer else "",
            sold_at=self.sold_at,
            payment=self.payment,
            lines=(
                (line.product.sku, line.quantity, line.unit_price, line.discount_minor, None) for line in self.lines
            ),
            besides=(self.redeem_points,) if self.redeem_points else (),
        )


def line_total_minor(*, quantity: Decimal, unit_price: Decimal, discount_minor: int) -> int:
    """Quantity x unit price - discount, in hundredths; the product is rounded half up before the discount leaves it."""
    gross = (quantity * unit_price * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return int(gross) - discount_minor


def record_sale(*, sale: Sale, by: User | None, now: datetime | None = None) -> Receipt:
    """Record a sale once: receipt, lines, profile, points and mark in one transaction.

    The same ``client_key`` with the same content returns the first receipt, also when both arrive at the same moment;
    with other content it raises :class:`SaleClash`. Raises :class:`SaleRefused` on anything else that cannot be right.
    """
    now = now or timezone.now()
    digest = sale.content_hash()
    if first := _recorded(sale, digest):
        return first
    while True:
        if sale.customer and sale.customer.merged_into_id:
            sale = replace(sale, customer=customers.survivor(sale.customer))
        lines, redemption = _checked_lines(sale, now)
        try:
            with transaction.atomic():
                return _insert(sale, lines, redemption, digest, by, now)
        except _MergedMeanwhile:
            if sale.customer:
                sale.customer.refresh_from_db()
        except loyalty.RedemptionRefused as refused:
            raise SaleRefused(refused) from refused
        except IntegrityError:
            # Two requests with one key: the other one committed first.
            if first := _recorded(sale, digest):
                return first
            raise


class _MergedMeanwhile(Exception):
    """The customer was merged away between the look at the sale and its recording: it is tried again."""


def _recorded(sale: Sale, digest: bytes) -> Receipt | None:
    first = Receipt.objects.filter(client_key=sale.client_key).first()
    if first is not None and bytes(first.content_hash) != digest:
        raise SaleClash(
            _("This sale was recorded before with other content, as receipt %(number)s. Start a new sale."),
            params={"number": first.external_id},
        )
    return first


def _checked_lines(sale: Sale, now: datetime) -> tuple[list[ReceiptLine], loyalty.Redemption | None]:
    if not sale.lines:
        raise SaleRefused(_("A sale needs at least one product."))
    if len(sale.lines) > MAX_LINES:
        raise SaleRefused(
            ngettext("A sale holds at most %(n)d line.", "A sale holds at most %(n)d lines.", MAX_LINES),
            params={"n": MAX_LINES},
        )
    if sale.customer and not sale.customer.is_live:
        raise SaleRefused(_("This customer's record is closed. Look the customer up again."))
    if sale.sold_at and sale.sold_at > now + MAX_AHEAD:
        raise SaleRefused(_("The sale lies in the future. Check the clock."))
    sold_on = timezone.localdate(sale.sold_at or now)
    lines = [_checked_line(position, line) for position, line in enumerate(sale.lines, 1)]
    for line in lines:
        line.sold_on, line.customer = sold_on, sale.customer
    redemption = _redemption(sale, lines)
    total = sum(line.total_minor for line in lines)
    if total > MAX_TOTAL_MINOR:
        raise SaleRefused(_("A sale of %(total)s is more than the till takes."), params={"total": money.show(total)})
    if sale.expected_total_minor not in (None, total):
        raise SaleRefused(
            _("The lines come to %(total)s, not to %(expected)s as shown. Check them and pay again."),
            params={"total": money.show(total), "expected": money.show(sale.expected_total_minor)},
        )
    return lines, redemption


def _redemption(sale: Sale, lines: list[ReceiptLine]) -> loyalty.Redemption | None:
    """What the sale's points take off its lines; the lines are changed accordingly."""
    if not sale.redeem_points:
        return None
    if sale.customer is None:
        raise SaleRefused(_("Points belong to a customer: choose who is here, or take them off the sale."))
    try:
        redemption = loyalty.open_redemption(points=sale.redeem_points, lines=[line.total_minor for line in lines])
    except loyalty.RedemptionRefused as refused:
        raise SaleRefused(refused) from refused
    for line, share in zip(lines, redemption.shares, strict=True):
        line.discount_minor += share
        line.total_minor -= share
    return redemption


def _checked_line(position: int, line: SaleLine) -> ReceiptLine:
    def refuse(reason: str) -> SaleRefused:
        return SaleRefused(
            _("Line %(position)d, %(product)s: %(reason)s"),
            params={"position": position, "product": line.product.name, "reason": reason},
        )

    price = line.unit_price
    if price is None:
        if line.product.price_minor is None:
            raise refuse(_("it has no price; type one."))
        price = money.from_minor(line.product.price_minor)
    if not price.is_finite() or price < 0 or price * 100 > MAX_TOTAL_MINOR:
        raise refuse(_("the price must be between 0 and %(most)s.") % {"most": money.show(MAX_TOTAL_MINOR)})
    if not line.quantity.is_finite() or not 0 < line.quantity <= MAX_QUANTITY:
        raise refuse(_("the quantity must be more than 0 and at most %(most)s.") % {"most": MAX_QUANTITY})
    if line.quantity != round(line.quantity, 3) or price != round(price, 6):
        raise refuse(_("quantities have at most 3 decimals and prices at most 6."))
    gross = line_total_minor(quantity=line.quantity, unit_price=price, discount_minor=0)
    if not 0 <= line.discount_minor <= gross:
        raise refuse(_("the discount must be between 0 and %(gross)s.") % {"gross": money.show(gross)})
    return ReceiptLine(
        position=position,
        product=line.product,
        quantity=line.quantity,
        unit_price=price,
        discount_minor=line.discount_minor,
        total_minor=gross - line.discount_minor,
    )


def _insert(
    sale: Sale,
    lines: list[ReceiptLine],
    redemption: loyalty.Redemption | None,
    digest: bytes,
    by: User | None,
    now: datetime,
) -> Receipt:
    sold_at = sale.sold_at or now
    receipt = Receipt.objects.create(
        source=sale.source,
        external_id=sale.number or next_number(sale.store),
        kind=ReceiptKind.SALE,
        channel=sale.channel,
        client_key=sale.client_key,
        content_hash=digest,
        store=sale.store,
        customer=sale.customer,
        sold_at=sold_at,
        sold_on=timezone.localdate(sold_at),
        recorded_by=by,
        payment=sale.payment,
        total_minor=sum(line.total_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
    )
    for line in lines:
        line.receipt = receipt
    ReceiptLine.objects.bulk_create(lines)
    if sale.customer:
        _credit(receipt, sale.customer, by, now, redemption)
    return receipt


def _credit(
    receipt: Receipt,
    customer: Customer,
    by: User | None,
    now: datetime,
    redemption: loyalty.Redemption | None = None,
    back: Sequence[Receipt] = (),
) -> None:
    """What a sale, and returns of it that are new to the customer, change about them and about whose points it redeems.

    Of a customer who was merged away at this moment, about the survivor. Raises :class:`_MergedMeanwhile` where points
    are redeemed: the survivor's household is another one to hold.
    """
    held = loyalty.sharers(customer) if redemption else [customer.pk]
    went = profiles.apply_receipts(receipt_ids=[receipt.pk, *(one.pk for one in back)], along=held)
    if customer.pk in went:
        if redemption:
            raise _MergedMeanwhile
        root = went[customer.pk]
        receipt.customer = Customer.objects.get(pk=root) if root else None
        if receipt.customer is None:  # erased at this moment: the sale stays, as a guest's
            return
        customer = receipt.customer
    changed = [customer.pk]
    if redemption:
        changed += loyalty.redeem(receipt=receipt, customer=customer, redemption=redemption, held=held, by=by, now=now)
    if receipt.kind == ReceiptKind.SALE:
        loyalty.earn(receipt=receipt, customer=customer, by=by, now=now)
    if back:
        returned.settle_points(sale=receipt, cause=back[-1], by=by, now=now)
    marks.mark_customers(customer_ids=changed)
    bell.ring_after_commit(REFRESH)


_NUMBER = """
    UPDATE crm_store AS store SET receipts_numbered = receipts_numbered + 1
     WHERE id = %s
    RETURNING receipts_numbered, EXISTS (
        SELECT FROM crm_receipt
         WHERE source = %s
           AND external_id = store.code || '-' || lpad(
                   store.receipts_numbered::text, greatest(6, length(store.receipts_numbered::text)), '0'))
"""


def next_number(store: Store) -> str:
    """The store's next receipt number, without gaps: the row stays locked until the sale commits or vanishes.

    A number that a receipt bears already, wherever that came from, is passed over: a till is never stuck on it.
    """
    number, is_taken = 0, True
    with connection.cursor() as cursor:
        while is_taken:
            cursor.execute(_NUMBER, [store.pk, TILL])
            number, is_taken = cursor.fetchone()
    return f"{store.code}-{number:06d}"


def claim_receipt(*, receipt: Receipt, customer: Customer, by: User | None, now: datetime | None = None) -> bool:
    """Link a guest's receipt, and what was returned of it, to the customer who turns out to have made it.

    Profile and points follow. Returns False where it is theirs already. Raises :class:`SaleRefused` where it is
    somebody else's.
    """
    with transaction.atomic():
        locked = Receipt.objects.select_for_update(no_key=True).get(pk=receipt.pk)
        customer = customers.survivor(customer)
        if locked.customer_id == customer.pk:
            return False
        if locked.customer_id is not None:
            raise SaleRefused(_("This receipt belongs to another customer."))
        if ReceiptVoid.objects.filter(receipt=locked).exists():
            raise SaleRefused(_("This sale was voided; it belongs to nobody."))
        if not customer.is_live:
            raise SaleRefused(_("This customer's record is closed. Look the customer up again."))
        back = list(Receipt.objects.filter(returns=receipt, customer=None).order_by("pk"))
        theirs = [receipt.pk, *(one.pk for one in back)]
        Receipt.objects.filter(pk__in=theirs).update(customer=customer)
        ReceiptLine.objects.filter(receipt__in=theirs).update(customer=customer)
        receipt.customer = customer
        _credit(receipt, customer, by, now or timezone.now(), back=back)
        if by is not None:
            LogEntry.objects.log_actions(
                by.pk,
                [receipt],
                CHANGE,
                _("Claimed for customer %(number)s.") % {"number": customer.number},
                single_object=True,
            )
    return True
