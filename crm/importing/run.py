"""One import from file to tables: all or nothing in the database, row by row towards the user."""

import contextlib
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import bell, sales
from crm.importing.columns import REASON, positions
from crm.importing.customers import CustomerImporter
from crm.importing.merging import Importer
from crm.importing.products import HouseholdImporter, ProductImporter
from crm.importing.reading import CsvFile, FileRefused
from crm.importing.receipts import ReceiptImporter
from crm.importing.staging import Staging, explain_with

Progress = Callable[[float, str], None]
"""Told the share that is done (0 to 1) and what is going on, in words."""

IMPORTERS: dict[str, type[Importer]] = {
    importer.kind: importer for importer in (CustomerImporter, HouseholdImporter, ProductImporter, ReceiptImporter)
}
KINDS = tuple(IMPORTERS)

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('regulars import'))"
_READING = 0.5
"""The share of an import's time that reading the file takes, more or less."""


@dataclass(frozen=True)
class ImportResult:
    """``rows`` are those of the file; the others count what a row (or, of receipts, its rows together) stands for."""

    rows: int
    created: int
    updated: int
    unchanged: int
    refused: int
    errors_file: Path | None
    extra: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        counts = {name: getattr(self, name) for name in ("rows", "created", "updated", "unchanged", "refused")}
        return {**counts, **self.extra, "errors_file": str(self.errors_file) if self.errors_file else None}


def import_file(
    *,
    kind: str,
    path: Path | str,
    time_zone: str | None = None,
    source: str = "import",
    errors_path: Path | str | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> ImportResult:
    """Import a file of customers, households, products or receipts (``kind``) in one transaction.

    Rows that cannot be taken are written, with their reasons, to ``errors_path`` (by default beside the file), in the
    file's own columns; the others are taken. ``time_zone`` says which wall clock times without an offset are (the
    shop's unless given). ``source`` is where receipts come from: their numbers are unique within it, and it can't be
    the till, which numbers its own. An error file that an earlier import left goes where nothing is refused. Raises
    :class:`FileRefused` where nothing of the file can be taken; then nothing has changed.
    """
    _check_source(source)
    told = progress or (lambda share, what: None)
    reader = CsvFile(Path(path))
    importer = IMPORTERS[kind](zone=ZoneInfo(time_zone or settings.TIME_ZONE), now=now or timezone.now(), source=source)
    errors = _errors_path(reader, errors_path)
    where = positions(reader.header, importer.columns)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK)  # two imports at once would create the same products
        cursor.execute("SET LOCAL work_mem = '128MB'")
        staging = Staging(cursor, importer.staging_columns())
        staging.fill(
            reader.rows(lambda share: told(share * _READING, _("reading"))),
            copied=importer.copied(where),
            encode=importer.encoder(where),
            key=importer.key(where),
            explain=explain_with(importer.checks(where)),
        )
        told(_READING, _("merging"))
        counts = importer.merge(cursor)
        cursor.execute("SELECT EXISTS (SELECT FROM import_problem) OR %s", [counts.refused > 0])
        refused = cursor.fetchone()[0]
        if refused:
            _write_errors(reader, errors, _stream(cursor, importer.refused, importer.params()))
        staging.drop()
        bell.ring_after_commit("segments.tasks.refresh_marked")
    if not refused:
        _remove_errors(errors)
    told(1.0, _("done"))
    return ImportResult(
        rows=staging.rows,
        created=counts.created,
        updated=counts.updated,
        unchanged=counts.unchanged,
        refused=counts.refused,
        errors_file=errors if refused else None,
        extra=counts.extra,
    )


def _check_source(source: str) -> None:
    if source == sales.TILL:
        raise FileRefused(
            _("“%(source)s” is the name of the shop's own till, which numbers its receipts itself. Choose another.")
            % {"source": source}
        )


def _errors_path(reader: CsvFile, chosen: Path | str | None) -> Path:
    errors = Path(chosen) if chosen else reader.path.with_suffix(".refused.csv")
    if errors.resolve() == reader.path.resolve():
        raise FileRefused(_("The error file must be another file than the one that is imported."))
    return errors


def _stream(cursor: Any, query: str, params: dict[str, Any]) -> Iterator[tuple[int, str]]:
    cursor.execute(f"DECLARE import_refusals NO SCROLL CURSOR FOR {query}", params)
    while True:
        cursor.execute("FETCH 5000 FROM import_refusals")
        if not (rows := cursor.fetchall()):
            break
        yield from rows
    cursor.execute("CLOSE import_refusals")


def _write_errors(reader: CsvFile, path: Path, refused: Iterator[tuple[int, str]]) -> None:
    """The refused rows as they were, in the file's own columns and delimiter, with one more: the reason.

    Both come in the order of the file, so they are walked side by side.
    """
    header = reader.header if REASON not in reader.header else [name for name in reader.header if name != REASON]
    keep = [index for index, name in enumerate(reader.header) if name != REASON]
    encoding = "utf-8-sig" if reader.has_mark else "utf-8"
    try:
        with path.open("w", encoding=encoding, errors="surrogateescape", newline="") as file:
            writer = csv.writer(file, delimiter=reader.delimiter)
            writer.writerow([*header, REASON])
            rows = reader.rows()
            for number, reason in refused:
                cells = next(cells for at, cells, _problem in rows if at == number)
                if len(cells) == len(reader.header):
                    cells = [cells[index] for index in keep]
                cells += [""] * (len(header) - len(cells))
                writer.writerow([*cells, _("row %(row)d: %(reason)s") % {"row": number, "reason": reason}])
    except OSError as error:
        raise FileRefused(
            _("The error file “%(path)s” cannot be written (%(reason)s), so nothing was imported.")
            % {"path": path, "reason": error.strerror}
        ) from error


def _remove_errors(path: Path) -> None:
    """Remove the error file that an earlier import left: all of this one was taken. Any other file stays."""
    with contextlib.suppress(FileRefused, OSError):  # what was imported stays imported, whatever becomes of the file
        if path.is_file() and CsvFile(path).header[-1:] == [REASON]:
            path.unlink()
