"""Whether customers who buy on account pay: what is overdue, and whether anything is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Case, Exists, Expression, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from crm import conditions
from crm.attributes import Attribute, Filter, Group, Predicate, Privacy, Scope, TimeEffect, Type, holds
from crm.models import Invoice


def overdue_on(day: date) -> Q:
    """Invoices that should have been paid before this day, and were not: on its due day an invoice is in time."""
    return Q(due_on__lt=day) & (Q(paid_on=None) | Q(paid_on__gt=day))


def _due(scope: Scope, since: date) -> "QuerySet[Any]":
    """Customers with an invoice that fell due, or was to be paid, in these days."""
    fell_due = Q(due_on__gte=since, due_on__lt=scope.today) | Q(paid_on__gt=since, paid_on__lte=scope.today)
    return Invoice.objects.order_by().filter(fell_due, customer__isnull=False).values("customer_id")


def _theirs() -> "QuerySet[Invoice]":
    return Invoice.objects.order_by().filter(customer=OuterRef("pk"))


@dataclass(frozen=True)
class Overdue:
    """What a customer should have paid by now; 0 for whoever owes nothing."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        found = conditions.test(self.value(scope=scope, filters=filters), operator, value)
        # Whoever owes nothing is most people: they are asked one by one only where nothing qualifies.
        return found if holds(operator, 0, value) else Q(Exists(_theirs().filter(overdue_on(scope.today)))) & found

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        sums = _theirs().filter(overdue_on(scope.today)).values("customer_id").annotate(owed=Sum("amount_minor"))
        return Coalesce(Subquery(sums.values("owed")), Value(0))

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        return _due(scope, since)


@dataclass(frozen=True)
class Solvent:
    """Of whoever buys on account: nothing is overdue. Unknown of anybody else."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        late = Exists(_theirs().filter(overdue_on(scope.today)))
        return Q(Exists(_theirs())) & ~Q(late) if value else late

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        late = Exists(_theirs().filter(overdue_on(scope.today)))
        return Case(When(late, then=Value(False)), When(Exists(_theirs()), then=Value(True)))

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        return _due(scope, since)


ACCOUNTS = (
    Attribute(
        name="solvent",
        label=_("paid-up account"),
        help=_("Nothing that they bought on account is overdue. Unknown for whoever never bought on account."),
        group=Group.SOCIO_ECONOMIC,
        type=Type.FLAG,
        source=Solvent(),
        time=TimeEffect.DAILY,
        privacy=Privacy.SENSITIVE,
        in_messages=False,
    ),
    Attribute(
        name="overdue",
        label=_("overdue amount"),
        help=_("What should have been paid before today."),
        group=Group.SOCIO_ECONOMIC,
        type=Type.MONEY,
        source=Overdue(),
        always_known=True,
        time=TimeEffect.DAILY,
        privacy=Privacy.SENSITIVE,
        in_messages=False,
    ),
)
