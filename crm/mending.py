"""Refused rows, mended in place: shown in pages, changed cell by cell, imported again as a file of their own.

The rows stay in the error file that the import wrote; what somebody changes is kept beside it, row by row, so that
nothing is lost with a session and a million refused rows cost no more than a few.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from crm import files, uploads
from crm.importing import FileRefused, Recognised, open_file, targets
from crm.importing.columns import REASON
from crm.models import Job, Mending, Upload

A_PAGE = 25
MENDABLE = 500
"""Refused rows that are shown; whoever has more mends the file, or what makes so many rows wrong."""
LONGEST_CELL = 10_000


@dataclass(frozen=True)
class Refused:
    """A refused row: its cells as they are now, what is wrong with which of them, and what with the row as a whole."""

    position: int
    row: str
    cells: list[str]
    reasons: list[str]
    """One a cell, "" where nothing is wrong."""
    reason: str
    is_mended: bool
    header: list[str]

    @property
    def fields(self) -> list[tuple[int, str, str, str]]:
        """Number, name, cell and reason of each column."""
        return list(zip(range(len(self.header)), self.header, self.cells, self.reasons, strict=True))


@dataclass(frozen=True)
class Page:
    header: list[str]
    rows: list[Refused]
    number: int
    pages: int


def refused_count(upload: Upload) -> int:
    """How many rows the error file of this import holds."""
    return int((upload.job.result if upload.job else {}).get("refused_rows", 0))


def page(*, upload: Upload, number: int) -> Page:
    """One page of the refused rows; FileRefused where their file is gone."""
    header, rows = _read(upload)
    count = min(refused_count(upload), MENDABLE)
    pages = max(1, -(-count // A_PAGE))
    number = min(max(1, number), pages)
    first = (number - 1) * A_PAGE
    wanted = list(islice(rows, first, min(first + A_PAGE, MENDABLE)))
    mended = dict(
        Mending.objects.filter(upload=upload, position__range=(first, first + A_PAGE)).values_list("position", "cells")
    )
    explain = _Reasons(upload, header)
    shown = [explain.refused(first + at, cells, mended.get(first + at)) for at, cells in enumerate(wanted)]
    return Page(header, shown, number, pages)


@transaction.atomic
def mend(*, upload: Upload, rows: Mapping[int, Sequence[str]]) -> None:
    """Keep these rows as somebody has written them. Rows that are not there, or of another width, are passed over."""
    header, refused = _read(upload)
    last = max(rows, default=-1)
    if last >= MENDABLE:
        rows = {position: cells for position, cells in rows.items() if position < MENDABLE}
    original = {at: cells[: len(header)] for at, cells in enumerate(islice(refused, last + 1)) if at in rows}
    kept, same = [], []
    for position, cells in rows.items():
        if position not in original or len(cells) != len(header):
            continue
        clean = [cell.replace("\x00", "")[:LONGEST_CELL] for cell in cells]
        if clean == original[position]:
            same.append(position)
        else:
            kept.append(Mending(upload=upload, position=position, cells=clean))
    Mending.objects.filter(upload=upload, position__in=same).delete()
    Mending.objects.bulk_create(
        kept, update_conflicts=True, unique_fields=["upload", "position"], update_fields=["cells"]
    )


@transaction.atomic
def import_again(*, upload: Upload, by: User) -> Job:
    """Import the refused rows as they are now, and no others, as a file that follows this one. Once: a second click
    finds the first one's job.
    """
    locked = Upload.objects.select_for_update().get(pk=upload.pk)
    if again := locked.follow_ups.filter(how__mended_here=True, job__isnull=False).select_related("job").first():
        return cast(Job, again.job)
    header, rows = _read(locked)
    mended = dict(Mending.objects.filter(upload=locked).values_list("position", "cells"))
    name = files.safe_name(locked.name, suffix=".csv")
    stored = f"{files.make_folder()}/{name}"
    with files.full_path(stored).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for at, cells in enumerate(rows):
            writer.writerow(mended.get(at, cells[: len(header)]))
    found = Recognised.from_dict(locked.how["found"])
    follow_up = Upload.objects.create(
        kind=locked.kind,
        name=locked.name,
        file=stored,
        size=files.full_path(stored).stat().st_size,
        how={**locked.how, "found": _as_written(found, header), "mended_here": True},
        mapping=locked.mapping,
        follows=locked,
        created_by=by,
    )
    return uploads.start_import(upload=follow_up, by=by)


def _as_written(found: Recognised, header: Sequence[str]) -> dict[str, object]:
    """How the file of refused rows is written: ours, with the columns' numbers and dates as they were."""
    said = found.as_dict()
    known = {finding["column"]: finding for finding in said["findings"]}
    ours = {"format": "csv", "encoding": "utf-8", "delimiter": ",", "sheet": "", "header_row": 1}
    return {
        **said,
        **ours,
        "findings": [{**known.get(label, {}), "column": label, "candidates": ()} for label in header],
    }


def _read(upload: Upload) -> tuple[list[str], Iterator[list[str]]]:
    """The header without the reason, and the rows with it as their last cell."""
    stored = upload.job.error_file if upload.job else ""
    if not files.exists(stored):
        raise FileRefused(_("The refused rows were removed: files are kept for a while only. Import the file again."))
    return error_rows(files.full_path(stored))


def error_rows(path: Path) -> tuple[list[str], Iterator[list[str]]]:
    """The header of an error file without the reason, and its rows with the reason as their last cell."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline(1_000_000).rstrip("\r\n")
    before = first[: -len(REASON)] if first.endswith(REASON) else ""
    how = Recognised(format="csv", encoding="utf-8", delimiter=before[-1:] or ",", header_row=1)
    reader = open_file(path, how)
    return reader.header[:-1], (cells for _number, cells, _problem in reader.rows())


def described(*, upload: Upload, path: Path, rows: int) -> list[dict[str, str]]:
    """The first rows of an error file: their numbers and what is wrong, with the columns' own names."""
    header, refused = error_rows(path)
    explain = _Reasons(upload, header)
    found = []
    for position, cells in enumerate(islice(refused, rows)):
        row = explain.refused(position, cells, None)
        parts = [f"{label}: {reason}" for label, reason in zip(header, row.reasons, strict=True) if reason]
        found.append({"row": row.row, "reason": " ".join(filter(None, [*parts, row.reason]))})
    return found


class _Reasons:
    """Tells which cell each part of a reason is about ("row 7: email: “x” is no address. phone: …")."""

    def __init__(self, upload: Upload, header: list[str]) -> None:
        self.header, self.width = header, len(header)
        names = [column.name for column in targets(upload.kind)]
        self.split = re.compile(r"(?:^|(?<=\s))(" + "|".join(map(re.escape, names)) + r"): ")
        at = {label: number for number, label in enumerate(header)}
        self.position = {ours: at[label] for label, ours in (upload.mapping or {}).items() if ours and label in at}
        full = self.position.get("full_name")
        if full is not None:
            self.position = {"first_name": full, "last_name": full, **self.position}

    def refused(self, position: int, cells: list[str], mended: list[str] | None) -> Refused:
        said = cells[-1] if len(cells) > self.width else ""
        row, colon, reason = said.partition(": ")  # "row 7: ..."
        if not colon:
            row, reason = "", said
        first, *parts = self.split.split(reason)
        reasons, whole = [""] * self.width, [first.strip()]
        for name, what in zip(parts[::2], parts[1::2], strict=True):
            at = self.position.get(name)
            if at is None:
                whole.append(f"{name}: {what.strip()}")
            else:
                reasons[at] = f"{reasons[at]} {what.strip()}".strip()
        shown = mended if mended is not None and len(mended) == self.width else cells[: self.width]
        return Refused(
            position=position,
            row=re.sub(r"\D", "", row),
            cells=_printable(shown, self.width),
            reasons=reasons,
            reason=" ".join(filter(None, whole)),
            is_mended=mended is not None,
            header=self.header,
        )


def _printable(cells: Sequence[str], width: int) -> list[str]:
    """Cells fit for a page: bytes that are no text become question marks."""
    shown = [cell.encode("utf-8", "replace").decode() for cell in cells]
    return [*shown, *[""] * (width - len(shown))]
