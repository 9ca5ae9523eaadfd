"""The facts of purchase that a measure reads: receipts, or their lines where something about the goods is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from typing import Any

from django.db.models import Exists, Expression, Model, OuterRef, Q, QuerySet, Value
from django.db.models.functions import TruncTime
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.utils import timezone

from crm.attributes import WEEKDAYS, Filter, Scope
from crm.days import window_changes, window_start
from crm.models import CustomerCategory, Product, Receipt, ReceiptKind, ReceiptLine
from crm.sources import Stretch, within
from segments.expressions import AnyOf, Found

LINE_FILTERS = frozenset({Filter.CATEGORY, Filter.PRODUCT, Filter.BRAND})
TIME_FILTERS = frozenset({Filter.LAST, Filter.SINCE, Filter.UNTIL})
EVERY_FILTER = LINE_FILTERS | TIME_FILTERS | frozenset({Filter.STORE, Filter.CHANNEL, Filter.WEEKDAY, Filter.TIME})


def reads_lines(filters: Mapping[Filter, Any]) -> bool:
    return not LINE_FILTERS.isdisjoint(filters)


def passing(model: type[Model], scope: Scope, filters: Mapping[Filter, Any]) -> Q:
    """The receipts, or lines, that the filters let through."""
    return Q(*_passing("" if model is Receipt else "receipt__", scope, filters))


def _passing(receipt: str, scope: Scope, filters: Mapping[Filter, Any]) -> Iterator[Q]:
    for name, value in filters.items():
        match name:
            case Filter.CATEGORY:
                below = scope.subtrees[scope.references[name, value]]
                yield Q(product__in=Product.objects.order_by().filter(category__in=below).values("pk"))
            case Filter.PRODUCT:
                yield Q(product=scope.references[name, value])
            case Filter.BRAND:
                yield Q(product__in=Product.objects.order_by().filter(brand=value).values("pk"))
            case Filter.STORE:
                yield Q((f"{receipt}store", scope.references[name, value]))
            case Filter.CHANNEL:
                yield Q((f"{receipt}channel", value))
            case Filter.WEEKDAY:
                yield Q(sold_on__iso_week_day__in=[WEEKDAYS.index(day) + 1 for day in value])
            case Filter.TIME:
                yield _at_time(f"{receipt}sold_at", value)
            case Filter.LAST:
                start = window_start(today=scope.today, count=value.count, unit=value.unit)
                yield Q(sold_on__range=(start, scope.today))
            case Filter.SINCE:
                yield Q(sold_on__gte=value)
            case Filter.UNTIL:
                yield Q(sold_on__lte=value)


def _at_time(path: str, stretch: str) -> Q:
    """A moment within this stretch of the shop's day; "22:00-02:00" is past 22:00 or before 2:00."""
    start, end = (Value(time.fromisoformat(one)) for one in stretch.split("-"))
    moment = TruncTime(path, tzinfo=timezone.get_default_timezone())
    after, before = Q(GreaterThanOrEqual(moment, start)), Q(LessThan(moment, end))
    return after & before if start.value < end.value else after | before


def facts(model: type[Model], scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[Any]":
    """Receipts, or lines, that the filters let through."""
    return model._default_manager.order_by().filter(passing(model, scope, filters))


def chosen(scope: Scope, filters: Mapping[Filter, Any], *, lines: bool, kind: str = "") -> "QuerySet[Any]":
    """Receipts or lines that the filters let through, of sales or of returns alone where a kind is given."""
    found = facts(ReceiptLine if lines else Receipt, scope, filters)
    if not kind:
        return found
    return found.filter(is_return=kind == ReceiptKind.RETURN) if lines else found.filter(kind=kind)


def sales(scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[Any]":
    """What was bought, not brought back: lines where the filters need them."""
    return chosen(scope, filters, lines=reads_lines(filters), kind=ReceiptKind.SALE)


def grouped(scope: Scope, found: "QuerySet[Any]", **figures: Expression) -> "QuerySet[Any]":
    """One row a customer with these figures; only for the scope's customers where it names some."""
    of_whom = Q(customer__isnull=False) if scope.ids is None else Q(AnyOf("customer_id", scope.ids))
    return found.filter(of_whom).values("customer_id").annotate(**figures)


def theirs(found: "QuerySet[Any]", **figures: Expression) -> "QuerySet[Any]":
    """These figures of the customer of the query around it; no row where they have no fact."""
    return found.filter(customer_id=OuterRef("pk")).values("customer_id").annotate(**figures).values(*figures)


def exists(rows: "QuerySet[Any]") -> Found:
    return Found(rows)


def exists_beside(rows: "QuerySet[Any]") -> Exists:
    """The same where the rows are compared with something else of the customer, and so ask more than whose they are."""
    return Exists(rows.filter(customer_id=OuterRef("pk")))


def category_rows(scope: Scope, filters: Mapping[Filter, Any]) -> "QuerySet[CustomerCategory]":
    return CustomerCategory.objects.filter(category=scope.references[Filter.CATEGORY, filters[Filter.CATEGORY]])


def on_days(found: "QuerySet[Any]", days: Sequence[Stretch]) -> "QuerySet[Any]":
    """Whose facts of these days there are."""
    return found.filter(within("sold_on", days), customer__isnull=False).values("customer_id")


def due_by_window(*, scope: Scope, since: date, filters: Mapping[Filter, Any]) -> "QuerySet[Any] | None":
    """Whose facts have come into the window of "the last N days" since then, or have left it. None without one.

    A receipt dated after ``since`` comes in on its own day, even where it was recorded earlier.
    """
    if Filter.LAST not in filters:
        return None
    last = filters[Filter.LAST]
    days = window_changes(since=since, today=scope.today, count=last.count, unit=last.unit)
    others: dict[Filter, Any] = {name: value for name, value in filters.items() if name != Filter.LAST}
    found = facts(ReceiptLine if reads_lines(filters) else Receipt, scope, others)
    return on_days(found, days) if days else None
