"""``manage.py load_demo``: fill an empty shop with the demo."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns.demo.journey import DemoMissing, DemoRefused
from campaigns.demo.loading import load_demo
from crm.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Loads the demo: a year of published purchases by synthetic people, with segments, personas and campaigns. "
        "Run again, it goes on where it was cut off, or says that all is there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--households", type=int, help="Load the first so many households only.")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        if options["households"] is not None and options["households"] < 1:
            raise CommandError("--households takes a number from 1.")
        with ProgressBar(sys.stderr) as bar:
            try:
                loaded = load_demo(households=options["households"], now=timezone.now(), progress=bar.show)
            except (DemoMissing, DemoRefused) as problem:
                raise CommandError(str(problem)) from problem
        took = time.monotonic() - started
        self.stdout.write(f"The demo was loaded in {took:.0f} s." if loaded else "The demo is there already.")
