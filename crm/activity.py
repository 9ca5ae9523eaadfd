"""What customers do besides buying: visits, wishes, reviews. Facts; each leaves a mark.

Each holds the customer's profile first, so that one who is merged at this moment has it on the record they live on in.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm import bell, holds, marks
from crm.days import shop_day
from crm.models import Customer, Product, Review, WebVisit, WishlistItem
from crm.sales import MAX_AHEAD, REFRESH


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A page that somebody looked at. ``key`` is of the client's making: the same one is one visit."""

    key: uuid.UUID
    visitor: str
    path: str
    visited_at: datetime
    customer: Customer | None = None
    product: Product | None = None
    referrer: str = ""


class ReviewClash(ValidationError):
    """The client's key already stands for a review with other content."""


def record_visits(*, visits: Sequence[Visit], now: datetime) -> int:
    """Write down these visits in one statement; returns how many. Those known already by their key count, too.

    Raises ValidationError, and writes nothing, where one lies in the future.
    """
    for visit in visits:
        _check_moment(visit.visited_at, now)
    with transaction.atomic():
        live = _live(visit.customer for visit in visits)
        WebVisit.objects.bulk_create(
            [
                WebVisit(
                    client_key=visit.key,
                    customer_id=None if visit.customer is None else live[visit.customer.pk],
                    product=visit.product,
                    visitor=visit.visitor,
                    path=visit.path,
                    referrer=visit.referrer,
                    visited_at=visit.visited_at,
                    visited_on=shop_day(visit.visited_at),
                )
                for visit in visits
            ],
            ignore_conflicts=True,
        )
        _mark(live.values())
    return len(visits)


def wish(*, customer: Customer, product: Product, now: datetime) -> tuple[WishlistItem, bool]:
    """Put a product on the wishlist; returns the item and whether it is new. It is there once at a time."""
    with transaction.atomic():
        customer_id = _live([customer])[customer.pk]
        item, is_new = WishlistItem.objects.get_or_create(
            customer_id=customer_id, product=product, removed_at=None, defaults={"added_at": now}
        )
        if is_new:
            _mark([customer_id])
    return item, is_new


def unwish(*, item: WishlistItem, now: datetime) -> None:
    """Take a product off the wishlist; nothing where it is off already."""
    with transaction.atomic():
        if WishlistItem.objects.filter(pk=item.pk, removed_at=None).update(removed_at=now):
            _mark([item.customer_id])


def write_review(
    *, key: uuid.UUID, customer: Customer, product: Product, rating: int, text: str, written_at: datetime, now: datetime
) -> tuple[Review, bool]:
    """Keep a review (rating from 1 to 5); returns it and whether it is new.

    The same ``key`` with the same content returns the first, with other content it raises :class:`ReviewClash`.
    """
    _check_moment(written_at, now)
    said: dict[str, Any] = {"product": product, "rating": rating, "text": text, "written_at": written_at}
    with transaction.atomic():
        said["customer_id"] = _live([customer])[customer.pk]
        review, is_new = Review.objects.get_or_create(client_key=key, defaults=said)
        if is_new:
            _mark([said["customer_id"]])
    if any(getattr(review, name) != value for name, value in said.items()):
        raise ReviewClash(_("This key stands for another review already."))
    return review, is_new


def _check_moment(moment: datetime, now: datetime) -> None:
    if moment > now + MAX_AHEAD:
        raise ValidationError(_("The time lies in the future. Check the clock."))


def _live(whom: Iterable[Customer | None]) -> dict[int, int]:
    """Hold these customers, and tell on which record each lives on."""
    return holds.hold_roots(customer_ids=sorted({customer.pk for customer in whom if customer is not None}))


def _mark(customer_ids: Iterable[int]) -> None:
    ids = list(customer_ids)
    if ids:
        marks.mark_customers(customer_ids=ids)
        bell.ring_after_commit(REFRESH)
