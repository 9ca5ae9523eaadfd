"""Reading a file row by row, so that one bad row costs nothing but itself.

A reader knows its header and yields its rows, again each time it is asked (the refused ones are read a second time for
the error file). Another format is another class with the same three members.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from pathlib import Path
from typing import BinaryIO, Protocol

from django.utils.translation import gettext as _

DELIMITERS = ",;\t|"
LINES_AT_ONCE = 500

Row = tuple[int, list[str], str]
"""Its number (as a spreadsheet shows it: the header is 1), its cells, and what is wrong with it as a whole, or ""."""


class FileRefused(Exception):
    """The file as a whole cannot be imported; the message says why, in the user's words."""


class Reader(Protocol):
    """What an import needs of a file."""

    path: Path
    header: list[str]

    def rows(self, at: Callable[[float], None] | None = None) -> Iterator[Row]:
        """The rows below the header. ``at`` is told now and then which share of the file (0 to 1) has been read."""


class CsvFile:
    """A text file with delimited cells, in UTF-8 with or without a byte order mark; the delimiter is recognised.

    Bytes that are not UTF-8 come through as lone surrogates, which the cells' parsers refuse.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                first = file.readline(100_000)
            self.size = path.stat().st_size
        except OSError as error:
            raise FileRefused(
                _("“%(path)s” cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}
            ) from error
        self.has_mark = first.startswith(codecs.BOM_UTF8)
        self.delimiter = max(DELIMITERS, key=lambda delimiter: first.count(delimiter.encode()))
        header = next(self._records(None), None)
        if header is None:
            raise FileRefused(_("“%(path)s” is empty.") % {"path": path})
        self.header = [name.strip() for name in header[1]]

    def rows(self, at: Callable[[float], None] | None = None) -> Iterator[Row]:
        records = self._records(at)
        next(records)
        width = len(self.header)
        for row in records:
            number, cells, problem = row
            if len(cells) != width and not problem:
                problem = _("it has %(cells)d cells where the header has %(width)d.") % {
                    "cells": len(cells),
                    "width": width,
                }
                row = (number, cells, problem)
            yield row

    def _records(self, at: Callable[[float], None] | None) -> Iterator[Row]:
        """The rows of the file, header included; blank ones are left out but counted.

        Mostly a record is a line: then many are parsed at once. Where that is not so, they are parsed one by one.
        """
        with self.path.open("rb") as raw, self._decoded(raw) as file:
            lines = _Lines(file)
            number, problem = 0, ""
            while block := lines.take(LINES_AT_ONCE):
                records = self._one_a_line(block)
                if records is None:
                    lines.give_back(block)
                    records = self._one_by_one(lines, len(block))
                for cells, problem in records:
                    number += 1
                    if problem or any(cells):
                        yield number, cells, problem
                if at:
                    at(min(1.0, raw.tell() / (self.size or 1)))

    def _one_a_line(self, lines: list[str]) -> Iterable[tuple[list[str], str]] | None:
        """The records of these lines; None unless every line is one."""
        try:
            records = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None
        return zip(records, repeat("")) if len(records) == len(lines) else None

    def _one_by_one(self, lines: "_Lines", least: int) -> Iterator[tuple[list[str], str]]:
        """Records until so many lines are used up, and what is wrong with each."""
        until = lines.used + least
        records = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while lines.used < until:
            problem = ""
            try:
                cells = next(records)
                if len(lines.taken) > 1 and len(cells) != len(getattr(self, "header", cells)):
                    raise csv.Error  # a stray quotation mark swallowed rows: each is read again by itself
            except StopIteration:
                return
            except csv.Error:
                problem = _("a quotation mark in it does not belong there, or is never closed.")
                first = lines.give_back_all_but_the_first()
                cells = next(csv.reader([first], delimiter=self.delimiter), [])
                records = csv.reader(lines, delimiter=self.delimiter, strict=True)
            lines.taken.clear()
            yield cells, problem

    @staticmethod
    def _decoded(raw: BinaryIO) -> io.TextIOWrapper:
        return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")


class _Lines:
    """The lines of a file, able to take back those of the record that is being read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.used = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        self.used += 1
        return line

    def take(self, most: int) -> list[str]:
        """The next lines, of which nobody has to give back any but all."""
        again = [self._again.popleft() for _line in range(min(most, len(self._again)))]
        return again + list(islice(self._lines, most - len(again)))

    def give_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))

    def give_back_all_but_the_first(self) -> str:
        self._again.extendleft(reversed(self.taken[1:]))
        self.used -= len(self.taken) - 1
        return self.taken[0]
