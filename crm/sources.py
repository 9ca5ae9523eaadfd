"""The usual ways in which a condition on a customer is read from the database.

Every source keeps one law: what is unknown meets no condition except "unknown". Each returns a predicate over a
queryset of customers. Negations never stand alone on a column of another table: Django forgets its NULLs where the join
turns out to be an outer one.

Who is due as time passes is found by dates, never by asking everybody: :func:`turned` gives the dates of which
"how long ago" has crossed what a condition asks, and :func:`crm.days.window_changes` those that left a window.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Case, DateField, F, Func, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Coalesce, ExtractDay, ExtractMonth, ExtractYear
from django.db.models.lookups import LessThan

from crm.attributes import Answer, Filter, Predicate, Scope, compare, holds
from crm.days import months_before
from crm.models import Customer, Receipt, ReceiptKind

Stretch = tuple[date, date]
"""Days from the first to the last, both of them included."""


class Timeless:
    """A source whose answers change with the facts alone."""

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        return None


@dataclass(frozen=True)
class Column(Timeless):
    """A column of the customer, or one related to it; ``blank`` is what stands for unknown besides NULL."""

    path: str
    blank: Any = None

    @property
    def known(self) -> Q:
        return Q((f"{self.path}__isnull", False)) if self.blank is None else ~Q((self.path, self.blank))

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        match operator:
            case "known":
                return self.known
            case "unknown":
                return Q((f"{self.path}__isnull", True)) if self.blank is None else Q((self.path, self.blank))
            case "starts with":
                return Q((f"{self.path}__istartswith", value))
            case "contains":
                return Q((f"{self.path}__icontains", value))
            case "has":
                return Q((f"{self.path}__contains", [value]))
            case "has any":
                return Q((f"{self.path}__overlap", list(value)))
            case "has all":
                return Q((f"{self.path}__contains", list(value)))
        return self.known & compare(self.path, operator, value)

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        if self.blank is None:
            return F(self.path)
        return Case(When(Q((self.path, self.blank)), then=None), default=F(self.path))


def text(path: str) -> Column:
    return Column(path, blank="")


def words(path: str) -> Column:
    return Column(path, blank=[])


@dataclass(frozen=True)
class Counted(Timeless):
    """A column of the profile that is zero (or no) for whoever has no profile row yet."""

    path: str
    zero: Any = 0

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        found = compare(f"profile__{self.path}", operator, value)
        # The extra arm only where nothing-at-all qualifies: without it the database can use the column's index.
        return Q(profile=None) | found if holds(operator, self.zero, value) else found

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        return Coalesce(F(f"profile__{self.path}"), Value(self.zero))


def elapsed(path: str, operator: str, value: Any, *, at: Callable[[int], date]) -> Q:
    """Conditions on "how long since a date", turned into conditions on the date itself, so that its index serves.

    ``at(n)`` is the latest date since which ``n`` whole units have passed.
    """
    earliest, latest = f"{path}__gt", f"{path}__lte"

    def exactly(count: int) -> Q:
        return Q((earliest, at(count + 1)), (latest, at(count)))

    def any_of(counts: Any) -> Q:
        return Q(*(exactly(one) for one in counts), _connector=Q.OR)

    known, unknown = Q((f"{path}__isnull", False)), Q((f"{path}__isnull", True))
    match operator:
        case "known":
            return known
        case "unknown":
            return unknown
        case "=":
            return exactly(value)
        case "!=":
            return known & ~exactly(value)
        case ">=":
            return Q((latest, at(value)))
        case ">":
            return Q((latest, at(value + 1)))
        case "<":
            return Q((earliest, at(value)))
        case "<=":
            return Q((earliest, at(value + 1)))
        case "between":
            return Q((earliest, at(value[1] + 1)), (latest, at(value[0])))
        case "in":
            return any_of(value)
        case "not in":
            return known & ~any_of(value)
    raise ValueError(operator)


def days_before(today: date) -> Callable[[int], date]:
    return lambda count: today - timedelta(days=count)


def years_before(today: date) -> Callable[[int], date]:
    """Somebody born on 29 February turns a year older on 1 March of the other years."""
    return lambda count: months_before(today, 12 * count)


def turned(operator: str, value: Any, *, since: Callable[[int], date], today: Callable[[int], date]) -> list[Stretch]:
    """Dates of which an answer of :func:`elapsed` is another one than it was, as stretches apart from each other.

    ``since`` and ``today`` are its ``at`` on the two days. An answer turns only as the count reaches certain numbers.
    """
    match operator:
        case "known" | "unknown":
            return []
        case ">=" | "<":
            turns = [value]
        case ">" | "<=":
            turns = [value + 1]
        case "between":
            turns = [value[0], value[1] + 1]
        case "=" | "!=":
            turns = [value, value + 1]
        case "in" | "not in":
            turns = [turn for one in value for turn in (one, one + 1)]
        case _:
            raise ValueError(operator)
    return apart((since(turn) + timedelta(days=1), today(turn)) for turn in turns)


def apart(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same days in as few stretches as there can be; empty ones are left out."""
    found: list[Stretch] = []
    for first, last in sorted(stretch for stretch in stretches if stretch[0] <= stretch[1]):
        if found and first <= found[-1][1] + timedelta(days=1):
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def within(path: str, stretches: Sequence[Stretch]) -> Q:
    """A date that is in one of them; there must be one."""
    return Q(*(Q((f"{path}__range", stretch)) for stretch in stretches), _connector=Q.OR)


class DaysBetween(Func):
    """How many days the first date lies after the second; NULL where one of them is."""

    arg_joiner = "::date - "
    template = "(%(expressions)s::date)"
    output_field = IntegerField()


@dataclass(frozen=True)
class DaysSince:
    """Days since a date of the customer, or of what is related to them; the date has an index."""

    path: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        return elapsed(self.path, operator, value, at=days_before(scope.today))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        return DaysBetween(Value(scope.today), F(self.path))

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        days = turned(operator, value, since=days_before(since), today=days_before(scope.today))
        return self.dated(days) if days else None

    def dated(self, days: Sequence[Stretch]) -> "QuerySet[Any, Any]":
        """Customers whose date is among these days."""
        return dated(self.path, days)


def dated(path: str, days: Sequence[Stretch]) -> "QuerySet[Customer, Any]":
    """Ids of the customers of whom that date is among these days."""
    return Customer.objects.order_by().filter(within(path, days)).values("pk")


class DaysSinceFirstPurchase(DaysSince):
    """Found through the receipts of the day, which have an index by it; the first purchase has none."""

    def dated(self, days: Sequence[Stretch]) -> "QuerySet[Any, Any]":
        receipts = Receipt.objects.order_by().filter(within("sold_on", days), kind=ReceiptKind.SALE)
        return receipts.filter(within(f"customer__{self.path}", days)).values("customer_id")


@dataclass(frozen=True)
class YearsSince:
    """Full years since a date of the customer."""

    path: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        return elapsed(self.path, operator, value, at=years_before(scope.today))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        month, day = f"{self.path}__month", f"{self.path}__day"
        later = Q((f"{month}__gt", scope.today.month)) | Q((month, scope.today.month), (f"{day}__gt", scope.today.day))
        years = Value(scope.today.year) - ExtractYear(self.path) - Case(When(later, then=1), default=0)
        return Cast(years, IntegerField())

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        days = turned(operator, value, since=years_before(since), today=years_before(scope.today))
        if not days:
            return None
        who = within(self.path, days)
        if (scope.today - since).days < MANY_DAYS:  # the index is by the day of the year
            who &= on_days_of_the_year(self.path, _days_of_the_year(since + timedelta(days=1), scope.today))
        return Customer.objects.order_by().filter(who).values("pk")


MANY_DAYS = 60
"""From how many days on reading everybody's birth date is as good as looking each day up."""

DayOfYear = tuple[int, int]
"""(month, day)"""


def _days_of_the_year(first: date, last: date) -> set[DayOfYear]:
    """What is kept on these days; 29 February on 1 March of the years that lack it."""
    found: set[DayOfYear] = set()
    for ahead in range(min((last - first).days + 1, 366)):
        day = first + timedelta(days=ahead)
        found.add((day.month, day.day))
        if (day.month, day.day) == (3, 1) and (day - timedelta(days=1)).day == 28:
            found.add((2, 29))
    return found


def on_days_of_the_year(path: str, days: Iterable[DayOfYear]) -> Q:
    """A date on one of these days of any year, as its index answers it."""
    by_month: dict[int, list[int]] = {}
    for month, day in sorted(days):
        by_month.setdefault(month, []).append(day)
    return Q(
        *(Q((f"{path}__month", month), (f"{path}__day__in", some)) for month, some in by_month.items()),
        _connector=Q.OR,
    )


@dataclass(frozen=True)
class Anniversary:
    """A date's day of the year; 29 February is kept on 1 March of the years that lack it."""

    path: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        if operator in ("known", "unknown"):
            return Q((f"{self.path}__isnull", operator == "unknown"))
        return on_days_of_the_year(self.path, self._window(scope.today, value))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        this_year, next_year = (self._kept_in(scope.today.year + ahead) for ahead in (0, 1))
        return Case(
            When(Q((f"{self.path}__isnull", True)), then=None),
            When(LessThan(this_year, Value(scope.today)), then=DaysBetween(next_year, Value(scope.today))),
            default=DaysBetween(this_year, Value(scope.today)),
        )

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        if operator in ("known", "unknown"):
            return None
        days = self._window(since, value) ^ self._window(scope.today, value)
        return Customer.objects.order_by().filter(on_days_of_the_year(self.path, days)).values("pk") if days else None

    def _window(self, today: date, days: Any) -> set[DayOfYear]:
        return _days_of_the_year(today, today + timedelta(days=int(days) - 1))

    def _kept_in(self, year: int) -> Func:
        # The day counted from the first of its month: so that 29 February falls on 1 March where the year lacks it.
        return Func(
            ExtractMonth(self.path),
            ExtractDay(self.path),
            template=f"(make_date({year}, %(expressions)s::int - 1)",
            arg_joiner="::int, 1) + ",
            output_field=DateField(),
        )
