"""The usual ways in which a condition on a customer is read from the database.

Every source keeps one law: what is unknown meets no condition except "unknown". Each returns a predicate over a
queryset of customers. Negations never stand alone on a column of another table: Django forgets its NULLs where the join
turns out to be an outer one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Q

from crm.attributes import Filter, Predicate, Scope, compare, holds
from crm.days import months_before


@dataclass(frozen=True)
class Column:
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


def text(path: str) -> Column:
    return Column(path, blank="")


def words(path: str) -> Column:
    return Column(path, blank=[])


@dataclass(frozen=True)
class Counted:
    """A column of the profile that is zero (or no) for whoever has no profile row yet."""

    path: str
    zero: Any = 0

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        found = compare(f"profile__{self.path}", operator, value)
        # The extra arm only where nothing-at-all qualifies: without it the database can use the column's index.
        return Q(profile=None) | found if holds(operator, self.zero, value) else found


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


@dataclass(frozen=True)
class DaysSince:
    path: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        return elapsed(self.path, operator, value, at=days_before(scope.today))


@dataclass(frozen=True)
class YearsSince:
    path: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        return elapsed(self.path, operator, value, at=years_before(scope.today))


@dataclass(frozen=True)
class Anniversary:
    """A date's day of the year; 29 February is kept on 1 March of the years that lack it."""

    path: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        if operator in ("known", "unknown"):
            return Q((f"{self.path}__isnull", operator == "unknown"))
        wanted: dict[int, set[int]] = {}
        for ahead in range(min(int(value), 366)):
            day = scope.today + timedelta(days=ahead)
            wanted.setdefault(day.month, set()).add(day.day)
            if (day.month, day.day) == (3, 1) and (day - timedelta(days=1)).day == 28:
                wanted.setdefault(2, set()).add(29)
        return Q(
            *(
                Q((f"{self.path}__month", month), (f"{self.path}__day__in", sorted(days)))
                for month, days in wanted.items()
            ),
            _connector=Q.OR,
        )


@dataclass(frozen=True)
class Stages:
    """A choice that is worked out: each value has its predicate, and every customer is in exactly one."""

    stages: Callable[[Scope], Mapping[str, Q]]

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        wanted = [value] if operator in ("=", "!=") else value
        chosen = [q for name, q in self.stages(scope).items() if (name in wanted) == (operator in ("=", "in"))]
        return Q(*chosen, _connector=Q.OR) if chosen else Q(pk__in=[])
