"""``manage.py find_duplicates``: compare customers with each other, and show how many pairs look like one person."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from crm import duplicates
from crm.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Compares customers that are new or changed since the last time with all others (--all: everybody with "
        "everybody) and keeps the pairs that look like one person for the review in the back office. Rules that an "
        "administrator turned on merge theirs at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="Compare everybody with everybody.")
        parser.add_argument("--json", action="store_true", help="Print the counts as one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        with ProgressBar(None if options["json"] else sys.stderr) as bar:
            found = duplicates.find_duplicates(
                now=now,
                everybody=options["all"],
                told=lambda done, total: bar.show(done / max(total, 1), "comparing"),
            )
        merged = len(duplicates.merge_by_rules(now=now))
        counts = {"customers": found.looked_at, "compared": found.compared, "likely": found.likely, "merged": merged}
        if options["json"]:
            self.stdout.write(json.dumps(counts))
        else:
            self.stdout.write(
                "{customers} new or changed customers, {compared} pairs compared, {likely} likely, {merged} merged by "
                "rules.".format(**counts)
            )
