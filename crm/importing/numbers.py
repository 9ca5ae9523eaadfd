"""Numbers as people write them: 1.234,56 or 1 234,56 € or (1'234.56). Which sign is which is a column's, not a cell's.

:func:`number_findings` looks at a whole column and says how it is to be read, or that it could be read two ways;
:func:`number_reader` turns such cells into what the parsers of :mod:`crm.importing.cells` take.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import gettext as _

from crm.importing.cells import BadCell, shown

REMEMBERED = 50_000
MOST = 60
"""Characters that a number may have, with all its signs."""

BLANKS = "\u00a0\u202f\u2009\u2007\u2002\u2003\u2006\u200a\t"
_AS_BLANK = str.maketrans(dict.fromkeys(BLANKS, " ") | {"’": "'", "ʼ": "'", "`": "'", "´": "'", "٬": "'"})
_MINUS = "-−–‒"
_WORD = (
    r"(?:[$€£¥₽₴₺₹₩฿₪₫₦₸₾]|р\.|руб\.?|рублей|р|грн\.?|kr\.?|Kr\.?|ISK|SEK|NOK|DKK|EUR|Euro|euro|eur|USD|US\$|GBP|CHF|"
    r"Fr\.|PLN|zł|CZK|Kč|HUF|Ft|RUB|UAH|BYN|KZT|CAD|AUD|NZD|C\$|A\$|JPY|CNY|INR|TRY|лв\.?|RON|lei)"
)
_DRESS = re.compile(
    rf"(?:{_WORD})? ?([{_MINUS}+]?) ?(?:{_WORD})? ?([0-9.,' ]*[0-9][0-9.,' ]*?) ?([{_MINUS}]?) ?(?:{_WORD})?"
)
_PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


@dataclass(frozen=True, order=True)
class Convention:
    """Which sign parts the whole from its decimals, and which one parts thousands ("" for none)."""

    decimal: str
    thousands: str = ""


PLAIN = Convention(".")
"""What the documented columns hold: 1234.56."""

CONVENTIONS = tuple(
    Convention(decimal, thousands) for decimal in ".," for thousands in ("", ".", ",", " ", "'") if thousands != decimal
)


def _pattern(convention: Convention) -> re.Pattern[str]:
    decimal, thousands = re.escape(convention.decimal), re.escape(convention.thousands)
    whole = rf"[1-9][0-9]{{0,2}}(?:{thousands}[0-9]{{3}})+|[0-9]+" if thousands else "[0-9]+"
    return re.compile(rf"(?:{whole})(?:{decimal}[0-9]*)?|{decimal}[0-9]+")


_PATTERNS = {convention: _pattern(convention) for convention in CONVENTIONS}


def undress(cell: str) -> str | None:
    """A number without currency, odd blanks and brackets: sign, digits, separators. None where it is no number."""
    value = cell.strip()
    if not value or len(value) > MOST:
        return None
    value = value.translate(_AS_BLANK).strip()
    sign = ""
    if value[:1] == "(" and value[-1:] == ")":
        sign, value = "-", value[1:-1].strip()
    if not (match := _DRESS.fullmatch(value)):
        return None
    before, body, after = match[1], match[2].strip(), match[3]
    minuses = sum(bool(said) and said != "+" for said in (sign, before, after))
    if minuses > 1:
        return None
    return ("-" if minuses else "") + body


@lru_cache(REMEMBERED)
def _fits(body: str) -> frozenset[Convention]:
    return frozenset(convention for convention, pattern in _PATTERNS.items() if pattern.fullmatch(body))


def looks_like_number(cell: str) -> bool:
    """Whether some convention reads it as a number."""
    body = undress(cell)
    return body is not None and bool(_fits(body.lstrip("-")))


@dataclass(frozen=True)
class NumberFindings:
    """How a column of numbers is to be read. ``candidates`` are the readings that fit it equally well but disagree.

    ``misfits`` counts the different cells that the reading does not fit.
    """

    convention: Convention
    candidates: tuple[Convention, ...] = ()
    misfits: int = 0
    sample: str = ""
    """A cell that shows the reading, or the doubt."""


def number_findings(cells: Iterable[str], *, known: Convention | None = None) -> NumberFindings | None:
    """How the numbers of a whole column are written (blank cells say nothing); None where most are no numbers.

    ``known`` settles what the column leaves open, and only that.
    """
    votes = dict.fromkeys(CONVENTIONS, 0)
    others = 0
    telling: list[str] = []
    for cell in {cell for cell in cells if cell.strip()}:
        body = undress(cell)
        fitting = _fits(body.lstrip("-")) if body is not None else frozenset()
        if not fitting:
            others += 1
        for convention in fitting:
            votes[convention] += 1
        if body is not None and 0 < len(fitting) < len(CONVENTIONS):
            telling.append(body)
    most = max(votes.values())
    if not most or others > most:
        return None
    total = others + max(most, len(telling))
    if most < 0.8 * (total - others):
        return None
    best = [convention for convention in CONVENTIONS if votes[convention] == most]
    fitting_best = [body for body in telling if any(_PATTERNS[one].fullmatch(body.lstrip("-")) for one in best)]
    readings: dict[tuple[str, ...], Convention] = {}
    for convention in best:
        readings.setdefault(tuple(_written(body, convention) for body in fitting_best[:1000]), convention)
    chosen, candidates = best[0], tuple(readings.values())
    if known in best:
        chosen = known
    if known in best or len(readings) == 1:
        candidates = ()
    sample = fitting_best[0] if fitting_best else ""
    return NumberFindings(chosen, candidates, total - most, sample)


def _written(body: str, convention: Convention) -> str:
    if convention.thousands:
        body = body.replace(convention.thousands, "")
    if convention.decimal != ".":
        body = body.replace(convention.decimal, ".")
    return body


def number_reader(convention: Convention) -> Callable[[str], str]:
    """Turns a cell of this convention into a plain number. One that is no number stays as it is, for the parser to
    refuse; BadCell where the parser would take it for another number than its column says.
    """
    pattern = _PATTERNS[convention]

    @lru_cache(REMEMBERED)
    def read(cell: str) -> str:
        if not cell.strip():
            return ""
        body = undress(cell)
        if body is None or not pattern.fullmatch(body.lstrip("-")):
            if not _PLAIN.fullmatch(cell.strip()):
                return cell
            example = write_number("1234.56", convention)
            raise BadCell(
                _("%(value)s is not a number as this column writes them (%(example)s).")
                % {"value": shown(cell), "example": example}
            )
        return _written(body, convention)

    return read


def is_plain(cell: str) -> bool:
    """Whether the cell is blank or a number in the documented form."""
    value = cell.strip()
    return not value or bool(_PLAIN.fullmatch(value))


def write_number(value: str, convention: Convention, *, currency: str = "") -> str:
    """A plain number (1234.5) written in a convention: what :func:`number_reader` reads back."""
    sign, digits = ("-", value[1:]) if value.startswith("-") else ("", value)
    whole, point, decimals = digits.partition(".")
    if convention.thousands and not (whole.startswith("0") and len(whole) > 1):
        whole = f"{int(whole or 0):,}".replace(",", convention.thousands)
    return f"{sign}{whole}{convention.decimal if point else ''}{decimals}{currency}"
