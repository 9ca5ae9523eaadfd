"""What the commands that take a rule's text share: arguments, and mistakes shown under the word."""

import unicodedata
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from segments.asking import TooEarly
from segments.tokens import Located
from segments.tree import Problem, RuleError

T = TypeVar("T")
WRONG = 2
"""The exit status where the rule, or the day, cannot be used."""
SHOWN = 100
"""So much of a long line is shown around a mistake."""


class RuleCommand(BaseCommand):
    """A command that asks a rule's text."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("rule", help='The rule as text, such as: city = "Riga" and spend(last: 90 days) >= 300')
        parser.add_argument(
            "--as-of",
            type=_day,
            metavar="DATE",
            help="Ages and windows are those at the end of this day (2026-01-31); not before the newest receipt.",
        )

    def answer(self, options: dict[str, Any], asked: Callable[..., T]) -> T:
        """What :mod:`segments.asking` answers to the rule. Raises CommandError with the mistakes."""
        as_of = options["as_of"]
        try:
            day = _day(as_of) if isinstance(as_of, str) else as_of  # call_command() leaves it as it was given
            return asked(rule=options["rule"], now=timezone.now(), as_of=day)
        except RuleError as error:
            shown = "\n".join(under_the_word(options["rule"], problem) for problem in error.problems)
            raise CommandError(f"{_('The rule cannot be used.')}\n{shown}", returncode=WRONG) from None
        except (TooEarly, ArgumentTypeError) as error:
            raise CommandError(str(error), returncode=WRONG) from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text[:40]!r} is not a date; write it as 2026-01-31.") from None


def under_the_word(text: str, problem: Problem) -> str:
    """The line of the text, carets under the word that offends, and the message."""
    if not isinstance(problem, Located):
        return problem.message
    lines = text.split("\n")
    line = lines[problem.line - 1] if problem.line <= len(lines) else ""
    first = max(0, problem.column - 1 - SHOWN // 2)
    before, word = line[first : problem.column - 1], line[problem.column - 1 : problem.column - 1 + problem.length]
    after = line[problem.column - 1 + len(word) : first + SHOWN]
    shown = "".join(map(_printable, before + word[:SHOWN] + after))
    carets = "^" * max(1, _width(word[:SHOWN]))
    place = f"{problem.line}:{problem.column}: " if len(lines) > 1 else ""
    return f"  {shown}\n  {' ' * _width(before)}{carets} {place}{problem.message}"


def _printable(char: str) -> str:
    return char if char.isprintable() else " " if char == "\t" else "�"


def _width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
