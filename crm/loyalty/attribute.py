"""The tier of a customer, as something that rules can ask."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from crm.attributes import Answer, Attribute, Filter, Group, Predicate, Scope, TimeEffect, Type
from crm.models import Tier, TierAward


class TierNames(Mapping[str, str]):
    """The shop's tiers, from the lowest, as they are now: a closed set of values that an administrator edits."""

    def _names(self) -> list[str]:
        return list(Tier.objects.order_by("spend_minor").values_list("name", flat=True))

    def __getitem__(self, name: str) -> str:
        if not Tier.objects.filter(name=name).exists():
            raise KeyError(name)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return Tier.objects.count()

    def __bool__(self) -> bool:
        """A closed set even while it is empty."""
        return True


@dataclass(frozen=True)
class InTier:
    """The highest tier that runs on the scope's day; unknown without one."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        running = TierAward.objects.filter(reached_on__lte=scope.today, ends_on__gte=scope.today)
        of_theirs = running.filter(customer=OuterRef("pk"))
        if operator in ("known", "unknown"):
            return Exists(of_theirs) if operator == "known" else ~Exists(of_theirs)
        named = Q(tier__name__in=[value] if operator in ("=", "!=") else list(value))
        higher = running.filter(customer=OuterRef("customer"), tier__spend_minor__gt=OuterRef("tier__spend_minor"))
        highest: QuerySet[TierAward] = of_theirs.filter(~Exists(higher))
        return Exists(highest.filter(named if operator in ("=", "in") else ~named))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        running = TierAward.objects.filter(reached_on__lte=scope.today, ends_on__gte=scope.today)
        return Subquery(running.filter(customer=OuterRef("pk")).order_by("-tier__spend_minor").values("tier__name")[:1])

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        began = Q(reached_on__gt=since, reached_on__lte=scope.today)
        ended = Q(ends_on__gte=since, ends_on__lt=scope.today)
        return TierAward.objects.order_by().filter(began | ended).values("customer_id")


TIER = Attribute(
    name="tier",
    label=_("loyalty tier"),
    help=_("The highest tier that the customer is in today."),
    group=Group.LIFECYCLE,
    type=Type.CHOICE,
    source=InTier(),
    values=TierNames(),
    time=TimeEffect.DAILY,
)
