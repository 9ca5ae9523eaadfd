"""From their rows to ours: decided once a column, before the first row is read.

A column that is written as documented costs nothing here: where the whole file is, its rows go by untouched.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Mapping_
from dataclasses import dataclass
from datetime import date
from itertools import islice

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.importing import words
from crm.importing.cells import BadCell
from crm.importing.columns import Column, canonical
from crm.importing.converters import (
    Convert,
    are_floats,
    date_and_time,
    is_cancelled,
    is_taken,
    negative,
    part_of_name,
    separated,
    separator,
    translated,
    whole_again,
)
from crm.importing.dates import EXAMPLES, date_reader, is_iso
from crm.importing.findings import SAMPLE, Finding, look_at
from crm.importing.formats import Recognised
from crm.importing.mapping import Mapping, Source, labels
from crm.importing.numbers import PLAIN, Convention, is_plain, number_reader, write_number
from crm.importing.reading import FileRefused, Reader, Row

_AMOUNTS = ("quantity", "line_total", "discount")
_LIKE_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
_IDS = ("sku", "barcode", "card_number", "phone", "postcode")


HINTS = {
    "future": gettext_lazy("else some would lie in the future"),
    "sorted": gettext_lazy("then they are in order"),
    "language": gettext_lazy("that is usual in the language of the columns"),
    "unpadded": gettext_lazy("that is how they are written without leading zeros"),
    "others": gettext_lazy("other columns of the file are"),
}
"""Why an order of day and month was chosen that the cells leave open; see crm.importing.dates."""


NUMBERS = ("number", "whole")
WRITTEN = (*NUMBERS, "date", "time")
"""What is written in more than one way; a column of them is looked at as a whole."""


class Undecided(FileRefused):
    """A column can be read in two ways. ``findings`` are those columns, with the candidates to choose from."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(" ".join(_question(finding) for finding in findings))


@dataclass(frozen=True)
class Plan:
    """How a file's rows become ours. ``where`` says at which position each of our columns is in :meth:`rows`.

    ``whole`` is whether every row was looked at to decide it, or only the first ones, which left no doubt.
    """

    reader: Reader
    where: dict[str, int]
    mapping: Mapping
    findings: tuple[Finding, ...]
    whole: bool
    _changes: tuple[tuple[int, Convert], ...] = ()
    _added: tuple[tuple[str, Callable[[list[str]], str]], ...] = ()
    _cancelled: Callable[[list[str]], bool] | None = None
    _fills_down: bool = False

    @property
    def leaves_rows_alone(self) -> bool:
        return not (self._changes or self._added or self._cancelled or self._fills_down)

    @property
    def only_converts(self) -> bool:
        """Whether each of our columns is one of theirs, cell by cell (see :attr:`changes`)."""
        return not (self._added or self._cancelled or self._fills_down)

    @property
    def changes(self) -> dict[int, Convert]:
        """How the cells at these positions become ours; the others are ours as they are."""
        return dict(self._changes)

    def notes(self) -> tuple[str, ...]:
        """What was settled by a hint, in words."""
        return tuple(
            _("The dates of “%(column)s” are read like %(example)s, because %(why)s.")
            % {"column": finding.column, "example": EXAMPLES[finding.date_order], "why": HINTS[finding.why]}
            for finding in self.findings
            if finding.why
        )

    def rows(self, at: Callable[[float], None] | None = None) -> Iterator[Row]:
        """The rows below the header, in our writing."""
        rows = self.reader.rows(at)
        return rows if self.leaves_rows_alone else self._changed(rows)

    def _changed(self, rows: Iterator[Row]) -> Iterator[Row]:
        width = len(self.reader.header)
        amounts = [self.where[name] for name in _AMOUNTS if name in self.where]
        last: dict[str, str] = {}
        for number, cells, problem in rows:
            if len(cells) == width:
                bad = self._apply(cells)
                if self._cancelled is not None and self._cancelled(cells):
                    for position in amounts:
                        cells[position] = negative(cells[position])
                if self._fills_down:
                    self._fill_down(cells, last)
                problem = problem or bad
            yield number, cells, problem

    def _apply(self, cells: list[str]) -> str:
        """Change the cells of a row, and add those that are made of them; what could not be read, in words."""
        bad = []
        made = []
        for name, make in self._added:
            try:
                made.append(make(cells))
            except BadCell as refused:
                made.append("")
                bad.append(f"{name}: {refused.reason}")
        for position, convert in self._changes:
            try:
                cells[position] = convert(cells[position])
            except BadCell as refused:
                bad.append(f"{self._name(position)}: {refused.reason}")
        cells += made
        return " ".join(bad)

    def _name(self, position: int) -> str:
        return next((name for name, at in self.where.items() if at == position), "")

    def _fill_down(self, cells: list[str], last: dict[str, str]) -> None:
        """Some shops write what is the receipt's own in its first row only."""
        receipt, sold_at = cells[self.where["receipt_id"]], cells[self.where["sold_at"]]
        if not sold_at and receipt and last.get("receipt_id") == receipt:
            cells[self.where["sold_at"]] = last["sold_at"]
        else:
            last["receipt_id"], last["sold_at"] = receipt, sold_at


def make_plan(
    *,
    reader: Reader,
    mapping: Mapping,
    columns: Sequence[Column],
    how: Recognised,
    today: date,
    whole: bool = False,
) -> Plan:
    """Decide how each column is read. ``mapping`` is complete. Raises :class:`Undecided` where somebody must choose.

    The first rows are enough where all their cells are in the documented form; else, or where ``whole`` says so, every
    row is looked at.
    """
    maker = _Maker(reader, mapping, columns, how, today)
    return maker.make(whole=whole)


class _Maker:
    def __init__(
        self, reader: Reader, mapping: Mapping, columns: Sequence[Column], how: Recognised, today: date
    ) -> None:
        self.reader, self.mapping, self.how, self.today = reader, mapping, how, today
        self.columns = {column.name: column for column in columns}
        self.position = {label: at for at, label in enumerate(labels(reader.header))}
        self.sample = [cells for _number, cells, problem in islice(reader.rows(), SAMPLE) if not problem]
        self.changes: list[tuple[int, Convert]] = []
        self.added: list[tuple[str, Callable[[list[str]], str]]] = []
        self.where: dict[str, int] = {}
        self.taken: set[int] = set()

    def make(self, *, whole: bool) -> Plan:
        sources = self.mapping.sources
        self.dated = dict(self._dated())
        written = {
            at: column
            for name, source in sources.items()
            if (column := self.columns[name]).holds in WRITTEN and not column.makes
            for at in self._positions(source)
            if not source.decimal and not source.date_order
        }
        doubtful = [at for at, column in written.items() if whole or not self._is_documented(at, column)]
        expected = {at: "number" if written[at].holds in NUMBERS else written[at].holds for at in doubtful}
        findings = {
            at: whole_of(one) if written[at].holds == "whole" else one
            for at, one in zip(doubtful, self._look(doubtful, expected), strict=True)
        }
        if open_ones := [one for one in findings.values() if one.candidates]:
            raise Undecided(open_ones)
        self._use_commas(findings)
        for name, source in sources.items():
            if not self.columns[name].makes:
                self._place(name, source, findings)
        self._place_made()
        return Plan(
            reader=self.reader,
            where=self.where,
            mapping=self.mapping,
            findings=tuple(findings.values()),
            whole=whole or len(doubtful) == len(written),
            _changes=tuple(self.changes),
            _added=tuple(self.added),
            _cancelled=self._cancelled(),
            _fills_down={"receipt_id", "sold_at"} <= self.where.keys() and self._has_gaps(),
        )

    def _positions(self, source: Source) -> list[int]:
        return [self.position[label] for label in source.columns]

    def _cells(self, at: int) -> list[str]:
        return [row[at] for row in self.sample]

    def _dated(self) -> Iterator[tuple[str, Source]]:
        """The day and the time of day of a sale, where they are in two columns."""
        sources = self.mapping.sources
        if "sold_time" in sources and "sold_at" in sources:
            yield "sold_at", Source(columns=sources["sold_at"].columns + sources["sold_time"].columns)

    def _is_documented(self, at: int, column: Column) -> bool:
        cells = self._cells(at)
        if column.holds not in NUMBERS:
            return all(map(is_iso, cells))
        if not all(map(is_plain, cells)):
            return False
        if canonical(self.reader.header[at]) == column.name and self.reader.delimiter == ",":
            return True
        # 1.234 under a foreign name, or beside semicolons: a thousand and more, or one and a bit?
        fractions = [cell for cell in cells if "." in cell]
        return (
            not fractions
            or at in getattr(self.reader, "fractions", ())
            or not all(_LIKE_THOUSANDS.fullmatch(cell.strip()) for cell in fractions)
        )

    def _look(self, columns: Sequence[int], expected: Mapping_[int, str]) -> list[Finding]:
        return look_at(self.reader, columns, self.how, today=self.today, expected=expected) if columns else []

    def _use_commas(self, findings: dict[int, Finding]) -> None:
        """A sheet's typed numbers are written with a point: where the texts beside them have a comma, so shall they."""
        mixed = [
            at for at, one in findings.items() if one.decimal == "," and at in getattr(self.reader, "fractions", ())
        ]
        if mixed and hasattr(self.reader, "with_commas"):
            self.reader = self.reader.with_commas(mixed)

    def _place(self, name: str, source: Source, findings: dict[int, Finding]) -> None:
        """Put one of our columns where it will be found: at theirs if it is one column, else beside the row."""
        positions = self._positions(self.dated.get(name, source))
        if len(positions) == 1 and source.value is None and positions[0] not in self.taken:
            at = positions[0]
            if convert := self._converter(self.columns[name], source, [at], findings):
                self.changes.append((at, convert))
            self._at(name, at)
            return
        if not positions:
            value = source.value or ""
            self._add(name, lambda _cells: value)
            return
        convert = self._converter(self.columns[name], source, positions, findings)
        join = source.join

        def make(cells: list[str]) -> str:
            joined = join.join(cell for at in positions if (cell := cells[at].strip()))
            return convert(joined) if convert else joined

        self._add(name, date_and_time(positions, convert) if name in self.dated else make)

    def _at(self, name: str, at: int) -> None:
        self.where[name] = at
        self.taken.add(at)

    def _add(self, name: str, make: Callable[[list[str]], str]) -> None:
        self.where[name] = len(self.reader.header) + len(self.added)
        self.added.append((name, make))

    def _place_made(self) -> None:
        if source := self.mapping.sources.get("full_name"):
            positions = self._positions(source)
            for index, name in enumerate(self.columns["full_name"].makes):
                if name not in self.where:
                    self._add(name, part_of_name(positions, index))

    def _converter(
        self, column: Column, source: Source, positions: Sequence[int], findings: dict[int, Finding]
    ) -> Convert | None:
        """How a cell of this column is turned into ours; None where it need not be."""
        found = findings.get(positions[0])
        cells = [cell for at in positions for cell in self._cells(at)]
        if column.holds in NUMBERS:
            return self._number(source, found)
        if column.holds in ("date", "time"):
            order = source.date_order or (found.date_order if found else "")
            if (
                (found is None or found.documented or found.holds == "text")
                and not source.date_order
                and len(positions) == 1
            ):
                return None
            return date_reader(order or self.how.date_order, today=self.today, with_time=column.holds == "time")
        if column.holds in words.VOCABULARIES:
            if source.values or not all(is_taken(column, cell) for cell in set(cells)):
                return words.word_reader(column.holds, source.values)
            return None
        if source.values:
            return translated(source.values)
        if column.holds == "words":
            return separated(source.separator or separator(cells))
        if (column.name.endswith("_id") or column.name in _IDS) and are_floats(cells):
            return whole_again
        return None

    def _number(self, source: Source, found: Finding | None) -> Convert | None:
        if source.decimal:
            thousands = source.thousands if source.thousands is not None else {".": ",", ",": "."}[source.decimal]
            return number_reader(Convention(source.decimal, thousands if thousands != source.decimal else ""))
        if found is None or found.holds != "number":
            return None
        convention = Convention(found.decimal or ".", found.thousands)
        return number_reader(convention) if convention != PLAIN or not found.documented else None

    def _cancelled(self) -> Callable[[list[str]], bool] | None:
        sources = self.mapping.sources
        tests: list[Callable[[list[str]], bool]] = []
        if "receipt_id" in sources and (prefix := sources["receipt_id"].cancelled_prefix.casefold()):
            receipt = self.where["receipt_id"]
            tests.append(lambda cells: cells[receipt].strip().casefold().startswith(prefix))
        if "status" in sources:
            [status, *_more] = self._positions(sources["status"])
            values = {word.casefold(): meaning for word, meaning in sources["status"].values.items()}
            tests.append(lambda cells: is_cancelled(cells[status], values))
        return (lambda cells: any(test(cells) for test in tests)) if tests else None

    def _has_gaps(self) -> bool:
        at = self.where["sold_at"]
        return at < len(self.reader.header) and any(not cell.strip() for cell in self._cells(at))


def whole_of(finding: Finding) -> Finding:
    """A column of whole numbers leaves nothing open: 1.200 cannot be one and a bit there."""
    for signs in finding.candidates:
        if signs[1:]:
            return dataclasses.replace(finding, decimal=signs[0], thousands=signs[1:], candidates=())
    return finding


def _question(finding: Finding) -> str:
    if finding.holds == "number":
        readings = [write_number("1234.5", Convention(signs[0], signs[1:])) for signs in finding.candidates]
        return _(
            "The numbers of “%(column)s” could be read in two ways (like %(readings)s). Say which is the decimal sign."
        ) % {"column": finding.column, "readings": " / ".join(readings)}
    return _(
        "The dates of “%(column)s” could be read in two ways (%(readings)s). Say in which order day and month stand."
    ) % {"column": finding.column, "readings": " / ".join(EXAMPLES[order] for order in finding.candidates)}
