"""Everything that happened with a customer, newest first, page by page.

Each kind of event is a source of its own, read by its index; a page is the newest of all of them. The cursor names the
last event of the page before, so that events that come in meanwhile shift nothing. Higher apps register sources.
"""

import base64
import binascii
import heapq
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django_stubs_ext import StrOrPromise

PAGE = 25
Ids = Sequence[int]
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the timeline. ``tone`` is "", "accent", "warm" or "bad"; ``action`` names a form the page offers."""

    at: datetime
    row: int
    title: str
    detail: str = ""
    amount_minor: int | None = None
    link: str = ""
    tone: str = ""
    action: str = ""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last event that was shown."""

    at: datetime
    key: str
    row: int

    def text(self) -> str:
        written = json.dumps([self.at.isoformat(), self.key, self.row])
        return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


Read = Callable[[Ids, Cursor | None, int], list[Event]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One kind of event. ``read`` gives so many of these customers' events, newest first, from the cursor on."""

    key: str
    group: str
    label: StrOrPromise
    icon: str
    permission: str
    read: Read


@dataclass(frozen=True, kw_only=True)
class Shown:
    source: Source
    event: Event


@dataclass(frozen=True, kw_only=True)
class Page:
    events: list[Shown]
    after: str
    """The cursor of the next page; empty on the last one."""


_SOURCES: dict[str, Source] = {}


def register(source: Source) -> None:
    """Let an app add events; the same key again replaces what it added before."""
    _SOURCES[source.key] = source


def sources(*, may: Callable[[str], bool]) -> list[Source]:
    """The sources whose permission somebody has."""
    return [source for source in _SOURCES.values() if may(source.permission)]


def read_cursor(text: str) -> Cursor | None:
    """The cursor that a page sent; None for an empty one. Raises ValueError for what no page made."""
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        at, key, row = json.loads(base64.urlsafe_b64decode(padded.encode()))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(key, str) or type(row) is not int or not 0 <= row < 2**63:
            raise ValueError(text)
        return Cursor(at=moment, key=key, row=row)
    except (binascii.Error, TypeError, RecursionError) as error:
        raise ValueError(text) from error


def page(*, ids: Ids, sources: Iterable[Source], before: Cursor | None = None, size: int = PAGE) -> Page:
    """The newest events of these records, or those before the cursor."""
    found: Iterable[Shown] = (
        Shown(source=source, event=event) for source in sources for event in source.read(ids, before, size + 1)
    )
    newest = heapq.nlargest(size + 1, found, key=lambda one: (one.event.at, one.source.key, one.event.row))
    shown = newest[:size]
    last = shown[-1] if len(newest) > size else None
    after = Cursor(at=last.event.at, key=last.source.key, row=last.event.row).text() if last else ""
    return Page(events=shown, after=after)


def newest(rows: "QuerySet[M]", *, at: str, key: str, before: Cursor | None, limit: int) -> list[M]:
    """The rows of one source that the next page may show, newest first by their column ``at``, then their key."""
    if before is not None:
        older: dict[str, Any] = {f"{at}__lt": before.at}
        if key < before.key:
            rows = rows.filter(**{f"{at}__lte": before.at})
        elif key == before.key:
            rows = rows.filter(Q(**older) | Q(**{at: before.at, "pk__lt": before.row}))
        else:
            rows = rows.filter(**older)
    return list(rows.order_by(f"-{at}", "-pk")[:limit])
