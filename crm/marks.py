"""Marks tell :mod:`segments` whose facts changed. They are written in the transaction of the fact itself."""

from collections.abc import Iterable

from crm.models import ChangeMark

MANY = 2_000
"""From so many changed customers on, an import leaves one mark "all" instead of one each."""


def mark_customers(*, customer_ids: Iterable[int]) -> None:
    """Leave a new mark for each of these customers (never an upsert: see :class:`crm.models.ChangeMark`)."""
    ChangeMark.objects.bulk_create([ChangeMark(customer_id=customer_id) for customer_id in sorted(set(customer_ids))])


def mark_all() -> None:
    """Leave the one mark that stands for every customer."""
    ChangeMark.objects.create(customer=None)
