"""What somebody sees who decides on a pair: both records side by side, what speaks for it, and what would be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import consents, merge_fields, money
from crm.customers import derive_keys
from crm.duplicates.comparing import DIFFERENT, HINT, NEAR, SAME, UNKNOWN
from crm.merge_fields import MERGED, SURVIVOR, Choices
from crm.models import Channel, Customer, CustomerCategory, CustomerProfile, DuplicatePair, Merge, Purpose

FAVOURITES = 3
LOOKS_LIKE = {"address": ("address", "postcode", "city")}
"""Parts that the comparison knows by several fields: the clearest difference among them is shown."""

Status = DuplicatePair.Status


def waiting(status: str = Status.OPEN) -> QuerySet[DuplicatePair]:
    """The pairs with this status whose records are both live, the surest first."""
    live = {f"{side}__{name}": None for side in ("first", "second") for name in ("merged_into", "erased_at")}
    return DuplicatePair.objects.filter(status=status, **live).order_by("-score", "id")


@dataclass(frozen=True)
class Bought:
    """What one of the two bought, in short."""

    receipts: int
    spend_minor: int
    points: int
    last_on: date | None
    favourites: str


@dataclass(frozen=True)
class Row:
    """A field of both, in words. ``level`` says how it compares; ``choosable`` where somebody has to choose."""

    name: str
    label: str
    left: str
    right: str
    level: str
    choosable: bool = False
    chosen: str = "left"
    """Whose value stays, for those to be chosen."""


def bought(customers: Sequence[Customer]) -> list[Bought]:
    """What each of these bought: two queries for all."""
    ids = [one.pk for one in customers]
    profiles = CustomerProfile.objects.in_bulk(ids)
    leaves = CustomerCategory.objects.filter(customer__in=ids, category__children=None, receipts__gt=0)
    names: dict[int, list[str]] = {}
    for row in leaves.select_related("category").order_by("-receipts", "-spend_minor", "pk"):
        names.setdefault(row.customer_id, []).append(row.category.name)
    found = []
    for one in customers:
        profile = profiles.get(one.pk) or CustomerProfile()
        favourites = ", ".join(names.get(one.pk, [])[:FAVOURITES])
        found.append(Bought(profile.receipts, profile.spend_minor, profile.points, profile.last_sold_on, favourites))
    return found


def rows(left: Customer, right: Customer, evidence: Mapping[str, Any], given: Mapping[str, str]) -> list[Row]:
    """The fields in which at least one of the two says something, as chosen in a form (:func:`read_choices`)."""
    stays = "right" if given.get("survivor") == "right" else "left"
    clashing = {one.name for one in merge_fields.differing(survivor=left, merged=right)}
    known = {name: level for name, (level, _bits) in evidence.get("fields", {}).items()}
    found = []
    for name, fields in merge_fields.PARTS.items():
        ours, theirs = _words(left, fields), _words(right, fields)
        if ours or theirs:
            level = _level(name, ours, theirs, known)
            chosen = given.get(f"choice_{name}", stays)
            found.append(Row(name, merge_fields.label(name), ours, theirs, level, name in clashing, chosen))
    return found


def _level(name: str, ours: str, theirs: str, known: Mapping[str, str]) -> str:
    if not ours or not theirs:
        return UNKNOWN
    if ours == theirs:
        return SAME
    levels = [known[field] for field in LOOKS_LIKE.get(name, (name,)) if field in known]
    if not levels:
        return DIFFERENT
    worst = max(levels, key=(SAME, NEAR, HINT, DIFFERENT).index)
    return NEAR if worst in (SAME, HINT) else worst  # written otherwise, and yet the same


def _words(customer: Customer, fields: Sequence[str]) -> str:
    return ", ".join(word for name in fields if (word := say(customer, name)))


def say(customer: Customer, name: str) -> str:
    """A column's value as people read it."""
    related = {"company_id": "company", "household_id": "household"}.get(name)
    if related:
        return str(getattr(customer, related) or "")
    value = getattr(customer, name)
    if isinstance(value, date):
        return date_format(value, "DATE_FORMAT")
    display = getattr(customer, f"get_{name}_display", None)
    return str(display() if display else "" if value is None else value)


@dataclass(frozen=True)
class Consenting:
    """What will be allowed in a channel, and why."""

    channel: str
    allowed: bool
    why: str


@dataclass(frozen=True)
class Result:
    """What the survivor would be."""

    receipts: int
    spend: str
    points: int
    cards: int
    summary: str
    """The same in words, to follow the survivor's name."""
    changes: list[tuple[str, str, str]]
    """Field, before, after; for those that the merge changes in the survivor."""
    consents: list[Consenting]


def result(*, survivor: Customer, merged: Customer, choices: Choices) -> Result:
    """What :func:`crm.merging.merge_customers` would make of the two, with these choices."""
    both = bought([survivor, merged])
    changed = merge_fields.changes(survivor=survivor, merged=merged, choices=choices)
    after = Customer.objects.get(pk=survivor.pk)
    merge_fields.apply(customer=after, values={name: value for name, (_before, value) in changed.items()})
    derive_keys(after)
    shown = [
        (merge_fields.label(name), say(survivor, name), say(after, name))
        for name in changed
        if not isinstance(changed[name][1], list | dict | bool)
    ]
    receipts, points = sum(one.receipts for one in both), sum(one.points for one in both)
    spend, cards = money.show(sum(one.spend_minor for one in both)), survivor.cards.count() + merged.cards.count()
    summary = _("(%(number)s) stays: %(receipts)s for %(spend)s, %(points)s, %(cards)s.") % {
        "number": survivor.number,
        "receipts": ngettext("%(n)d receipt", "%(n)d receipts", receipts) % {"n": receipts},
        "spend": spend,
        "points": ngettext("%(n)d point", "%(n)d points", points) % {"n": points},
        "cards": ngettext("%(n)d card", "%(n)d cards", cards) % {"n": cards},
    }
    return Result(
        receipts=receipts,
        spend=spend,
        points=points,
        cards=cards,
        summary=summary,
        changes=shown,
        consents=_consents(survivor, merged, after),
    )


def _consents(survivor: Customer, merged: Customer, after: Customer) -> list[Consenting]:
    verdicts = consents.after_merge(survivor=survivor, merged=merged, after=after)
    numbers = {one.pk: one.number for one in (survivor, merged)}
    found = []
    for (channel, purpose), said in verdicts.items():
        if purpose != Purpose.MARKETING:
            continue
        values = {"number": numbers.get(said.customer_id, ""), "day": _day(said.stated_at)}
        if said.granted:
            why = _("yes, since %(number)s said so on %(day)s") % values
        elif said.pk is None:
            why = _("no, since the address of %(number)s is not to be written to") % values
        else:
            why = _("no, since %(number)s said no on %(day)s") % values
        found.append(Consenting(str(Channel(channel).label), said.granted, why))
    return found


def _day(moment: datetime) -> str:
    return date_format(localtime(moment), "DATE_FORMAT")


def changes(merge: Merge) -> list[tuple[str, str, str]]:
    """What a merge changed in the survivor: field, before, after.

    Lists that were put together are left out, and so are fields that the program no longer has.
    """
    before, after = Customer(), Customer()
    shown = {
        name: values
        for name, values in merge.changes.items()
        if merge_fields.is_column(name) and not isinstance(values[1], list | dict | bool)
    }
    for customer, side in ((before, 0), (after, 1)):
        merge_fields.apply(customer=customer, values={name: values[side] for name, values in shown.items()})
    return [(merge_fields.label(name), say(before, name), say(after, name)) for name in shown]


def read_choices(data: Mapping[str, str]) -> dict[str, str]:
    """The choices of a form's fields ``choice_<part>``, which name a side of the page.

    The page has a left and a right record; ``survivor`` says which stays ("left" or "right").
    """
    stays = data.get("survivor", "left")
    return {
        name: SURVIVOR if side == stays else MERGED
        for name in merge_fields.PARTS
        if (side := data.get(f"choice_{name}")) in ("left", "right")
    }
