"""``manage.py segment_count "RULE"``: how many customers a rule selects."""

from typing import Any

from segments import asking
from segments.commands import RuleCommand


class Command(RuleCommand):
    help = "Prints how many customers the rule selects, and nothing else. Exit status 2 where it cannot be used."

    def handle(self, *args: Any, **options: Any) -> None:
        _rule, number = self.answer(options, asking.count)
        self.stdout.write(str(number))
