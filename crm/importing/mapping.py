"""Which of their columns is which of ours: data that can be saved, and used for the next file of the same kind.

As JSON (``--map FILE``, and in the screens' saved mappings)::

    {
      "Kundennummer": "customer_id",                                their column: our column
      "Bemerkung": null,                                            their column: left out
      "*": null,                                                    every other column is left out
      "store": {"value": "North"},                                  our column: the same in every row
      "sold_at": {"columns": ["Datum", "Zeit"], "join": " "},       our column: several of theirs
      "receipt_id": {"column": "InvoiceNo", "cancelled_prefix": "C"},
      "birth_date": {"column": "Geb.", "date_order": "dmy"},
      "unit_price": {"column": "Preis", "decimal": ",", "thousands": "."},
      "gender": {"column": "Anrede", "values": {"Frau Dr.": "female"}},
      "tags": {"column": "Tags", "separator": ","}
    }

A column whose name is known (ours, or a synonym of it) need not be named.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from crm.importing.columns import Column, canonical, shortened, unknown
from crm.importing.dates import ORDERS, SERIAL
from crm.importing.reading import FileRefused

REST = "*"
_OPTIONS = ("join", "value", "decimal", "thousands", "date_order", "cancelled_prefix", "separator", "values")


@dataclass(frozen=True)
class Source:
    """Where one of our columns comes from: some of theirs, or a fixed value; and how their cells are to be read.

    What is blank is recognised. Cells of several columns are joined with ``join``. ``values`` says what their words
    mean. A receipt whose id begins with ``cancelled_prefix`` is a return.
    """

    columns: tuple[str, ...] = ()
    join: str = " "
    value: str | None = None
    decimal: str = ""
    thousands: str | None = None
    date_order: str = ""
    cancelled_prefix: str = ""
    separator: str = ""
    values: dict[str, str] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether it says no more than which column it is."""
        return len(self.columns) == 1 and self == Source(columns=self.columns)


@dataclass(frozen=True)
class Mapping:
    """``sources`` by the names of our columns; ``ignored`` are their columns that are left out on purpose."""

    sources: dict[str, Source]
    ignored: frozenset[str] = frozenset()
    ignore_rest: bool = False

    def as_json(self) -> dict[str, Any]:
        """What :func:`from_json` reads."""
        said: dict[str, Any] = {}
        for ours, source in self.sources.items():
            if source.is_plain and source.columns[0] not in said:
                said[source.columns[0]] = ours
                continue
            default = Source()
            options = {
                name: getattr(source, name) for name in _OPTIONS if getattr(source, name) != getattr(default, name)
            }
            if len(source.columns) == 1:
                options["column"] = source.columns[0]
            elif source.columns:
                options["columns"] = list(source.columns)
            said[ours] = options
        said |= dict.fromkeys(sorted(self.ignored))
        return said | ({REST: None} if self.ignore_rest else {})


def from_json(said: object, targets: Sequence[Column]) -> Mapping:
    """Read a mapping; FileRefused names everything that is wrong with it."""
    if not isinstance(said, dict):
        raise FileRefused(_('A mapping is an object of the form {"their column": "our column"}.'))
    known = {column.name for column in targets}
    sources: dict[str, Source] = {}
    ignored: set[str] = set()
    problems: list[str] = []
    for key, value in said.items():
        if value is None:
            ignored.add(key)
            continue
        if isinstance(value, str):
            ours, source = canonical(value), Source(columns=(key,))
        elif isinstance(value, dict):
            ours, source = canonical(key), _source(key, value, problems)
        else:
            problems.append(_("The mapping of “%(name)s” is neither a column, null nor an object.") % {"name": key})
            continue
        if ours not in known:
            problems.append(unknown(value if isinstance(value, str) else key, targets))
        elif ours in sources:
            problems.append(_("The mapping names two columns for “%(name)s”.") % {"name": ours})
        else:
            sources[ours] = source
    if problems:
        raise FileRefused(shortened(problems))
    return Mapping(sources, frozenset(ignored - {REST}), REST in ignored)


def _source(name: str, said: dict[str, Any], problems: list[str]) -> Source:
    wrong = set(said) - {"column", "columns", *_OPTIONS}
    columns = said.get("columns", [said["column"]] if "column" in said else [])
    if wrong:
        problems.append(
            _("The mapping of “%(name)s” has the unknown option “%(option)s”.")
            % {"name": name, "option": sorted(wrong)[0]}
        )
    options = {option: said[option] for option in _OPTIONS if option in said}
    values = options.pop("values", {})
    texts = [*options.values(), *(columns if isinstance(columns, list) else [None])]
    if (
        not all(isinstance(text, str) for text in texts)
        or not isinstance(values, dict)
        or not (columns or "value" in said)
    ):
        problems.append(
            _("The mapping of “%(name)s” names no column of the file, or is not made of texts.") % {"name": name}
        )
        return Source()
    if options.get("date_order", "dmy") not in (*ORDERS, SERIAL):
        problems.append(_("The date order of “%(name)s” is none of dmy, mdy, ymd, serial.") % {"name": name})
    if options.get("decimal", ".") not in (".", ",") or options.get("thousands", "") not in ("", ".", ",", " ", "'"):
        problems.append(_("The decimal or thousands sign of “%(name)s” is none that is used.") % {"name": name})
    return Source(columns=tuple(columns), values={str(k): str(v) for k, v in values.items()}, **options)


def labels(header: Sequence[str]) -> list[str]:
    """What a mapping calls the columns of a file: their names; a repeated one is “Name (2)”, a nameless one “(3)”."""
    found: list[str] = []
    seen: dict[str, int] = {}
    for number, name in enumerate(header, 1):
        if not name:
            found.append(f"({number})")
            continue
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def provided(ours: Iterable[str], targets: Sequence[Column]) -> set[str]:
    """These columns of ours, and those that are made of them alone."""
    found = set(ours)
    return found | {name for column in targets if column.name in found and column.alone for name in column.makes}
