"""Money at the doors: integers of the currency's hundredths inside, decimals and symbols outside."""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from babel import Locale
from babel.numbers import format_currency
from django.conf import settings
from django.utils.translation import get_language


def locale() -> str:
    """The current language as babel writes it."""
    return (get_language() or "en").replace("-", "_")


def to_minor(amount: Decimal) -> int:
    """Hundredths of the currency, rounded half up (away from zero)."""
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def from_minor(amount_minor: int) -> Decimal:
    return (Decimal(amount_minor) / 100).quantize(Decimal("0.01"))


def spread(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Parts of the amount by these weights (none negative), which add up to it exactly: the largest remainders first.

    No part is more than its weight where the amount is not more than all of them. Zeroes where all weights are zero.
    """
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts = [amount_minor * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount_minor * weights[i] % whole), i))
    for index in by_remainder[: amount_minor - sum(parts)]:
        parts[index] += 1
    return parts


def show(amount_minor: int | None) -> str:
    """The amount as people of the current language write it, with the shop's currency; "" for None."""
    if amount_minor is None:
        return ""
    return format_currency(from_minor(amount_minor), settings.CURRENCY, locale=locale())


def show_exact(price: Decimal) -> str:
    """A unit price with all of its decimals, at least two: $1.29, $0.0375."""
    places = max(2, -int(price.normalize().as_tuple().exponent))
    pattern = re.sub(r"\.0+", "." + "0" * places, Locale.parse(locale()).currency_formats["standard"].pattern)
    return format_currency(price, settings.CURRENCY, format=pattern, locale=locale(), currency_digits=False)


def show_whole(amount_minor: int | None) -> str:
    """The amount rounded half up to whole units, for headlines and plots, never for a receipt; "" for None."""
    if amount_minor is None:
        return ""
    whole = (Decimal(amount_minor) / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    pattern = re.sub(r"\.0+", "", Locale.parse(locale()).currency_formats["standard"].pattern)
    return format_currency(whole, settings.CURRENCY, format=pattern, locale=locale(), currency_digits=False)
