"""Taking goods back: a receipt of its own with negative amounts, which names the lines that it takes back."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import floor

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import bell, loyalty, marks, money, profiles, returned
from crm.content import content_hash
from crm.days import shop_day
from crm.models import (
    Customer,
    Product,
    Receipt,
    ReceiptKind,
    ReceiptLine,
    ReceiptVoid,
    SalesChannel,
    Store,
)
from crm.returned import Taken
from crm.sales import MAX_AHEAD, MAX_LINES, MAX_QUANTITY, MAX_TOTAL_MINOR, REFRESH, TILL, next_number

WITHOUT_RECEIPT = "crm.return_without_receipt"


class ReturnRefused(ValidationError):
    """The return cannot be recorded as it is; the message says which line and why."""


class ReturnClash(ReturnRefused):
    """The client's key already stands for another return, or for a sale."""


@dataclass(frozen=True, kw_only=True)
class ReturnLine:
    """So much of a line of the original, or, without a receipt, of a product at a price in whole currency units."""

    quantity: Decimal
    line: ReceiptLine | None = None
    product: Product | None = None
    unit_price: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Return:
    """A return as a till or an API client tells it.

    ``original`` None means that there is no receipt; only then ``customer`` says who brings the goods. ``returned_at``
    None means now; a blank ``number`` lets the store number it; ``payment`` says how the money was given back.
    """

    client_key: uuid.UUID
    store: Store
    lines: Sequence[ReturnLine]
    original: Receipt | None = None
    customer: Customer | None = None
    payment: str = ""
    returned_at: datetime | None = None
    source: str = TILL
    number: str = ""
    channel: str = SalesChannel.TILL
    expected_refund_minor: int | None = None
    """What the client showed to the customer; another result refuses the return rather than give a surprise."""

    def content_hash(self) -> bytes:
        return content_hash(
            kind=ReceiptKind.RETURN,
            store=self.store.code,
            customer=self.customer.number if self.customer else "",
            sold_at=self.returned_at,
            payment=self.payment,
            lines=(
                (line.product.sku if line.product else "", line.quantity, line.unit_price, 0, None)
                for line in self.lines
            ),
            besides=(
                str(self.original.public_id) if self.original else "",
                *(line.line.position if line.line else 0 for line in self.lines),
            ),
        )


def record_return(*, return_: Return, by: User | None, now: datetime | None = None) -> Receipt:
    """Record a return once: receipt, lines, profile, points and mark in one transaction.

    What is given back of a line is in proportion to what was really paid for it: after the last part, exactly that.
    Never more is taken back than was bought. Points that the sale earned are taken back, and those redeemed for it
    given back, in the same proportion; without a receipt nobody's points change. The same ``client_key`` with the same
    content returns the first receipt; with other content it raises :class:`ReturnClash`. Raises
    :class:`ReturnRefused` on anything else that cannot be right; without a receipt, also where ``by`` may not do that.
    """
    now = now or timezone.now()
    digest = return_.content_hash()
    if first := _recorded(return_, digest):
        return first
    _check(return_, by, now)
    try:
        with transaction.atomic():
            if return_.original is None:
                return _insert(return_, _from_goods(return_), return_.customer, digest, by, now)
            original = Receipt.objects.select_for_update(no_key=True).get(pk=return_.original.pk)
            if first := _recorded(return_, digest):  # sent twice at once: the other one held the original
                return first
            return _take_back(return_, original, digest, by, now)
    except IntegrityError:
        if first := _recorded(return_, digest):
            return first
        raise


def _recorded(return_: Return, digest: bytes) -> Receipt | None:
    first = Receipt.objects.filter(client_key=return_.client_key).first()
    if first is not None and bytes(first.content_hash) != digest:
        raise ReturnClash(
            _("This return was recorded before with other content, as receipt %(number)s. Start a new return."),
            params={"number": first.external_id},
        )
    return first


def _check(return_: Return, by: User | None, now: datetime) -> None:
    if not return_.lines:
        raise ReturnRefused(_("A return needs at least one product."))
    if len(return_.lines) > MAX_LINES:
        raise ReturnRefused(_("A return holds at most %(n)d lines."), params={"n": MAX_LINES})
    if return_.returned_at and return_.returned_at > now + MAX_AHEAD:
        raise ReturnRefused(_("The return lies in the future. Check the clock."))
    for position, line in enumerate(return_.lines, 1):
        if not line.quantity.is_finite() or not 0 < line.quantity <= MAX_QUANTITY:
            raise _refused(
                position, line, _("the quantity must be more than 0 and at most %(most)s.") % {"most": MAX_QUANTITY}
            )
        if line.quantity != round(line.quantity, 3):
            raise _refused(position, line, _("quantities have at most 3 decimals."))
    if return_.original is None:
        if by is None or not by.has_perm(WITHOUT_RECEIPT):
            raise ReturnRefused(_("Only some may take goods back without a receipt. Ask for the receipt, or for help."))
        if return_.customer and not return_.customer.is_live:
            raise ReturnRefused(_("This customer's record is closed. Look the customer up again."))


def _refused(position: int, line: ReturnLine, reason: str) -> ReturnRefused:
    product = line.line.product if line.line else line.product
    return ReturnRefused(
        _("Line %(position)d, %(product)s: %(reason)s"),
        params={"position": position, "product": product.name if product else "?", "reason": reason},
    )


def _from_goods(return_: Return) -> list[ReceiptLine]:
    """The lines of a return without a receipt: what the goods are worth, as whoever takes them says."""
    lines = []
    for position, line in enumerate(return_.lines, 1):
        if line.product is None:
            raise _refused(position, line, _("choose a product."))
        price = line.unit_price
        if price is None:
            if line.product.price_minor is None:
                raise _refused(position, line, _("it has no price; type one."))
            price = money.from_minor(line.product.price_minor)
        if not price.is_finite() or not 0 <= price * 100 <= MAX_TOTAL_MINOR or price != round(price, 6):
            raise _refused(
                position, line, _("the price must be between 0 and %(most)s.") % {"most": money.show(MAX_TOTAL_MINOR)}
            )
        total = int((line.quantity * price * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        lines.append(
            ReceiptLine(
                position=position, product=line.product, quantity=-line.quantity, unit_price=price, total_minor=-total
            )
        )
    return lines


def _take_back(return_: Return, original: Receipt, digest: bytes, by: User | None, now: datetime) -> Receipt:
    """Record a return of this sale, which the caller holds: so nobody else takes anything of it back meanwhile."""
    if original.kind != ReceiptKind.SALE:
        raise ReturnRefused(_("This is a return itself; choose the receipt of the sale."))
    if ReceiptVoid.objects.filter(receipt=original).exists():
        raise ReturnRefused(_("This sale was voided; there is nothing to take back."))
    if (return_.returned_at or now) + MAX_AHEAD < original.sold_at:
        raise ReturnRefused(_("The return lies before the sale. Check the clock."))
    bought = returned.lines_of(original)
    taken = returned.taken_of(sale=original, lines=bought)
    lines = _from_receipt(return_, bought, taken)
    theirs = {entry.customer_id for entry in loyalty.moved_by(original)}
    receipt = _insert(return_, lines, original.customer, digest, by, now, original=original, along=sorted(theirs))
    changed = returned.settle_points(sale=original, cause=receipt, by=by, now=now)
    _mark({entry.customer_id for entry in changed} - {original.customer_id})
    return receipt


def _from_receipt(return_: Return, bought: Sequence[ReceiptLine], taken: dict[int, Taken]) -> list[ReceiptLine]:
    """The lines of a return that names lines of a sale; ``taken`` is brought up to date with them."""
    of_sale = {line.pk: line for line in bought}
    lines = []
    for position, wanted in enumerate(return_.lines, 1):
        line = of_sale.get(wanted.line.pk) if wanted.line else None
        if line is None:
            raise _refused(position, wanted, _("it is not on this receipt."))
        before = taken[line.pk]
        left = max(Decimal(0), line.quantity - before.quantity)
        if wanted.quantity > left:
            raise _refused(
                position, wanted, _("%(left)s can still be brought back.") % {"left": f"{left.normalize():f}"}
            )
        share = Fraction(before.quantity + wanted.quantity) / Fraction(line.quantity)
        total = max(0, _rounded(line.total_minor * share) - before.total_minor)
        discount = max(0, _rounded(line.discount_minor * share) - before.discount_minor)
        before.quantity += wanted.quantity
        before.total_minor += total
        before.discount_minor += discount
        lines.append(
            ReceiptLine(
                position=position,
                product=line.product,
                quantity=-wanted.quantity,
                unit_price=line.unit_price,
                discount_minor=-discount,
                total_minor=-total,
                returns_line=line,
            )
        )
    return lines


def _rounded(amount: Fraction) -> int:
    return floor(amount + Fraction(1, 2))


def _insert(
    return_: Return,
    lines: list[ReceiptLine],
    customer: Customer | None,
    digest: bytes,
    by: User | None,
    now: datetime,
    *,
    original: Receipt | None = None,
    along: Sequence[int] = (),
) -> Receipt:
    total = sum(line.total_minor for line in lines)
    if -total > MAX_TOTAL_MINOR:
        raise ReturnRefused(
            _("A return of %(total)s is more than the till takes."), params={"total": money.show(-total)}
        )
    if return_.expected_refund_minor not in (None, -total):
        raise ReturnRefused(
            _("The lines come to %(total)s, not to %(expected)s as shown. Look at them again."),
            params={"total": money.show(-total), "expected": money.show(return_.expected_refund_minor)},
        )
    returned_at = return_.returned_at or now
    receipt = Receipt.objects.create(
        source=return_.source,
        external_id=return_.number or next_number(return_.store),
        kind=ReceiptKind.RETURN,
        channel=return_.channel,
        client_key=return_.client_key,
        content_hash=digest,
        store=return_.store,
        customer=customer,
        returns=original,
        sold_at=returned_at,
        sold_on=shop_day(returned_at),
        recorded_by=by,
        payment=return_.payment,
        total_minor=total,
        discount_minor=sum(line.discount_minor for line in lines),
    )
    for line in lines:
        line.receipt, line.customer, line.sold_on, line.is_return = receipt, customer, receipt.sold_on, True
    ReceiptLine.objects.bulk_create(lines)
    went = profiles.apply_receipts(receipt_ids=[receipt.pk], along=along)
    if customer is not None and customer.pk in went:  # merged or erased at this moment
        root = went[customer.pk]
        customer = receipt.customer = Customer.objects.get(pk=root) if root else None
    if customer is not None:
        _mark({customer.pk})
    return receipt


def _mark(customer_ids: set[int]) -> None:
    if customer_ids:
        marks.mark_customers(customer_ids=customer_ids)
        bell.ring_after_commit(REFRESH)
