"""Personal data whose time has passed: deleted, emptied, or the whole customer erased, as the rules of retention say.

Harmless to run twice, and at any hour: what is due is read from the rows themselves.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

from django.db import connection, transaction
from django.db.models import DateTimeField, Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from crm import customers, erasing
from crm.days import months_before, shop_day
from crm.models import Customer, DataRequest, Job
from crm.retention import Rule, empty, fields_of, rules

logger = logging.getLogger(__name__)

ERASED_AT_ONCE = 200
"""Customers that one run erases at most: the next run goes on."""

# What is still under way is not due, however old.
_UNDER_WAY: dict[type[Model], Q] = {
    DataRequest: Q(status=DataRequest.Status.OPEN),
    Job: Q(status__in=[Job.Status.QUEUED, Job.Status.RUNNING]),
}


def expire(*, now: datetime) -> dict[str, int]:
    """Do what is due; how many rows of each model it was."""
    done: dict[str, int] = {}
    for rule in rules():
        if rule.period is None:
            continue
        count = _erase(rule, now) if rule.period.then == "erase" else _expire(rule, now)
        if count:
            done[rule.label] = count
    return done


def _expire(rule: Rule, now: datetime) -> int:
    count = 0
    while keys := list(due(rule, now=now).values_list("pk", flat=True)[: erasing.AT_ONCE]):
        with transaction.atomic():
            _announce("on")
            if rule.period and rule.period.then == "delete":
                erasing.delete_rows(rule.model, keys)
            else:
                erasing.strip(rule, keys, now=now, unlinking=False)
            _announce("off")
        count += len(keys)
    return count


def _announce(erasing_is: str) -> None:
    """To the triggers that guard the facts, which let nobody else delete one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('regulars.erasing', %s, true)", [erasing_is])


def due(rule: Rule, *, now: datetime) -> QuerySet[Any]:
    """The rows whose time has passed, in the order of their keys; of those to be emptied, the ones that are not yet."""
    if rule.period is None:
        return rule.model._base_manager.none()
    rows = rule.model._base_manager.filter(_before(rule, rule.period.after, now)).order_by("pk")
    if rule.model in _UNDER_WAY:
        rows = rows.exclude(_UNDER_WAY[rule.model])
    if rule.period.then == "strip":
        fields = fields_of(rule.model)
        rows = rows.exclude(Q(*(Q((name, empty(fields[name]))) for name in rule.emptied)))
    return rows


def _limit(rule: Rule, name: str, now: datetime) -> Any:
    """The first day, or its first moment, of the time that is still kept."""
    first = months_before(shop_day(now), rule.period.months if rule.period else 0)
    is_moment = isinstance(fields_of(rule.model)[name], DateTimeField)
    return timezone.make_aware(datetime.combine(first, time()), timezone.get_default_timezone()) if is_moment else first


def _before(rule: Rule, name: str, now: datetime) -> Q:
    return Q((f"{name}__lt", _limit(rule, name, now)))


def _erase(rule: Rule, now: datetime) -> int:
    count = 0
    for customer in out_of_touch(now=now)[:ERASED_AT_ONCE]:
        try:
            erasing.erase_customer(customer=customer, by=None, now=now)
        except erasing.NothingToErase:
            continue
        count += 1
    return count


def out_of_touch(*, now: datetime) -> QuerySet[Customer]:
    """Customers without any contact for as long as the rules keep them: no purchase, no visit, no word."""
    of_customers = next((rule for rule in rules() if rule.period and rule.period.then == "erase"), None)
    if of_customers is None or of_customers.period is None:
        return Customer.objects.none()
    found = customers.live().filter(_before(of_customers, "created_at", now))
    for rule, way in _contacts():
        first = months_before(shop_day(now), of_customers.period.months)
        day = (
            f"{rule.contact}__date" if isinstance(fields_of(rule.model)[rule.contact], DateTimeField) else rule.contact
        )
        if rule.model is Customer:
            found = found.exclude(Q((f"{day}__gte", first)))
            continue
        theirs = Q((way, OuterRef("pk"))) | Q((f"{way}__merged_into", OuterRef("pk")))
        found = found.filter(~Exists(rule.model._base_manager.filter(theirs, Q((f"{day}__gte", first)))))
    return found.order_by("pk")


def _contacts() -> Iterator[tuple[Rule, str]]:
    for rule in rules():
        if rule.contact:
            yield from ((rule, way) for way in rule.person)
