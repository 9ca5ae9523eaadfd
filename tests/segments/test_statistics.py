from datetime import UTC, datetime, timedelta

import pytest

from crm.models import Customer
from segments.models import MembershipEvent, Segment
from segments.statistics import Growth, broken, growth

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)


def move(segment: Segment, *, days_ago: float, entered: bool, version: int = 1, number: int = 1) -> None:
    customers = [Customer.objects.create(number=f"{Customer.objects.count()}") for _ in range(number)]
    MembershipEvent.objects.bulk_create(
        MembershipEvent(
            segment=segment,
            customer=customer,
            entered=entered,
            happened_at=NOW - timedelta(days=days_ago),
            rule_version=version,
        )
        for customer in customers
    )


def test_growth_leaves_out_first_fillings_and_changed_rules(django_assert_num_queries):
    bakers = Segment.objects.create(name="Bakers", members_count=8, rule_version=2)
    move(bakers, days_ago=20, entered=True, number=5)
    move(bakers, days_ago=10, entered=True, number=3, version=2)
    move(bakers, days_ago=5, entered=True, number=2, version=2)
    move(bakers, days_ago=2, entered=False, version=2)
    lapsed = Segment.objects.create(name="Lapsed", members_count=4)
    move(lapsed, days_ago=200, entered=True, number=8)
    move(lapsed, days_ago=1, entered=False, number=4)
    new = Segment.objects.create(name="New", members_count=9)
    move(new, days_ago=1, entered=True, number=9)
    archived = Segment.objects.create(name="Old", is_archived=True)
    move(archived, days_ago=3, entered=True)
    move(archived, days_ago=1, entered=True)

    with django_assert_num_queries(1):
        rows = growth(now=NOW)

    assert rows == [
        Growth(segment_id=lapsed.pk, name="Lapsed", members=4, entered=0, left=4),
        Growth(segment_id=bakers.pk, name="Bakers", members=8, entered=2, left=1),
    ]
    assert rows[0].share == -0.5


def test_broken_segments_are_those_in_use_whose_refresh_failed():
    Segment.objects.create(name="Fine")
    wrong = Segment.objects.create(name="Wrong", last_error="There is no category “Milk”.")
    Segment.objects.create(name="Old", last_error="x", is_archived=True)
    assert broken() == [wrong]
