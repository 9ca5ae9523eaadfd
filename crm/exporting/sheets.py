"""Rows into CSV and XLSX files, in memory that stays flat, and safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import xlsxwriter
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from crm.formulas import neutralised

Value = object
Cell = str | int | Decimal | date | None

MOST_ROWS = 1_048_575
"""Below the header of one worksheet; what is more goes on in the next one."""
LONGEST_TEXT = 32_767
"""What a cell of a worksheet holds; a longer text ends with an ellipsis."""
BLOCK = 500
"""Rows between two reports of progress, and in one piece of a streamed answer."""


def as_cell(value: Value) -> Cell:
    """A value of the database as a cell: numbers and days stay what they are, everything else becomes text."""
    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case int() | Decimal():
            return value
        case datetime():
            return timezone.localtime(value).isoformat(sep=" ") if timezone.is_aware(value) else value.isoformat(" ")
        case date():
            return value
        case list() | tuple():
            return neutralised("; ".join(str(item) for item in value))
        case _:
            return neutralised(str(value))


def plain_number(value: int | Decimal) -> str:
    """Without an exponent, which people misread."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def csv_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case int() | Decimal():
            return plain_number(cell)
        case date():
            return cell.isoformat()
        case _:
            return cell


def csv_pieces(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """A CSV file piece by piece: UTF-8 with the mark that tells spreadsheets so."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    yield b"\xef\xbb\xbf"
    for number, row in enumerate(rows, 1):
        writer.writerow([csv_cell(cell) for cell in row])
        if number % BLOCK == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    with path.open("wb") as file:
        file.writelines(csv_pieces(header, rows))


def write_xlsx(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Row by row to the disk. Text is written as text, never as a formula or a link."""
    options = {
        "constant_memory": True,
        "tmpdir": str(path.parent),
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": True,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        bold = book.add_format({"bold": True})
        sheet, at = None, MOST_ROWS
        for row in rows:
            if at >= MOST_ROWS:
                sheet, at = _new_sheet(book, header, bold), 0
            at += 1
            _write_row(sheet, at, row, day)
        if sheet is None:
            _new_sheet(book, header, bold)


def _new_sheet(book: xlsxwriter.Workbook, header: Sequence[str], bold: object) -> object:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for index, name in enumerate(header):
        sheet.set_column(index, index, max(10, min(30, len(name) + 4)))
        sheet.write_string(0, index, name, bold)
    return sheet


def _write_row(sheet: "xlsxwriter.worksheet.Worksheet", at: int, row: Sequence[Cell], day: object) -> None:
    for index, cell in enumerate(row):
        match cell:
            case None | "":
                continue
            case int() | Decimal():
                sheet.write_number(at, index, cell)
            case date():
                if cell.year < 1900:
                    sheet.write_string(at, index, cell.isoformat())
                else:
                    sheet.write_datetime(at, index, cell, day)
            case _:
                sheet.write_string(at, index, cell if len(cell) <= LONGEST_TEXT else cell[: LONGEST_TEXT - 1] + "…")


@dataclass(frozen=True)
class Format:
    label: str | Promise
    suffix: str
    content_type: str
    write: Callable[[Path, Sequence[str], Iterable[Sequence[Cell]]], None]


FORMATS = {
    "xlsx": Format(
        gettext_lazy("Excel workbook (XLSX)"),
        ".xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        write_xlsx,
    ),
    "csv": Format(gettext_lazy("CSV text, with commas, UTF-8"), ".csv", "text/csv; charset=utf-8", write_csv),
}


def told(rows: Iterable[Sequence[Cell]], *, progress: Callable[[int], None]) -> Iterator[Sequence[Cell]]:
    """The same rows, telling now and then how many have gone by."""
    number = 0
    for number, row in enumerate(rows, 1):
        yield row
        if number % BLOCK == 0:
            progress(number)
    progress(number)
