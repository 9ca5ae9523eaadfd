"""What every kind of import has in common: columns in, a set-based merge, counts out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm.importing.cells import NULL, column_reader
from crm.importing.columns import Column
from crm.importing.samples import Samples
from crm.importing.staging import Encode
from crm.importing.unchanged import Comparison


@dataclass(frozen=True)
class Counts:
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    extra: dict[str, int] = field(default_factory=dict)


class Importer(ABC):
    """One kind of file. The first column is the key by which its things are known, mostly or always."""

    kind: str
    refused: str = "SELECT row, reason FROM import_problem ORDER BY row"
    """A query of the refused rows (parameters: those of :meth:`params`), in the order of the file."""
    comparison: Comparison | None = None
    """How rows that say nothing new are told before they are read, where they can be."""

    def __init__(self, *, zone: ZoneInfo, now: datetime, source: str) -> None:
        self.zone, self.now, self.source = zone, now, source
        self.file_name = ""
        self.samples: Samples | None = None
        """Filled while merging where somebody wants to see some of what happens."""
        self.targets = self.make_columns()
        self.columns = tuple(column for column in self.targets if not column.makes)

    @abstractmethod
    def make_columns(self) -> tuple[Column, ...]:
        """The columns that such a file may have, and those of which others are made."""

    @abstractmethod
    def merge(self, cursor: Any) -> Counts:
        """Bring what is staged into the tables, with profiles and marks; what cannot be goes to ``import_problem``."""

    def show(self, cursor: Any, created: str, updated: str = "") -> None:
        """Take samples of what these queries give, where they are wanted (see :class:`Samples` for their columns)."""
        if self.samples is not None:
            self.samples.take_created(cursor, created, self.params(), [column.name for column in self.columns])
            if updated:
                self.samples.take_updated(cursor, updated, self.params())

    def show_statements(self, cursor: Any, query: str) -> None:
        """Take samples of single fields that change."""
        if self.samples is not None:
            self.samples.take_statements(cursor, query, self.params())

    def params(self) -> dict[str, Any]:
        """The parameters of this kind's statements."""
        return {}

    def staging_columns(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}

    def copied(self, positions: dict[str, int]) -> list[str]:
        """The staging columns that :meth:`encoder` writes."""
        return list(positions)

    def encoder(self, positions: dict[str, int]) -> Encode:
        """A function from the cells of some rows to their COPY lines without row numbers; BadCell where one is bad."""
        readers = {column.name: column_reader(column.parse) for column in self.columns}
        plan = [(readers[name], at) for name, at in positions.items()]

        def encode(rows: Sequence[list[str]]) -> Iterable[str]:
            columns = list(zip(*rows, strict=True))  # column by column: what a row costs is then mostly done in C
            return map("\t".join, zip(*[read(columns[at]) for read, at in plan], strict=True))

        return encode

    def checks(self, positions: dict[str, int]) -> list[tuple[str, Callable[[list[str]], Any]]]:
        """For each field, what raises BadCell where a row's cells are bad."""
        return [
            (column.name, _check(column.parse, positions[column.name]))
            for column in self.columns
            if column.name in positions
        ]

    def key(self, positions: dict[str, int]) -> Callable[[list[str]], str]:
        """What a bad row belongs to, as COPY wants it."""
        column = self.columns[0]
        at = positions.get(column.name)
        return lambda row: column.parse(row[at]) if at is not None and at < len(row) else NULL


def _check(parse: Callable[[str], Any], at: int) -> Callable[[list[str]], Any]:
    return lambda row: parse(row[at])
