"""Which columns a file may have, and what the header of this one says."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from django.utils.translation import gettext as _

from crm.importing.cells import Parser
from crm.importing.reading import FileRefused

REASON = "refused_because"
"""The column that an error file adds; a mended error file may keep it."""


@dataclass(frozen=True)
class Column:
    """A column that a kind of file may have; ``type`` is that of the staging table."""

    name: str
    parse: Parser
    type: str = "text NOT NULL DEFAULT ''"
    required: bool = False


def positions(header: Sequence[str], columns: Sequence[Column]) -> dict[str, int]:
    """Where each known column is in the file; FileRefused names what is unknown, double, nameless or missing."""
    names = [name.lower().replace(" ", "_").replace("-", "_") for name in header]
    known = [column.name for column in columns]
    problems = []
    for index, name in enumerate(names):
        if not name:
            problems.append(_("Column %(number)d has no name.") % {"number": index + 1})
        elif name in names[:index]:
            problems.append(_("The column “%(name)s” is there twice.") % {"name": header[index]})
        elif name not in known and name != REASON:
            problems.append(_unknown(header[index], name, known))
    for column in columns:
        if column.required and column.name not in names:
            problems.append(_("The column “%(name)s” is missing.") % {"name": column.name})
    if problems:
        raise FileRefused(" ".join(problems))
    return {name: index for index, name in enumerate(names) if name != REASON}


def _unknown(written: str, name: str, known: list[str]) -> str:
    if near := get_close_matches(name, known, n=1, cutoff=0.5):
        return _("The column “%(name)s” is unknown; is it “%(near)s”?") % {"name": written[:60], "near": near[0]}
    return _("The column “%(name)s” is unknown; known are: %(known)s.") % {
        "name": written[:60],
        "known": ", ".join(known),
    }
