"""Money at the doors: integers of the currency's hundredths inside, decimals and symbols outside."""

import re
from decimal import ROUND_HALF_UP, Decimal

from babel import Locale
from babel.numbers import format_currency
from django.conf import settings
from django.utils.translation import get_language


def to_minor(amount: Decimal) -> int:
    """Hundredths of the currency, rounded half up (away from zero)."""
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def from_minor(amount_minor: int) -> Decimal:
    return (Decimal(amount_minor) / 100).quantize(Decimal("0.01"))


def show(amount_minor: int | None) -> str:
    """The amount as people of the current language write it, with the shop's currency; "" for None."""
    if amount_minor is None:
        return ""
    return format_currency(
        from_minor(amount_minor), settings.CURRENCY, locale=(get_language() or "en").replace("-", "_")
    )


def show_whole(amount_minor: int | None) -> str:
    """The amount rounded half up to whole units, for headlines and plots, never for a receipt; "" for None."""
    if amount_minor is None:
        return ""
    whole = (Decimal(amount_minor) / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    locale = Locale.parse((get_language() or "en").replace("-", "_"))
    pattern = re.sub(r"\.0+", "", locale.currency_formats["standard"].pattern)
    return format_currency(whole, settings.CURRENCY, format=pattern, locale=locale, currency_digits=False)
