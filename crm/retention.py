"""What becomes of personal data: the rules of ``settings.RETENTION_RULES``, read and checked.

The file names tables of every app; nothing here does. :mod:`crm.erasing` carries out what it says when somebody asks to
be forgotten, :mod:`crm.expiry` what it says when time has passed, :mod:`crm.checks` refuses a field without a rule.
"""

import functools
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db.models import BinaryField, DateField, Field, ForeignKey, Model, UUIDField

from crm.models import Customer, ErasedIdentity

ROWS = ("delete", "keep", "alone")
THEN = ("delete", "strip", "erase")
LISTS = ("blank", "unlink", "renew", "stamp")
WORDS = ("what", "why", "ownerless", "rows", "contact")
KEYS = {"person", "quiet", "months", "after", "then", "hash", "keep", *WORDS, *LISTS}
LAST_CONTACT = "last contact"
MOST_MONTHS = 1200


class RulesUnreadable(Exception):
    """The file of rules is missing or no TOML."""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Rows are kept so many months after a field of theirs (or a customer's last contact); ``then`` says what comes."""

    months: int
    after: str
    then: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What becomes of one table's rows. The words are those of the file, whose head explains them."""

    label: str
    what: str = ""
    why: str = ""
    person: tuple[str, ...] = ()
    ownerless: str = ""
    rows: str = ""
    contact: str = ""
    quiet: bool = False
    blank: tuple[str, ...] = ()
    unlink: tuple[str, ...] = ()
    renew: tuple[str, ...] = ()
    stamp: tuple[str, ...] = ()
    hash: tuple[tuple[str, str], ...] = ()
    keep: tuple[tuple[str, str], ...] = ()
    period: Period | None = None

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    @property
    def emptied(self) -> tuple[str, ...]:
        """The fields that lose their content, whether a hash stays or not."""
        return (*self.blank, *(name for name, _kind in self.hash))

    @property
    def named(self) -> list[str]:
        """Every field that this rule names, as often as it does."""
        kept = [name for name, _why in self.keep]
        hashed = [] if self.rows == "delete" else [name for name, _kind in self.hash]
        return [*self.blank, *self.unlink, *self.renew, *self.stamp, *hashed, *kept]


def rules() -> tuple[Rule, ...]:
    """The rules in force, in the order of the file. Raises :class:`RulesUnreadable`."""
    return read(Path(settings.RETENTION_RULES))


@functools.cache
def read(path: Path) -> tuple[Rule, ...]:
    """The rules of a file, as they stand there: :func:`problems` says what is wrong with them."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RulesUnreadable(f"{path}: {error}") from error
    return tuple(
        _rule(f"{app}.{model}", table)
        for app, models in tables.items()
        if isinstance(models, dict)
        for model, table in models.items()
        if isinstance(table, dict)
    )


def _rule(label: str, table: dict[str, Any]) -> Rule:
    if unknown := sorted(table.keys() - KEYS):
        raise RulesUnreadable(f"{label}: “{unknown[0]}” is no word of the rules.")
    months = table.get("months")
    if months is not None and not (type(months) is int and 0 < months <= MOST_MONTHS):
        raise RulesUnreadable(f"{label}: months = {months!r} is no number from 1 to {MOST_MONTHS}.")
    for name in ("person", *LISTS):
        if not isinstance(table.get(name, []), list):
            raise RulesUnreadable(f"{label}: {name} must be a list.")
    for name in ("hash", "keep"):
        if not isinstance(table.get(name, {}), dict):
            raise RulesUnreadable(f"{label}: {name} must be a table.")
    words: dict[str, Any] = {name: str(table.get(name, "")) for name in WORDS}
    lists: dict[str, Any] = {name: tuple(table.get(name, [])) for name in ("person", *LISTS)}
    return Rule(
        label=label,
        **words,
        **lists,
        quiet=table.get("quiet") is True,
        hash=tuple(table.get("hash", {}).items()),
        keep=tuple((name, why) for names, why in table.get("keep", {}).items() for name in names.split()),
        period=Period(months=months, after=str(table.get("after", "")), then=str(table.get("then", "")))
        if months
        else None,
    )


def personal_models() -> set[type[Model]]:
    """Every model with a foreign key to a customer, or to such a model; tables between two others too."""
    everything = apps.get_models(include_auto_created=True)
    found: set[type[Model]] = {Customer}
    while more := {model for model in everything if model not in found and _targets(model) & found}:
        found |= more
    return found


def _targets(model: type[Model]) -> set[Any]:
    return {field.remote_field.model for field in model._meta.concrete_fields if isinstance(field, ForeignKey)}


def empty(field: "Field[Any, Any]") -> Any:
    """What an emptied field holds: its default, NULL where it may, else nothing of its kind."""
    if field.null:
        return None
    if field.has_default():
        return field.get_default()
    return b"" if isinstance(field, BinaryField) else ""


def fields_of(model: type[Model]) -> "dict[str, Field[Any, Any]]":
    """The model's own columns but its primary key, by name."""
    return {field.name: field for field in model._meta.concrete_fields if not field.primary_key}


def problems(found: Iterable[Rule] | None = None) -> Iterator[str]:
    """What is wrong with the rules, a sentence each: what lacks one, what a rule names in vain, what can't be done."""
    all_rules = tuple(rules() if found is None else found)
    known = set()
    for rule in all_rules:
        try:
            known.add(rule.model)
        except (LookupError, ValueError):
            yield f"{rule.label}: there is no such model."
            continue
        yield from _problems_of(rule)
    for model in sorted(personal_models() - known, key=lambda model: model._meta.label):
        yield f"{model._meta.label}: it leads to a customer and has no rule."


def _problems_of(rule: Rule) -> Iterator[str]:
    fields = fields_of(rule.model)
    if rule.rows not in ROWS:
        yield f"{rule.label}: rows = {rule.rows!r} is none of {', '.join(ROWS)}."
    if not rule.what or (rule.rows != "delete" and not rule.why):
        yield f"{rule.label}: say what it holds, and why its rows are kept."
    named = rule.named
    for name in dict.fromkeys(named):
        if name not in fields:
            yield f"{rule.label}.{name}: a rule names it, and there is no such field."
        elif named.count(name) > 1:
            yield f"{rule.label}.{name}: more than one rule names it."
    if rule.rows == "delete":
        if named:
            yield f"{rule.label}: its rows are deleted, so no field needs a rule."
    else:
        for name in fields.keys() - set(named):
            yield f"{rule.label}.{name}: it has no rule. What becomes of it at erasure?"
    yield from _impossible(rule, fields)
    yield from _wrong_ways(rule, fields)
    yield from _wrong_period(rule, fields)


def _impossible(rule: Rule, fields: "dict[str, Field[Any, Any]]") -> Iterator[str]:
    kinds = ErasedIdentity.Kind.values
    for name, kind in rule.hash:
        if name not in fields and rule.rows == "delete":
            yield f"{rule.label}.{name}: a rule names it, and there is no such field."
        if kind not in kinds:
            yield f"{rule.label}.{name}: a hash is of {', '.join(kinds)}, not {kind!r}."
    for name, why in rule.keep:
        if not str(why).strip():
            yield f"{rule.label}.{name}: it is kept without a reason."
    for name, field in fields.items():
        if name in rule.unlink and not (isinstance(field, ForeignKey) and field.null):
            yield f"{rule.label}.{name}: only a foreign key that may be NULL can be unlinked."
        if name in rule.renew and not isinstance(field, UUIDField):
            yield f"{rule.label}.{name}: only a UUID can be renewed."
        if name in rule.stamp and not isinstance(field, DateField):
            yield f"{rule.label}.{name}: only a moment or day can be stamped."
        if name in rule.blank and (isinstance(field, ForeignKey) or field.unique):
            yield f"{rule.label}.{name}: it can't be blank."


def _wrong_ways(rule: Rule, fields: "dict[str, Field[Any, Any]]") -> Iterator[str]:
    for way in rule.person:
        try:
            end: Any = rule.model
            for step in way.split("__") if way != "pk" else ():
                end = end._meta.get_field(step).related_model
        except (FieldDoesNotExist, FieldError, AttributeError):
            end = None
        if end is not Customer:
            yield f"{rule.label}: person = {way!r} leads to no customer."
    owners = {way.split("__")[0] for way in rule.person}
    for name, field in fields.items():
        to_customer = isinstance(field, ForeignKey) and field.remote_field.model is Customer
        if to_customer and name not in owners | set(rule.unlink) and rule.rows != "delete":
            yield f"{rule.label}.{name}: it names a customer; add it to person or unlink."
    for name in filter(None, (rule.ownerless, rule.contact)):
        if name not in fields:
            yield f"{rule.label}.{name}: a rule names it, and there is no such field."


def _wrong_period(rule: Rule, fields: "dict[str, Field[Any, Any]]") -> Iterator[str]:
    period = rule.period
    if period is None:
        return
    if period.then not in THEN:
        yield f"{rule.label}: then = {period.then!r} is none of {', '.join(THEN)}."
    if (period.then == "erase") != (rule.model is Customer and period.after == LAST_CONTACT):
        yield f"{rule.label}: a customer is erased after their {LAST_CONTACT}, and nothing else is."
    elif period.then != "erase" and not isinstance(fields.get(period.after), DateField):
        yield f"{rule.label}: after = {period.after!r} is no moment or day of it."
