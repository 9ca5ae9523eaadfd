"""Caught mail on disk: one .eml file a message, and an index of one JSON line a message."""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import BinaryIO

_SUBJECT = re.compile(rb"^Subject:((?:.*)(?:\r?\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(r"\r?\n[ \t]+")
_KEY = re.compile(r"[0-9]{19}-[0-9a-f]+")


@dataclass(frozen=True)
class Entry:
    """A line of the index; `recipients` are those of the envelope, which is who really gets the message."""

    key: str
    sender: str
    recipients: list[str]
    subject: str
    size: int

    @property
    def caught_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.key.split("-")[0]) / 1e9, UTC)


class Mailbox:
    """The folder of caught mail. Many readers, one writer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        self._lines: BinaryIO | None = None

    @property
    def _index(self) -> Path:
        return self.folder / "index.jsonl"

    def keep(self, *, content: bytes, sender: str, recipients: list[str]) -> Entry:
        """Store one message. The file comes before its index line, so a line always has its file."""
        self._count += 1
        key = f"{time.time_ns():019d}-{os.getpid():x}{self._count:06x}"
        entry = Entry(key, sender, recipients, _subject(content), len(content))
        if self._lines is None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lines = self._index.open("ab", buffering=0)
        self._path(key).write_bytes(content)
        self._lines.write(json.dumps(asdict(entry)).encode() + b"\n")
        return entry

    def entries(self, recipient: str = "") -> Iterator[Entry]:
        """Newest first; only those to recipients that contain this text, if given."""
        try:
            lines = self._index.read_bytes().splitlines()
        except FileNotFoundError:
            return
        wanted = recipient.strip().casefold()
        for line in reversed(lines):
            entry = _read_entry(line)
            if entry and (not wanted or any(wanted in address.casefold() for address in entry.recipients)):
                yield entry

    def raw(self, key: str) -> bytes | None:
        """The message as it came, or None if there is none of that name."""
        try:
            return self._path(key).read_bytes() if _KEY.fullmatch(key) else None
        except FileNotFoundError:
            return None

    def message(self, key: str) -> EmailMessage | None:
        raw = self.raw(key)
        return None if raw is None else BytesParser(policy=default).parsebytes(raw)

    def clear(self) -> None:
        """Delete every message. The index is emptied first: it must not name files that are gone."""
        if self._index.exists():
            os.truncate(self._index, 0)
        for path in self.folder.glob("*.eml"):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.eml"


def _read_entry(line: bytes) -> Entry | None:
    """None for a last line that a killed writer left unfinished."""
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _subject(content: bytes) -> str:
    """Read for every message that comes, so without a parser for all that is not asked for."""
    found = _SUBJECT.search(content.partition(b"\r\n\r\n")[0].partition(b"\n\n")[0])
    value = _FOLD.sub(" ", found[1].decode("utf-8", "replace")).strip() if found else ""
    try:
        return str(make_header(decode_header(value))) if "=?" in value else value
    except (ValueError, LookupError):
        return value
