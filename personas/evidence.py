"""What the facts say about the customers who match a persona, now, beside all customers.

A fixed, small number of queries, whatever there is to say. A claim's ``index`` is its share among the matched for each
100 of its share among all customers.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import (
    Count,
    DateField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
)

from crm.days import shop_day
from crm.models import Category, Channel, Customer
from personas.models import Persona
from personas.shares import Share, band_order, distinctness, index
from segments.compile import live_customers
from segments.models import Membership
from segments.references import read_names
from segments.rules import RuleError, conditions, parse

FEW = 30
"""Below so many matched customers, shares are said to be uncertain."""
MONTH = 365 / 12
CATEGORIES = 8
LEAST_BUYERS = 5
LEAST_SHARE = 0.15
LEAST_INDEX = 115
"""A category is a claim only where so many, and such a share, of the matched bought, and spend more than others."""

LEAST_TRAIT_SHARE = 0.1

TRAITS = ("age_band", "income_band", "family_situation", "household_size", "housing")
"""Columns of a customer whose values are compared with everybody's."""
REACHABLE = {
    Channel.EMAIL: Q(profile__consent_email=True) & ~Q(email_key=""),
    Channel.SMS: Q(profile__consent_sms=True) & ~Q(phone_key=""),
    Channel.PHONE: Q(profile__consent_phone=True) & ~Q(phone_key=""),
    Channel.POST: Q(profile__consent_post=True) & ~Q(address="", postcode="", city=""),
}


@dataclass(frozen=True, kw_only=True)
class CategoryClaim:
    """What the matched spend in a category, as a share of all they spend, and how many of them bought from it."""

    category_id: int
    buyers: Share
    spend_share: float
    all_spend_share: float
    name: str = ""

    @property
    def index(self) -> float | None:
        return index(self.spend_share, self.all_spend_share)


@dataclass(frozen=True, kw_only=True)
class Trait:
    """The values of one column among the matched for whom it is known, beside all for whom it is known."""

    field: str
    is_asked: bool
    """Whether the rule itself asks for it, so that it is no evidence."""
    values: list[tuple[str, Share]]
    known: Share

    @property
    def top(self) -> tuple[str, Share] | None:
        """The value that sets the matched apart most, of those that are common among them and not so by chance."""
        if self.is_asked:
            return None
        common = [one for one in self.values if one[1].number >= LEAST_BUYERS and one[1].share >= LEAST_TRAIT_SHARE]
        apart = [one for one in common if one[1].interval[0] > one[1].all_share]
        return max(apart, key=lambda one: distinctness(one[1].share, one[1].all_share)) if apart else None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over some customers, over all time; ``days`` is the sum of the days since each one's first purchase."""

    customers: int = 0
    receipts: int = 0
    spend_minor: int = 0
    days: int = 0

    @property
    def average_receipt_minor(self) -> int | None:
        return round(self.spend_minor / self.receipts) if self.receipts else None

    @property
    def receipts_a_month(self) -> float | None:
        """Receipts a buyer and month, counted from each one's first purchase."""
        return self.receipts / (self.days / MONTH) if self.days else None

    @property
    def spend_each_minor(self) -> int | None:
        return round(self.spend_minor / self.customers) if self.customers else None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    matched: Totals
    everybody: Totals
    reachable: dict[str, int]
    asked_for: dict[str, int]
    categories: list[CategoryClaim] = field(default_factory=list)
    traits: list[Trait] = field(default_factory=list)

    @property
    def size(self) -> Share:
        return Share(number=self.matched.customers, of=self.everybody.customers)

    @property
    def spend_share(self) -> float:
        return self.matched.spend_minor / self.everybody.spend_minor if self.everybody.spend_minor > 0 else 0.0

    @property
    def is_few(self) -> bool:
        return self.matched.customers < FEW

    def index_of(self, name: str) -> float | None:
        """A figure of the matched for each 100 of everybody's: ``average_receipt_minor``, ``receipts_a_month``..."""
        return index(getattr(self.matched, name), getattr(self.everybody, name))


def members(*, persona: Persona) -> "QuerySet[Customer]":
    """The live customers who match the persona, as of the last refresh of its segment."""
    return live_customers().filter(_is_member(persona, "pk"))


def collect(*, persona: Persona, now: datetime) -> Evidence:
    """Everything that the sheet claims, computed from the facts."""
    base = _base(persona, shop_day(now))
    matched, everybody = (
        Totals(
            customers=base[f"{who}_customers"],
            receipts=base[f"{who}_receipts"],
            spend_minor=base[f"{who}_spend"],
            days=base[f"{who}_days"].days,
        )
        for who in ("matched", "all")
    )
    asked = _asked_by_rule(persona.segment.rule)
    return Evidence(
        matched=matched,
        everybody=everybody,
        reachable={str(channel): base[f"reach_{channel}"] for channel in Channel},
        asked_for={str(channel): base[f"asked_{channel}"] for channel in Channel},
        categories=_categories(persona, matched, everybody, asked.categories) if matched.customers else [],
        traits=_traits(persona, asked.fields) if matched.customers else [],
    )


def _is_member(persona: Persona, customer: str) -> Exists:
    return Exists(Membership.objects.filter(segment=persona.segment_id, customer=OuterRef(customer)))


@dataclass(frozen=True)
class _Asked:
    """What the rule itself asks for: finding it again among the matched is no evidence."""

    fields: frozenset[str] = frozenset()
    categories: frozenset[int] = frozenset()


def _asked_by_rule(rule: Mapping[str, Any]) -> _Asked:
    try:
        node = parse(rule)
    except RuleError:  # the sheet shows what is wrong with it
        return _Asked()
    named = read_names([node]).subtrees.values()
    return _Asked(
        fields=frozenset(condition.attribute for _path, condition in conditions(node)),
        categories=frozenset(category for subtree in named for category in subtree),
    )


def _base(persona: Persona, today: date) -> dict[str, Any]:
    """Sums over the live customers and over the matched ones among them, in one pass."""
    matched = Q(is_matched=True)
    here = ExpressionWrapper(
        Value(today, DateField()) + Value(timedelta(days=1)) - F("profile__first_sold_on"), DurationField()
    )
    none = timedelta()
    return (
        live_customers()
        .annotate(is_matched=_is_member(persona, "pk"))
        .order_by()
        .aggregate(
            all_customers=Count("pk"),
            all_receipts=Sum("profile__receipts", default=0),
            all_spend=Sum("profile__spend_minor", default=0),
            all_days=Sum(here, default=none),
            matched_customers=Count("pk", filter=matched),
            matched_receipts=Sum("profile__receipts", filter=matched, default=0),
            matched_spend=Sum("profile__spend_minor", filter=matched, default=0),
            matched_days=Sum(here, filter=matched, default=none),
            **{f"reach_{channel}": Count("pk", filter=matched & who) for channel, who in REACHABLE.items()},
            **{f"asked_{channel}": Count("pk", filter=matched & Q(preferred_channel=channel)) for channel in Channel},
        )
    )


_LIVE = """
WITH live AS MATERIALIZED (
    SELECT customer.*, member.customer_id IS NOT NULL AS matched
      FROM crm_customer AS customer
      LEFT JOIN segments_membership AS member ON member.segment_id = %s AND member.customer_id = customer.id
     WHERE customer.merged_into_id IS NULL AND customer.erased_at IS NULL AND NOT customer.no_profiling
)
"""

# Shelves: the tree's second level, and what has nothing below it on the first; not departments, not brands.
_CATEGORIES = """,
shelf AS MATERIALIZED (
    SELECT category.id
      FROM crm_category AS category
      LEFT JOIN crm_category AS parent ON parent.id = category.parent_id
     WHERE category.id <> ALL(%s)
       AND CASE WHEN parent.id IS NOT NULL THEN parent.parent_id IS NULL
                ELSE NOT EXISTS (SELECT FROM crm_category AS below WHERE below.parent_id = category.id) END
)
SELECT bought.category_id, sum(bought.spend_minor), count(*) FILTER (WHERE bought.receipts > 0),
       coalesce(sum(bought.spend_minor) FILTER (WHERE live.matched), 0),
       count(*) FILTER (WHERE live.matched AND bought.receipts > 0)
  FROM crm_customercategory AS bought
  JOIN shelf ON shelf.id = bought.category_id
  JOIN live ON live.id = bought.customer_id
 GROUP BY bought.category_id
HAVING count(*) FILTER (WHERE live.matched AND bought.receipts > 0) >= %s
"""


def _categories(persona: Persona, matched: Totals, everybody: Totals, asked: Collection[int]) -> list[CategoryClaim]:
    """The shelves whose share of spending sets the matched apart most; those that the rule asks for are left out."""
    if matched.spend_minor <= 0 or everybody.spend_minor <= 0:
        return []
    least = max(LEAST_BUYERS, math.ceil(LEAST_SHARE * matched.customers))
    with connection.cursor() as cursor:
        cursor.execute(_LIVE + _CATEGORIES, [persona.segment_id, list(asked), least])
        rows = cursor.fetchall()
    claims = [
        CategoryClaim(
            category_id=category_id,
            buyers=Share(number=buyers, of=matched.customers, all_number=all_buyers, all_of=everybody.customers),
            spend_share=float(spend) / matched.spend_minor,
            all_spend_share=float(all_spend) / everybody.spend_minor,
        )
        for category_id, all_spend, all_buyers, spend, buyers in rows
    ]
    apart = [claim for claim in claims if (claim.index or 0) >= LEAST_INDEX]
    shown = sorted(apart, key=lambda one: -distinctness(one.spend_share, one.all_spend_share))[:CATEGORIES]
    names = _names([one.category_id for one in shown])
    return [replace(one, name=names[one.category_id]) for one in shown]


def _names(ids: Collection[int]) -> dict[int, str]:
    """Short names; the whole path where two of them are called alike."""
    rows = list(Category.objects.filter(pk__in=ids).values_list("pk", "name", "path"))
    alike = Counter(name for _pk, name, _path in rows)
    return {pk: path if alike[name] > 1 else name for pk, name, path in rows}


_TRAITS = """
SELECT {picked}, count(*) AS everybody, count(*) FILTER (WHERE matched) AS matched
  FROM (SELECT {columns}, matched FROM live) AS known
 GROUP BY GROUPING SETS ({sets})
"""


def _traits(persona: Persona, asked: Collection[str]) -> list[Trait]:
    """One pass over the customers for all the columns (GROUPING SETS)."""
    columns = [f"{name}::text AS {name}" for name in TRAITS]
    sql = _TRAITS.format(
        picked=", ".join((*TRAITS, *(f"grouping({name}) AS {name}_off" for name in TRAITS))),
        columns=", ".join(columns),
        sets=", ".join(f"({name})" for name in TRAITS),
    )
    found: dict[str, list[tuple[str, int, int]]] = {name: [] for name in TRAITS}
    with connection.cursor() as cursor:
        cursor.execute(_LIVE + sql, [persona.segment_id])
        for row in cursor.fetchall():
            values, off, (everybody, matched) = row[: len(TRAITS)], row[len(TRAITS) : -2], row[-2:]
            place = off.index(0)
            found[TRAITS[place]].append((values[place] or "", everybody, matched))
    traits = (_trait(name, found[name], is_asked=name in asked) for name in TRAITS)
    return [trait for trait in traits if trait is not None]


def _trait(name: str, rows: Sequence[tuple[str, int, int]], *, is_asked: bool) -> Trait | None:
    everybody, matched = sum(row[1] for row in rows), sum(row[2] for row in rows)
    known = [row for row in rows if row[0]]
    all_of, of = sum(row[1] for row in known), sum(row[2] for row in known)
    if not of:
        return None
    values = [
        (value, Share(number=number, of=of, all_number=all_number, all_of=all_of))
        for value, all_number, number in sorted(known, key=lambda row: band_order(row[0]))
    ]
    return Trait(
        field=name,
        is_asked=is_asked,
        values=values,
        known=Share(number=of, of=matched, all_number=all_of, all_of=everybody),
    )
