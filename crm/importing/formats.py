"""What kind of file this is and how it is written, recognised by its content; each answer can be overridden."""

import codecs
import dataclasses
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from crm.importing.columns import normal
from crm.importing.dates import looks_like_date
from crm.importing.encodings import recognise_encoding
from crm.importing.findings import Finding, look_at
from crm.importing.numbers import looks_like_number
from crm.importing.reading import CsvFile, FileRefused, Row, first_bytes
from crm.importing.sheets import SheetFile

FORMATS = ("csv", "xlsx", "xls", "ods", "docx")
MOST_COLUMNS = 1_000
TOP = 40
"""Rows among which the header is looked for."""


@dataclass(frozen=True)
class Recognised:
    """How a file is written. Where a field is blank it is to be recognised; so a partial one serves to override.

    ``header_row`` counts as a spreadsheet does, 0 means that there is none (the columns are then called 1, 2, 3...) and
    None that it is to be found. ``sheet`` is a sheet's name, or the number of a table in a document. ``decimal``,
    ``thousands`` and ``date_order`` ("dmy", "mdy", "ymd") settle what a column leaves open, and only that.
    """

    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    header_row: int | None = None
    decimal: str = ""
    thousands: str = ""
    date_order: str = ""
    sheets: tuple[str, ...] = ()
    """Those to choose from."""
    encodings: tuple[str, ...] = ()
    """The likely ones, best first, where the bytes leave a doubt that changes the text."""
    findings: tuple[Finding, ...] = ()
    """One a column, in the order of the header."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`from_dict` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> "Recognised":
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {name: said[name] for name in known & said.keys()}
        values |= {name: tuple(v) for name, v in values.items() if isinstance(v, list)}
        values["findings"] = tuple(Finding.from_dict(finding) for finding in said.get("findings", ()))
        return cls(**values)


TableFile = CsvFile | SheetFile


def open_file(path: Path | str, how: Recognised | None = None) -> TableFile:
    """A reader of this file. What ``how`` leaves blank is recognised. FileRefused where it cannot be read."""
    reader = _open(Path(path), how or Recognised())
    if len(reader.header) > MOST_COLUMNS:
        raise FileRefused(
            _("“%(path)s” has %(number)s columns; at most %(most)s can be read.")
            % {"path": path, "number": f"{len(reader.header):,}", "most": f"{MOST_COLUMNS:,}"}
        )
    return reader


def _open(path: Path, how: Recognised) -> TableFile:
    if how.format and how.format not in FORMATS:
        raise FileRefused(_("“%(name)s” is none of %(known)s.") % {"name": how.format, "known": ", ".join(FORMATS)})
    # The refused rows of a workbook come back as a text file, under what was said of the workbook.
    found = sniff(path)
    format = found if found == "csv" else how.format or found
    if format == "csv":
        return _open_text(path, how)
    reader = SheetFile(path, format=format, sheet=how.sheet, header_row=how.header_row or 0)
    if how.header_row is None:
        reader.read_header(find_header(islice(reader.records(), TOP)))
    return reader


def _open_text(path: Path, how: Recognised) -> CsvFile:
    mark = None
    is_marked = first_bytes(path, 3) == codecs.BOM_UTF8  # it proves itself, whatever was said of an earlier file
    encoding = "utf-8" if is_marked else how.encoding
    candidates: tuple[str, ...] = ()
    if not encoding:
        found = recognise_encoding(path) if first_bytes(path) else None
        encoding = found.name if found else "utf-8"
        candidates = found.candidates if found else ()
        mark = found.has_mark if found and found.name == "utf-8" else None
    try:
        "".encode(encoding)
    except LookupError:
        raise FileRefused(_("The encoding “%(name)s” is unknown.") % {"name": encoding}) from None
    reader = CsvFile(path, encoding=encoding, delimiter=how.delimiter, header_row=how.header_row or 1, has_mark=mark)
    header_row = find_header(islice(reader.records(), TOP)) if how.header_row is None else how.header_row
    if header_row != 1:
        reader = CsvFile(path, encoding=encoding, delimiter=reader.delimiter, header_row=header_row, has_mark=mark)
    reader.encodings = candidates
    return reader


def recognise(path: Path | str, how: Recognised | None = None, *, today: date | None = None) -> Recognised:
    """How a file is written, its columns looked at from top to bottom. ``how`` overrides what it is not blank in."""
    reader = open_file(path, how)
    return describe(reader, how or Recognised(), today=today or timezone.localdate())


def describe(reader: TableFile, how: Recognised, *, today: date) -> Recognised:
    """:func:`recognise` for a file that is open already."""
    findings = look_at(reader, range(len(reader.header)), how, today=today)
    decimals = {(one.decimal, one.thousands) for one in findings if one.decimal and not one.candidates}
    orders = {one.date_order for one in findings if one.date_order and not one.candidates}
    decimal, thousands = (
        max(decimals, key=lambda signs: len(signs[1])) if len({d for d, _t in decimals}) == 1 else ("", "")
    )
    return Recognised(
        format=reader.format,
        encoding=reader.encoding if isinstance(reader, CsvFile) else "",
        delimiter=reader.delimiter if isinstance(reader, CsvFile) else "",
        sheet=reader.sheet if isinstance(reader, SheetFile) else "",
        header_row=reader.header_row,
        decimal=how.decimal or decimal,
        thousands=how.thousands or thousands,
        date_order=how.date_order or (orders.pop() if len(orders) == 1 else ""),
        sheets=reader.sheets if isinstance(reader, SheetFile) else (),
        encodings=reader.encodings if isinstance(reader, CsvFile) else (),
        findings=tuple(findings),
    )


def sniff(path: Path) -> str:
    """The format by the first bytes and, of an archive, by what is in it. FileRefused for what is no table at all."""
    start = first_bytes(path, 4096)
    if start.startswith(b"PK\x03\x04"):
        return _sniff_archive(path)
    if start.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "xls"
    if start.startswith(b"%PDF-"):
        raise FileRefused(_("“%(path)s” is a PDF. Save the table as a spreadsheet or as CSV.") % {"path": path})
    if start.startswith(
        (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"SQLite format 3")
    ):
        raise FileRefused(_("“%(path)s” holds no table that can be read.") % {"path": path})
    return "csv"


def _sniff_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError):
        raise FileRefused(_("“%(path)s” is damaged.") % {"path": path}) from None
    if b"opendocument.spreadsheet" in kind:
        return "ods"
    if names & {"xl/workbook.xml", "xl/workbook.bin"}:
        return "xlsx"
    if "word/document.xml" in names:
        return "docx"
    raise FileRefused(_("“%(path)s” holds no table that can be read.") % {"path": path})


@cache
def _known_names() -> frozenset[str]:
    from crm.importing.run import targets_of_all_kinds  # reads every kind's columns

    return frozenset(name for column in targets_of_all_kinds() for name in column.names())


def find_header(records: Iterable[Row]) -> int:
    """The number of the header's row: the one with the most known names, else the first that is as wide as the rest.

    0 where the first such row looks like data.
    """
    rows = [(number, [cell.strip() for cell in cells]) for number, cells, _problem in records]
    if not rows:
        return 1
    known = _known_names()
    matches = {number: sum(normal(cell[:100]) in known for cell in cells if cell) for number, cells in rows}
    best = max(matches, key=lambda number: matches[number])
    filled = {number: sum(map(bool, cells)) for number, cells in rows}
    width = sorted(filled.values())[-max(1, len(rows) // 4)]
    if matches[best] > 1 or (matches[best] and width < 3 and 2 * filled[best] >= width):
        return best
    for at, (number, cells) in enumerate(rows):
        if filled[number] >= 0.6 * width:
            return 0 if _is_data(cells, [later for _number, later in rows[at + 1 :]]) else number
    return rows[0][0]


def _is_data(cells: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether this row holds numbers, dates or addresses where the next ones do."""
    telling = [at for at, cell in enumerate(cells) if _is_value(cell)]
    if not telling or not below:
        return False
    return all(_is_value(row[at]) for row in below[:5] for at in telling if at < len(row) and row[at])


def _is_value(cell: str) -> bool:
    today = date.today()
    return bool(cell) and (looks_like_number(cell) or looks_like_date(cell, today) or "@" in cell)
