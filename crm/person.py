"""One person, whatever records and apps know of them.

Higher apps register a :class:`Room` at start-up, so that a copy of somebody's data, their erasure and their no to
profiling reach what those apps keep, and `crm` names none of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from crm.models import Customer


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a copy of somebody's data: what it is about, its columns (name -> label) and rows (name -> value)."""

    key: str
    title: str
    columns: dict[str, str]
    rows: list[dict[str, Any]] = field(default_factory=list)


Ids = Sequence[int]


def _nothing(ids: Ids, now: datetime) -> None:
    return None


def _no_sections(ids: Ids, now: datetime) -> list[Section]:
    return []


@dataclass(frozen=True, kw_only=True)
class Room:
    """What an app does for a person's records (all of one person: :func:`whole_person`).

    ``hold`` takes the app's own locks before any profile is locked. ``forget`` sees to what must be done before the
    rows are stripped by the rules of retention; ``unprofile`` ends profiling. Each runs in the caller's transaction.
    """

    name: str
    hold: Callable[[], None] = lambda: None
    forget: Callable[[Ids, datetime], None] = _nothing
    unprofile: Callable[[Ids, datetime], None] = _nothing
    copy: Callable[[Ids, datetime], list[Section]] = _no_sections


ROOMS: dict[str, Room] = {}


def register(room: Room) -> None:
    """Let an app take part; the same name again replaces what it said before."""
    ROOMS[room.name] = room


def leave_groups(*, ids: Ids, now: datetime) -> None:
    """Take somebody who does not want to be profiled out of whatever groups apps have put them in."""
    for room in ROOMS.values():
        room.unprofile(ids, now)


_WHOLE = """
    WITH RECURSIVE up AS (
        SELECT id, merged_into_id FROM crm_customer WHERE id = %s
        UNION
        SELECT above.id, above.merged_into_id FROM up JOIN crm_customer AS above ON above.id = up.merged_into_id
    ), whole AS (
        SELECT id FROM up WHERE merged_into_id IS NULL
        UNION
        SELECT below.id FROM whole JOIN crm_customer AS below ON below.merged_into_id = whole.id
    )
    SELECT id FROM whole ORDER BY id
"""


def whole_person(*, customer: Customer) -> list[int]:
    """The ids of all records of this person, in order: the one that lives on and those that went up in it."""
    with connection.cursor() as cursor:
        cursor.execute(_WHOLE, [customer.pk])
        return [pk for (pk,) in cursor.fetchall()]
