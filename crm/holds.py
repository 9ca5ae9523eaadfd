"""Holding what a merge needs, and the live record of somebody who may be merged at this moment.

Locks come in one order everywhere: customers, receipts, products, profiles; each in the order of ids.
"""

from collections.abc import Sequence

from django.db import connection, transaction

from crm.profiles import lock_profiles


class _ChangedMeanwhile(Exception):
    """What was read before the profiles were held is no longer so. The locks go with their savepoint."""


def hold_roots(*, customer_ids: Sequence[int]) -> dict[int, int]:
    """Hold the profiles of these customers and of the records that they live on in, and tell who lives on in whom.

    A record that was never merged is its own root. What is told stays so until the transaction ends, since merging and
    undoing hold the same profiles.
    """
    while True:
        roots = _roots(customer_ids)
        try:
            with transaction.atomic():
                lock_profiles(customer_ids=sorted({*roots, *roots.values()}))
                if _roots(customer_ids) != roots:
                    raise _ChangedMeanwhile
        except _ChangedMeanwhile:
            continue
        return roots


def _roots(customer_ids: Sequence[int]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, coalesce(merged_into_id, id) FROM crm_customer WHERE id = ANY(%s)", [list(customer_ids)]
        )
        return dict(cursor.fetchall())


_BOUGHT = "SELECT DISTINCT product_id FROM crm_receiptline WHERE customer_id = ANY(%s)"


def _products_bought(*, customer_ids: Sequence[int]) -> set[int]:
    """The products in these customers' receipts."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUGHT, [list(customer_ids)])
        return {product_id for (product_id,) in cursor.fetchall()}


def _hold_products_bought(*, customer_ids: Sequence[int]) -> set[int]:
    """Let nobody move these customers' products to other categories until the transaction ends; which they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM crm_product WHERE id IN ({_BOUGHT}) ORDER BY id FOR SHARE", [list(customer_ids)]
        )
        return {product_id for (product_id,) in cursor.fetchall()}


def hold_facts(*, customer_ids: Sequence[int]) -> None:
    """Hold these customers' receipts, the products in them and their profiles, in the order that sales keep.

    A sale that commits before the profiles are held may bring another product, which whoever moves it must find held.
    """
    ids = list(customer_ids)
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM crm_receipt WHERE customer_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [ids])
    while True:
        try:
            with transaction.atomic():
                held = _hold_products_bought(customer_ids=ids)
                lock_profiles(customer_ids=ids)
                if _products_bought(customer_ids=ids) != held:
                    raise _ChangedMeanwhile
        except _ChangedMeanwhile:
            continue
        return
