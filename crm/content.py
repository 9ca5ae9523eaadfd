"""What a receipt says, in one canonical form, so that a repeat can be told from another content under a known key."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal


def _number(value: Decimal | int | None) -> str | None:
    """1, 1.0 and 1.000 are one number."""
    return None if value is None else format(Decimal(value).normalize(), "f")


def content_hash(
    *,
    kind: str,
    store: str,
    customer: str,
    sold_at: datetime | None,
    lines: Iterable[tuple[str, Decimal, Decimal | None, int, int | None]],
    payment: str = "",
    besides: Sequence[int | str] = (),
) -> bytes:
    """SHA-256 of a receipt as its sender wrote it.

    ``store`` is the store's code and ``customer`` the customer's number ("" for a guest). A line is (SKU, quantity,
    unit price, discount_minor, total_minor), in its order; what the sender left to us (time, price, total) is None.
    ``besides`` is what else tells one content from another (points redeemed, the receipt taken back).
    """
    content = [
        kind,
        store,
        customer,
        sold_at.astimezone(UTC).isoformat() if sold_at else None,
        payment,
        [
            [sku, _number(quantity), _number(price), discount_minor, total_minor]
            for sku, quantity, price, discount_minor, total_minor in lines
        ],
        *besides,
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()).digest()
