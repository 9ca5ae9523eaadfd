"""Voiding a sale that should never have been rung up: it vanishes from receipts, recency, returns and points alike.

The receipt stays, and a fact of its own says that it was voided. So that nothing that is asked about the customer can
still see it, the receipt belongs to nobody from then on (whose it was is in the log); what the shop counts as a whole
leaves voided receipts out (:func:`crm.statistics.revenue`).
"""

from datetime import datetime
from fractions import Fraction

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm import bell, loyalty, marks, profiles, returned
from crm.days import shop_day
from crm.models import Receipt, ReceiptKind, ReceiptLine, ReceiptVoid
from crm.sales import REFRESH
from crm.text import clean


class VoidRefused(ValidationError):
    """The receipt cannot be voided; the message says why."""


def void_sale(*, receipt: Receipt, reason: str, by: User | None, now: datetime) -> ReceiptVoid:
    """Void a sale of today, in one transaction with profile, points and marks. Voided before, it stays as it was.

    Points that it earned are taken back, those that it redeemed given back. Raises :class:`VoidRefused`: a sale of
    another day, or one of which something was brought back, is a return.
    """
    reason = clean(reason)
    with transaction.atomic():
        sale = Receipt.objects.select_for_update(no_key=True).get(pk=receipt.pk)
        if known := ReceiptVoid.objects.filter(receipt=sale).first():
            return known
        _check(sale, reason, now)
        voided = ReceiptVoid.objects.create(receipt=sale, reason=reason[:200], voided_at=now, voided_by=by)
        entries = loyalty.moved_by(sale)
        owner = sale.customer
        touched = {entry.customer_id for entry in entries} | ({owner.pk} if owner else set())
        profiles.lock_profiles(customer_ids=sorted(touched))
        lines = returned.lines_of(sale)
        loyalty.settle_returns(
            entries=loyalty.moved_by(sale),
            lines=lines,
            gone={line.pk: Fraction(1) for line in lines},
            cause=sale,
            by=by,
            now=now,
        )
        if owner:
            Receipt.objects.filter(pk=sale.pk).update(customer=None)
            ReceiptLine.objects.filter(receipt=sale).update(customer=None)
            profiles.recount(customer_ids=[owner.pk])
        if by is not None:
            number = owner.number if owner else "–"
            LogEntry.objects.log_actions(
                by.pk,
                [sale],
                CHANGE,
                _("Voided; it was of customer %(number)s. %(reason)s") % {"number": number, "reason": reason},
                single_object=True,
            )
        marks.mark_customers(customer_ids=touched)
        bell.ring_after_commit(REFRESH)
    return voided


def _check(sale: Receipt, reason: str, now: datetime) -> None:
    if sale.kind != ReceiptKind.SALE:
        raise VoidRefused(_("Only sales are voided; a return that was wrong is a new sale."))
    if sale.sold_on != shop_day(now):
        raise VoidRefused(_("Only sales of today are voided. Take the goods back instead."))
    if Receipt.objects.filter(returns=sale).exists():
        raise VoidRefused(_("Something of this sale was brought back already. Take back the rest instead."))
    if not reason:
        raise VoidRefused(_("Say why the sale is voided."))
