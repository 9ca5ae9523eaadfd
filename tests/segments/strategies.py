"""Random rules: every attribute that the oracle knows, every operator that it takes, filters, and/or/not."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from crm.attributes import WEEKDAYS, Attribute, Filter, Type, lookup
from crm.lifecycle import STAGES
from segments.tree import And, Condition, Last, Node, Not, Or
from tests.segments.worlds import BANDS, BRANDS, CATEGORIES, CITIES, INTERESTS, SKUS, STORES, TIERS

ATTRIBUTES = (
    "age",
    "birthday",
    "gender",
    "city",
    "income_band",
    "interests",
    "household_size",
    "points",
    "consent_email",
    "lifecycle",
    "tier",
    "first_purchase",
    "days_since_first_purchase",
    "bought",
    "receipts",
    "returns",
    "spend",
    "discount",
    "units",
    "average_receipt",
    "average_price",
    "price_level",
    "days_since_purchase",
    "months_bought",
    "days_between_purchases",
    "distinct_products",
    "first_product",
    "last_product",
    "discount_share",
    "online_share",
    "share_of_spend",
)
DAYS = st.sampled_from([date(2026, 3, 1), date(2026, 9, 1), date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 1)])
LAST = st.sampled_from(
    [Last(1, "days"), Last(30, "days"), Last(90, "days"), Last(1, "weeks"), Last(1, "months"), Last(1, "years")]
)
TIMES = st.sampled_from(["10:00-17:00", "17:00-10:00", "21:30-00:00", "00:00-09:59"])
SHARES: list[int | str] = [0, 10, 25, "33.333", 50, 100]
NUMBERS: dict[str, list[int | str]] = {
    "age": [0, 22, 23, 36, 39, 40, 77],
    "birthday": [1, 2, 7, 366],
    "household_size": [0, 1, 2, 4],
    "points": [0, 5, 10],
    "days_since_purchase": [0, 1, 6, 30, 89, 90, 180],
    "days_since_first_purchase": [0, 1, 180, 365],
    "days_between_purchases": [1, 6, "7.5", 30, 60],
    "price_level": [0, 50, 90, 100, 110, "133.333"],
    "discount_share": SHARES,
    "online_share": SHARES,
    "share_of_spend": SHARES,
}
WORDS: dict[str, tuple[str, ...]] = {
    "gender": ("female", "male", "other"),
    "tier": tuple(TIERS),
    "lifecycle": tuple(STAGES),
    "city": tuple(filter(None, CITIES)),
    "income_band": tuple(filter(None, BANDS)),
    "interests": INTERESTS,
    "first_product": SKUS,
    "last_product": SKUS,
}


def _scalars(attribute: Attribute) -> st.SearchStrategy[Any]:
    match attribute.type:
        case Type.FLAG:
            return st.booleans()
        case Type.DATE:
            return DAYS
        case Type.MONEY:
            return st.sampled_from([Decimal(0), Decimal(1), Decimal("2.5"), Decimal(10), Decimal("3.33"), Decimal(-5)])
        case Type.NUMBER | Type.ANNIVERSARY:
            return st.sampled_from([Decimal(one) for one in NUMBERS.get(attribute.name, [0, 1, 2, 3])])
    return st.sampled_from(WORDS[attribute.name])


@st.composite
def filters(draw: st.DrawFn, attribute: Attribute) -> dict[Filter, Any]:
    takes: dict[Filter, st.SearchStrategy[Any]] = {
        Filter.CATEGORY: st.sampled_from(CATEGORIES),
        Filter.PRODUCT: st.sampled_from(SKUS),
        Filter.BRAND: st.sampled_from(BRANDS),
        Filter.WEEKDAY: st.sets(st.sampled_from(WEEKDAYS), min_size=1, max_size=4).map(
            lambda days: tuple(day for day in WEEKDAYS if day in days)
        ),
        Filter.TIME: TIMES,
        Filter.STORE: st.sampled_from(STORES),
        Filter.CHANNEL: st.sampled_from(["till", "online"]),
        Filter.LAST: LAST,
        Filter.SINCE: DAYS,
        Filter.UNTIL: DAYS,
    }
    names = draw(st.sets(st.sampled_from(sorted(attribute.filters)), max_size=3)) if attribute.filters else set()
    if attribute.needs and attribute.needs.isdisjoint(names):
        names |= {draw(st.sampled_from(sorted(attribute.needs)))}
    if Filter.LAST in names:
        names -= {Filter.SINCE, Filter.UNTIL}
    chosen = {name: draw(takes[name]) for name in Filter if name in names}
    if Filter.SINCE in chosen and Filter.UNTIL in chosen:
        chosen[Filter.SINCE], chosen[Filter.UNTIL] = sorted([chosen[Filter.SINCE], chosen[Filter.UNTIL]])
    return chosen


@st.composite
def condition_nodes(draw: st.DrawFn) -> Condition:
    attribute = lookup(draw(st.sampled_from(ATTRIBUTES)))
    assert attribute is not None
    operator = draw(st.sampled_from(attribute.operators))
    scalars = _scalars(attribute)
    value: Any = None
    if operator == "between":
        value = tuple(sorted(draw(st.tuples(scalars, scalars))))
    elif operator in ("in", "not in", "has any", "has all"):
        value = tuple(draw(st.lists(scalars, min_size=1, max_size=3, unique=True)))
    elif operator in ("starts with", "contains"):
        value = draw(st.sampled_from(["r", "RI", "a", "ow", "%", "_"]))
    elif operator not in ("known", "unknown"):
        value = draw(scalars)
    return Condition(attribute.name, operator, value, draw(filters(attribute)))


def rules() -> st.SearchStrategy[Node]:
    return st.recursive(
        condition_nodes(),
        lambda children: st.one_of(
            st.builds(lambda nodes: And(tuple(nodes)), st.lists(children, min_size=1, max_size=3)),
            st.builds(lambda nodes: Or(tuple(nodes)), st.lists(children, min_size=1, max_size=3)),
            st.builds(Not, children),
        ),
        max_leaves=6,
    )
