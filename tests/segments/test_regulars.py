"""Regular buyers of a category, and who is late for the next purchase."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm import profiles
from crm.attributes import Filter
from crm.models import Customer, Product
from segments.compile import customers, live_customers, scope_for
from segments.regulars import REGULARS
from segments.tree import Condition
from tests.crm import make
from tests.segments import score_oracle
from tests.segments.oracle import UNKNOWN, _meets, read_histories
from tests.segments.worlds import CATEGORIES, NOW, TODAY, World

RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
BY_NAME = {one.name: one for one in REGULARS}


def bought(customer: Customer, product: Product, *ago: int) -> None:
    for days in ago:
        make.a_receipt(customer, [(product, "1", 100)], sold_on=TODAY - timedelta(days=days))


@st.composite
def regular_conditions(draw: st.DrawFn) -> Condition:
    filters: Any = {Filter.CATEGORY: draw(st.sampled_from(CATEGORIES))}
    if draw(st.booleans()):
        return Condition("regular_of", "is", draw(st.booleans()), filters)
    operator = draw(st.sampled_from(BY_NAME["days_late"].operators))
    numbers = st.sampled_from([Decimal(one) for one in (-30, -1, 0, 1, 30, 100)])
    value: Any = None
    if operator == "between":
        value = tuple(sorted(draw(st.tuples(numbers, numbers))))
    elif operator in ("in", "not in"):
        value = tuple(draw(st.lists(numbers, min_size=1, max_size=3, unique=True)))
    elif operator not in ("known", "unknown"):
        value = draw(numbers)
    return Condition("days_late", operator, value, filters)


def answers(condition: Condition, histories: Any, today: date) -> dict[int, Any]:
    asked = getattr(score_oracle, condition.attribute)
    category = condition.filters[Filter.CATEGORY]
    return {history.customer.pk: asked(history, today, category=category) for history in histories}


@pytest.mark.slow
@pytest.mark.django_db
def test_conditions_on_regular_buyers_mean_in_sql_what_they_mean_in_words() -> None:
    world = World(seed=5, customers=30)
    milk = next(product for product in world.products if product.sku == "milk")
    for number, customer in enumerate(world.customers[:20]):
        step = 3 + number
        bought(customer, milk, *(step * place + (number % 4) * (place % 2) for place in range(2, 7)))
    profiles.recount()
    histories = read_histories()
    some = [history.customer.pk for history in histories][::2]

    @settings(max_examples=120, deadline=None, suppress_health_check=RELAXED)
    @given(condition=regular_conditions(), ahead=st.sampled_from([0, 1, 30, 90]))
    def check(condition: Condition, ahead: int) -> None:
        now, today = NOW + timedelta(days=ahead), TODAY + timedelta(days=ahead)
        mine = answers(condition, histories, today)
        wanted = {pk for pk, one in mine.items() if _meets(condition, one, today)}
        assert set(customers(rule=condition, now=now).values_list("pk", flat=True)) == wanted
        assert set(customers(rule=condition, now=now, ids=some).values_list("pk", flat=True)) == wanted & set(some)
        source: Any = BY_NAME[condition.attribute].source
        scope = scope_for(condition, now=now)
        value = source.value(scope=scope, filters=condition.filters)
        said = dict(live_customers().annotate(answer=value).values_list("pk", "answer"))
        assert said == {pk: None if one is UNKNOWN else one for pk, one in mine.items()}
        due = source.due(
            scope=scope, since=TODAY, filters=condition.filters, operator=condition.operator, value=condition.value
        )
        before = {pk for pk, one in answers(condition, histories, TODAY).items() if _meets(condition, one, TODAY)}
        assert before ^ wanted <= {pk for row in due for pk in row.values()}

    check()


@pytest.mark.django_db
def test_an_interval_is_the_median_gap_of_whoever_buys_steadily() -> None:
    milk = make.product(path="Food > Milk")
    weekly, wild, twice, gone = (make.a_customer(number=name) for name in ("weekly", "wild", "twice", "gone"))
    bought(weekly, milk, 38, 31, 24, 16, 9)
    bought(wild, milk, 200, 199, 10)
    bought(twice, milk, 14, 7)
    bought(gone, milk, 200, 193, 186)
    profiles.recount()
    food: dict[Filter, Any] = {Filter.CATEGORY: "Food"}
    regulars = customers(rule=Condition("regular_of", "is", True, food), now=NOW)
    assert list(regulars) == [weekly]
    late = customers(rule=Condition("days_late", "=", Decimal(2), food), now=NOW)
    assert list(late) == [weekly]
    steady = customers(rule=Condition("days_late", "known", None, food), now=NOW)
    assert set(steady) == {weekly, gone}
