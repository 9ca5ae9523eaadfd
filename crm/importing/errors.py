"""The file of refused rows: as they were, each with its reason, to be mended and imported again."""

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import gettext as _

from crm.importing.columns import REASON
from crm.importing.reading import BLANKS, CsvFile, FileRefused, Reader


def errors_path(reader: Reader, chosen: Path | str | None) -> Path:
    """Where the file goes: beside the imported one unless somebody chose another place. FileRefused for that file."""
    errors = Path(chosen) if chosen else reader.path.with_suffix(".refused.csv")
    if errors.resolve() == reader.path.resolve():
        raise FileRefused(_("The error file must be another file than the one that is imported."))
    return errors


def write_errors(reader: Reader, path: Path, refused: Iterator[tuple[int, str]]) -> None:
    """Write the refused rows as CSV, in the file's own columns, with one more: the reason.

    Both come in the order of the file, so they are walked side by side. A file of another encoding than UTF-8, or one
    that is no text, becomes UTF-8 with a byte order mark, which spreadsheets and :func:`open_file` understand.
    """
    keep = [index for index, name in enumerate(reader.header) if name != REASON]
    header = [reader.header[index] for index in keep]
    encoding = "utf-8-sig" if reader.has_mark else "utf-8"
    try:
        with path.open("w", encoding=encoding, errors="surrogateescape", newline="") as file:
            writer = csv.writer(file, delimiter="," if reader.delimiter in BLANKS else reader.delimiter)
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


def remove_errors(path: Path) -> None:
    """Remove the error file that an earlier import left: all of this one was taken. Any other file stays."""
    with contextlib.suppress(FileRefused, OSError):  # what was imported stays imported, whatever becomes of the file
        if path.is_file() and CsvFile(path).header[-1:] == [REASON]:
            path.unlink()
