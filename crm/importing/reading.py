"""Reading a file row by row, so that one bad row costs nothing but itself.

A reader knows its header and yields its rows, again each time it is asked (the refused ones are read a second time for
the error file). Another format is another class with the same members.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from django.utils.translation import gettext as _

_SENTENCE = re.compile(r"[^\W\d_] [^\W\d_]")
DELIMITERS = ",;\t|"
BLANKS = {"  ": re.compile(r" {2,}|\t+"), " ": re.compile(r"\s+")}
"""Delimiters that no spreadsheet writes but people paste: two or more blanks, or any."""
LINES_AT_ONCE = 500
LONGEST_LINE = 1_000_000
SAMPLE = 256 * 1024

Row = tuple[int, list[str], str]
"""Its number (as a spreadsheet shows it: the header is 1), its cells, and what is wrong with it as a whole, or ""."""

csv.field_size_limit(LONGEST_LINE)


class FileRefused(Exception):
    """The file as a whole cannot be imported; the message says why, in the user's words."""


class Reader(Protocol):
    """What an import needs of a file."""

    path: Path
    header: list[str]
    delimiter: str
    has_mark: bool
    """Whether the error file gets a byte order mark."""

    def rows(self, at: Callable[[float], None] | None = None) -> Iterator[Row]:
        """The rows below the header. ``at`` is told now and then which share of the file (0 to 1) has been read."""


class CsvFile:
    """A text file with delimited cells.

    Its encoding is UTF-8, its delimiter the likeliest and its header the first row unless something else is said
    (``header_row`` 0: there is none, and the columns are called 1, 2, 3...). Bytes that are no text in its encoding
    come through as lone surrogates, which the cells' parsers refuse.
    """

    format = "csv"

    def __init__(
        self,
        path: Path,
        *,
        encoding: str = "utf-8",
        delimiter: str = "",
        header_row: int = 1,
        has_mark: bool | None = None,
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.encodings: tuple[str, ...] = ()
        """The likely ones, best first, where the bytes leave a doubt."""
        self.header_row = header_row
        sample = first_bytes(path)
        self.size = path.stat().st_size
        self.has_mark = sample.startswith(codecs.BOM_UTF8) or encoding != "utf-8" if has_mark is None else has_mark
        text = sample_text(sample, encoding)
        self.skips_first = bool(declared := declared_delimiter(text))
        self.delimiter = delimiter or declared or likely_delimiter(text)
        self._width = 0
        head = next(self._below_titles(None), None)
        if head is None:
            raise FileRefused(_("“%(path)s” is empty.") % {"path": path})
        names = [name.strip().removeprefix("\ufeff") for name in head[1]]
        self.header = [str(number) for number in range(1, len(names) + 1)] if header_row == 0 else names
        self._width = len(self.header)

    def rows(self, at: Callable[[float], None] | None = None) -> Iterator[Row]:
        records = self._below_titles(at)
        if self.header_row:
            next(records)
        width = len(self.header)
        for row in records:
            number, cells, problem = row
            if len(cells) != width and not problem:
                if len(cells) > width and not any(cells[width:]):
                    row = (number, cells[:width], "")
                else:
                    problem = _("it has %(cells)d cells where the header has %(width)d.") % {
                        "cells": len(cells),
                        "width": width,
                    }
                    row = (number, cells, problem)
            yield row

    def records(self) -> Iterator[Row]:
        """Every row from the top, titles and header included; blank ones are left out but counted."""
        return self._records(None)

    def _below_titles(self, at: Callable[[float], None] | None) -> Iterator[Row]:
        records = self._records(at)
        if self.header_row > 1:
            for record in records:
                if record[0] >= self.header_row:
                    yield record
                    break
        yield from records

    def _records(self, at: Callable[[float], None] | None) -> Iterator[Row]:
        with self.path.open("rb") as raw, self._decoded(raw) as file:
            if self.skips_first:
                file.readline(LONGEST_LINE)
            lines = _Lines(file)
            number = int(self.skips_first)
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
        if max(map(len, lines)) >= LONGEST_LINE:
            return None
        if pattern := BLANKS.get(self.delimiter):
            return zip([pattern.split(line.strip()) for line in lines], repeat(""))
        try:
            records = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None
        return zip(records, repeat("")) if len(records) == len(lines) else None

    def _one_by_one(self, lines: "_Lines", least: int) -> Iterator[tuple[list[str], str]]:
        """Records until so many lines are used up, and what is wrong with each."""
        until = lines.used + least
        delimiter = "\t" if self.delimiter in BLANKS else self.delimiter
        records = csv.reader(lines, delimiter=delimiter, strict=True)
        while lines.used < until:
            problem = ""
            try:
                cells = next(records)
                if len(lines.taken) > 1 and self._width and len(cells) != self._width:
                    raise csv.Error  # a stray quotation mark swallowed rows: each is read again by itself
            except StopIteration:
                return
            except csv.Error:
                problem = _("a quotation mark in it does not belong there, or is never closed.")
                first = lines.give_back_all_but_the_first()
                try:
                    cells = next(csv.reader([first], delimiter=delimiter), [])
                except csv.Error:
                    cells = [first]
                records = csv.reader(lines, delimiter=delimiter, strict=True)
            lines.taken.clear()
            yield cells, lines.take_problem() or problem

    def _decoded(self, raw: BinaryIO) -> io.TextIOWrapper:
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
        return io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline="")


class _Lines:
    """The lines of a file, none longer than memory likes, able to take back those of the record that is being read."""

    def __init__(self, file: TextIO) -> None:
        self._lines = iter(partial(file.readline, LONGEST_LINE), "")
        self._again: deque[str] = deque()
        self._too_long = False
        self.taken: list[str] = []
        self.used = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next()
        if len(line) >= LONGEST_LINE:
            line = self._cut(line)
        self.taken.append(line)
        return line

    def _next(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.used += 1
        return line

    def _cut(self, line: str) -> str:
        """The beginning of a line that nobody can have meant; what follows is read over."""
        rest = line
        while rest and rest[-1] not in "\r\n":
            try:
                rest = self._next()
            except StopIteration:
                break
        self._too_long = True
        return line[:1000].replace('"', "") + "\n"

    def take(self, most: int) -> list[str]:
        """The next lines, of which nobody has to give back any but all."""
        again = [self._again.popleft() for _line in range(min(most, len(self._again)))]
        return again + list(islice(self._lines, most - len(again)))

    def give_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))

    def take_problem(self) -> str:
        """What was wrong with the lines of the last record, once."""
        if not self._too_long:
            return ""
        self._too_long = False
        return _("it is longer than %(limit)s characters.") % {"limit": f"{LONGEST_LINE:,}"}

    def give_back_all_but_the_first(self) -> str:
        self._again.extendleft(reversed(self.taken[1:]))
        self.used -= len(self.taken) - 1
        return self.taken[0]


def first_bytes(path: Path, size: int = SAMPLE) -> bytes:
    """The beginning of a file; FileRefused where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise FileRefused(
            _("“%(path)s” cannot be read: %(reason)s.") % {"path": path, "reason": error.strerror}
        ) from error


def sample_text(sample: bytes, encoding: str) -> str:
    """The beginning of a file as text, without its mark; a character cut in two at its end is left out."""
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)("replace")
    return decoder.decode(sample).removeprefix("\ufeff")


def declared_delimiter(text: str) -> str:
    """The delimiter that a first line ``sep=;`` declares, as spreadsheets do; or ""."""
    match = re.match(r"""["']?sep=([,;\t|])["']?[;,\t]*\r?\n""", text)
    return match[1] if match else ""


def likely_delimiter(text: str) -> str:
    """The delimiter that parts the most rows into the same number of cells; a comma where there is but one column."""
    lines = text[:100_000].splitlines()
    if len(text) >= SAMPLE // 4 and len(lines) > 1:
        lines.pop()  # cut off
    lines = [line[:20_000] for line in lines[:200] if line.strip()]
    if not lines:
        return ","
    scores = {delimiter: _evenness(_cells(lines, delimiter)) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: scores[delimiter])
    if scores[best] > 0:
        return best
    if len(lines) < 2:
        return ","
    widths = {blanks: [len(part.split(line.strip())) for line in lines] for blanks, part in BLANKS.items()}
    in_columns = len(set(widths[" "])) == 1 and widths[" "][0] > 1 and not any(map(_SENTENCE.search, lines))
    if in_columns:
        return " "
    return "  " if _evenness(widths["  "]) >= 1 else ","


def _cells(lines: list[str], delimiter: str) -> list[int]:
    try:
        return [len(cells) for cells in csv.reader([f"{line}\n" for line in lines], delimiter=delimiter)]
    except csv.Error:
        return [line.count(delimiter) + 1 for line in lines]


def _evenness(widths: list[int]) -> float:
    """More cells are better, as far as the rows agree; 0 for a single column."""
    counts = {width: widths.count(width) for width in set(widths) if width > 1}
    if not counts:
        return 0.0
    width, times = max(counts.items(), key=lambda item: (item[1], item[0]))
    share = times / len(widths)
    return share * share * (1 + 0.1 * min(width, 30)) if share > 0.3 or len(widths) < 4 else 0.0
