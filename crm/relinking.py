"""Receipts whose customer was merged away or erased at the moment when they were recorded."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

_RELINK_RECEIPTS = """
    UPDATE crm_receipt AS receipt
       SET customer_id = CASE WHEN closed.erased_at IS NULL THEN closed.merged_into_id END
      FROM crm_customer AS closed
     WHERE receipt.id = ANY(%(receipts)s) AND closed.id = receipt.customer_id
       AND (closed.merged_into_id IS NOT NULL OR closed.erased_at IS NOT NULL)
    RETURNING closed.id, receipt.customer_id
"""

_RELINK_LINES = """
    UPDATE crm_receiptline AS line SET customer_id = receipt.customer_id
      FROM crm_receipt AS receipt
     WHERE receipt.id = ANY(%(receipts)s) AND line.receipt_id = receipt.id
       AND line.customer_id IS DISTINCT FROM receipt.customer_id
"""


def relink(receipt_ids: Sequence[int]) -> list[tuple[int, int | None]]:
    """Give these receipts and their lines to the survivor, or to nobody; from whom to whom, for those it changed."""
    with connection.cursor() as cursor:
        params = {"receipts": list(receipt_ids)}
        cursor.execute(_RELINK_RECEIPTS, params)
        went = cursor.fetchall()
        cursor.execute(_RELINK_LINES, params)
    return went


_UNLINK_ERASED = """
    UPDATE {table} AS fact SET customer_id = NULL
      FROM crm_customer AS customer
     WHERE customer.id = fact.customer_id AND customer.erased_at IS NOT NULL AND fact.{column} {chosen}
"""


def unlink_erased(cursor: Any, chosen: str, params: dict[str, list[int]]) -> None:
    """Let those of the receipts (``chosen``) that bear an erased customer be nobody's."""
    cursor.execute(_UNLINK_ERASED.format(table="crm_receiptline", column="receipt_id", chosen=chosen), params)
    cursor.execute(_UNLINK_ERASED.format(table="crm_receipt", column="id", chosen=chosen), params)
