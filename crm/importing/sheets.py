"""Spreadsheets (XLSX, ODS, XLS) and tables of text documents (DOCX): converted once, then read like a text file."""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.importing.reading import FileRefused, Row

_WORKER = Path(__file__).with_name("sheet_worker.py")
_PATIENCE = 1_200
"""Seconds; the worker's own limit on processor time is lower."""

REASONS = {
    "too_large": gettext_lazy("it is too large."),
    "password": gettext_lazy("it is protected with a password."),
    "no_sheet": gettext_lazy("it has no such sheet."),
    "no_table": gettext_lazy("there is no table in it."),
    "huge_cell": gettext_lazy("a cell in it holds more than 32,767 characters."),
    "broken": gettext_lazy("it is damaged, or not what its name says."),
}


class SheetFile:
    """One sheet, or one table of a document. Its cells are text: dates in ISO form, numbers with a decimal point.

    ``sheets`` are those to choose from. ``fractions`` are the columns (from 0) that hold typed numbers with decimals;
    where texts beside them are written with a decimal comma, :meth:`with_commas` makes the column one.
    """

    delimiter = ","
    has_mark = True

    def __init__(
        self, path: Path, *, format: str, sheet: str = "", header_row: int = 1, commas: Sequence[int] = ()
    ) -> None:
        self.path, self.format, self.header_row = path, format, header_row
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this, without a name: nothing is left behind
        said = _convert(path, format, sheet, commas, self._file)
        self.sheets: tuple[str, ...] = tuple(said["sheets"])
        self.sheet: str = said["sheet"]
        self.fractions: frozenset[int] = frozenset(said["fractions"])
        self.size = os.fstat(self._file.fileno()).st_size
        if not self.size:
            raise FileRefused(_("“%(path)s” is empty.") % {"path": path})
        self.read_header(header_row)

    def read_header(self, header_row: int) -> None:
        """Take this row as the header (0: there is none, and the columns are called 1, 2, 3...)."""
        self.header_row = header_row
        self._titles = None
        width = max(len(cells) for _number, cells, _problem in self._first(200))
        names = next((cells for number, cells, _problem in self.records() if number >= header_row), [])
        self.header = [str(number) for number in range(1, width + 1)] if header_row == 0 else _trimmed(names)

    def with_commas(self, columns: Sequence[int]) -> "SheetFile":
        return SheetFile(self.path, format=self.format, sheet=self.sheet, header_row=self.header_row, commas=columns)

    def _first(self, count: int) -> Iterator[Row]:
        for number, row in enumerate(self.records()):
            if number >= count:
                return
            yield row

    def records(self) -> Iterator[Row]:
        """Every row from the top, titles and header included; blank ones are left out."""
        return self._records(None)

    def rows(self, at: Callable[[float], None] | None = None) -> Iterator[Row]:
        width, first = len(self.header), self.header_row
        for number, cells, _problem in self._records(at):
            if number <= first:
                continue
            problem = ""
            if len(cells) > width:
                if any(cells[width:]):
                    problem = _("it has %(cells)d cells where the header has %(width)d.") % {
                        "cells": len(cells),
                        "width": width,
                    }
                else:
                    del cells[width:]
                    if not any(cells):
                        continue
            elif len(cells) < width:
                cells += [""] * (width - len(cells))
            yield number, cells, problem

    def _records(self, at: Callable[[float], None] | None) -> Iterator[Row]:
        raw = _FromTheTop(self._file.fileno())
        with io.TextIOWrapper(io.BufferedReader(raw, 1 << 16), encoding="utf-8", newline="") as file:
            for count, cells in enumerate(csv.reader(file), 1):
                number = int(cells.pop(0))
                yield number, cells, ""
                if at and count % 5_000 == 0:
                    at(min(1.0, raw.position / (self.size or 1)))


class _FromTheTop(io.RawIOBase):
    """A file that several may read at once, each from its own place."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._descriptor, len(buffer), self.position)
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def _trimmed(names: list[str]) -> list[str]:
    names = [" ".join(name.split()) for name in names]
    while names and not names[-1]:
        names.pop()
    return names


def _convert(path: Path, format: str, sheet: str, commas: Sequence[int], output: Any) -> dict[str, Any]:
    arguments = [sys.executable, "-I", str(_WORKER), format, str(path.absolute()), sheet, ",".join(map(str, commas))]
    try:
        done = subprocess.run(arguments, stdout=output, stderr=subprocess.PIPE, timeout=_PATIENCE, check=False)
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        said: dict[str, Any] = json.loads(last)
    except (subprocess.TimeoutExpired, ValueError):
        said = {"error": "too_large"}  # killed by one of its limits, or by the library that met one
    if "error" in said:
        reason = REASONS.get(said["error"], REASONS["broken"])
        raise FileRefused(_("“%(path)s” cannot be read: %(reason)s") % {"path": path, "reason": reason})
    return said
