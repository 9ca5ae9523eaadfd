"""The one catalogue of what can be asked of a customer.

An attribute is declared once, by the app that owns its data, and serves the builder, the rules, the compiler,
explanations, persona evidence and the API: to add an attribute is to add one declaration. A lower app never names a
higher one; each registers its own at start-up. How the database answers is the attribute's :class:`Source`; the usual
ones are in :mod:`crm.sources`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from django.db.models import Exists, Expression, F, Q, QuerySet, Subquery, TextChoices
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Predicate: TypeAlias = Q | Exists | Expression
"""A condition on a queryset of customers."""
Answer: TypeAlias = Expression | Subquery | F
"""A customer's own value, on a queryset of customers."""


class Group(TextChoices):
    """Where the segmentation literature puts an attribute; in the order in which the builder offers them."""

    BEHAVIOUR = "behaviour", _("What they buy")
    LIFECYCLE = "lifecycle", _("How far they have come")
    DEMOGRAPHIC = "demographic", _("Who they are")
    GEOGRAPHIC = "geographic", _("Where they live")
    SOCIO_ECONOMIC = "socio-economic", _("Means and work")
    PSYCHOGRAPHIC = "psychographic", _("Interests and values")
    ENGAGEMENT = "engagement", _("How we may reach them")
    GOAL = "goal", _("What they came for")
    VALUE = "value", _("What they are worth")
    BUSINESS = "business", _("The company they buy for")
    GROUPS = "groups", _("Segments and personas")


class Type(StrEnum):
    NUMBER = "number"
    MONEY = "money"  # written in the currency's units, compared in hundredths
    CHOICE = "choice"  # one of a closed set
    TEXT = "text"  # open; the values that occur are offered
    WORDS = "words"  # a list of words
    DATE = "date"
    ANNIVERSARY = "anniversary"  # a day that comes round each year
    FLAG = "flag"
    MEMBER = "member"  # of something that goes by its name: ``in segment "Regulars of milk"``


class Filter(StrEnum):
    """What narrows a measure. A category takes in everything below it; dates are inclusive, in the shop's days.

    ``weekday`` is a tuple of :data:`WEEKDAYS`; ``time`` a stretch of the shop's day, ``17:00-20:00``, its end left out
    (past midnight where it ends before it begins). The last two only stand as an attribute's argument.
    """

    CATEGORY = "category"
    PRODUCT = "product"
    BRAND = "brand"
    STORE = "store"
    CHANNEL = "channel"
    WEEKDAY = "weekday"
    TIME = "time"
    LAST = "last"
    SINCE = "since"
    UNTIL = "until"
    QUESTION = "question"
    EVENT = "event"


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Privacy(StrEnum):
    """How near an attribute comes to the person. A special category is used only where a consent of its own allows."""

    ORDINARY = "ordinary"
    SENSITIVE = "sensitive"  # means, opinions: kept from shop staff
    SPECIAL = "special"  # politics, health, belief


class TimeEffect(Enum):
    """How the passing of time alone changes the answer, without any new fact."""

    NONE = "none"
    WITH_WINDOW = "with window"  # only where a rule counts "the last N days"
    DAILY = "daily"  # from one of the shop's days to the next


OPERATORS: Mapping[Type, tuple[str, ...]] = {
    Type.NUMBER: (">=", "<=", "between", "=", "!=", ">", "<", "in", "not in", "known", "unknown"),
    Type.MONEY: (">=", "<=", "between", "=", "!=", ">", "<", "known", "unknown"),
    Type.CHOICE: ("=", "!=", "in", "not in", "known", "unknown"),
    Type.TEXT: ("=", "!=", "in", "not in", "starts with", "contains", "known", "unknown"),
    Type.WORDS: ("has", "has any", "has all", "known", "unknown"),
    Type.DATE: (">=", "<=", "between", "=", "known", "unknown"),
    Type.ANNIVERSARY: ("in next", "known", "unknown"),
    Type.FLAG: ("is",),
    Type.MEMBER: ("in",),
}
"""What each type can be asked, the most usual first."""
ASKING_IF_KNOWN = ("known", "unknown")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a rule is read against: the moment, perhaps only some customers, and what the names in it mean."""

    now: datetime
    today: date  # the shop's local day at ``now``
    ids: Sequence[int] | None = None
    references: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (filter or attribute, word) -> id
    subtrees: Mapping[int, Sequence[int]] = field(default_factory=dict)  # named category -> it and all below it
    fresh_scores: bool = False  # relative attributes from cut points made now, not from those of the last night
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # what sources looked up for it


class Source(Protocol):
    """How the database answers a condition. An attribute's argument is among the filters."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        """Customers of whom the condition is true. May be NULL (it counts as false) where the value is unknown."""

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        """What a condition is compared with, in the same units; NULL where it is unknown.

        Money in hundredths, words as an array, a choice by its key, an anniversary in days until it comes round.
        :func:`holds` says of it what ``matches`` says.
        """

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        """Ids of customers whose answer on ``scope.today`` may differ from that on the earlier day ``since``.

        The facts being the same: what changes them marks the customer. One column, found by an index over dates; may
        name too many, never too few, however far apart the days are. None where time alone changes nothing.
        """


@dataclass(frozen=True, kw_only=True)
class Named:
    """Something that rules may name: by its ``key``, or by a ``name`` that only it has."""

    id: int
    key: str
    name: str = ""
    refused: str = ""  # why no rule may ask for it, as a sentence: it is archived, say
    count: int | None = None  # how many customers it concerns, where that is known


@dataclass(frozen=True, kw_only=True)
class NameLookup:
    """How things go by their names in rules; each function takes one query, however many words.

    A rule keeps what its words mean by id, so that whatever is renamed stays itself.
    """

    noun: "StrOrPromise"  # what it is, in a message: "category"
    find: Callable[[Collection[str]], Iterable[Named]]  # all that bear one of these words as key or name
    keys: Callable[[Collection[int]], Mapping[int, str]]  # their present keys; whatever is gone is left out
    offers: Callable[[str, int], Iterable[Named]] | None = None  # some that contain a text, the weightiest first
    known: Callable[[int], Iterable[str]] | None = None  # keys to look through for one that was meant, where few


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One thing that can be asked of a customer."""

    name: str
    label: "StrOrPromise"
    group: Group
    type: Type
    source: Source
    help: "StrOrPromise" = ""
    unit: "StrOrPromise" = ""
    values: Mapping[str, "StrOrPromise"] | None = None  # the closed set of a choice, with labels
    offered_from: str = ""  # the customer's field whose values are offered, with their counts
    offers_values: bool = False  # there is no such field: the values that the source gives are offered
    offered_names: Filter | None = None  # or the things whose names are offered, as for that filter
    always_known: bool = False
    minimum: int | None = None
    maximum: int | None = None
    whole: bool = True  # numbers without decimals only
    filters: frozenset[Filter] = frozenset()
    needs: frozenset[Filter] = frozenset()  # filters of which a condition must give at least one
    argument: Filter | None = None  # a filter that every condition must give, written first: ``answer("season")``
    names: NameLookup | None = None  # what the value of a MEMBER names
    events: Mapping[str, "StrOrPromise"] | None = None  # what the filter ``event`` may be, with labels
    time: TimeEffect = TimeEffect.NONE
    privacy: Privacy = Privacy.ORDINARY
    in_messages: bool = True  # whether a message may say it

    @property
    def operators(self) -> tuple[str, ...]:
        every = OPERATORS[self.type]
        return tuple(op for op in every if op not in ASKING_IF_KNOWN) if self.always_known else every


class DuplicateAttribute(ValueError):
    """Two declarations under one name."""


_catalogue: dict[str, Attribute] = {}


def register(*attributes: Attribute) -> None:
    """Add declarations to the catalogue; called at start-up by the app that owns the data."""
    for attribute in attributes:
        if _catalogue.setdefault(attribute.name, attribute) is not attribute:
            raise DuplicateAttribute(attribute.name)


def unregister(name: str) -> None:
    """Take a declaration back, as a test or a removed custom field does."""
    _catalogue.pop(name, None)


class Family(Protocol):
    """Attributes that come and go while the program runs, told by the beginning of their names."""

    prefix: str

    def all(self) -> Mapping[str, Attribute]:
        """Those that there are now."""

    def one(self, name: str) -> Attribute | None:
        """The attribute of this name, also where it has only just been made, by whatever process."""


_families: dict[str, Family] = {}


def register_family(family: Family) -> None:
    """Let the catalogue ask a family for its attributes, from now on."""
    _families[family.prefix] = family


def catalogue() -> Mapping[str, Attribute]:
    """Every attribute by name, in the order of groups and declarations."""
    order = list(Group)
    known = dict(_catalogue)
    for family in _families.values():
        known.update(family.all())
    return dict(sorted(known.items(), key=lambda item: order.index(item[1].group)))


def lookup(name: str) -> Attribute | None:
    found = _catalogue.get(name)
    if found is None:
        for prefix, family in _families.items():
            if name.startswith(prefix):
                return family.one(name)
    return found


def holds(operator: str, actual: Any, value: Any) -> bool:
    """Whether a source's value meets a condition: what the database says, said in Python. None is unknown."""
    if actual is None:
        return operator == "unknown"
    match operator:
        case "=" | "is":
            return bool(actual == value)
        case "!=":
            return bool(actual != value)
        case "<":
            return bool(actual < value)
        case "<=":
            return bool(actual <= value)
        case ">":
            return bool(actual > value)
        case ">=":
            return bool(actual >= value)
        case "between":
            return bool(value[0] <= actual <= value[1])
        case "in":
            return actual in value
        case "not in":
            return actual not in value
        case "known":
            return True
        case "unknown":
            return False
        case "starts with":
            return _upper(actual).startswith(_upper(value))
        case "contains":
            return _upper(value) in _upper(actual)
        case "has":
            return value in actual
        case "has any":
            return not set(value).isdisjoint(actual)
        case "has all":
            return set(value) <= set(actual)
        case "in next":
            return bool(actual < value)
    raise ValueError(operator)


def _upper(text: str) -> str:
    """Capitals as the database makes them: letter by letter, so that “ß” stays one."""
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in text)


def compare(path: str, operator: str, value: Any, *, times: Combinable | None = None) -> Q:
    """The lookup on a column; false where it is NULL. ``times`` multiplies the value by another figure."""

    def scaled(one: Any) -> Any:
        return one if times is None else times * one

    match operator:
        case "=" | "is":
            return Q((path, scaled(value)))
        case "!=":
            return Q((f"{path}__isnull", False)) & ~Q((path, scaled(value)))
        case "<" | "<=" | ">" | ">=":
            lookup_name = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[operator]
            return Q((f"{path}__{lookup_name}", scaled(value)))
        case "between":
            return Q((f"{path}__gte", scaled(value[0])), (f"{path}__lte", scaled(value[1])))
        case "in" | "not in":
            found = Q((f"{path}__in", [scaled(one) for one in value]))
            return Q((f"{path}__isnull", False)) & ~found if operator == "not in" else found
    raise ValueError(operator)
