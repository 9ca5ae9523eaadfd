"""Attributes of facts that are not purchases: SQL says what plain Python says, for everybody, for some, and in time."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from crm.attributes import Attribute, Filter, Type, lookup
from crm.models import Customer
from segments.compile import came_of_age, compared, customers, scope_for
from segments.tree import And, Condition, Last, Node, Not, Or
from tests.segments import facts_world
from tests.segments.facts_world import ANSWERS, CUSTOM, INDUSTRIES, NOW, QUESTIONS, SKUS, STORES, TODAY, FactsWorld

RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
ATTRIBUTES = (
    *("company", "industry", "company_size", "decision_maker", "household_decision_maker", "area_kind", "retired"),
    *("unsubscribed", "distance", "answer", "visits", "reviews", "wishlist", "days_since_visit", "wished_not_bought"),
    *("viewed_not_bought", "mails", "solvent", "overdue", *(f"custom_{slug}" for slug in CUSTOM)),
)
WORDS: dict[str, tuple[str, ...]] = {
    "company": ("Company 0", "Company 2", "x"),
    "industry": INDUSTRIES,
    "area_kind": ("urban", "Rural"),
    "answer": ANSWERS,
    "custom_colour": ("red", "Rose"),
    "custom_plan": ("gold", "silver"),
    "custom_likes": ("tea", "Jazz"),
    "custom_health": ("well", "ill"),
}
NUMBERS: dict[str, tuple[Any, ...]] = {
    "company_size": (0, 5, 6, 250),
    "distance": (0, 1, 5, 30, Decimal("282.5")),
    "days_since_visit": (0, 1, 6, 7, 30, 90),
    "overdue": (0, 10, 20),
    "custom_shoe": (41, 42, Decimal("42.5")),
}
DAYS = st.sampled_from([date(2026, 2, 28), date(2026, 9, 1), date(2027, 2, 22), date(2027, 3, 1)])


@pytest.fixture(autouse=True)
def latvia(settings: Settings) -> None:
    settings.COUNTRY = "LV"


def scalars(attribute: Attribute) -> st.SearchStrategy[Any]:
    match attribute.type:
        case Type.FLAG:
            return st.booleans()
        case Type.DATE:
            return DAYS
        case Type.NUMBER | Type.MONEY:
            return st.sampled_from([Decimal(one) for one in NUMBERS.get(attribute.name, (0, 1, 2, 3))])
    return st.sampled_from(WORDS[attribute.name])


FILTERS: dict[Filter, st.SearchStrategy[Any]] = {
    Filter.CATEGORY: st.sampled_from(("Food", "Tools")),
    Filter.PRODUCT: st.sampled_from(SKUS),
    Filter.STORE: st.sampled_from(list(STORES)),
    Filter.LAST: st.sampled_from([Last(1, "days"), Last(7, "days"), Last(30, "days"), Last(13, "weeks")]),
    Filter.SINCE: DAYS,
    Filter.UNTIL: DAYS,
    Filter.QUESTION: st.sampled_from(QUESTIONS),
    Filter.EVENT: st.sampled_from(["sent", "opened", "clicked"]),
}


@st.composite
def conditions(draw: st.DrawFn, names: tuple[str, ...] = ATTRIBUTES) -> Condition:
    attribute = lookup(draw(st.sampled_from(names)))
    assert attribute is not None
    operator = draw(st.sampled_from(attribute.operators))
    values = scalars(attribute)
    value: Any = None
    if operator == "between":
        value = tuple(sorted(draw(st.tuples(values, values))))
    elif operator in ("in", "not in", "has any", "has all"):
        value = tuple(draw(st.lists(values, min_size=1, max_size=2, unique=True)))
    elif operator in ("starts with", "contains"):
        value = draw(st.sampled_from(["r", "RE", "in", "Company", "%", "_"]))
    elif operator not in ("known", "unknown"):
        value = draw(values)
    chosen = draw(st.sets(st.sampled_from(sorted(attribute.filters)), max_size=2)) if attribute.filters else set()
    if Filter.LAST in chosen:
        chosen -= {Filter.SINCE, Filter.UNTIL}
    if attribute.argument:
        chosen.add(attribute.argument)
    filters = {name: draw(FILTERS[name]) for name in Filter if name in chosen}
    return Condition(attribute.name, operator, value, filters)


def rules() -> st.SearchStrategy[Node]:
    return st.recursive(
        conditions(),
        lambda some: st.one_of(
            st.builds(lambda nodes: And(tuple(nodes)), st.lists(some, min_size=1, max_size=3)),
            st.builds(lambda nodes: Or(tuple(nodes)), st.lists(some, min_size=1, max_size=3)),
            st.builds(Not, some),
        ),
        max_leaves=5,
    )


def answer(rule: Node, days: int = 0, ids: list[int] | None = None) -> set[int]:
    return set(customers(rule=rule, now=NOW + timedelta(days=days), ids=ids).values_list("pk", flat=True))


@pytest.mark.slow
@pytest.mark.django_db
def test_sql_says_of_facts_what_plain_python_says() -> None:
    FactsWorld(seed=3)
    people = facts_world.read()
    everybody = [person.customer.pk for person in people]

    @settings(max_examples=500, deadline=None, suppress_health_check=RELAXED)
    @given(rule=rules())
    def check(rule: Node) -> None:
        expected = facts_world.members(rule, people, TODAY)
        assert answer(rule) == expected
        assert answer(rule, ids=everybody[::2]) == expected & set(everybody[::2])

    check()


@pytest.mark.slow
@pytest.mark.django_db
def test_whoever_changes_through_time_alone_is_due() -> None:
    FactsWorld(seed=4)
    in_time = ("visits", "reviews", "wishlist", "days_since_visit", "wished_not_bought", "viewed_not_bought", "mails")

    @settings(max_examples=200, deadline=None, suppress_health_check=RELAXED)
    @given(condition=conditions((*in_time, "solvent", "overdue")), since=st.integers(-40, 0), later=st.integers(1, 60))
    def check(condition: Condition, since: int, later: int) -> None:
        attribute = lookup(condition.attribute)
        assert attribute is not None
        scope = scope_for(condition, now=NOW + timedelta(days=since + later))
        due = attribute.source.due(
            scope=scope,
            since=TODAY + timedelta(days=since),
            filters=condition.filters,
            operator=condition.operator,
            value=compared(condition.value, attribute),
        )
        found = set() if due is None else {pk for row in due for pk in row.values()}
        grown = came_of_age(since=TODAY + timedelta(days=since), today=scope.today)
        changed = answer(condition, since) ^ answer(condition, since + later)
        assert changed <= found | set(grown.values_list("pk", flat=True))

    check()


def _plain(value: Any) -> Any:
    return round(float(value), 3) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


@pytest.mark.slow
@pytest.mark.django_db
def test_each_value_is_the_customers_own() -> None:
    FactsWorld(seed=5)
    people = facts_world.read()

    @settings(max_examples=150, deadline=None, suppress_health_check=RELAXED)
    @given(condition=conditions())
    def check(condition: Condition) -> None:
        attribute = lookup(condition.attribute)
        assert attribute is not None
        value = attribute.source.value(scope=scope_for(condition, now=NOW), filters=condition.filters)
        found = dict(Customer.objects.annotate(own=value).values_list("pk", "own"))
        for person in people:
            expected = facts_world.value_of(condition, person, TODAY)
            if attribute.type == Type.MONEY:
                expected *= 100
            assert _plain(found[person.customer.pk]) == _plain(None if expected is facts_world.UNKNOWN else expected)

    check()
