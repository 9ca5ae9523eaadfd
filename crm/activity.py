"""What customers do besides buying: visits, wishes, reviews. Facts; each leaves a mark."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm import bell, marks
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
        WebVisit.objects.bulk_create(
            [
                WebVisit(
                    client_key=visit.key,
                    customer=visit.customer,
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
        _mark(visit.customer for visit in visits)
    return len(visits)


def wish(*, customer: Customer, product: Product, now: datetime) -> tuple[WishlistItem, bool]:
    """Put a product on the wishlist; returns the item and whether it is new. It is there once at a time."""
    with transaction.atomic():
        item, is_new = WishlistItem.objects.get_or_create(
            customer=customer, product=product, removed_at=None, defaults={"added_at": now}
        )
        if is_new:
            _mark([customer])
    return item, is_new


def unwish(*, item: WishlistItem, now: datetime) -> None:
    """Take a product off the wishlist; nothing where it is off already."""
    with transaction.atomic():
        if WishlistItem.objects.filter(pk=item.pk, removed_at=None).update(removed_at=now):
            _mark([item.customer])


def write_review(
    *, key: uuid.UUID, customer: Customer, product: Product, rating: int, text: str, written_at: datetime, now: datetime
) -> tuple[Review, bool]:
    """Keep a review (rating from 1 to 5); returns it and whether it is new.

    The same ``key`` with the same content returns the first, with other content it raises :class:`ReviewClash`.
    """
    _check_moment(written_at, now)
    said = {"customer": customer, "product": product, "rating": rating, "text": text, "written_at": written_at}
    with transaction.atomic():
        review, is_new = Review.objects.get_or_create(client_key=key, defaults=said)
        if is_new:
            _mark([customer])
    if any(getattr(review, name) != value for name, value in said.items()):
        raise ReviewClash(_("This key stands for another review already."))
    return review, is_new


def _check_moment(moment: datetime, now: datetime) -> None:
    if moment > now + MAX_AHEAD:
        raise ValidationError(_("The time lies in the future. Check the clock."))


def _mark(whom: Iterable[Customer | None]) -> None:
    ids = [customer.pk for customer in whom if customer is not None]
    if ids:
        marks.mark_customers(customer_ids=ids)
        bell.ring_after_commit(REFRESH)
