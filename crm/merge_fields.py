"""What a merged customer's fields become: blanks filled, differences chosen, what belongs together kept together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from crm.models import Company, Customer, Frequency, Household

SURVIVOR, MERGED = "survivor", "merged"
Choices = Mapping[str, str]
"""For parts that differ: whose value stays. What is not named keeps the survivor's."""

Changes = dict[str, list[Any]]
"""Column -> what it was before and is after, as JSON."""

ADDRESS = "address"
_TOGETHER = {ADDRESS: ("address", "postcode", "city", "region", "country", "area_kind", "latitude", "longitude")}
"""Half of one address and half of another are none."""

_ALONE = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "birth_date",
    "age_band",
    "gender",
    "language",
    "income_band",
    "social_group",
    "housing",
    "occupation",
    "work_pattern",
    "company_id",
    "job_title",
    "household_id",
    "household_size",
    "family_situation",
    "children",
    "lifestyle",
    "preferred_channel",
    "source",
    "goal",
)
PARTS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in _ALONE[:4]},
    **_TOGETHER,
    **{name: (name,) for name in _ALONE[4:]},
}
"""What is chosen as one, in the order of the page."""

_LISTS = ("pets", "interests", "opinions", "values", "tags", "topics_declined")
_RAREST_LAST = ("", Frequency.WEEKLY, Frequency.MONTHLY, Frequency.QUARTERLY)

KEPT_AS_THEY_ARE = (
    "id",
    "number",
    "public_id",
    "email_key",
    "phone_key",
    "postcode_key",
    "name_words",
    "search_text",
    "name_key",
    "merged_into_id",
    "erased_at",
    "created_at",
)
"""Columns that no merge brings over: names of the record itself, and what is derived from others."""


@dataclass(frozen=True)
class Differing:
    """A part in which both records say something, and not the same."""

    name: str
    survivor: tuple[Any, ...]
    merged: tuple[Any, ...]


def differing(*, survivor: Customer, merged: Customer) -> list[Differing]:
    """The parts that somebody has to choose between."""
    found = (Differing(name, _values(survivor, fields), _values(merged, fields)) for name, fields in PARTS.items())
    return [one for one in found if any(_clash(*pair) for pair in zip(one.survivor, one.merged, strict=True))]


def unknown_choices(choices: Choices) -> list[str]:
    """Choices that name no part, or nobody of the two."""
    return sorted(name for name, who in choices.items() if name not in PARTS or who not in (SURVIVOR, MERGED))


def changes(*, survivor: Customer, merged: Customer, choices: Choices) -> Changes:
    """What the merge changes in the survivor's columns. The records themselves stay as they are."""
    clashing = {one.name for one in differing(survivor=survivor, merged=merged)}
    after: dict[str, Any] = {}
    for name, fields in PARTS.items():
        if name in clashing:
            if choices.get(name) == MERGED:
                after |= dict(zip(fields, _values(merged, fields), strict=True))
        else:
            after |= {field: _first(getattr(survivor, field), getattr(merged, field)) for field in fields}
    after |= _combined(survivor, merged)
    before = {field: _plain(getattr(survivor, field)) for field in after}
    return {field: [before[field], _plain(value)] for field, value in after.items() if before[field] != _plain(value)}


def apply(*, customer: Customer, values: Mapping[str, Any]) -> list[str]:
    """Set columns to values as :data:`Changes` keeps them; the columns set. A household that is gone becomes none."""
    for name, value in values.items():
        model = {"company_id": Company, "household_id": Household}.get(name)
        if model is not None and value is not None and not model._default_manager.filter(pk=value).exists():
            value = None
        setattr(customer, name, _column(name).to_python(value))
    return list(values)


def current(customer: Customer, name: str) -> Any:
    """A column's value as :data:`Changes` keeps it."""
    return _plain(getattr(customer, name))


def _combined(survivor: Customer, merged: Customer) -> dict[str, Any]:
    """What nobody needs to choose: lists are put together, and of what a person asked for the strictest holds."""
    both = {name: list(dict.fromkeys([*getattr(survivor, name), *getattr(merged, name)])) for name in _LISTS}
    return {
        **both,
        "custom": {**merged.custom, **survivor.custom},
        "guardian_agreed_on": min(_given(survivor.guardian_agreed_on, merged.guardian_agreed_on), default=None),
        "no_profiling": survivor.no_profiling or merged.no_profiling,
        "pause_ends_on": max(_given(survivor.pause_ends_on, merged.pause_ends_on), default=None),
        "message_frequency": max(survivor.message_frequency, merged.message_frequency, key=_rarity),
        "registered_at": min(_given(survivor.registered_at, merged.registered_at), default=None),
    }


def _rarity(frequency: str) -> int:
    return _RAREST_LAST.index(frequency)


def _given(*values: Any) -> Iterable[Any]:
    return [value for value in values if value is not None]


def _values(customer: Customer, fields: Iterable[str]) -> tuple[Any, ...]:
    return tuple(getattr(customer, name) for name in fields)


def _clash(one: Any, other: Any) -> bool:
    return not _blank(one) and not _blank(other) and one != other


def _first(one: Any, other: Any) -> Any:
    return other if _blank(one) else one


def _blank(value: Any) -> bool:
    return value is None or value == ""


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


@cache
def _column(name: str) -> Any:
    return {field.attname: field for field in Customer._meta.concrete_fields}[name]


def is_column(name: str) -> bool:
    """Whether customers have such a column."""
    return name in {field.attname for field in Customer._meta.concrete_fields}


def label(name: str) -> str:
    """A part's or column's name on the screen."""
    return str(_("address")) if name == ADDRESS else str(_column(name).verbose_name)
