"""``manage.py import_file KIND PATH``: customers, households, products or receipts from a file."""

import json
import sys
from argparse import ArgumentTypeError
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm.importing import KINDS, FileRefused, ImportResult, import_file
from crm.progress import ProgressBar


def zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ArgumentTypeError(f"“{name}” is no time zone; write one like Europe/Riga.") from None
    return name


class Command(BaseCommand):
    help = (
        "Imports a CSV file (UTF-8; comma, semicolon, tab or bar; first row: column names). Rows that cannot be taken "
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
        parser.add_argument("--json", action="store_true", help="Print the counts as JSON and nothing else.")

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = options["json"] or options["verbosity"] == 0
        if not 1 <= len(options["source"]) <= 50:
            raise CommandError("--source takes 1 to 50 characters.")
        with ProgressBar(sys.stderr if not quiet else None) as bar:
            try:
                result = import_file(
                    kind=options["kind"],
                    path=options["path"],
                    time_zone=options["time_zone"],
                    source=options["source"],
                    errors_path=options["errors"],
                    progress=bar.show,
                )
            except FileRefused as refused:
                if options["json"]:
                    self.stdout.write(json.dumps({"error": str(refused)}))
                raise CommandError(str(refused)) from refused
        self.stdout.write(json.dumps(result.as_dict()) if options["json"] else _sentence(options["kind"], result))
        if result.errors_file:
            sys.exit(1)


def _sentence(kind: str, result: ImportResult) -> str:
    counts = result.as_dict()
    said = ", ".join(
        f"{name.replace('_', ' ')} {counts[name]:,}" for name in counts if name not in ("rows", "errors_file")
    )
    where = f"\nRefused rows and their reasons: {result.errors_file}" if result.errors_file else ""
    return f"{result.rows:,} rows of {kind}: {said}.{where}"
