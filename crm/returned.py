"""What has been taken back of a sale so far: by line, whichever return named which line."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from django.contrib.auth.models import User

from crm import loyalty
from crm.models import LoyaltyEntry, Receipt, ReceiptLine


@dataclass
class Taken:
    """Of one line of a sale, in positive numbers."""

    quantity: Decimal = Decimal(0)
    total_minor: int = 0
    discount_minor: int = 0


def lines_of(sale: Receipt) -> list[ReceiptLine]:
    """The sale's lines by position, with their products."""
    return list(ReceiptLine.objects.filter(receipt=sale).select_related("product").order_by("position"))


def taken_of(*, sale: Receipt, lines: Sequence[ReceiptLine]) -> dict[int, Taken]:
    """By the id of each of the sale's ``lines``, what returns have taken back of it.

    A return that came without naming lines (from an import) counts for the lines of its products, first for what is
    left of them in their order; what is too much counts for the last.
    """
    taken = {line.pk: Taken() for line in lines}
    by_product = defaultdict(list)
    for line in lines:
        by_product[line.product_id].append(line)
    rows = ReceiptLine.objects.filter(receipt__returns=sale).order_by("receipt", "position")
    unnamed = []
    for row in rows:
        if row.returns_line_id in taken:
            _add(taken[row.returns_line_id], -row.quantity, -row.total_minor, -row.discount_minor)
        elif by_product.get(row.product_id):
            unnamed.append(row)
    for row in unnamed:
        _share_out(row, by_product[row.product_id], taken)
    return taken


def _share_out(row: ReceiptLine, lines: Sequence[ReceiptLine], taken: dict[int, Taken]) -> None:
    quantity, total, discount = -row.quantity, -row.total_minor, -row.discount_minor
    for line in lines:
        is_last = line is lines[-1]
        part = quantity if is_last else min(quantity, max(Decimal(0), line.quantity - taken[line.pk].quantity))
        if part <= 0 and not is_last:
            continue
        share = Fraction(part) / Fraction(quantity) if quantity else Fraction(1)
        its_total, its_discount = int(total * share), int(discount * share)
        _add(taken[line.pk], part, its_total, its_discount)
        quantity, total, discount = quantity - part, total - its_total, discount - its_discount
        if not quantity:
            return


def _add(taken: Taken, quantity: Decimal, total_minor: int, discount_minor: int) -> None:
    taken.quantity += quantity
    taken.total_minor += total_minor
    taken.discount_minor += discount_minor


def gone(*, lines: Sequence[ReceiptLine], taken: dict[int, Taken]) -> dict[int, Fraction]:
    """Which share of each line (0 to 1) has been taken back."""
    return {
        line.pk: min(Fraction(1), Fraction(taken[line.pk].quantity) / Fraction(line.quantity))
        for line in lines
        if line.quantity
    }


def settle_points(*, sale: Receipt, cause: Receipt, by: User | None, now: datetime) -> list[LoyaltyEntry]:
    """Bring the points of this sale in line with what has been taken back of it, the return ``cause`` being the last.

    In the caller's transaction, which holds the sale and the profiles of those whose points it moved.
    """
    entries = loyalty.moved_by(sale)
    if not entries:
        return []
    lines = lines_of(sale)
    share = gone(lines=lines, taken=taken_of(sale=sale, lines=lines))
    return loyalty.settle_returns(entries=entries, lines=lines, gone=share, cause=cause, by=by, now=now)
