"""Make a restored backup obey what was said after it was made."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import suppression_files


class Command(BaseCommand):
    help = "Take over a FILE of export_suppressions, and erase again whoever a restored backup brought back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = suppression_files.apply_list(path=options["file"], by=None, now=timezone.now())
        except suppression_files.ListUnreadable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            _("New: %(suppressions)d suppressed addresses, %(identities)d erased identities.")
            % {"suppressions": done.suppressions, "identities": done.identities}
        )
        self.stdout.write(
            ngettext(
                "%(n)d person who came back with the backup was erased again.",
                "%(n)d people who came back with the backup were erased again.",
                done.erased_again,
            )
            % {"n": done.erased_again}
        )
        if done.lookalikes:
            self.stdout.write(
                _("These share an address with somebody who was erased; look at them yourself: %(numbers)s")
                % {"numbers": ", ".join(done.lookalikes)}
            )
