"""What the columns of a file hold and how it is written there, decided from whole columns."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from crm.importing import words
from crm.importing.dates import DateFindings, date_findings, is_iso
from crm.importing.numbers import Convention, NumberFindings, is_plain, number_findings
from crm.importing.reading import Reader

if TYPE_CHECKING:
    from crm.importing.formats import Recognised

SAMPLE = 1_000
"""Rows that tell what a column holds; how its numbers and dates are written is told by all rows."""
SHOWN = 5
MOST_DIFFERENT = 20_000
"""Different writings of a column that are looked at; the digits of a number count as one."""

_DIGITS = str.maketrans("23456789", "11111111")
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()/.\-]{5,18}[0-9]")
_POSTCODE = re.compile(r"[A-Z]{0,2}-?[0-9]{3,6}(?:[ -]?[0-9A-Z]{2,4})?")


class Known(Protocol):
    """What somebody has said of the file as a whole."""

    @property
    def decimal(self) -> str: ...
    @property
    def thousands(self) -> str: ...
    @property
    def date_order(self) -> str: ...


@dataclass(frozen=True)
class Finding:
    """What one column holds. ``candidates`` are the readings ("dmy", or signs like ",." for 1.234,56) between which
    somebody must choose; ``why`` names the hint that settled an order which the cells leave open.
    """

    column: str
    holds: str = "text"
    """number, date, time, yes_no, gender, channel, email, phone, barcode, postcode, text; blank for an empty column."""
    decimal: str = ""
    """Blank where no cell tells."""
    thousands: str = ""
    date_order: str = ""
    candidates: tuple[str, ...] = ()
    why: str = ""
    documented: bool = False
    """Whether every cell that was looked at is in the form that the guide asks for."""
    samples: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> "Finding":
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {name: said[name] for name in known & said.keys()}
        return cls(**values | {name: tuple(v) for name, v in values.items() if isinstance(v, list)})


def look_at(
    reader: Reader,
    columns: Iterable[int],
    how: "Known | Recognised",
    *,
    today: date,
    expected: Mapping[int, str] | None = None,
) -> list[Finding]:
    """A finding for each of these columns (positions in the header).

    ``expected`` says what a column ought to hold: it is looked at as such even where many cells hold no such thing.
    """
    columns, expected = list(columns), expected or {}
    sample = [cells for _number, cells, problem in islice(reader.rows(), SAMPLE) if not problem]
    kinds = {at: expected.get(at) or content([row[at] for row in sample], today) for at in columns}
    written = writings(reader, [at for at in columns if kinds[at] in ("number", "date", "time")])
    known = Convention(how.decimal, how.thousands) if how.decimal else None
    numbers = {at: number_findings(written[at], known=known) for at in columns if kinds[at] == "number"}
    dates = {
        at: date_findings(written[at], today=today, known=how.date_order, share=0.2 if at in expected else 0.8)
        for at in columns
        if kinds[at] in ("date", "time")
    }
    settle_by_the_others(numbers, dates)
    found = []
    for at in columns:
        samples = tuple(dict.fromkeys(row[at].strip()[:100] for row in sample if row[at].strip()))[:SHOWN]
        finding = Finding(reader.header[at], kinds[at], samples=samples)
        if at in written:
            test = is_plain if kinds[at] == "number" else is_iso
            finding = dataclasses.replace(finding, documented=all(map(test, written[at])))
        if number := numbers.get(at):
            candidates = tuple(one.decimal + one.thousands for one in number.candidates)
            finding = dataclasses.replace(
                finding,
                decimal=number.convention.decimal if number.sample else "",
                thousands=number.convention.thousands if number.sample else "",
                candidates=candidates,
            )
        elif dated := dates.get(at):
            finding = dataclasses.replace(finding, date_order=dated.order, candidates=dated.candidates, why=dated.why)
        elif kinds[at] in ("number", "date", "time"):
            finding = dataclasses.replace(finding, holds="text")
        found.append(finding)
    return found


def settle_by_the_others(numbers: dict[int, NumberFindings | None], dates: dict[int, DateFindings | None]) -> None:
    """One file is written by one hand: what the other columns prove settles what a column leaves open."""
    decimals = {one.convention.decimal for one in numbers.values() if one and not one.candidates and one.sample}
    if len(decimals) == 1:
        decimal = decimals.pop()
        for at, one in numbers.items():
            if one and (fitting := [each for each in one.candidates if each.decimal == decimal]):
                numbers[at] = dataclasses.replace(one, convention=fitting[0], candidates=())
    orders = {one.order for one in dates.values() if one and one.order and one.sample and not one.candidates}
    if len(orders) == 1:
        order = orders.pop()
        for at, dated in dates.items():
            if dated and order in dated.candidates:
                dates[at] = dataclasses.replace(dated, order=order, candidates=(), why="others")


def writings(reader: Reader, columns: Sequence[int]) -> dict[int, list[str]]:
    """The different ways in which the cells of these columns are written, in the order of the file: 12,50 and 17,30 are
    one. A whole file is read, but not kept.
    """
    seen: dict[int, dict[str, str]] = {at: {} for at in columns}
    if not columns:
        return {}
    for _number, cells, problem in reader.rows():
        if problem:
            continue
        for at in columns:
            cell = cells[at]
            if cell and not cell.isdecimal():
                form = _form(cell)
                found = seen[at]
                if form not in found and len(found) < MOST_DIFFERENT:
                    found[form] = cell
            elif cell:
                seen[at].setdefault("1", cell)
    return {at: list(found.values()) for at, found in seen.items()}


def _form(cell: str) -> str:
    """Cells of one form say the same about how their column is written: a day at two times, two numbers of a length."""
    if "/" in cell or "-" in cell[1:-1]:
        return cell.strip().split(" ", 1)[0].split("T", 1)[0]
    return cell.translate(_DIGITS)


def content(cells: Iterable[str], today: date) -> str:
    """What a column holds, by most of its different cells."""
    different = list(dict.fromkeys(cell.strip() for cell in cells if cell.strip()))
    if not different:
        return ""
    enough = 0.8 * len(different)
    tests: list[tuple[str, Callable[[str], bool]]] = [
        ("email", lambda cell: bool(_EMAIL.fullmatch(cell))),
        ("barcode", is_barcode),
        ("gender", lambda cell: words.meaning("gender", cell) is not None),
        ("yes_no", lambda cell: words.meaning("yes_no", cell) is not None),
    ]
    for holds, test in tests:
        if sum(map(test, different)) >= enough and (holds not in ("gender", "yes_no") or len(different) > 1):
            return holds
    if date_findings(different, today=today) and not all(cell.isdecimal() for cell in different):
        return "time" if any(":" in cell for cell in different) else "date"
    if sum(cell.startswith("+") and bool(_PHONE.fullmatch(cell)) for cell in different) >= 0.3 * len(different):
        return "phone"
    if number_findings(different):
        return "number"
    if sum(bool(_PHONE.fullmatch(cell)) for cell in different) >= enough:
        return "phone"
    if sum(bool(_POSTCODE.fullmatch(cell)) for cell in different) >= enough:
        return "postcode"
    return "text"


def is_barcode(cell: str) -> bool:
    """Whether this is an EAN-8, UPC-A or EAN-13 with the right check digit."""
    if len(cell) not in (8, 12, 13) or not cell.isascii() or not cell.isdecimal():
        return False
    digits = [int(digit) for digit in reversed(cell)]
    return (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0
