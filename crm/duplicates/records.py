"""What of a customer is compared, in the form in which it is compared."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from crm.text import fold

_APOSTROPHE = re.compile(r"['`’‘ʹ]")
_NO_WORD = re.compile(r"[^a-z0-9]+")

COLUMNS = (
    "first_name",
    "last_name",
    "email_key",
    "phone_key",
    "birth_date",
    "gender",
    "address",
    "postcode_key",
    "city",
    "household_id",
)
"""The columns of a customer that are compared; another value in one of them makes the record worth another look."""

LOOK = "md5(row({columns})::text)::uuid".format(columns=", ".join(f"customer.{name}" for name in COLUMNS))
"""SQL for what the compared columns of ``customer`` look like, as one value."""


@dataclass(frozen=True, slots=True)
class Record:
    """A customer as the comparison sees them: folded, in words. Empty means unknown."""

    id: int
    first: tuple[str, ...]
    last: tuple[str, ...]
    email: str
    phone: str
    birth_date: date | None
    gender: str
    address: str
    postcode: str
    city: str
    household: int | None


def words(value: str) -> tuple[str, ...]:
    """The words of a folded text; an apostrophe parts none (D'Angelo, and how a soft sign is folded)."""
    return tuple(word for word in _NO_WORD.split(_APOSTROPHE.sub("", fold(value))) if word)


def make(row: tuple[Any, ...]) -> Record:
    """A record of a customer's id and its :data:`COLUMNS`. A whole name in one of the two fields is parted."""
    key, first_name, last_name, email, phone, birth_date, gender, address, postcode, city, household = row
    first, last = words(first_name), words(last_name)
    if not first and len(last) > 1:
        first, last = last[:-1], last[-1:]
    elif not last and len(first) > 1:
        first, last = first[:-1], first[-1:]
    return Record(
        id=key,
        first=first,
        last=last,
        email=email,
        phone=phone,
        birth_date=birth_date,
        gender=gender,
        address=" ".join(words(address)),
        postcode=postcode,
        city=" ".join(words(city)),
        household=household,
    )


def read(ids: Iterable[int]) -> dict[int, Record]:
    """The records of these customers, by id."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {', '.join(COLUMNS)} FROM crm_customer WHERE id = ANY(%s)", [list(ids)])
        return {row[0]: make(row) for row in cursor.fetchall()}
