"""Whole columns of numbers from the database into numpy, without a Python object for each number.

The database packs each column of a block of rows into one binary array, which numpy reads where it lies. Rows come in
blocks of ids, so that neither side ever holds more than a block beside the result.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import Cursor
from psycopg.adapt import Loader
from psycopg.pq import Format

BLOCK = 1_000_000
_HEADER = 20  # dimensions, flags, type of the elements, length, first index: four bytes each
_INT8_ARRAY, _FLOAT8_ARRAY = 1016, 1022


class _Numbers(Loader):
    """An array of eight-byte numbers without NULLs, as the wire brings it: a length before each number."""

    format = Format.BINARY
    number: str

    def load(self, data: Any) -> NDArray[Any]:
        if len(data) <= _HEADER:
            return np.empty(0, dtype=self.number)
        cells = np.frombuffer(data, dtype=[("length", ">i4"), ("number", self.number)], offset=_HEADER)
        if (cells["length"] != 8).any():
            raise ValueError("An array with NULL in it cannot be read.")
        return cells["number"]


class _Integers(_Numbers):
    number = ">i8"


class _Floats(_Numbers):
    number = ">f8"


def blocks(
    sql: str, *, columns: Sequence[str], params: Sequence[Any], bounds: str, size: int = BLOCK
) -> Iterator[list[NDArray[Any]]]:
    """The columns of a query, a block of ids at a time.

    ``sql`` is what follows SELECT's list (FROM, WHERE...) and has ``{block}`` where a condition on the block's ids
    goes, its parameters (%s) coming last; ``columns`` are expressions of bigint or float8 that are never NULL;
    ``bounds`` asks for the least and greatest id, and must not be parametrised.
    """
    with connection.cursor() as cursor:
        cursor.execute(bounds)
        first, last = cursor.fetchone()
    if first is None:
        return
    packed = ", ".join(f"array_agg({column})" for column in columns)
    query = f"SELECT {packed} {sql.format(block='BETWEEN %s AND %s')}"
    for start in range(first, last + 1, size):
        # Django's own cursor puts parameters in as text, and so can't take binary answers.
        asked = connection.ops.compose_sql(query, [*params, start, start + size - 1])  # type: ignore[attr-defined]
        with Cursor(connection.connection) as cursor:
            cursor.adapters.register_loader(_INT8_ARRAY, _Integers)
            cursor.adapters.register_loader(_FLOAT8_ARRAY, _Floats)
            found = cursor.execute(asked, binary=True).fetchone()
        if found is not None and found[0] is not None:
            yield list(found)
