"""What every source promises besides its condition: the customer's own value, and who is due as time passes."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.attributes import TimeEffect, holds, lookup
from segments.compile import compared, customers, live_customers, scope_for
from segments.tree import Condition
from tests.segments.strategies import condition_nodes
from tests.segments.worlds import TODAY, World

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
MONTH_ENDS = (date(2027, 2, 27), date(2027, 2, 28), date(2027, 3, 30), date(2028, 2, 28), date(2028, 2, 29))
DAYS = st.one_of(st.sampled_from(MONTH_ENDS), st.integers(-40, 40).map(lambda days: TODAY + timedelta(days=days)))
LATER = st.one_of(st.integers(1, 3), st.sampled_from([7, 30, 31, 59, 60, 89, 180, 365, 366, 400]))


def at_noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def source_of(condition: Condition) -> tuple[Any, dict[str, Any]]:
    """The attribute, and what every method of its source is told of the condition."""
    attribute = lookup(condition.attribute)
    assert attribute is not None
    return attribute, {
        "filters": condition.filters,
        "operator": condition.operator,
        "value": compared(condition.value, attribute),
    }


def test_value_compared_in_python_gives_what_the_database_answers(drill_is_full: bool) -> None:
    World(seed=3, customers=40)

    @settings(max_examples=3_000 if drill_is_full else 200, deadline=None, suppress_health_check=RELAXED)
    @given(condition=condition_nodes(), day=DAYS)
    def check(condition: Condition, day: date) -> None:
        now = at_noon(day)
        attribute, asked = source_of(condition)
        scope = scope_for(condition, now=now)
        answer = attribute.source.value(scope=scope, filters=condition.filters)
        answers = dict(live_customers().order_by().annotate(answer=answer).values_list("pk", "answer"))
        found = {pk for pk, actual in answers.items() if holds(asked["operator"], actual, asked["value"])}
        assert found == set(customers(rule=condition, now=now).values_list("pk", flat=True))
        if attribute.always_known:
            assert None not in answers.values()

    check()


def test_whoever_is_answered_otherwise_on_a_later_day_is_due_on_it(drill_is_full: bool) -> None:
    World(seed=4, customers=60)

    @settings(max_examples=6_000 if drill_is_full else 300, deadline=None, suppress_health_check=RELAXED)
    @given(condition=condition_nodes(), day=DAYS, distance=LATER)
    def check(condition: Condition, day: date, distance: int) -> None:
        before, now = at_noon(day), at_noon(day + timedelta(days=distance))
        attribute, asked = source_of(condition)
        found = attribute.source.due(scope=scope_for(condition, now=now), since=day, **asked)
        due = set() if found is None else {pk for row in found for pk in row.values()}
        was, is_now = (set(customers(rule=condition, now=at).values_list("pk", flat=True)) for at in (before, now))
        assert was ^ is_now <= due
        if attribute.time == TimeEffect.NONE:
            assert found is None

    check()
