"""``manage.py import_file KIND PATH``: customers, products, receipts and more from a file."""

import json
import sys
from argparse import ArgumentTypeError
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm.importing import (
    KINDS,
    FileRefused,
    ImportResult,
    Recognised,
    guess_mapping,
    import_file,
    mapping_of,
    open_file,
)
from crm.importing.dates import ORDERS
from crm.importing.findings import SAMPLE
from crm.importing.formats import FORMATS
from crm.importing.reading import BLANKS, DELIMITERS
from crm.importing.samples import Samples
from crm.progress import ProgressBar


def zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ArgumentTypeError(f"“{name}” is no time zone; write one like Europe/Riga.") from None
    return name


class Command(BaseCommand):
    help = (
        "Imports a spreadsheet (XLSX, XLS, ODS), a table of a Word document, a CSV file or a pasted list; how it is "
        "written is recognised, and columns are known by their names in several languages. Rows that cannot be taken "
        "go to an error file with their reasons, to be mended and imported again; the exit status is 0 only if there "
        "are none. The same file twice changes nothing. Receipts have one row a line, and are counted as receipts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("path")
        parser.add_argument(
            "--time-zone",
            type=zone,
            metavar="ZONE",
            help=f"Whose wall clock times without an offset are (default: the shop's, {settings.TIME_ZONE}).",
        )
        parser.add_argument(
            "--source", default="import", help="Where receipts come from; their ids are unique within it."
        )
        parser.add_argument("--errors", metavar="FILE", help="Default: PATH with .refused.csv in place of its suffix.")
        parser.add_argument(
            "--map", metavar="FILE", help='JSON: {"their column": "our column" or null}; see the guide.'
        )
        parser.add_argument("--show-map", action="store_true", help="Print the guessed mapping as JSON.")
        parser.add_argument("--dry-run", action="store_true", help="Show what would happen, and change nothing.")
        how = parser.add_argument_group("how the file is written, where that is not recognised")
        how.add_argument("--format", choices=FORMATS)
        how.add_argument("--encoding")
        how.add_argument("--delimiter", help="A character, or “tab”.")
        how.add_argument("--sheet", help="The sheet's name; of a document, the table's number.")
        how.add_argument("--header-row", type=int, metavar="N", help="0: there is none; columns are called 1, 2, 3...")
        how.add_argument("--decimal", choices=[".", ","])
        how.add_argument("--thousands", choices=[".", ",", " ", "'"])
        how.add_argument("--date-order", choices=ORDERS)
        parser.add_argument("--json", action="store_true", help="Print the counts as JSON and nothing else.")

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = options["json"] or options["verbosity"] == 0
        if not 1 <= len(options["source"]) <= 50:
            raise CommandError("--source takes 1 to 50 characters.")
        try:
            how, mapping = _how(options), _mapping(options["map"])
            if options["show_map"]:
                self.stdout.write(_guessed(options["kind"], options["path"], how))
                return
            with ProgressBar(sys.stderr if not quiet else None) as bar:
                result = import_file(
                    kind=options["kind"],
                    path=options["path"],
                    how=how,
                    mapping=mapping,
                    dry_run=options["dry_run"],
                    time_zone=options["time_zone"],
                    source=options["source"],
                    errors_path=options["errors"],
                    progress=bar.show,
                )
        except FileRefused as refused:
            if options["json"]:
                self.stdout.write(json.dumps({"error": str(refused)}))
            raise CommandError(str(refused)) from refused
        as_json = json.dumps(result.as_dict(), ensure_ascii=False, default=str)
        self.stdout.write(as_json if options["json"] else _sentence(options["kind"], result))
        if result.refused:
            sys.exit(1)


def _how(options: dict[str, Any]) -> Recognised:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(options["delimiter"] or "", options["delimiter"] or "")
    if delimiter and delimiter not in DELIMITERS and delimiter not in BLANKS:
        raise FileRefused(f"“{delimiter}” is no delimiter; there are comma, semicolon, tab, bar, one blank and two.")
    said: dict[str, Any] = {
        name: options[name] or "" for name in ("format", "encoding", "sheet", "decimal", "thousands", "date_order")
    }
    return Recognised(delimiter=delimiter, header_row=options["header_row"], **said)


def _mapping(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        said: dict[str, Any] = json.loads(Path(path).read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise FileRefused(f"The mapping “{path}” cannot be read: {error}.") from error
    return said


def _guessed(kind: str, path: str, how: Recognised) -> str:
    reader = open_file(path, how)
    rows = [cells for _number, cells, problem in islice(reader.rows(), SAMPLE) if not problem]
    return json.dumps(mapping_of(guess_mapping(kind, reader.header, rows)).as_json(), ensure_ascii=False, indent=2)


def _sentence(kind: str, result: ImportResult) -> str:
    left_out = ("rows", "errors_file", "notes", "dry_run", "beside", "samples")
    said = ", ".join(
        f"{name.replace('_', ' ')} {count:,}" for name, count in result.as_dict().items() if name not in left_out
    )
    lines = [f"{result.rows:,} rows of {kind}: {said}.", *result.notes]
    if result.beside:
        lines.append(
            "Created beside: " + ", ".join(f"{name} {new['count']:,}" for name, new in result.beside.items()) + "."
        )
    if result.errors_file:
        lines.append(f"Refused rows and their reasons: {result.errors_file}")
    if result.samples is not None:
        lines += ["Nothing was changed: this was a dry run.", *_shown(result.samples)]
    return "\n".join(lines)


def _shown(samples: Samples) -> list[str]:
    return [
        *(f"new, row {one['row']}: {_listed(one['values'])}" for one in samples.created),
        *(
            f"changed, row {one['row']}, {one['key']}: "
            + _listed({name: f"{before!r} -> {after!r}" for name, (before, after) in one["changes"].items()})
            for one in samples.updated
        ),
        *(f"refused, row {one['row']}: {one['reason']}" for one in samples.refused),
    ]


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
