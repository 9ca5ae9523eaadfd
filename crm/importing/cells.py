"""What a cell may hold. Every parser takes a cell's text and returns it as COPY wants it, or raises :class:`BadCell`.

Values repeat a great deal in a shop's files, so each parser remembers its last results.
"""

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from crm.formulas import original
from crm.models import Category
from crm.text import clean

NULL = r"\N"
REMEMBERED = 50_000
EARLIEST = date(1900, 1, 1)
LATEST = date(2200, 1, 1)
SLACK = timedelta(days=1)
"""How far a time may lie ahead: clocks differ, and so do time zones that somebody mixed up."""

MAX_QUANTITY = Decimal(10) ** 9
MAX_UNIT_PRICE = Decimal(10) ** 11
MAX_MINOR = 10**13
MAX_AMOUNT = Decimal(10) ** 15

EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
"""Enough digits for any product of two cells, so that only the last step rounds."""

Parser = Callable[[str], str]
_Key = TypeVar("_Key", bound=Hashable)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?) ?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_YES, _NO = {"yes", "y", "true", "t", "1", "on"}, {"no", "n", "false", "f", "0", "off"}


class BadCell(ValueError):
    """A cell cannot be taken. ``field`` is set where the parser reads more than one cell."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field = reason, field


class _Remembered(dict[_Key, str]):
    """A dictionary that computes what it lacks: finding something again costs half of what lru_cache takes for it."""

    def __init__(self, compute: Callable[[_Key], str], limit: int) -> None:
        super().__init__()
        self._compute, self._limit = compute, limit

    def __missing__(self, key: _Key) -> str:
        value = self._compute(key)
        if len(self) >= self._limit:
            self.clear()
        self[key] = value
        return value


def remembered(compute: Callable[[_Key], str], *, limit: int = REMEMBERED) -> Callable[[_Key], str]:
    """The same function, which remembers what it has made of so many different keys, and then begins anew."""
    return _Remembered(compute, limit).__getitem__


def shown(cell: str) -> str:
    """A cell's text, fit to be quoted in a message."""
    printable = "".join(char if unicodedata.category(char) not in ("Cc", "Cs") else "�" for char in cell[:61].strip())
    return f"“{printable[:60]}…”" if len(cell) > 60 else f"“{printable}”"


def escaped(value: str) -> str:
    return value.translate(_ESCAPES)


def plain(cell: str) -> str:
    """One clean line of text, without the apostrophe of an export; BadCell on what cannot be stored."""
    if cell[:1] == "'":
        cell = original(cell)
    if cell.isascii() and cell.isprintable():
        return " ".join(cell.split())
    if "\x00" in cell:
        raise BadCell(_("holds a NUL character."))
    try:
        cell.encode()
    except UnicodeEncodeError:
        raise BadCell(_("is not written in UTF-8.")) from None
    return clean(cell.replace("\ufeff", ""))  # the mark of a file that was put behind another


class Text:
    """Reads one line of text. ``check`` raises BadCell for what is none of those that the column holds."""

    def __init__(self, limit: int, *, required: bool = False, check: Callable[[str], None] | None = None) -> None:
        self.limit, self.required, self.check = limit, required, check
        # What has to be checked mostly differs from row to row.
        self._read = remembered(self._parse, limit=1_000 if check else REMEMBERED)

    def __call__(self, cell: str) -> str:
        return self._read(cell)

    def column(self, cells: Sequence[str]) -> Iterable[str]:
        """The same for many cells. Where all are tidy, which is found out in a few strides, they are what they are."""
        if not self._are_tidy(cells):
            return map(self._read, cells)
        if self.check:
            for cell in filter(None, cells):
                self.check(cell)
        return cells

    def _are_tidy(self, cells: Sequence[str]) -> bool:
        """Whether each cell is surely what :func:`plain` makes of it, needs no escaping, and is not too long."""
        joined = f"|{'|'.join(cells)}|"
        return (
            joined.isprintable()  # no blank but the one, no control character, no half of a pair
            and not any(untidy in joined for untidy in ("  ", "| ", " |", "|'", "\\"))
            and not (self.required and "||" in joined)
            and unicodedata.is_normalized("NFC", joined)
            and max(map(len, cells)) <= self.limit
        )

    def _parse(self, cell: str) -> str:
        value = plain(cell)
        if self.required and not value:
            raise BadCell(_("is missing."))
        if len(value) > self.limit:
            raise BadCell(_("is longer than %(limit)d characters.") % {"limit": self.limit})
        if self.check:
            self.check(value)
        return escaped(value)


def text(limit: int, *, required: bool = False) -> Parser:
    return Text(limit, required=required)


def column_reader(parse: Parser) -> Callable[[Sequence[str]], Iterable[str]]:
    """How many cells of a column are read; they come as they are asked for, so BadCell may come late."""
    return parse.column if isinstance(parse, Text) else partial(map, parse)


def category() -> Parser:
    """A path of names from the root: Food > Dairy > Milk."""

    @remembered
    def parse(cell: str) -> str:
        if not (value := plain(cell)):
            return ""
        names = [name.strip() for name in value.split(Category.SEPARATOR.strip())]
        if not all(names):
            raise BadCell(_("%(value)s has an empty name in it.") % {"value": shown(cell)})
        path = Category.SEPARATOR.join(names)
        if max(map(len, names)) > 200 or len(path) > 1000:
            raise BadCell(_("is too long (200 characters a name, 1,000 in all)."))
        return escaped(path)

    return parse


def number(cell: str) -> Decimal:
    """An exact decimal number, written with a point and without thousands separators."""
    value = cell.strip()
    if not _NUMBER.fullmatch(value) or len(value) > 40:
        raise BadCell(_("%(value)s is not a number (write it like 1234.56).") % {"value": shown(cell)})
    return Decimal(value)


def minor(amount: Decimal) -> int:
    """Hundredths, rounded half up; BadCell where they are too many."""
    if abs(amount) * 100 > MAX_MINOR:
        raise BadCell(_("is too large."))
    return int(EXACT.quantize(EXACT.multiply(amount, Decimal(100)), Decimal(1)))


def price() -> Parser:
    @remembered
    def parse(cell: str) -> str:
        if not cell.strip():
            return NULL
        if (value := number(cell)) < 0:
            raise BadCell(_("%(value)s is negative.") % {"value": shown(cell)})
        return str(minor(value))

    return parse


def whole(limit: int) -> Parser:
    @remembered
    def parse(cell: str) -> str:
        if not cell.strip():
            return NULL
        value = number(cell)
        if value != value.to_integral_value() or not 0 <= value <= limit:
            raise BadCell(
                _("%(value)s is not a whole number from 0 to %(limit)d.") % {"value": shown(cell), "limit": limit}
            )
        return str(int(value))

    return parse


def degrees(most: int) -> Parser:
    """Latitude or longitude."""

    @remembered
    def parse(cell: str) -> str:
        if not cell.strip():
            return NULL
        if abs(value := number(cell)) > most:
            raise BadCell(
                _("%(value)s is not a number of degrees from -%(most)d to %(most)d.")
                % {"value": shown(cell), "most": most}
            )
        return str(value)

    return parse


def amount() -> Parser:
    """Any exact number."""

    @remembered
    def parse(cell: str) -> str:
        if not cell.strip():
            return NULL
        if abs(value := number(cell)) >= MAX_AMOUNT:
            raise BadCell(_("is too large."))
        return str(value)

    return parse


def written(values: Iterable[str]) -> Parser:
    """One of these, however it is written large or small."""
    allowed = {value.casefold(): value for value in values}

    @remembered
    def parse(cell: str) -> str:
        value = plain(cell).strip()
        if value and value.casefold() not in allowed:
            raise BadCell(
                _("%(value)s is none of %(allowed)s.")
                % {"value": shown(cell), "allowed": ", ".join(list(allowed.values())[:20])}
            )
        return escaped(allowed[value.casefold()]) if value else ""

    return parse


def choice(values: Iterable[str]) -> Parser:
    allowed = [value for value in values if value]

    @remembered
    def parse(cell: str) -> str:
        value = cell.strip().lower()
        if value and value not in allowed:
            raise BadCell(
                _("%(value)s is none of %(allowed)s.") % {"value": shown(cell), "allowed": ", ".join(allowed)}
            )
        return value

    return parse


def yes_no() -> Parser:
    @remembered
    def parse(cell: str) -> str:
        value = cell.strip().lower()
        if value in _YES:
            return "t"
        if value in _NO:
            return "f"
        if value:
            raise BadCell(_("%(value)s is neither yes nor no.") % {"value": shown(cell)})
        return NULL

    return parse


def words() -> Parser:
    """Several words, with semicolons or bars between them."""

    @remembered
    def parse(cell: str) -> str:
        found = dict.fromkeys(word.strip() for word in re.split(r"[;|]", plain(cell)) if word.strip())
        if any(len(word) > 100 for word in found):
            raise BadCell(_("has a word longer than %(limit)d characters.") % {"limit": 100})
        quoted = ('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in found)
        return escaped("{" + ",".join(quoted) + "}")

    return parse


def day(now: datetime) -> Parser:
    """A date in the past or today, written like 2026-12-31."""

    @remembered
    def parse(cell: str) -> str:
        if not (value := cell.strip()):
            return NULL
        try:
            found = (
                date.fromisoformat(value) if _ISO_DAY.fullmatch(value) else datetime.strptime(value, "%Y-%m-%d").date()
            )
        except ValueError:
            raise BadCell(_("%(value)s is not a date (write it like 2026-12-31).") % {"value": shown(cell)}) from None
        if not EARLIEST <= found <= (now + SLACK).date():
            raise BadCell(_("%(value)s is out of range.") % {"value": shown(cell)})
        return found.isoformat()

    return parse


def any_day() -> Parser:
    """A date, written like 2026-12-31, also one to come."""

    @remembered
    def parse(cell: str) -> str:
        if not (value := cell.strip()):
            return NULL
        try:
            if not _ISO_DAY.fullmatch(value):
                raise ValueError
            found = date.fromisoformat(value)
        except ValueError:
            raise BadCell(_("%(value)s is not a date (write it like 2026-12-31).") % {"value": shown(cell)}) from None
        if not EARLIEST <= found < LATEST:
            raise BadCell(_("%(value)s is out of range.") % {"value": shown(cell)})
        return found.isoformat()

    return parse


def instant(zone: ZoneInfo, now: datetime, slack: timedelta = SLACK) -> Callable[[str], datetime]:
    """A point in time, written like 2026-12-31 18:30, at most ``slack`` ahead. Without an offset it is ``zone``'s.

    An hour that the clock repeats in autumn means its first run; one that it skips in spring is read as if the clock
    had not yet been put forward. A date alone is its midnight.
    """

    def parse(cell: str) -> datetime:
        if not (value := cell.strip()):
            raise BadCell(_("is missing."))
        match = _INSTANT.fullmatch(value)
        try:
            found = datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00'}{match[3] or ''}") if match else None
        except ValueError:
            found = None
        if found is None:
            raise BadCell(
                _("%(value)s is not a time (write it like 2026-12-31 18:30:00).") % {"value": shown(cell)}
            ) from None
        if found.year <= EARLIEST.year or found.year > now.year + 2:
            raise BadCell(_("%(value)s is out of range.") % {"value": shown(cell)})
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=zone).astimezone(UTC)
        if found > now + slack:
            raise BadCell(_("%(value)s lies in the future.") % {"value": shown(cell)})
        return found

    return parse


def moment(zone: ZoneInfo, now: datetime, slack: timedelta = SLACK) -> Parser:
    """Like :func:`instant`, where the cell may be blank."""
    read = instant(zone, now, slack)

    @remembered
    def parse(cell: str) -> str:
        return read(cell).isoformat() if cell.strip() else NULL

    return parse
