from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm import loyalty, profiles, returns, tasks
from crm.models import ChangeMark, Customer, CustomerProfile, LoyaltyEntry, LoyaltyProgramme, Tier, TierAward
from tests.crm import make
from tests.crm.test_returns import a_return

pytestmark = pytest.mark.django_db

TODAY = make.NOW.date()


def entry(customer: Customer, points: int, *, days_ago: int, kind: str = "adjust") -> None:
    loyalty.post(
        [
            LoyaltyEntry(
                customer=customer,
                kind=kind,
                points=points,
                key=f"test:{LoyaltyEntry.objects.count()}",
                recorded_at=make.NOW - timedelta(days=days_ago),
            )
        ]
    )


def expired(customer: Customer) -> list[int]:
    return list(LoyaltyEntry.objects.filter(customer=customer, kind="expire").values_list("points", flat=True))


def points_of(customer: Customer) -> int:
    return CustomerProfile.objects.get(customer=customer).points


@pytest.fixture
def year() -> None:
    LoyaltyProgramme(expire_after_months=12).save()


@pytest.mark.usefixtures("year")
def test_points_expire_the_oldest_first_and_what_was_used_counts_against_them() -> None:
    customer, frugal, fresh = (make.customer(registered=True) for _ in range(3))
    entry(customer, 100, days_ago=400)
    entry(customer, 50, days_ago=10)
    entry(customer, -70, days_ago=5, kind="redeem")
    entry(frugal, 100, days_ago=400)
    entry(fresh, 100, days_ago=365)
    ChangeMark.objects.all().delete()

    assert loyalty.expire_points(today=TODAY, now=make.NOW) == 2

    assert (expired(customer), points_of(customer)) == ([-30], 50)
    assert (expired(frugal), points_of(frugal)) == ([-100], 0)
    assert (expired(fresh), points_of(fresh)) == ([], 100)
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == {customer.pk, frugal.pk}
    assert loyalty.expire_points(today=TODAY, now=make.NOW) == 0
    assert loyalty.expire_points(today=TODAY + timedelta(days=1), now=make.NOW + timedelta(days=1)) == 1
    assert (expired(fresh), points_of(customer)) == ([-100], 50)
    assert list(profiles.differences()) == []


@pytest.mark.usefixtures("year")
def test_points_taken_back_go_with_the_purchase_that_earned_them_and_points_given_back_are_new() -> None:
    customer = make.customer(registered=True)
    entry(customer, 100, days_ago=400)
    sale = make.receipt(make.line(make.product(), "5"), customer=customer)
    returns.record_return(return_=a_return(sale, (1, "5")), by=None, now=make.NOW)
    assert points_of(customer) == 100
    entry(customer, -100, days_ago=3, kind="redeem")
    entry(customer, 40, days_ago=2, kind="give_back")

    loyalty.expire_points(today=TODAY, now=make.NOW)

    assert (expired(customer), points_of(customer)) == ([], 40)


def test_without_a_limit_nothing_expires() -> None:
    customer = make.customer(registered=True)
    entry(customer, 100, days_ago=4000)
    assert loyalty.expire_points(today=TODAY, now=make.NOW) == 0
    assert loyalty.expiring_points(customer_ids=[customer.pk], today=TODAY) == {}


@pytest.mark.usefixtures("year")
def test_a_warning_says_what_will_be_lost_within_a_month() -> None:
    soon, later, used = (make.customer(registered=True) for _ in range(3))
    entry(soon, 100, days_ago=350)
    entry(soon, 11, days_ago=300)
    entry(later, 100, days_ago=300)
    entry(used, 100, days_ago=350)
    entry(used, -100, days_ago=1, kind="redeem")

    warned = loyalty.expiring_points(customer_ids=[soon.pk, later.pk, used.pk], today=TODAY)

    assert warned == {soon.pk: 100}


def test_the_day_is_that_of_the_shop(settings: Any, year: None) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    customer = make.customer(registered=True)
    recorded = datetime(2025, 5, 20, 16, tzinfo=UTC)  # the 21st in Tokyo
    loyalty.post([LoyaltyEntry(customer=customer, kind="gift", points=5, key="t", recorded_at=recorded)])

    assert loyalty.expire_points(today=date(2026, 5, 21), now=make.NOW) == 0
    assert loyalty.expire_points(today=date(2026, 5, 22), now=make.NOW) == 1


def test_members_get_their_points_on_the_birthday_once_a_year_however_often_it_is_asked() -> None:
    LoyaltyProgramme(birthday_points=50).save()
    member = make.customer(registered=True, birth_date=date(1990, 5, 20))
    holder = make.customer(card="29000001", birth_date=date(2000, 5, 20))
    for fields in ({}, {"registered": True, "birth_date": date(1990, 5, 21)}, {"birth_date": date(1990, 5, 20)}):
        make.customer(**fields)
    yesterday = TODAY - timedelta(days=1)

    given = [loyalty.give_birthday_points(since=yesterday, today=TODAY, now=make.NOW) for _ in range(2)]

    assert given == [2, 0]
    assert [points_of(member), points_of(holder)] == [50, 50]
    next_year = date(2027, 5, 20)
    assert loyalty.give_birthday_points(since=TODAY, today=next_year, now=make.NOW) == 3
    assert points_of(member) == 100
    assert list(profiles.differences()) == []


@pytest.mark.parametrize(
    ("today", "since", "gifts"),
    [
        (date(2027, 3, 1), date(2027, 2, 28), 1),
        (date(2027, 2, 28), date(2027, 2, 27), 0),
        (date(2028, 2, 29), date(2028, 2, 28), 1),
        (date(2028, 3, 1), date(2028, 2, 29), 0),
        (date(2028, 1, 5), date(2027, 2, 1), 1),
    ],
)
def test_the_29_february_is_kept_on_1_march_of_other_years(today: date, since: date, gifts: int) -> None:
    LoyaltyProgramme(birthday_points=50).save()
    make.customer(registered=True, birth_date=date(1992, 2, 29))
    assert loyalty.give_birthday_points(since=since, today=today, now=make.NOW) == gifts


def test_a_day_is_seen_to_once_and_days_of_downtime_are_caught_up_with() -> None:
    LoyaltyProgramme(birthday_points=50, expire_after_months=1, tier_months=1).save()
    Tier.objects.create(name="Silver", spend_minor=0)
    first = make.customer(registered=True, birth_date=date(1990, 5, 20))
    missed = make.customer(registered=True, birth_date=date(1990, 5, 23))

    assert loyalty.see_to_day(now=make.NOW) == loyalty.Done(expired=0, gifts=1, tiers=2)
    assert loyalty.see_to_day(now=make.NOW + timedelta(hours=1)) is None
    assert loyalty.see_to_day(now=make.NOW + timedelta(days=5)) == loyalty.Done(expired=0, gifts=1, tiers=0)
    assert [points_of(first), points_of(missed)] == [50, 50]
    assert loyalty.see_to_day(now=make.NOW + timedelta(days=60)) == loyalty.Done(expired=2, gifts=0, tiers=0)
    assert [points_of(first), points_of(missed)] == [0, 0]
    assert TierAward.objects.count() == 2
    assert LoyaltyProgramme.objects.get().day_done_on == TODAY + timedelta(days=60)


def test_the_task_may_run_twice() -> None:
    for _ in range(2):
        tasks.see_to_loyalty_day()
    assert LoyaltyProgramme.objects.get().day_done_on is not None
