"""Turns a spreadsheet, or a table of a text document, into CSV on standard output; runs as a process of its own.

A small file can hold a sheet that fills any memory (a cell in the last row and column is enough), and a library may
abort on it. So this process limits itself, and only it ends. It is started by its path and knows nothing of Django:
``sheet_worker.py FORMAT PATH SHEET [COLUMN,COLUMN...]``. Every row begins with its number in the sheet. Numbers in the
columns given last have a decimal comma, as the texts beside them. The last line on standard error is JSON.
"""

import csv
import json
import resource
import sys
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import count, islice
from typing import Any
from xml.parsers import expat  # no entities, no network: a document type is refused below

MEMORY = 3 << 30
OUTPUT = 4 << 30
DOCUMENT = 200 << 20
SECONDS = 900
BLOCK = 1_000
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
MOST_TEXT = 32_767
"""Characters in a cell, as in spreadsheets."""


class Unreadable(Exception):
    """Says in a word why the file cannot be read: a key of crm.importing.sheets.REASONS."""


def main() -> None:
    for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, OUTPUT), (resource.RLIMIT_CPU, SECONDS)):
        resource.setrlimit(limit, (value, value))
    kind, path, sheet = sys.argv[1:4]
    commas = {int(number) for number in sys.argv[4].split(",") if number} if len(sys.argv) > 4 else set()
    said: dict[str, Any]
    try:
        if kind == "docx":
            names, chosen, rows = _document(path, sheet)
        else:
            names, chosen, rows = _workbook(path, sheet)
        fractions: set[int] = set()
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows(_written(rows, commas, fractions))
        sys.stdout.flush()
        said = {"sheets": names, "sheet": chosen, "fractions": sorted(fractions)}
    except MemoryError:
        said = {"error": "too_large"}
    except Unreadable as unreadable:
        said = {"error": str(unreadable)}
    except Exception as error:  # whatever a library makes of a broken file
        said = {"error": "broken", "detail": f"{type(error).__name__}: {error}"[:300]}
    sys.stderr.write("\n" + json.dumps(said) + "\n")


def _written(rows: Iterable[list[Any]], commas: set[int], fractions: set[int]) -> Iterator[Iterable[Any]]:
    """The rows as text: whole numbers without ".0", others without the noise of binary fractions; blank rows left out.

    Block by block and column by column, because most columns hold texts, which stay as they are. The csv module writes
    dates and times in their ISO form by itself.
    """
    numbered = zip(count(1), rows)
    while block := [(number, row) for number, row in islice(numbered, BLOCK) if row.count("") < len(row)]:
        numbers, cells = zip(*block, strict=True)
        columns = list(zip(*cells, strict=True))
        for at, column in enumerate(columns):
            if float in set(map(type, column)):
                columns[at] = _numbers(column, "," if at in commas else ".")
                if any(cell.__class__ is float and cell % 1 for cell in column):
                    fractions.add(at)
        yield from zip(numbers, *columns, strict=True)


def _numbers(column: tuple[Any, ...], decimal: str) -> tuple[Any, ...]:
    return tuple(
        [
            cell if cell.__class__ is not float else int(cell) if not cell % 1 else _fraction(cell, decimal)
            for cell in column
        ]
    )


def _fraction(value: float, decimal: str) -> str:
    written = format(value, ".15g")
    return (format(Decimal(written), "f") if "e" in written else written).replace(".", decimal)


def _workbook(path: str, sheet: str) -> tuple[list[str], str, Iterable[list[Any]]]:
    import python_calamine

    try:
        workbook = python_calamine.CalamineWorkbook.from_path(path)
    except python_calamine.PasswordError:
        raise Unreadable("password") from None
    visible = [
        one.name
        for one in workbook.sheets_metadata
        if one.typ == python_calamine.SheetTypeEnum.WorkSheet
        and one.visible == python_calamine.SheetVisibleEnum.Visible
    ]
    names = visible or workbook.sheet_names
    if sheet and sheet not in workbook.sheet_names:
        raise Unreadable("no_sheet")
    for name in [sheet] if sheet else names[:50]:
        page = workbook.get_sheet_by_name(name)  # reads it whole: once is enough
        if sheet or page.height > 1:
            return names, name, page.iter_rows()
    if not names:
        raise Unreadable("no_sheet")
    return names, names[0], workbook.get_sheet_by_name(names[0]).iter_rows()


class _Tables:
    """Collects the tables of a document's XML: a list of rows a table, cells spread over the columns they cover."""

    def __init__(self) -> None:
        self.found: list[list[list[str]]] = []
        self._open: list[list[list[str]]] = []
        self._row: list[list[str]] = []
        self._cells: list[dict[str, Any]] = []
        self._in_text = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.removeprefix(f"{WORD} ")
        if tag == "tbl":
            table: list[list[str]] = []
            self.found.append(table)
            self._open.append(table)
        elif not self._open:
            return
        elif tag == "tr":
            self._row.append([])
        elif tag == "tc":
            self._cells.append({"text": [], "span": 1, "goes_on": False, "size": 0})
        elif tag == "gridSpan" and self._cells:
            self._cells[-1]["span"] = max(1, min(1000, int(attributes.get(f"{WORD} val", "1"))))
        elif tag == "vMerge" and self._cells:
            self._cells[-1]["goes_on"] = attributes.get(f"{WORD} val", "continue") == "continue"
        elif tag == "t":
            self._in_text = True
        elif tag in ("br", "tab", "cr", "p"):
            self.text(" ", force=True)

    def text(self, data: str, *, force: bool = False) -> None:
        if self._cells and (self._in_text or force):
            cell = self._cells[-1]
            cell["size"] += len(data)
            if cell["size"] > MOST_TEXT:
                raise Unreadable("huge_cell")
            cell["text"].append(data)

    def end(self, name: str) -> None:
        tag = name.removeprefix(f"{WORD} ")
        if tag == "t":
            self._in_text = False
        elif tag == "tbl" and self._open:
            self._open.pop()
        elif tag == "tr" and self._row and self._open:
            self._open[-1].append(self._row.pop())
        elif tag == "tc" and self._cells and self._row:
            cell, row = self._cells.pop(), self._row[-1]
            text = " ".join("".join(cell["text"]).split())
            if cell["goes_on"] and self._open[-1]:
                above = self._open[-1][-1]
                text = above[len(row)] if len(row) < len(above) else ""
            row.extend([text, *[""] * (cell["span"] - 1)])


def _document(path: str, sheet: str) -> tuple[list[str], str, Iterable[list[Any]]]:
    tables = _Tables()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = tables.start
    parser.EndElementHandler = tables.end
    parser.CharacterDataHandler = tables.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with zipfile.ZipFile(path) as archive, archive.open("word/document.xml") as file:
        read = 0
        while block := file.read(1 << 16):
            read += len(block)
            if read > DOCUMENT:
                raise Unreadable("too_large")
            parser.Parse(block, False)
        parser.Parse(b"", True)
    filled = {f"{number}": table for number, table in enumerate(tables.found, 1) if any(any(row) for row in table)}
    if not filled:
        raise Unreadable("no_table")
    if sheet and sheet not in filled:
        raise Unreadable("no_sheet")
    chosen = sheet or max(filled, key=lambda number: sum(map(len, filled[number])))
    table = filled[chosen]
    width = max(map(len, table))
    return list(filled), chosen, [row + [""] * (width - len(row)) for row in table]


def _refuse_doctype(*_args: Any) -> None:
    raise Unreadable("broken")


if __name__ == "__main__":
    main()
