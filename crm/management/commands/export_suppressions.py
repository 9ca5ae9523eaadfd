"""Save who must not be known or written to any more, beside the backup."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import suppression_files


class Command(BaseCommand):
    help = "Write suppressed addresses and erased identities (keyed hashes) to FILE, for apply_suppressions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = suppression_files.export_list(path=options["file"])
        except OSError as error:
            raise CommandError(
                _("%(path)s can't be written: %(why)s") % {"path": options["file"], "why": error}
            ) from error
        self.stdout.write(ngettext("%(n)d entry written.", "%(n)d entries written.", count) % {"n": count})
