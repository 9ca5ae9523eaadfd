"""What customers did after a day, that groups are compared by. Apps that know of more register theirs at start-up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext_lazy as _

from crm.models import Receipt, ReceiptKind
from segments.expressions import AnyOf

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Read = Callable[[Sequence[int], date, date], Mapping[int, float]]
"""From customer ids and the first and last day: a figure for each customer who has one."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``unit`` is money (in hundredths), count or percent (a share of one), as plots write it.

    ``otherwise`` is the figure of a customer who has none; None leaves them out of the comparison.
    """

    name: str
    label: "StrOrPromise"
    """As in "explains 4% of the differences in …"."""
    average: "StrOrPromise"
    """What the average of a group is called."""
    unit: str
    read: Read
    otherwise: float | None = 0.0


_outcomes: dict[str, Outcome] = {}


def register(outcome: Outcome) -> None:
    """Add an outcome; called at start-up by the app that owns the facts."""
    _outcomes[outcome.name] = outcome


def outcomes() -> list[Outcome]:
    """All of them, spend first."""
    return list(_outcomes.values())


def spend(customer_ids: Sequence[int], since: date, until: date) -> Mapping[int, float]:
    """Net of returns, in hundredths."""
    found = Receipt.objects.order_by().filter(AnyOf("customer_id", customer_ids), sold_on__range=(since, until))
    return {pk: float(total) for pk, total in found.values_list("customer").annotate(total=Sum("total_minor"))}


def receipts(customer_ids: Sequence[int], since: date, until: date) -> Mapping[int, float]:
    """How many purchases."""
    found = Receipt.objects.order_by().filter(AnyOf("customer_id", customer_ids), sold_on__range=(since, until))
    sales = Count("pk", filter=Q(kind=ReceiptKind.SALE))
    return {pk: float(number) for pk, number in found.values_list("customer").annotate(number=sales)}


def register_all() -> None:
    register(Outcome(name="spend", label=_("spend"), average=_("Spend for each customer"), unit="money", read=spend))
    register(
        Outcome(
            name="receipts",
            label=_("purchases"),
            average=_("Purchases for each customer"),
            unit="decimal",
            read=receipts,
        )
    )
