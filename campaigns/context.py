"""What the placeholders of a message stand for, for many customers in one query."""

import functools
from collections.abc import Sequence
from datetime import date
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from django.conf import settings
from django.db import connection

from crm.models import Shop
from crm.text import clean

Context = dict[str, Any]
"""Plain dicts, texts and numbers only: a template can never reach an object."""

# The dearest line of the newest sale names the purchase; the lateral look-ups run on receipt_by_customer.
_QUERY = """
SELECT c.id, c.first_name, c.last_name, c.city, c.language, COALESCE(f.points, 0),
       product.name, category.name, sale.sold_on, store.name
FROM crm_customer c
LEFT JOIN crm_customerprofile f ON f.customer_id = c.id
LEFT JOIN LATERAL (
    SELECT r.id, r.sold_on, r.store_id FROM crm_receipt r
    WHERE r.customer_id = c.id AND r.kind = 'sale'
    ORDER BY r.sold_at DESC, r.id DESC LIMIT 1
) sale ON true
LEFT JOIN LATERAL (
    SELECT l.product_id FROM crm_receiptline l
    WHERE l.receipt_id = sale.id
    ORDER BY l.total_minor DESC, l.position LIMIT 1
) line ON true
LEFT JOIN crm_product product ON product.id = line.product_id
LEFT JOIN crm_category category ON category.id = product.category_id
LEFT JOIN crm_store store ON store.id = sale.store_id
WHERE c.id = ANY(%s)
"""


def message_context(*, customer_ids: Sequence[int]) -> dict[int, Context]:
    """The context of each customer's message, by id (two queries, however many there are).

    Unknown values are "". ``unsubscribe_url`` differs by delivery, so whoever sends puts it in.
    """
    shop = shop_context()
    contexts = {}
    with connection.cursor() as cursor:
        cursor.execute(_QUERY, [list(customer_ids)])
        for key, first, last, city, language, points, product, category, sold_on, store in cursor:
            contexts[key] = {
                "customer": {
                    "first_name": first,
                    "last_name": last,
                    "city": city,
                    "language": language,
                    "points": points,
                },
                "last_purchase": {
                    "product": clean(product or ""),
                    "category": clean(category or ""),
                    "on": written_date(sold_on, language=language) if sold_on else "",
                    "store": clean(store or ""),
                },
                "shop": shop,
                "unsubscribe_url": "",
            }
    return contexts


def shop_context() -> dict[str, str]:
    shop = Shop.current()
    address = ", ".join(line.strip() for line in shop.address.splitlines() if line.strip())
    return {"name": shop.name, "address": address, "website": shop.website}


def written_date(day: date, *, language: str) -> str:
    """The day as it is written in a recipient's language; in the shop's where that is unknown."""
    return format_date(day, format="long", locale=_locale(language))


@functools.lru_cache(maxsize=256)
def _locale(language: str) -> Locale:
    for name in (language, settings.LANGUAGE_CODE):
        try:
            return Locale.parse(name.replace("-", "_"))
        except (ValueError, UnknownLocaleError):
            continue
    return Locale("en")
