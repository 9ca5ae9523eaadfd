"""``manage.py check_profiles``: do the stored profiles say what the facts say?"""

from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from crm import marks, profiles

SHOWN = 50


class Command(BaseCommand):
    help = "Recounts every profile from the facts and reports any difference (exit status 1 if there is one)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="Put the recounted values in place of wrong ones.")

    def handle(self, *args: Any, fix: bool = False, **options: Any) -> None:
        found = profiles.differences()
        for difference in islice(found, SHOWN):
            category = f", category {difference.category_id}" if difference.category_id else ""
            self.stdout.write(
                f"Customer {difference.customer_id}{category}: {difference.column} is {difference.stored}, "
                f"the facts say {difference.counted}."
            )
        if len(found) > SHOWN:
            self.stdout.write(f"... and {len(found) - SHOWN} more.")
        if not found:
            self.stdout.write("Every profile is what the facts say.")
            return
        customers = sorted({difference.customer_id for difference in found})
        if not fix:
            raise CommandError(
                f"{len(found)} differences in {len(customers)} profiles. Run it again with --fix to mend them."
            )
        with transaction.atomic():
            profiles.recount(customer_ids=customers)
            marks.mark_customers(customer_ids=customers)
        self.stdout.write(f"Mended {len(customers)} profiles.")
