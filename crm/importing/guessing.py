"""Which of our columns each of theirs is, guessed by name, by likeness and by what is in it."""

import dataclasses
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils import timezone
from django.utils.translation import gettext as _
from rapidfuzz import fuzz

from crm.importing.columns import REASON, Column, canonical, missing, normal, positions, shortened
from crm.importing.findings import content
from crm.importing.mapping import Mapping, Source, labels, provided
from crm.importing.reading import FileRefused

SURE = 0.9
LIKELY = 0.6
_LIKE = 84
"""How alike two names must be, of 100: a typing error in a long word, not another word."""

LINE_ITEMS = ("lineitem", "itemname", "itemcost", "itemprice", "itemquantity", "itemsku", "orderline")
OF_THE_ORDER = frozenset(
    {
        "name",
        "subtotal",
        "total",
        "amount",
        "discount",
        "discountamount",
        "ordertotal",
        "ordertotalamount",
        "totalamount",
    }
)
"""What a shop's export calls the order's own where it calls the line's own “Lineitem price”: no line is worth that."""

# What a column's content says of it where its name says nothing.
_BY_CONTENT = {"email": "email", "phone": "phone", "barcode": "barcode", "gender": "gender", "postcode": "postcode"}
_FITS = {
    "date": ("date", "time"),
    "time": ("date", "time"),
    "number": ("number", "whole", "date", "time"),
    "yes_no": ("yes_no", "number", "whole", "gender"),
    "gender": ("gender",),
    "email": ("email",),
}


@dataclass(frozen=True)
class Guess:
    """Their column (as a mapping calls it), ours or None, how sure (0 to 1), and why, in words."""

    header: str
    column: str | None
    confidence: float
    why: str


def guess_mapping(
    kind: str, header: Sequence[str], rows: Iterable[Sequence[str]] = (), *, today: date | None = None
) -> list[Guess]:
    """A guess for each column of a file. ``rows`` is a sample of its rows. None of our columns is guessed twice."""
    from crm.importing.run import targets

    return guess(targets(kind), header, rows, today=today or timezone.localdate())


def guess(
    columns: Sequence[Column], header: Sequence[str], rows: Iterable[Sequence[str]], *, today: date
) -> list[Guess]:
    """:func:`guess_mapping` for these columns of ours."""
    sample = list(rows)
    held = [content([row[at] for row in sample if at < len(row)], today) for at in range(len(header))]
    theirs = labels(header)
    options: list[tuple[float, int, str, str]] = []
    of_lines = any(normal(name).startswith(LINE_ITEMS) for name in header)
    named = [(column, column.names()) for column in columns]
    for at, name in enumerate(header):
        for order, (column, names) in enumerate(named):
            confidence, why = _compare(name, held[at], column, names)
            if confidence and not (of_lines and normal(name) in OF_THE_ORDER):
                place = names.get(normal(name), 0)  # of two that fit, the usual name
                options.append((confidence - place / 10_000 - order / 100_000 - at / 10_000_000, at, column.name, why))
    if of_lines and "receipt_id" in {column.name for column in columns}:
        options += [
            (0.7, at, "receipt_id", _("by its name")) for at, name in enumerate(header) if normal(name) == "name"
        ]
    taken: dict[int, tuple[str, float, str]] = {}
    used: set[str] = set()
    for confidence, at, name, why in sorted(options, reverse=True):
        if at not in taken and name not in used:
            taken[at] = (name, _rounded(confidence), why)
            used.add(name)
    _drop_what_others_make(taken, columns)
    return [
        Guess(label, *taken[at]) if at in taken else Guess(label, None, 0.0, _nothing(header[at], held[at]))
        for at, label in enumerate(theirs)
    ]


def _rounded(confidence: float) -> float:
    """Without what only decided between two that fit."""
    return next((known for known in (1.0, 0.95, 0.5, 0.45) if 0 <= known - confidence < 0.03), round(confidence, 2))


def _compare(header: str, holds: str, column: Column, names: dict[str, int]) -> tuple[float, str]:
    """How likely their column is this one of ours, and why; 0 where nothing speaks for it."""
    name = normal(header[:200])
    if canonical(header) == column.name:
        return 1.0, _("it is called so")
    if not name or canonical(header) == REASON:
        return (
            (0.5, _("by what is in it")) if not name and holds and _BY_CONTENT.get(holds) == column.name else (0.0, "")
        )
    fits = _FITS.get(holds)
    contradicts = (
        bool(holds)
        and column.holds in ("date", "time", "number", "whole", "yes_no", "email", "gender")
        and ((fits is not None and column.holds not in fits) or (fits is None and holds != column.holds))
    )
    if name in names:
        return (0.45, _("by its name, though not by what is in it")) if contradicts else (0.95, _("by its name"))
    like = max((fuzz.ratio(name, one) for one in names if len(one) > 4), default=0.0) if len(name) > 4 else 0.0
    if like >= _LIKE and not contradicts:
        return 0.6 + (like - _LIKE) / 100, _("its name is like one that is known")
    if _BY_CONTENT.get(holds) == column.name:
        return 0.5, _("by what is in it")
    return 0.0, ""


def _nothing(header: str, holds: str) -> str:
    return _("there is nothing in it") if not holds else _("nothing that is known")


def _drop_what_others_make(taken: dict[int, tuple[str, float, str]], columns: Sequence[Column]) -> None:
    """A full name is left out where first and last name stand beside it."""
    by_name = {column.name: column for column in columns}
    names = {name for name, _confidence, _why in taken.values()}
    for at, (name, _confidence, _why) in list(taken.items()):
        if name == "full_name" and set(by_name[name].makes) & names:
            del taken[at]


def mapping_of(guesses: Sequence[Guess], *, least: float = LIKELY) -> Mapping:
    """The mapping that follows from guesses of at least this confidence; every other column is left out."""
    chosen = {
        guess.column: Source(columns=(guess.header,)) for guess in guesses if guess.column and guess.confidence >= least
    }
    ignored = {guess.header for guess in guesses if not guess.column or guess.confidence < least}
    return Mapping(chosen, frozenset(ignored))


def known_names(columns: Sequence[Column], header: Sequence[str]) -> dict[str, str]:
    """Which of their columns (as a mapping calls them) is which of ours by its name alone, without any doubt."""
    guesses = guess(columns, header, (), today=date.min)
    return {one.header: one.column for one in guesses if one.column and one.confidence >= SURE}


def by_names(columns: Sequence[Column], header: Sequence[str], *, blank: Container[int] = ()) -> Mapping:
    """The mapping of a file that comes without one: its columns have our names, or others for them.

    Nothing is guessed by likeness or content here, and nothing left out but the nameless columns at the positions
    ``blank``: FileRefused names the columns that are unknown, with the ones that they may be.
    """
    named = known_names(columns, header)
    chosen = [
        (label, named.get(label, name))
        for at, (label, name) in enumerate(zip(labels(header), header, strict=True))
        if name or at not in blank
    ]
    positions([ours for _label, ours in chosen], columns, also=provided(named.values(), columns))
    return Mapping({named[label]: Source(columns=(label,)) for label, _ours in chosen if label in named})


def complete(
    mapping: Mapping, header: Sequence[str], columns: Sequence[Column], *, blank: Container[int] = ()
) -> Mapping:
    """The mapping with the columns of this file that need not be named, because their names are known.

    FileRefused where it does not fit the file: a column that is not there, one that nobody says anything about (but
    nameless ones at the positions ``blank``), a required one that is missing.
    """
    theirs = labels(header)
    folded = {canonical(label): label for label in reversed(theirs)}
    problems: list[str] = []
    sources: dict[str, Source] = {}
    for ours, source in mapping.sources.items():
        found = [folded.get(canonical(name), "") for name in source.columns]
        problems += [
            _("The file has no column “%(name)s”.") % {"name": name}
            for name, label in zip(source.columns, found, strict=True)
            if not label
        ]
        sources[ours] = dataclasses.replace(source, columns=tuple(found))
    ignored = {folded.get(canonical(name), name) for name in mapping.ignored}
    used = {name for source in sources.values() for name in source.columns} | ignored
    rest = [column for column in columns if column.name not in sources]
    named = known_names(rest, [name if label not in used else "" for label, name in zip(theirs, header, strict=True)])
    for at, (label, name) in enumerate(zip(theirs, header, strict=True)):
        if label in used or canonical(label) == REASON or (not name and at in blank):
            continue
        if label in named:
            sources[named[label]] = Source(columns=(label,))
        elif not mapping.ignore_rest:
            problems.append(
                _("The mapping does not say what “%(name)s” is; map it to null to leave it out.") % {"name": label[:60]}
            )
    problems += missing(provided(sources, columns), columns)
    if problems:
        raise FileRefused(shortened(problems))
    return Mapping(sources, frozenset(ignored), mapping.ignore_rest)
