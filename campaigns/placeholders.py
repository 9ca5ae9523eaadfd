"""The placeholders that a message may hold: one catalogue for the composer's menu, the checker and the manual."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    ADDRESS = "address"
    """A whole link, which may be all that a button leads to."""


@dataclass(frozen=True)
class Placeholder:
    """``may_be_empty``: not every customer has it, so a message must say what stands there instead."""

    name: str
    label: str | Promise
    example: str
    group: str | Promise
    kind: Kind = Kind.TEXT
    may_be_empty: bool = False
    instead: str | Promise = ""

    @property
    def code(self) -> str:
        """As the composer inserts it, with a default where one is needed."""
        default = f' | default: "{self.instead}"' if self.may_be_empty else ""
        return f"{{{{ {self.name}{default} }}}}"


_CUSTOMER, _PURCHASE, _SHOP, _LINKS = _("Customer"), _("Last purchase"), _("Shop"), _("Links")

CATALOGUE: tuple[Placeholder, ...] = (
    Placeholder("customer.first_name", _("First name"), "Anna", _CUSTOMER, may_be_empty=True, instead=_("friend")),
    Placeholder("customer.last_name", _("Last name"), "Garcia", _CUSTOMER, may_be_empty=True, instead=_("friend")),
    Placeholder("customer.city", _("City"), "Springfield", _CUSTOMER, may_be_empty=True, instead=_("your town")),
    Placeholder("customer.language", _("Language"), "en", _CUSTOMER, may_be_empty=True, instead="en"),
    Placeholder("customer.points", _("Points"), "1250", _CUSTOMER, Kind.NUMBER),
    Placeholder(
        "last_purchase.product",
        _("Product"),
        "Ground coffee, 500 g",
        _PURCHASE,
        may_be_empty=True,
        instead=_("your favourites"),
    ),
    Placeholder(
        "last_purchase.category", _("Category"), "Coffee", _PURCHASE, may_be_empty=True, instead=_("our shelves")
    ),
    Placeholder("last_purchase.on", _("Day"), "May 14, 2026", _PURCHASE, may_be_empty=True, instead=_("your visit")),
    Placeholder("last_purchase.store", _("Store"), "Main Street", _PURCHASE, may_be_empty=True, instead=_("our shop")),
    Placeholder("shop.name", _("Name of the shop"), "Our shop", _SHOP),
    Placeholder("shop.address", _("Postal address"), "1 Main Street", _SHOP, may_be_empty=True, instead=" "),
    Placeholder(
        "shop.website",
        _("Website"),
        "https://shop.example.com",
        _SHOP,
        Kind.ADDRESS,
        may_be_empty=True,
        instead="https://www.example.com",
    ),
    Placeholder("unsubscribe_url", _("Unsubscribe"), "https://shop.example.com/m/u/…", _LINKS, Kind.ADDRESS),
)

BY_NAME = {placeholder.name: placeholder for placeholder in CATALOGUE}


def nearest(name: str, *, among: Iterable[str] = BY_NAME) -> str:
    """The known name that looks most like this one, or "" where none does."""
    among = list(among)
    last = name.rpartition(".")[2]
    by_last = {known.rpartition(".")[2]: known for known in among}
    close = difflib.get_close_matches(name, among, n=1, cutoff=0.6)
    return close[0] if close else next((by_last[m] for m in difflib.get_close_matches(last, by_last, n=1)), "")
