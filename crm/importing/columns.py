"""Which columns a file may have, and what the header of this one says."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext as _

from crm.importing.cells import Parser
from crm.importing.reading import FileRefused
from crm.text import fold

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

REASON = "refused_because"
"""The column that an error file adds; a mended error file may keep it."""
MOST_PROBLEMS = 5
"""Problems of a header that are told at once."""

Holds = Literal[
    "text",
    "words",
    "number",
    "whole",
    "date",
    "time",
    "yes_no",
    "gender",
    "channel",
    "sales_channel",
    "email",
    "phone",
    "barcode",
]
"""What a column holds, as far as people write it in more than one way."""


@dataclass(frozen=True)
class Column:
    """A column that a kind of file may have, declared once: everything else about columns is read from here.

    ``type`` is that of the staging table. ``synonyms`` are what other programs and languages call it, with semicolons
    between them. ``makes`` is set for a column of which others are made, ``alone`` (first and last name of a full
    name) or together with their own (a time of day). It is never staged itself.
    """

    name: str
    parse: Parser
    type: str = "text NOT NULL DEFAULT ''"
    required: bool = False
    holds: Holds = "text"
    label: "str | StrPromise" = ""
    help: "str | StrPromise" = ""
    synonyms: str = ""
    makes: tuple[str, ...] = ()
    alone: bool = False

    def names(self) -> dict[str, int]:
        """Everything that this column may be called, in the form of :func:`normal`; the likelier names come first."""
        names = (normal(name) for name in (self.name, str(self.label), *self.synonyms.split(";")) if name)
        return {name: at for at, name in enumerate(dict.fromkeys(names)) if name}


def normal(header: str) -> str:
    """What remains of a header where only its letters and digits count: "E-Mail-Adresse" is "emailadresse"."""
    return re.sub(r"[\W_]+", "", fold(header))


def canonical(header: str) -> str:
    """A header as the documented columns are written: "Receipt ID" is "receipt_id"."""
    return header.lower().replace(" ", "_").replace("-", "_")


def positions(header: Sequence[str], columns: Sequence[Column], also: Collection[str] = ()) -> dict[str, int]:
    """Where each known column is in the file; FileRefused names what is unknown, double, nameless or missing (and not
    among ``also``, which is there in another way).
    """
    names = [canonical(name) for name in header]
    known = {column.name for column in columns}
    problems = []
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name:
            problems.append(_("Column %(number)d has no name.") % {"number": index + 1})
        elif name in seen:
            problems.append(_("The column “%(name)s” is there twice.") % {"name": header[index][:60]})
        elif name not in known and name != REASON and len(problems) < MOST_PROBLEMS:
            problems.append(unknown(header[index], columns))
        seen.add(name)
    if any(name and name not in known and name != REASON for name in names):
        problems.append(_("A column that is not wanted is left out by a mapping that gives it null."))
    problems += missing(seen.union(also), columns)
    if problems:
        raise FileRefused(shortened(problems))
    return {name: index for index, name in enumerate(names) if name != REASON}


def missing(names: set[str], columns: Sequence[Column]) -> list[str]:
    """A sentence for each column that such a file must have and that is not among these names."""
    return [
        _("The column “%(name)s” is missing.") % {"name": column.name}
        for column in columns
        if column.required and column.name not in names
    ]


def shortened(problems: Sequence[str]) -> str:
    """The first of these sentences; the rest is counted."""
    said = list(problems[:MOST_PROBLEMS])
    if more := len(problems) - len(said):
        said.append(_("And %(number)d more.") % {"number": more})
    return " ".join(said)


def unknown(written: str, columns: Sequence[Column]) -> str:
    """A sentence about a column that nobody knows, with the one that it may be."""
    known = [column.name for column in columns]
    if near := get_close_matches(canonical(written[:100]), known, n=1, cutoff=0.7):
        return _("The column “%(name)s” is unknown; is it “%(near)s”?") % {"name": written[:60], "near": near[0]}
    return _("The column “%(name)s” is unknown; known are: %(known)s.") % {
        "name": written[:60],
        "known": ", ".join(known),
    }
