"""What can be exported: each list declared once, with its columns and who may have it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable
from django.utils.functional import Promise

from crm import money
from crm.exporting.sheets import Cell, as_cell

AT_ONCE = 2_000
"""Rows that come from the database together."""

Find = Callable[[User, str], QuerySet[Any]]
"""The rows that a person sees on the screen whose address has this query string. PermissionDenied where none."""


@dataclass(frozen=True)
class Column:
    """A column of an export: ``source`` is a field's path or an expression, ``show`` turns its value into a cell."""

    name: str
    source: str | Combinable
    show: Callable[[Any], Cell] = as_cell


@dataclass(frozen=True)
class Export:
    """One list as a table. ``rows`` turns what is on the screen into what is exported (receipts into their lines)."""

    name: str
    label: str | Promise
    columns: Sequence[Column]
    permissions: Sequence[str]
    rows: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda found: found

    @property
    def header(self) -> list[str]:
        return [column.name for column in self.columns]

    def allowed(self, user: User | AnonymousUser) -> bool:
        return user.is_active and user.has_perms(self.permissions)

    def cells(self, found: QuerySet[Any]) -> Iterator[list[Cell]]:
        """The table's rows, in one query; inside a transaction they come through a cursor of the server."""
        aliases = [f"export_{index}" for index in range(len(self.columns))]
        sources = {
            alias: F(column.source) if isinstance(column.source, str) else column.source
            for alias, column in zip(aliases, self.columns, strict=True)
        }
        shows = [column.show for column in self.columns]
        values = self.rows(found).annotate(**sources).values_list(*aliases)
        for row in values.iterator(chunk_size=AT_ONCE):
            yield [show(value) for show, value in zip(shows, row, strict=True)]


@dataclass(frozen=True)
class Screen:
    """A page with a list that can be exported: as what, and how a job finds again what its reader had before them."""

    name: str
    exports: Sequence[Export]
    find: Find
    back: Callable[[str], str]
    """The address of the page with this query string."""

    def allowed(self, user: User | AnonymousUser) -> list[Export]:
        return [export for export in self.exports if export.allowed(user)]


EXPORTS: dict[str, Export] = {}
SCREENS: dict[str, Screen] = {}


def declare(export: Export) -> Export:
    """Make an export known by its name."""
    EXPORTS[export.name] = export
    return export


def offer(screen: Screen) -> Screen:
    """Make a page's exports known by the page's name."""
    SCREENS[screen.name] = screen
    return screen


def amount(minor: int | None) -> Cell:
    """Hundredths as a decimal number."""
    return None if minor is None else money.from_minor(minor)


def degrees(value: float | None) -> Cell:
    """A point's latitude or longitude, exactly as it was given."""
    return None if value is None else Decimal(repr(value))


def trimmed(value: Any) -> Cell:
    """A decimal without the zeros that only its column's width gives it."""
    return None if value is None else value.normalize() + 0
