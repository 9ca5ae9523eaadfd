"""Dates and times as people write them. What 02/03/2026 means is settled by its whole column, or asked.

:func:`date_findings` looks at a column; :func:`date_reader` turns its cells into 2026-12-31 or 2026-12-31 18:30:00.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise

from babel.dates import get_month_names

REMEMBERED = 50_000
ORDERS = ("dmy", "mdy", "ymd")
EXAMPLES = {"dmy": "31/12/2026", "mdy": "12/31/2026", "ymd": "2026-12-31"}
SERIAL = "serial"
"""Days since 1899-12-30, as spreadsheets count; only where somebody says so."""
COMPACT = "compact"
"""20261231."""
LANGUAGES = ("en", "de", "it", "ru", "fi", "is", "sv", "fr", "es", "lv", "uk", "nl", "pl", "et", "lt", "da")

_TIME = r"(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2})(?P<fraction>[.,][0-9]{1,6})?[0-9]*)?"
_CLOCK = rf"(?:,?[ T]+|,)(?:klo |um |kl\. ?|в |alle |at )?{_TIME}(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?: ?(?:Uhr|ч\.?))?"
_OFFSET = r"(?: ?(?P<offset>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})(?: UTC)?)?"
_SHORT = re.compile(
    r"(?P<a>[0-9]{1,4})(?P<sign>[./-]) ?(?P<b>[0-9]{1,2})(?P=sign) ?(?P<c>[0-9]{1,4})(?: ?г\.?)?"
    rf"(?:{_CLOCK})?{_OFFSET}"
)
_DIGITS = re.compile(
    rf"(?P<a>[0-9]{{4}})(?P<b>[0-9]{{2}})(?P<c>[0-9]{{2}})(?:(?:{_CLOCK})|T?(?P<clock>[0-9]{{6}}))?{_OFFSET}"
)
_NAMED = re.compile(
    r"(?:\w+\.?,? )??(?:(?P<day>[0-9]{1,2})(?:st|nd|rd|th|\.|º)?[ -](?:de )?(?P<month>[^\W\d_]+)\.?|"
    r"(?P<month2>[^\W\d_]+)\.? (?P<day2>[0-9]{1,2})(?:st|nd|rd|th)?)"
    rf",?[ -](?:de )?(?P<year>[0-9]{{4}}|[0-9]{{2}})(?: ?г\.?)?(?:{_CLOCK})?{_OFFSET}"
)
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)? ?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_EPOCH = date(1899, 12, 30)
_LONGEST = 60


def is_iso(cell: str) -> bool:
    """Whether the cell is blank or a date or time in the documented form."""
    value = cell.strip()
    return not value or bool(_ISO.fullmatch(value))


@cache
def _months() -> dict[str, int]:
    found: dict[str, int] = {}
    for language in LANGUAGES:
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                for number, name in get_month_names(width, context=context, locale=language).items():
                    found.setdefault(name.strip(".").lower(), number)
    found.update({"sept": 9, "mär": 3, "mrz": 3, "май": 5, "мая": 5})
    return found


@dataclass(frozen=True)
class _Parts:
    numbers: tuple[str, str, str]
    sign: str
    clock: str
    """Time and offset as ISO writes them, with the blank before it; or ""."""


@lru_cache(REMEMBERED)
def _parts(cell: str) -> _Parts | None:
    value = " ".join(cell.split())
    if not value or len(value) > _LONGEST:
        return None
    if match := _SHORT.fullmatch(value):
        numbers, sign = (match["a"], match["b"], match["c"]), match["sign"]
    elif match := _DIGITS.fullmatch(value):
        numbers, sign = (match["a"], match["b"], match["c"]), COMPACT
    elif match := _NAMED.fullmatch(value):
        month = _months().get((match["month"] or match["month2"]).lower())
        if month is None:
            return None
        numbers, sign = (match["day"] or match["day2"], str(month), match["year"]), "name"
    else:
        return None
    clock = _clock(match)
    return None if clock is None else _Parts(numbers, sign, clock)


def _clock(match: re.Match[str]) -> str | None:
    named = match.groupdict()
    if digits := named.get("clock"):
        hour, minute, second = int(digits[:2]), digits[2:4], digits[4:]
    elif not match["hour"]:
        return ""
    else:
        hour, minute, second = int(match["hour"]), match["minute"], match["second"] or ""
    if half := match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    if hour > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    fraction = (match["fraction"] or "").replace(",", ".")
    offset = {"UTC": "Z", "GMT": "Z"}.get(match["offset"] or "", match["offset"] or "")
    return f" {hour:02}:{minute}" + (f":{second}{fraction}" if second else "") + offset


def _readings(parts: _Parts, today: date) -> dict[str, date]:
    """Every order that makes a date of these numbers, with that date."""
    found: dict[str, date] = {}
    one, two, three = parts.numbers
    orders: Sequence[str]
    if parts.sign == COMPACT:
        orders = (COMPACT,)
    elif parts.sign == "name":
        orders = ("name",)
    elif len(one) > 2:
        orders = ("ymd",) if len(one) == 4 and len(three) <= 2 else ()
    elif len(three) == 4:
        orders = ("dmy",) if parts.sign == "." else ("dmy", "mdy")
    else:
        orders = {".": ("dmy",), "/": ("dmy", "mdy"), "-": ORDERS}[parts.sign]
    for order in orders:
        year, month, day = {
            "dmy": (three, two, one),
            "name": (three, two, one),
            "mdy": (three, one, two),
            "ymd": (one, two, three),
            COMPACT: (one, two, three),
        }[order]
        try:
            found[order] = date(_year(year, today), int(month), int(day))
        except ValueError:
            continue
    return found


def _year(written: str, today: date) -> int:
    """Two digits mean the last such year, or next year: 27 is 2027 in 2026, 28 is 1928."""
    if len(written) == 4:
        return int(written)
    if len(written) != 2:
        raise ValueError(written)
    year = today.year - today.year % 100 + int(written)
    return year if year <= today.year + 1 else year - 100


def looks_like_date(cell: str, today: date) -> bool:
    """Whether the cell is a date in some order; eight digits alone are no date."""
    parts = _parts(cell)
    return parts is not None and parts.sign != COMPACT and bool(_readings(parts, today))


@dataclass(frozen=True)
class DateFindings:
    """How a column of dates is to be read: "dmy", "mdy" or "ymd" ("" where no cell leaves it open).

    ``candidates`` are the orders that fit equally well and give different days. ``why`` says what settled it where
    that was a hint rather than a proof.
    """

    order: str
    candidates: tuple[str, ...] = ()
    why: str = ""
    sample: str = ""
    misfits: int = 0


def date_findings(
    cells: Iterable[str], *, today: date, known: str = "", language: str = "", share: float = 0.8
) -> DateFindings | None:
    """How the dates of a whole column are written, in the order of the file; None where most cells are no dates.

    ``known`` (an order) settles what the column leaves open, and only that; ``language`` is the one of its header, a
    hint. ``share`` of the different cells must be dates.
    """
    votes = dict.fromkeys(ORDERS, 0)
    days: dict[str, list[date]] = {order: [] for order in ORDERS}
    open_cells: list[str] = []
    dates = others = closed = 0
    for cell in dict.fromkeys(cell for cell in cells if cell.strip()):
        parts = _parts(cell)
        readings = _readings(parts, today) if parts else {}
        if not readings:
            others += 1
            continue
        dates += 1
        if parts is not None and parts.sign in (".", "-", "/") and len(parts.numbers[0]) <= 2:
            for order, day in readings.items():
                votes[order] += 1
                days[order].append(day)
            if len(set(readings.values())) > 1:
                open_cells.append(cell)
        else:
            closed += 1
    if not dates or dates < share * (dates + others):
        return None
    most = max(votes.values())
    if not most:
        return DateFindings("", misfits=others)
    best = [order for order in ORDERS if votes[order] == most]
    misfits = dates - closed - most + others
    if len(best) > 1 and open_cells and closed > most:  # some strays in a column that is written otherwise
        return DateFindings("", misfits=misfits + most)
    sample = open_cells[0] if open_cells else ""
    if len(best) == 1 or not open_cells:
        return DateFindings(best[0], sample=sample, misfits=misfits)
    if known in best:
        return DateFindings(known, sample=sample, misfits=misfits)
    order, why = _hint(best, days, open_cells, today=today, language=language)
    if order:
        return DateFindings(order, why=why, sample=sample, misfits=misfits)
    return DateFindings(best[0], candidates=tuple(best), sample=sample, misfits=misfits)


def _hint(
    best: list[str], days: dict[str, list[date]], open_cells: list[str], *, today: date, language: str
) -> tuple[str, str]:
    """The one order that everything speaks for which is no proof; ("", "") where nothing does, or they disagree."""
    hints: dict[str, str] = {}
    possible = [order for order in best if max(days[order]) <= today + timedelta(days=1)]
    if len(possible) == 1 and "ymd" not in best:
        hints[possible[0]] = "future"
    sorted_in = [order for order in best if len(days[order]) > 2 and _is_sorted(days[order])]
    if len(sorted_in) == 1:
        hints[sorted_in[0]] = "sorted"
    if language and language != "en" and "dmy" in best:
        hints.setdefault("dmy", "language")
    elif "mdy" in best and any("/" in cell for cell in open_cells) and _is_unpadded(open_cells):
        hints.setdefault("mdy", "unpadded")  # as spreadsheets write them in the United States alone
    return next(iter(hints.items())) if len(hints) == 1 else ("", "")


def _is_sorted(found: list[date]) -> bool:
    steps = [later - earlier for earlier, later in pairwise(found)]
    return all(step >= timedelta(0) for step in steps) or all(step <= timedelta(0) for step in steps)


def _is_unpadded(cells: list[str]) -> bool:
    numbers = [number for cell in cells if (parts := _parts(cell)) for number in parts.numbers[:2]]
    return any(len(number) == 1 for number in numbers) and not any(number.startswith("0") for number in numbers)


def date_reader(order: str, *, today: date, with_time: bool) -> Callable[[str], str]:
    """Turns a cell into an ISO date, with its time if it has one and ``with_time``.

    What does not fit stays as it is, for the parser to refuse.
    """

    @lru_cache(REMEMBERED)
    def read(cell: str) -> str:
        if order == SERIAL and (found := _from_serial(cell, with_time)):
            return found
        if with_time and is_iso(cell):
            return cell.strip()
        parts = _parts(cell)
        readings = _readings(parts, today) if parts else {}
        fixed = readings.get("name") or readings.get(COMPACT) or (readings.get("ymd") if len(readings) == 1 else None)
        day = fixed or readings.get(order)
        if day is None and parts is not None and parts.sign == ".":
            day = readings.get("dmy")
        if day is None or parts is None:
            return cell
        return day.isoformat() + (parts.clock if with_time else "")

    return read


def _from_serial(cell: str, with_time: bool) -> str:
    try:
        days = float(cell)
        if not 1 <= days < 100_000:
            return ""
    except ValueError:
        return ""
    found = datetime.combine(_EPOCH, datetime.min.time()) + timedelta(seconds=round(days * 86_400))
    return found.strftime("%Y-%m-%d %H:%M:%S" if with_time and found.time() != datetime.min.time() else "%Y-%m-%d")
