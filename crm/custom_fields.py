"""Fields of customers that an administrator defines: they join the catalogue of every process when they are saved.

A process keeps what it has read for the length of a request or a task (a second at most elsewhere), and looks again
where it meets a name that it does not know; so no worker needs a restart, and no lookup of a usual attribute costs a
query.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from celery.signals import task_prerun
from django.core.exceptions import ValidationError
from django.core.signals import request_started
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from crm import bell, marks
from crm.attributes import Attribute, Group, Privacy, Type, register_family
from crm.custom_values import Custom, Kind
from crm.models import CustomField

PREFIX = "custom_"
FRESH = 1.0
"""Seconds for which a process believes what it has read."""
MOST_WORDS = 100
REFRESH = "segments.tasks.refresh_due"

TYPES: Mapping[str, Type] = {
    Kind.TEXT: Type.TEXT,
    Kind.NUMBER: Type.NUMBER,
    Kind.CHOICE: Type.CHOICE,
    Kind.WORDS: Type.WORDS,
    Kind.DATE: Type.DATE,
    Kind.FLAG: Type.FLAG,
}


class CustomFields:
    """The fields as the catalogue's family ``custom_``."""

    prefix = PREFIX

    def __init__(self) -> None:
        self._fields: Sequence[CustomField] = ()
        self._attributes: Mapping[str, Attribute] = {}
        self._read_at: float | None = None

    def all(self) -> Mapping[str, Attribute]:
        self._refresh()
        return self._attributes

    def one(self, name: str) -> Attribute | None:
        self._refresh()
        if name not in self._attributes:
            self.forget()
            self._refresh()
        return self._attributes.get(name)

    def fields(self) -> Sequence[CustomField]:
        self._refresh()
        return self._fields

    def forget(self, *_args: Any, **_kwargs: Any) -> None:
        """Look again the next time."""
        self._read_at = None

    def _refresh(self) -> None:
        if self._read_at is not None and time.monotonic() - self._read_at < FRESH:
            return
        try:
            self._fields = tuple(CustomField.objects.order_by("label", "pk"))
        except DatabaseError:
            if CustomField._meta.db_table in connection.introspection.table_names():
                raise
            self._fields = ()  # before the first migration
        self._attributes = {field.attribute: _attribute(field) for field in self._fields}
        self._read_at = time.monotonic()


FAMILY = CustomFields()


def register() -> None:
    """Called at start-up."""
    register_family(FAMILY)
    request_started.connect(FAMILY.forget, dispatch_uid="custom_fields")
    task_prerun.connect(FAMILY.forget, dispatch_uid="custom_fields")


def fields() -> Sequence[CustomField]:
    """The fields of this shop, by name."""
    return FAMILY.fields()


def _attribute(field: CustomField) -> Attribute:
    privacy = Privacy(field.privacy)
    kind = TYPES[field.kind]
    return Attribute(
        name=field.attribute,
        label=field.label,
        help=field.help,
        group=Group(field.group),
        type=kind,
        unit=field.unit,
        source=Custom(field.slug, field.kind),
        values={choice: choice for choice in field.choices} if field.kind == Kind.CHOICE else None,
        offers_values=kind in (Type.TEXT, Type.WORDS, Type.CHOICE),
        whole=False,
        privacy=privacy,
        in_messages=privacy == Privacy.ORDINARY,
    )


def save_field(*, field: CustomField) -> CustomField:
    """Define a field, or change one. Raises ValidationError, above all where its key or kind would change.

    Where values are taken away from a list, every segment is evaluated anew: one that asks for them says so then.
    """
    field.choices = list(dict.fromkeys(choice.strip() for choice in field.choices if choice.strip()))
    with transaction.atomic():
        before = CustomField.objects.select_for_update().filter(pk=field.pk).first() if field.pk else None
        if before and (before.slug, before.kind) != (field.slug, field.kind):
            raise ValidationError(_("The key and the kind of a field stay. Define another field instead."))
        if field.kind == Kind.CHOICE and not field.choices:
            raise ValidationError({"choices": _("Give at least one value to choose.")})
        if field.group not in Group.values:
            raise ValidationError({"group": _("There is no such group.")})
        field.full_clean()
        field.save()
        if before and (set(before.choices) - set(field.choices) or before.privacy != field.privacy):
            _ask_anew()
        _changed()
    return field


def remove_field(*, field: CustomField) -> None:
    """Take a field out of the catalogue. What is written down under it stays with the customers.

    Segments that ask for it keep their members and say in their last error that there is no such attribute.
    """
    with transaction.atomic():
        field.delete()
        _ask_anew()
        _changed()


def _ask_anew() -> None:
    marks.mark_all()
    bell.ring_after_commit(REFRESH)


def _changed() -> None:
    FAMILY.forget()
    transaction.on_commit(FAMILY.forget)  # somebody may have looked while this was not yet to be seen


def clean(values: Any) -> dict[str, Any]:
    """Values of custom fields as they are kept; empty ones are left out. Raises ValidationError by field.

    Keys that no field has are kept as they are: another program may have its own use for them.
    """
    if not isinstance(values, Mapping):
        raise ValidationError(_("Custom fields are an object of names and values."))
    known = {field.slug: field for field in fields()}
    kept: dict[str, Any] = {}
    problems: list[str] = []
    for key, raw in values.items():
        if key not in known:
            kept[str(key)] = raw
            continue
        try:
            value = clean_value(field=known[key], raw=raw)
        except ValidationError as error:
            problems += [f"{known[key].label}: {message}" for message in error.messages]
            continue
        if value not in (None, "", []):
            kept[key] = value
    if problems:
        raise ValidationError({"custom": problems})
    return kept


def clean_value(*, field: CustomField, raw: Any) -> Any:
    """One value of a field as it is kept (JSON); None for none. Raises ValidationError where it does not fit."""
    if raw is None or raw in ("", []):
        return None
    match field.kind:
        case Kind.NUMBER:
            return _number(raw)
        case Kind.FLAG:
            if not isinstance(raw, bool):
                raise ValidationError(_("This is neither yes nor no."))
            return raw
        case Kind.DATE:
            return _date(raw)
        case Kind.WORDS:
            return _words(raw)
    if not isinstance(raw, str):
        raise ValidationError(_("This is not a text."))
    text = raw.strip()
    if len(text) > 1_000 or "\0" in text:
        raise ValidationError(_("This text is too long."))
    if field.kind == Kind.CHOICE and text not in field.choices:
        raise ValidationError(_("Choose one of: %(values)s.") % {"values": ", ".join(field.choices)})
    return text


def _number(raw: Any) -> int | float:
    try:
        if isinstance(raw, bool):
            raise InvalidOperation
        number = Decimal(str(raw).strip())
        if not number.is_finite() or abs(number) >= Decimal(10) ** 15:
            raise InvalidOperation
    except (InvalidOperation, ValueError):
        raise ValidationError(_("This is not a number.")) from None
    return int(number) if number == number.to_integral_value() else float(number)


def _date(raw: Any) -> str:
    if isinstance(raw, date):
        return raw.isoformat()[:10]
    try:
        if not isinstance(raw, str) or len(raw.strip()) != 10:
            raise ValueError
        return date.fromisoformat(raw.strip()).isoformat()
    except ValueError:
        raise ValidationError(_("This is not a date; write it as 2026-01-31.")) from None


def _words(raw: Any) -> list[str]:
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not all(isinstance(one, str) for one in raw):
        raise ValidationError(_("This is not a list of words."))
    words = list(dict.fromkeys(one.strip() for one in raw if one.strip()))
    if len(words) > MOST_WORDS or any(len(one) > 100 for one in words):
        raise ValidationError(_("These words are too many or too long."))
    return words
