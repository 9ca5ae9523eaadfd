"""Forgetting somebody: what the rules of retention say (config/retention.toml), carried out in one transaction.

The books stay true: receipts and lines keep everything but their customer, so every sum over days, stores and
categories stays what it was. What is left of the person is an empty record, and keyed hashes of their numbers and
addresses (:mod:`crm.forgotten`), by which no import brings them back.

Locks: first the apps' own (:attr:`crm.person.Room.hold`), then the person's profiles in id order as everywhere, then
their rows. A sale that waits for the profile meanwhile finds it gone and is recorded as nobody's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import ForeignKey, Func, Model, Q, Value
from django.db.models.fields import CharField
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _

from crm import audit, bell, forgotten, marks, mentions, profiles
from crm.finding import survivor
from crm.models import Customer, DataRequest, ErasedIdentity
from crm.person import ROOMS, whole_person
from crm.retention import Rule, empty, fields_of, rules
from crm.turns import MERGING_ALONE

AT_ONCE = 10_000
"""Rows that one statement changes."""

Found = dict[str, list[Any]]
"""The primary keys of a person's rows, by the label of their model."""


class NothingToErase(ValidationError):
    """The record is empty already."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of a preview: what, how many, and (where it stays) why."""

    what: str
    count: int
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an erasure would do: what goes, what stays without a name, and what else the staff should know."""

    goes: list[Line]
    stays: list[Line]
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What an erasure did: rows stripped or deleted by model, files removed, and where words still mention them."""

    rows: dict[str, int]
    files: int
    elsewhere: list[str]


def preview(*, customer: Customer) -> Preview:
    """What :func:`erase_customer` would do now."""
    ids = whole_person(customer=customer)
    found = gather(ids)
    goes: list[Line] = []
    stays: list[Line] = []
    for rule in rules():
        if (count := len(found.get(rule.label, []))) and not rule.quiet:
            line = Line(what=rule.what, count=count, why=rule.why)
            (goes if rule.rows == "delete" or rule.model is Customer else stays).append(line)
    for rule, groups in _groups(ids).items():
        alone, shared = (list(_only_theirs(rule, groups, ids, is_so)) for is_so in (True, False))
        goes += [Line(what=rule.what, count=len(alone))] if alone else []
        stays += [Line(what=rule.what, count=len(shared), why=rule.why)] if shared else []
    return Preview(goes=goes, stays=stays, notices=list(_notices(ids)))


def _groups(ids: Sequence[int]) -> dict[Rule, set[Any]]:
    """What these belong to and others may, too, by the rule whose rows go once nobody is left."""
    own = Customer.objects.filter(pk__in=ids)
    return {
        rule: set(own.values_list(name, flat=True)) - {None}
        for rule in rules()
        if rule.rows == "alone"
        for name, column in fields_of(Customer).items()
        if isinstance(column, ForeignKey) and column.remote_field.model is rule.model
    }


def _only_theirs(rule: Rule, groups: set[Any], ids: Sequence[int], is_so: bool) -> Iterator[Any]:
    """Those of the groups that have (or have not) only these members."""
    for name, column in fields_of(Customer).items():
        if isinstance(column, ForeignKey) and column.remote_field.model is rule.model:
            others = Customer.objects.filter(**{f"{name}__in": groups}).exclude(pk__in=ids)
            with_others = set(others.values_list(name, flat=True))
            yield from sorted(groups - with_others if is_so else groups & with_others)


def _notices(ids: Sequence[int]) -> Iterator[str]:
    if len(ids) > 1:
        yield _("%(n)d records were merged into one; all of them are erased.") % {"n": len(ids)}
    if sharing := _sharing(ids):
        yield _(
            "Another customer has the same e-mail address or phone (%(numbers)s). Theirs stays usable, and nothing of "
            "theirs is erased."
        ) % {"numbers": ", ".join(sharing)}
    for company in Customer.objects.filter(pk__in=ids).exclude(company=None).values_list("company__name", flat=True):
        yield _("The company “%(name)s” stays: rename or delete it if it bears the person's name.") % {"name": company}


def _sharing(ids: Sequence[int]) -> list[str]:
    """The numbers of others who bear an address of these."""
    own = Customer.objects.filter(pk__in=ids)
    emails = set(own.exclude(email_key="").values_list("email_key", flat=True))
    phones = set(own.exclude(phone_key="").values_list("phone_key", flat=True))
    others = Customer.objects.filter(merged_into=None, erased_at=None).exclude(pk__in=ids)
    others = others.filter(Q(email_key__in=emails) | Q(phone_key__in=phones)) if emails or phones else others.none()
    return list(others.order_by("number").values_list("number", flat=True)[:20])


def erase_customer(*, customer: Customer, by: User | None, now: datetime) -> Erased:
    """Forget a person: all their records, for good. Raises :class:`NothingToErase` where that was done before.

    Also removes files of imports and exports that mention them, so call it where a rollback is not expected: the files
    would be gone, and could be made again.
    """
    with transaction.atomic():
        for room in ROOMS.values():
            room.hold()
        ids = _lock(customer)
        root = survivor(Customer.objects.get(pk=customer.pk))
        if root.erased_at is not None:
            raise NothingToErase(_("This customer's data were erased before."))
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL regulars.erasing = 'on'")
        found = gather(ids)
        traces = mentions.traces(ids)
        _remember(ids, found, now)
        for room in ROOMS.values():
            room.forget(ids, now)
        alone = {rule: list(_only_theirs(rule, groups, ids, True)) for rule, groups in _groups(ids).items()}
        _strip_log(found | {rule.label: keys for rule, keys in alone.items()})
        for rule in rules():
            _carry_out(rule, found, ids, now)
        for rule, keys in alone.items():
            delete_rows(rule.model, keys)
        DataRequest.objects.filter(customer__in=ids, status=DataRequest.Status.OPEN).update(
            status=DataRequest.Status.DONE, decided_at=now, decided_by=by
        )
        files = mentions.remove_from_jobs(traces)
        marks.mark_customers(customer_ids=ids)
        audit.noted(customer_id=root.pk, what="erasure", by=by)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL regulars.erasing = 'off'")
        bell.ring_after_commit("segments.tasks.refresh_marked")
        return Erased(
            rows={label: len(keys) for label, keys in found.items() if keys},
            files=files,
            elsewhere=mentions.elsewhere(traces),
        )


def _lock(customer: Customer) -> list[int]:
    """Hold the profiles and rows of the whole person, which no merge makes larger meanwhile."""
    ids: list[int] = []
    with connection.cursor() as cursor:
        cursor.execute(MERGING_ALONE)
    while ids != (ids := whole_person(customer=customer)):
        profiles.lock_profiles(customer_ids=ids)
    list(Customer.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
    return ids


def gather(ids: Sequence[int]) -> Found:
    """The rows of these records, by the ways that the rules name, before anything is unlinked."""
    return {rule.label: keys for rule in rules() if rule.person and (keys := list(_keys(rule, ids)))}


def _keys(rule: Rule, ids: Sequence[int]) -> Iterable[Any]:
    rows = rule.model._base_manager.order_by()
    owned = Q(*(Q((f"{way}__in", ids)) for way in rule.person), _connector=Q.OR)
    keys = set(rows.filter(owned).values_list("pk", flat=True))
    if rule.ownerless:
        values = set(rows.filter(owned).values_list(rule.ownerless, flat=True))
        if rule.ownerless in fields_of(Customer):
            values |= set(Customer.objects.filter(pk__in=ids).values_list(rule.ownerless, flat=True))
        if values := values - {"", None}:
            nobodys = Q(*(Q((f"{way}__isnull", True)) for way in rule.person))
            keys |= set(rows.filter(nobodys, Q((f"{rule.ownerless}__in", values))).values_list("pk", flat=True))
    return sorted(keys)


def _remember(ids: Sequence[int], found: Found, now: datetime) -> None:
    """Keep hashes of what they were known by; addresses that another customer shares stay usable for that one."""
    values: set[tuple[str, str]] = set()
    for rule in rules():
        for name, kind in rule.hash:
            for chunk in chunks(found.get(rule.label, [])):
                rows = rule.model._base_manager.filter(pk__in=chunk)
                values |= {(kind, value) for value in rows.values_list(name, flat=True) if value}
    forgotten.remember(values=values, now=now)
    others = Customer.objects.filter(merged_into=None, erased_at=None).exclude(pk__in=ids)
    columns = {ErasedIdentity.Kind.EMAIL: "email_key", ErasedIdentity.Kind.PHONE: "phone_key"}
    shared = {
        (str(kind), value)
        for kind, column in columns.items()
        for value in others.filter(**{f"{column}__in": [value for one, value in values if one == kind]}).values_list(
            column, flat=True
        )
    }
    forgotten.suppress(values=values - shared, now=now)


def _carry_out(rule: Rule, found: Found, ids: Sequence[int], now: datetime) -> None:
    model = rule.model
    for name in rule.unlink:
        related = model._meta.get_field(name)
        if isinstance(related, ForeignKey) and related.remote_field.model is Customer:
            model._base_manager.filter(**{f"{name}__in": ids}).update(**{name: None})
    for chunk in chunks(found.get(rule.label, [])):
        if rule.rows == "delete":
            delete_rows(model, chunk)
        elif rule.rows == "keep":
            strip(rule, chunk, now=now)


def strip(rule: Rule, keys: Sequence[Any], *, now: datetime, unlinking: bool = True) -> None:
    """Empty these rows as their rule says."""
    fields = fields_of(rule.model)
    values: dict[str, Any] = {name: empty(fields[name]) for name in rule.emptied if not fields[name].unique}
    erased = Concat(Value("erased-"), Cast("pk", CharField()))
    values |= {name: erased for name in rule.emptied if fields[name].unique}
    values |= {name: Func(function="gen_random_uuid") for name in rule.renew}
    if unlinking:
        values |= dict.fromkeys(rule.unlink) | dict.fromkeys(rule.stamp, now)
    if values:
        rule.model._base_manager.filter(pk__in=keys).update(**values)


def delete_rows(model: type[Model], keys: Sequence[Any]) -> None:
    """Delete rows without asking what refers to them, which a deletion by Django would: the rules see to that.

    Rows of others that may name none of these (the card of a shared balance, say) name none from now on.
    """
    for related in model._meta.get_fields(include_hidden=True):
        reference = related.remote_field if related.auto_created and not related.concrete else None
        if isinstance(reference, ForeignKey) and reference.null:
            reference.model._base_manager.filter(**{f"{reference.name}__in": keys}).update(**{reference.name: None})
    rows = model._base_manager.filter(pk__in=keys).order_by()
    rows._raw_delete(rows.db)  # one DELETE, as Django's own collector does in the end


def _strip_log(found: Found) -> None:
    """What the back office's log of changes calls these rows."""
    if not found:
        return
    types = ContentType.objects.get_for_models(*(apps.get_model(label) for label in found))
    logged = Q(pk__in=[])
    for model, content_type in types.items():
        logged |= Q(content_type=content_type, object_id__in=[str(key) for key in found[model._meta.label]])
    LogEntry.objects.filter(logged).update(object_repr="", change_message="")


def chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]
