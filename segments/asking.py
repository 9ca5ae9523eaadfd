"""Ask a rule's text, now or as of a day: what the commands and the API answer."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.models import Receipt
from segments import text
from segments.compile import customers, member_ids
from segments.rules import parse
from segments.tree import Node, Problem, RuleError

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from crm.models import Customer


class TooEarly(ValueError):
    """The day asked for lies before the newest receipt, which the profiles already count."""


class TooSlow(Exception):
    """The answer did not come while somebody waited for it."""


PATIENCE_MS = 8_000
"""How long a rule may be counted while somebody waits for it."""
CANCELLED = "57014"


def ask(*, rule: str | Mapping[str, Any], now: datetime, as_of: date | None = None) -> "QuerySet[Customer]":
    """The customers whom the rule selects; ages and windows are those at the end of the day ``as_of``.

    Scores and other relative attributes are computed afresh. Raises RuleError, each problem of a text with its place,
    and TooEarly.
    """
    node, placed, moment = _read(rule, now, as_of)
    with placed:
        return customers(rule=node, now=moment, fresh_scores=True)


def count(
    *, rule: str | Mapping[str, Any], now: datetime, as_of: date | None = None, patience_ms: int | None = None
) -> tuple[Node, int]:
    """The rule, and how many customers :func:`ask` would give. Raises RuleError, TooEarly and TooSlow."""
    node, placed, moment = _read(rule, now, as_of)
    with placed:
        found = member_ids(rule=node, now=moment, fresh_scores=True)
    with nullcontext() if patience_ms is None else patience(milliseconds=patience_ms):
        return node, found.count()


def _read(
    rule: str | Mapping[str, Any], now: datetime, as_of: date | None
) -> tuple[Node, AbstractContextManager[None], datetime]:
    """The tree, a context in which its mistakes get their places in the text, and the clock."""
    read = text.read(rule) if isinstance(rule, str) else None
    node = read.node if read is not None else parse(rule)
    moment = now if as_of is None else _end_of(as_of)
    return node, nullcontext() if read is None else _placing(read), moment


@contextmanager
def _placing(read: text.Text) -> Iterator[None]:
    try:
        yield
    except RuleError as error:
        raise read.located(error) from None


@contextmanager
def patience(*, milliseconds: int) -> Iterator[None]:
    """A transaction each of whose statements may take so long. Raises TooSlow."""
    asked = "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(asked, [str(milliseconds)])
            before = cursor.fetchone()[0]
            yield
            cursor.execute(asked, [before])  # it would last as long as a transaction around this one
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != CANCELLED:
            raise
        raise TooSlow(_("This rule takes too long to count while you wait. Save it: the workers count it.")) from error


def told(problem: Problem) -> dict[str, Any]:
    """A mistake as plain data: with its place in the text where it has one, else with its path in the tree."""
    shown: dict[str, Any] = {"message": problem.message, "word": problem.word, "path": list(problem.path)}
    if isinstance(problem, text.Located):
        shown |= {name: getattr(problem, name) for name in ("line", "column", "length", "offset")}
    return shown


def _end_of(day: date) -> datetime:
    """The last moment of that day of the shop's. Raises TooEarly."""
    newest: date | None = Receipt.objects.aggregate(newest=Max("sold_on"))["newest"]
    if newest is not None and day < newest:
        message = _(
            "The newest receipt is of %(newest)s, and what is counted includes it: ask for that day or a later one."
        )
        raise TooEarly(message % {"newest": date_format(newest, "Y-m-d")})
    try:
        midnight = datetime.combine(day + timedelta(days=1), time.min)
    except OverflowError:
        raise TooEarly(_("There is no such day.")) from None
    return timezone.make_aware(midnight, timezone.get_default_timezone()) - timedelta(microseconds=1)
