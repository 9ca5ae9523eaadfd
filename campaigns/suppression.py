"""Who must not be written to, as SQL: the suppression list compared by keyed hash without leaving the database."""

import hashlib

from django.conf import settings
from django.db import connection

from crm.addresses import address_hash
from crm.models import Suppression

_BLOCK = 64

REASON_OF_EVERY_ADDRESS = """
    SELECT DISTINCT ON (address_hash) address_hash, reason FROM crm_suppression WHERE channel = %(channel)s
    ORDER BY address_hash, array_position(ARRAY['erased', 'complained', 'unsubscribed', 'bounced'], reason::text)
"""
"""One row for each suppressed address, with the gravest reason: to join a whole audience with."""

_REASON_OF_ONE = """
    SELECT reason FROM crm_suppression WHERE channel = %(channel)s AND address_hash = {hash}
    ORDER BY array_position(ARRAY['erased', 'complained', 'unsubscribed', 'bounced'], reason::text) LIMIT 1
"""


def reason_of_one(column: str) -> str:
    """SQL for the gravest reason against one address: for a window's few, by the index."""
    return _REASON_OF_ONE.format(hash=hash_sql(column))


def hash_sql(column: str) -> str:
    """SQL for :func:`crm.addresses.address_hash` of a column: HMAC-SHA-256 (RFC 2104) by the built-in sha256().

    Needs the parameters of :func:`hash_params`. So a whole audience is judged in one statement, without an address
    leaving the database.
    """
    return f"sha256(%(opad)s::bytea || sha256(%(ipad)s::bytea || convert_to({column}, 'UTF8')))"


def hash_params() -> dict[str, bytes]:
    key = settings.ADDRESS_HASH_KEY.encode()
    key = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return {"ipad": bytes(byte ^ 0x36 for byte in key), "opad": bytes(byte ^ 0x5C for byte in key)}


def suppress_addresses(*, channel: str, address_keys: list[str], reason: str) -> None:
    """As :func:`crm.consents.suppress`, for many addresses in one statement."""
    Suppression.objects.bulk_create(
        [Suppression(channel=channel, address_hash=address_hash(key), reason=reason) for key in address_keys if key],
        ignore_conflicts=True,
    )


def sql_address_hash(key: str) -> bytes:
    """The hash of one address by the database's own hand."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {hash_sql('%(key)s')}", {**hash_params(), "key": key})
        return bytes(cursor.fetchone()[0])
