"""The numbers of a receipt line, read together: each says something about the others."""

import json
from decimal import Decimal

from django.utils.translation import gettext as _

from crm.importing.cells import EXACT, MAX_QUANTITY, MAX_UNIT_PRICE, BadCell, minor, number, shown

FIELDS = ("quantity", "unit_price", "discount", "line_total")
COLUMNS = ("sign", "quantity", "unit_price", "discount_minor", "total_minor", "content")

_MILLIONTH = Decimal("0.000001")
_THOUSANDTH = Decimal("0.001")


def line_amounts(*, quantity: str, unit_price: str = "", discount: str = "", line_total: str = "") -> str:
    """The cells as the COPY columns :data:`COLUMNS`, tabs between them.

    ``line_total`` counts where it is given, and a blank unit price follows from it; else the line is quantity x unit
    price - discount, rounded half up once. A line with a negative quantity takes something back: its total and its
    discount are negative, or nothing. ``content`` is what :func:`crm.content.content_hash` reads of these cells.
    """
    count, price, total = _read("quantity", quantity), _read("unit_price", unit_price), _read("line_total", line_total)
    less = _read("discount", discount) or Decimal(0)
    if count is None:
        raise BadCell(_("is missing."), "quantity")
    if price is None and total is None:
        raise BadCell(_("is missing, and so is line_total."), "unit_price")
    if total is not None:
        total_minor = _minor("line_total", total)
    else:
        total_minor = _minor("quantity", EXACT.subtract(EXACT.multiply(count, price or Decimal(0)), less))
    sign = _sign(count, total_minor)
    less_minor = _minor("discount", _signed_discount(less, sign, alone=total is None))
    said = [_written(count), _written(price), _minor("discount", less), total_minor if total is not None else None]
    _check_decimals("quantity", count, 3)
    _check_decimals("unit_price", price, 6)
    if price is None:  # it follows from the total, which counts: the last digit may be rounded
        price = abs(Decimal(total_minor + less_minor)) / 100 / abs(count) if count else Decimal(0)
    if abs(count) >= MAX_QUANTITY:
        raise BadCell(_("%(value)s is too large.") % {"value": shown(quantity)}, "quantity")
    if price >= MAX_UNIT_PRICE:
        raise BadCell(_("is too large."), "unit_price")
    stored = (sign, EXACT.quantize(count, _THOUSANDTH), EXACT.quantize(price, _MILLIONTH), less_minor, total_minor)
    content = json.dumps(said, separators=(",", ":"))[1:-1]
    return "\t".join((*map(str, stored), content))


def _read(field: str, cell: str) -> Decimal | None:
    if not cell.strip():
        return None
    try:
        value = number(cell)
    except BadCell as bad:
        raise BadCell(bad.reason, field) from None
    if field == "unit_price" and value < 0:
        raise BadCell(
            _("%(value)s is negative; the sign of a return is that of its quantity.") % {"value": shown(cell)}, field
        )
    return value


def _check_decimals(field: str, value: Decimal | None, most: int) -> None:
    """What is stored is what was written: a finer number is refused rather than rounded, here as at the till."""
    if value is not None and value != EXACT.quantize(value, Decimal(1).scaleb(-most)):
        raise BadCell(
            _("%(value)s has more than %(most)d decimals.") % {"value": shown(f"{value:f}"), "most": most},
            field,
        )


def _minor(field: str, amount: Decimal) -> int:
    try:
        return minor(amount)
    except BadCell as bad:
        raise BadCell(bad.reason, field) from None


def _written(value: Decimal | None) -> str | None:
    """1, 1.0 and 1.000 are one number."""
    return None if value is None else format(value.normalize(EXACT) + 0, "f")


def _sign(count: Decimal, total_minor: int) -> int:
    """1 for something sold, -1 for something taken back, 0 for a line that is neither."""
    signs = {(value > 0) - (value < 0) for value in (count, total_minor)} - {0}
    if len(signs) > 1:
        raise BadCell(_("and the line's total have opposite signs."), "quantity")
    return signs.pop() if signs else 0


def _signed_discount(less: Decimal, sign: int, *, alone: bool) -> Decimal:
    if sign < 0 < less:
        if alone:  # was it added to the price, or taken off? A guess would be somebody's money
            raise BadCell(_("is positive where goods come back; make it negative, or give the line_total."), "discount")
        return -less
    if less < 0 <= sign:
        raise BadCell(_("is negative; write a surcharge as a line of its own."), "discount")
    return less
