"""Rows for PostgreSQL's binary COPY, made of whole numpy columns: as fast as the server can read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
EPOCH_DAY = date(2000, 1, 1).toordinal()
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_PLAIN = {"bool": "u1", "int2": ">i2", "int4": ">i4", "int8": ">i8", "date": ">i4", "timestamptz": ">i8"}

Values = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """``values`` is an array, or one value for all rows; ``null`` says where there is none.

    ``kind`` is the column's type: bool, int2, int4, int8, date (days since 2000), timestamptz (microseconds since
    then), text (bytes), bytea (bytes of one length), quantity (whole, below 10,000, as numeric(14, 3)) or price
    (hundredths, as numeric(18, 6)).
    """

    name: str
    kind: str
    values: Any
    null: Values | None = None


def pack(columns: Sequence[Column], count: int) -> bytes:
    """So many rows, without header and trailer."""
    shapes: list[Any] = [("fields", ">i2")]
    for place, column in enumerate(columns):
        shapes += [(f"n{place}", ">i4"), (f"v{place}", _shape(column))]
    rows = np.zeros(count, dtype=np.dtype(shapes))
    rows["fields"] = len(columns)
    for place, column in enumerate(columns):
        rows[f"n{place}"] = rows.dtype[f"v{place}"].itemsize
        _fill(rows[f"v{place}"], column)
    gaps = {place: missing for place, column in enumerate(columns) if (missing := _missing(column, count)) is not None}
    if not gaps:
        return rows.tobytes()
    kept = np.ones((count, rows.itemsize), dtype=bool)
    for place, missing in gaps.items():
        offsets = rows.dtype.fields
        assert offsets is not None
        start, width = offsets[f"v{place}"][1], rows.dtype[f"v{place}"].itemsize
        kept[:, start : start + width] = ~missing
        rows[f"n{place}"] -= missing.sum(axis=1, dtype="i4")
    for place, column in enumerate(columns):
        if column.null is not None:  # a missing value is the length -1, and nothing after it
            rows[f"n{place}"][column.null] = -1
    return rows.view("u1").reshape(count, rows.itemsize)[kept].tobytes()


def _missing(column: Column, count: int) -> Values | None:
    """Which bytes of its values are not sent; None where all are."""
    if column.null is not None:
        return np.asarray(column.null)[:, None]
    if column.kind != "text" or np.ndim(column.values) == 0:
        return None
    empty: Values = np.ascontiguousarray(column.values).view("u1").reshape(count, -1) == 0
    return empty if empty.any() else None


def _shape(column: Column) -> Any:
    match column.kind:
        case "text" | "bytea":
            return ("u1", (np.asarray(column.values).dtype.itemsize,))
        case "quantity":
            return [("head", ">i2", (4,)), ("digits", ">i2", (1,))]
        case "price":
            return [("head", ">i2", (4,)), ("digits", ">i2", (2,))]
    return _PLAIN[column.kind]


def _fill(cells: Values, column: Column) -> None:
    match column.kind:
        case "text" | "bytea":
            texts = np.ascontiguousarray(np.broadcast_to(np.asarray(column.values), len(cells)))
            cells[:] = texts.view("u1").reshape(len(cells), -1)
        case "quantity":
            cells["head"] = (1, 0, 0, 3)
            cells["head"][:, 2] = np.where(column.values < 0, 0x4000, 0)
            cells["digits"][:, 0] = np.abs(column.values)
        case "price":
            cells["head"] = (2, 0, 0, 6)
            cells["digits"][:, 0] = column.values // 100
            cells["digits"][:, 1] = column.values % 100 * 100
        case _:
            cells[:] = column.values


def numbered(prefix: bytes, numbers: Values, digits: int) -> Values:
    """``R00000042``: texts of one length."""
    cells = np.empty((len(numbers), len(prefix) + digits), dtype="u1")
    cells[:, : len(prefix)] = np.frombuffer(prefix, dtype="u1")
    rest = numbers.astype("i8")
    for place in range(digits):
        cells[:, -1 - place] = rest % 10 + ord("0")
        rest //= 10
    return cells.view(f"S{len(prefix) + digits}").ravel()


def copy(cursor: Any, table: str, columns: Sequence[Column], count: int) -> None:
    """Add so many rows to the table."""
    names = ", ".join(column.name for column in columns)
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)") as stream:
        stream.write(HEADER)
        stream.write(pack(columns, count))
        stream.write(TRAILER)
