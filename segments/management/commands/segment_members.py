"""``manage.py segment_members "RULE"``: whom a rule selects."""

import os
import sys
from typing import Any

from segments import asking
from segments.commands import RuleCommand


class Command(RuleCommand):
    help = (
        "Prints the numbers of the customers whom the rule selects (what an import calls customer_id), one a line, in "
        "order. Exit status 2 where the rule cannot be used."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        numbers = self.answer(options, asking.ask).order_by("number").values_list("number", flat=True)
        try:
            for number in numbers.iterator(chunk_size=10_000):
                self.stdout.write(number)
        except BrokenPipeError:  # the reader has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
