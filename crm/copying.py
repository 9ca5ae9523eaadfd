"""A copy of all that the shop knows of a person: as JSON for programs, and as a page to read or print.

What is in it follows from the rules of retention: every table with rows of the person, but for the workings of the
program (``quiet``). So a new table can't be forgotten. Housemates, other customers and the names of staff are left out.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import BinaryField, Count, Field, ForeignKey, Max, Model
from django.template.loader import render_to_string
from django.utils import formats, timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import money
from crm.attributes import Scope
from crm.days import shop_day
from crm.erasing import gather
from crm.finding import survivor
from crm.lifecycle import STAGES, lifecycle
from crm.models import AuditEntry, ConsentWording, Customer, Job, Shop
from crm.person import ROOMS, Section, whole_person
from crm.retention import Rule, rules

MINOR = "_minor"
WIDE, FEW = 8, 5


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Everything about one person. ``received_by`` names who else gets data, ``kept`` says for how long."""

    number: str
    made_at: datetime
    shop: Shop
    sections: list[Section]
    received_by: list[str]
    kept: list[tuple[str, str]]

    @property
    def rows(self) -> int:
        return sum(len(section.rows) for section in self.sections)


def copy_of(*, customer: Customer, now: datetime) -> Copy:
    """All that is known of this person now, in the current language."""
    ids = whole_person(customer=customer)
    shop = Shop.current()
    of_rooms = {section.key: section for room in ROOMS.values() for section in room.copy(ids, now)}
    found = gather(ids)
    sections = [
        of_rooms.pop(rule.label) if rule.label in of_rooms else _section(rule, found[rule.label])
        for rule in rules()
        if rule.label in found and not rule.quiet
    ]
    sections += [*of_rooms.values(), _worked_out(ids, now), _looks(ids)]
    return Copy(
        number=survivor(customer).number,
        made_at=now,
        shop=shop,
        sections=[section for section in sections if section.rows and section.columns],
        received_by=[line.strip() for line in shop.data_recipients.splitlines() if line.strip()],
        kept=list(_periods()),
    )


def shown_fields(model: type[Model]) -> "dict[str, Field[Any, Any]]":
    """The columns that say something to a person: those with a label, and what they refer to; nobody else's name."""
    return {
        field.name: field
        for field in model._meta.concrete_fields
        if not field.primary_key and not isinstance(field, BinaryField) and _says_something(field)
    }


def _says_something(field: "Field[Any, Any]") -> bool:
    if isinstance(field, ForeignKey):
        return field.remote_field.model not in (User, Customer, ContentType, Job)
    return getattr(field, "_verbose_name", None) is not None  # ours have none where only the program reads them


def _section(rule: Rule, keys: Sequence[Any]) -> Section:
    fields = shown_fields(rule.model)
    related = [name for name, field in fields.items() if isinstance(field, ForeignKey)]
    rows = rule.model._base_manager.filter(pk__in=keys).select_related(*related).order_by("pk")
    return Section(
        key=rule.label,
        title=_(rule.what),
        columns={name: capfirst(str(field.verbose_name)) for name, field in fields.items()},
        rows=[{name: _value(row, name, field) for name, field in fields.items()} for row in rows.iterator(2_000)],
    )


def _value(row: Model, name: str, field: "Field[Any, Any]") -> Any:
    value = getattr(row, name)
    if isinstance(value, ConsentWording):
        return value.text
    if isinstance(field, ForeignKey):
        return None if value is None else str(value)
    if field.choices and value not in (None, ""):
        return Said(value, str(dict(field.flatchoices).get(value, value)))
    return value


class Said(str):
    """A value of a closed set, with the words that people know it by."""

    words: str

    def __new__(cls, value: object, words: str) -> "Said":
        said = super().__new__(cls, value)
        said.words = words
        return said


def _worked_out(ids: Sequence[int], now: datetime) -> Section:
    """What is inferred rather than recorded."""
    people = Customer.objects.filter(pk__in=ids, merged_into=None)
    stages = lifecycle(Scope(now=now, today=shop_day(now)))
    stage = next((name for name, is_in in stages.items() if people.filter(is_in).exists()), "")
    row = {"stage": Said(stage, str(STAGES[stage]))} if stage else {}
    return Section(
        key="worked_out",
        title=_("What was worked out"),
        columns={"stage": _("Stage as a customer")},
        rows=[row] if row else [],
    )


def _looks(ids: Sequence[int]) -> Section:
    """How often staff opened or took out the data, and when last; not who of them."""
    looks = AuditEntry.objects.filter(customer_id__in=ids).order_by("what", "action").values("what", "action")
    labels = dict(AuditEntry.Action.choices)
    return Section(
        key="crm.AuditEntry",
        title=_("How often staff looked at the data"),
        columns={"what": _("What"), "action": _("Did"), "times": _("Times"), "last": _("Last")},
        rows=[
            {
                "what": row["what"],
                "action": Said(row["action"], str(labels[row["action"]])),
                "times": row["times"],
                "last": row["last"],
            }
            for row in looks.annotate(times=Count("pk"), last=Max("happened_at"))
        ],
    )


def _periods() -> Iterator[tuple[str, str]]:
    """How long each kind of data is kept: by its own limit, or as long as the customer's record."""
    for rule in rules():
        if not rule.person or rule.quiet:
            continue
        if rule.period is None:
            yield _(rule.what), _("As long as your record")
            continue
        months = ngettext("%(n)d month", "%(n)d months", rule.period.months) % {"n": rule.period.months}
        if rule.period.then == "erase":
            months = _("Until %(months)s after your last contact with us") % {"months": months}
        yield _(rule.what), months


def as_json(copy: Copy) -> str:
    """The copy for programs: names of fields, ISO times, amounts as decimals in the shop's currency."""
    return json.dumps(
        {
            "shop": {"name": copy.shop.name, "address": copy.shop.address, "contact": copy.shop.contact_email},
            "made_at": copy.made_at.isoformat(),
            "customer_number": copy.number,
            "currency": settings.CURRENCY,
            "data": {section.key: [_plain(row) for row in section.rows] for section in copy.sections},
            "received_by": copy.received_by,
            "kept": [{"what": what, "for": how_long} for what, how_long in copy.kept],
        },
        ensure_ascii=False,
        indent=1,
        default=str,
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name.removesuffix(MINOR): money.from_minor(value)
        if name.endswith(MINOR) and value is not None
        else value.isoformat()
        if isinstance(value, date | datetime)
        else value
        for name, value in row.items()
    }


def as_html(copy: Copy) -> str:
    """The copy as one page that needs nothing else: to read, to print, to keep."""
    sections = [
        {
            "title": section.title,
            "count": len(section.rows),
            "records": [_told(section, row) for row in section.rows] if _is_told(section) else [],
            "header": list(section.columns.values()),
            "rows": []
            if _is_told(section)
            else [[shown(row.get(name), name) for name in section.columns] for row in section.rows],
        }
        for section in copy.sections
    ]
    return render_to_string("privacy/copy.html", {"copy": copy, "sections": sections})


def _is_told(section: Section) -> bool:
    """Whether its few wide rows are shown as label and value rather than as a table."""
    return len(section.columns) > WIDE and len(section.rows) <= FEW


def _told(section: Section, row: dict[str, Any]) -> list[tuple[str, str]]:
    """A wide row as label and value under each other, without what is unknown."""
    pairs = [(label, shown(row.get(name), name)) for name, label in section.columns.items()]
    return [(label, value) for label, value in pairs if value]


def shown(value: Any, name: str = "") -> str:
    """A value as people read it; "" for what is unknown."""
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, Said):
        return value.words
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name.endswith(MINOR):
        return money.show(value)
    if isinstance(value, datetime):
        return formats.date_format(timezone.localtime(value), "DATETIME_FORMAT")
    if isinstance(value, date):
        return formats.date_format(value, "DATE_FORMAT")
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {shown(one)}" for key, one in value.items())
    if isinstance(value, Decimal):
        if name.endswith("price"):
            return money.show_exact(value)
        return f"{value.normalize():f}"
    return str(value)
