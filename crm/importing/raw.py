"""A text file's rows as they stand, for the database to read: bytes go over untouched, and it parts them into cells.

That is sound where the database parts them as our own reader would (:class:`NotPlain` where it might not), and it is of
use for cells that are surely what the parsers make of them; the numbers of the other rows are in ``odd``.
"""

import codecs
import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import BinaryIO

from crm.importing.reading import BLANKS, LONGEST_LINE, CsvFile

BLOCK = 1 << 17
"""Bytes that are looked at together, while the database reads those before."""

FIRST_ROW = 2
"""The number of the first row below the header."""

# A quoted cell, from delimiter to delimiter; quotation marks anywhere else are read differently by everybody.
_QUOTED = r'"(?<=[{0}\n]")(?:[^"\r\n]|"")*+"(?=[{0}\r\n])'
_NOT_ASCII = bytes(range(0x80, 0x100))
_ASCII = bytes(range(0x80))
# What may join an ASCII letter into one character (the letters are left out where this is looked for).
_JOINING = re.compile("[\u0300-\u036f]")


class NotPlain(Exception):
    """Our own reader must read this file: others might part it into other cells."""


def may_be_plain(reader: object) -> bool:
    """Whether the file is one that :func:`raw_blocks` may take."""
    return (
        isinstance(reader, CsvFile)
        and reader.header_row == 1
        and not reader.skips_first
        and reader.delimiter not in BLANKS
        and len(reader.header) > 1
    )


class RawFile:
    """The rows below the header as UTF-8, in blocks of whole lines."""

    def __init__(self, reader: CsvFile) -> None:
        self.reader = reader
        self.rows = 0
        self.odd: list[int] = []
        delimiter = reader.delimiter.encode()
        self._quoted = re.compile(_QUOTED.format(re.escape(reader.delimiter)).encode())
        classes = bytearray(b"x" * 256)
        for code in (*range(0x20), 0x7F):
            classes[code] = ord("C")
        for sign, kind in ((b" ", "S"), (b"'", "A"), (b"\n", "D"), (b"\r", "D"), (b'"', "D"), (delimiter, "D")):
            classes[sign[0]] = ord(kind)
        self._classes = bytes(classes)

    def blocks(self, at: Callable[[float], None]) -> Iterator[bytes]:
        with self.reader.path.open("rb") as file:
            rest, ending = self._below_header(file)
            while part := file.read(BLOCK):
                head, newline, rest = (rest + self._in_utf8(part)).rpartition(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise NotPlain
                if head:
                    yield self._checked(head + newline)
                else:
                    rest = newline + rest
                at(file.tell() / (self.reader.size or 1))
            rest = (rest + self._in_utf8(b"", final=True)).rstrip(b"\r\n")
            if rest:
                yield self._checked(rest + ending)

    def _below_header(self, file: BinaryIO) -> tuple[bytes, bytes]:
        """What follows the header in the first block, and how lines end."""
        encoding = "utf-8-sig" if self.reader.encoding == "utf-8" else self.reader.encoding
        self._decoder = None if encoding == "utf-8-sig" else codecs.getincrementaldecoder(encoding)("strict")
        start = b""
        while b"\n" not in start:
            part = file.read(BLOCK)
            if not part or len(start) > LONGEST_LINE:
                raise NotPlain
            start += self._in_utf8(part)
        header, _newline, rest = start.removeprefix(codecs.BOM_UTF8).partition(b"\n")
        if header.count(b'"') % 2:
            raise NotPlain  # it goes on
        return rest, b"\r\n" if header.endswith(b"\r") else b"\n"

    def _in_utf8(self, part: bytes, *, final: bool = False) -> bytes:
        if self._decoder is None:
            return part
        try:
            return self._decoder.decode(part, final).encode()
        except UnicodeError:
            raise NotPlain from None

    def _checked(self, block: bytes) -> bytes:
        lines = block.count(b"\n")
        if b"\r" in block and not block.count(b"\r") == block.count(b"\r\n") == lines:
            raise NotPlain
        if b"\\." in block or b"\n\n" in block or b"\r\n\r\n" in block or block[:1] in (b"\n", b"\r"):
            raise NotPlain
        marks = block.count(b'"')
        if marks and sum(cell.count(b'"') for cell in self._quoted.findall(b"\n" + block)) != marks:
            raise NotPlain
        if not self._is_tidy(block):
            self._note_odd(block)
        self.rows += lines
        return block

    def _is_tidy(self, block: bytes) -> bool:
        """Whether each cell is surely one clean line of text, as :func:`crm.importing.cells.plain` leaves it."""
        classes = (b"\n" + block).translate(self._classes)
        if b"C" in classes or any(pair in classes for pair in (b"SS", b"SD", b"DS", b"DA")):
            return False
        if block.isascii():
            return True
        try:
            beyond = block.translate(None, _ASCII).decode()
        except UnicodeDecodeError:
            raise NotPlain from None
        return beyond.isprintable() and unicodedata.is_normalized("NFC", beyond) and not _JOINING.search(beyond)

    def _note_odd(self, block: bytes) -> None:
        try:
            lines = block.decode().split("\n")
        except UnicodeDecodeError:
            raise NotPlain from None
        for number, line in enumerate(lines[:-1], self.rows + FIRST_ROW):
            cells = next(csv.reader([line], delimiter=self.reader.delimiter, strict=True), [])
            if not all(map(_is_tidy_cell, cells)):
                self.odd.append(number)


def _is_tidy_cell(cell: str) -> bool:
    return not cell or (
        cell.isprintable()
        and cell[0] not in " '"
        and cell[-1] != " "
        and "  " not in cell
        and unicodedata.is_normalized("NFC", cell)
    )
