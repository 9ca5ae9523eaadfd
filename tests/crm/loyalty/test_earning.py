from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries

from crm import profiles, sales
from crm.models import (
    Category,
    Customer,
    CustomerProfile,
    LoyaltyEntry,
    LoyaltyProgramme,
    PointsRule,
    Product,
    Receipt,
    Tier,
    TierAward,
)
from tests.crm import make

pytestmark = pytest.mark.django_db

A_WEDNESDAY = make.NOW.date()


def rule(factor: str, **fields: Any) -> PointsRule:
    return PointsRule.objects.create(name=f"x{factor}", factor=Decimal(factor), **fields)


def earned(*prices: tuple[str, int], at: datetime = make.NOW, **fields: Any) -> int:
    """The points of a sale of products in these categories at these prices."""
    customer = make.customer(registered=True, **fields)
    lines = [make.line(make.product(price_minor=price, path=path)) for path, price in prices]
    make.receipt(*lines, customer=customer, now=at)
    points = CustomerProfile.objects.get(customer=customer).points
    assert sum(LoyaltyEntry.objects.filter(customer=customer).values_list("points", flat=True)) == points
    return points


def test_a_category_earns_more_with_everything_below_it_and_nothing_beside_it() -> None:
    rule("3", category=make.category("Food > Dairy"))

    assert earned(("Food > Dairy > Milk", 1000), ("Food > Dairy", 1000), ("Food", 1000), ("", 1000)) == 80


def test_the_largest_factor_that_fits_a_line_counts_and_they_do_not_multiply() -> None:
    rule("2")
    rule("3", category=make.category("Food"))

    assert earned(("Food", 1000), ("Home", 1000)) == 50


def test_a_factor_of_nothing_beats_all_others_on_its_lines_alone() -> None:
    rule("0", category=make.category("Vouchers"))
    rule("5")

    assert earned(("Vouchers", 10_000), ("Home", 1000)) == 50
    entry = LoyaltyEntry.objects.get()
    assert entry.shares == [0, 1000 * 500]
    assert earned(("Vouchers", 10_000)) == 0


def test_it_is_rounded_down_once_for_the_whole_receipt_and_exactly() -> None:
    rule("1.10")

    assert earned(("", 91), ("", 91), ("", 91)) == 3  # 3 x 1.001
    assert earned(("", 1000)) == 11
    assert earned(("", 999)) == 10


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"weekdays": [3]}, True),
        ({"weekdays": [1, 2, 4, 5, 6, 7]}, False),
        ({"starts_on": A_WEDNESDAY, "ends_on": A_WEDNESDAY}, True),
        ({"starts_on": A_WEDNESDAY + timedelta(days=1)}, False),
        ({"ends_on": A_WEDNESDAY - timedelta(days=1)}, False),
        ({"is_active": False}, False),
    ],
)
def test_rules_keep_to_their_days(fields: dict[str, Any], fits: bool) -> None:
    rule("2", **fields)

    assert earned(("", 1000)) == (20 if fits else 10)


@pytest.mark.parametrize(
    ("birth", "day", "window", "fits"),
    [
        (date(1990, 5, 20), date(2026, 5, 20), 0, True),
        (date(1990, 5, 21), date(2026, 5, 20), 0, False),
        (date(1990, 5, 23), date(2026, 5, 20), 3, True),
        (date(1990, 5, 16), date(2026, 5, 20), 3, False),
        (date(1990, 1, 2), date(2026, 12, 31), 2, True),
        (date(1990, 12, 30), date(2027, 1, 1), 2, True),
        (date(1990, 12, 30), date(2027, 1, 1), 1, False),
        (date(1992, 2, 29), date(2028, 2, 29), 0, True),
        (date(1992, 2, 29), date(2026, 3, 1), 0, True),
        (date(1992, 2, 29), date(2026, 2, 28), 0, False),
        (date(1992, 2, 29), date(2028, 3, 1), 0, False),
        (None, date(2026, 5, 20), 60, False),
    ],
)
def test_a_birthday_counts_round_the_day_and_the_turn_of_the_year(
    birth: date | None, day: date, window: int, fits: bool
) -> None:
    rule("2", birthday_days=window)

    points = earned(("", 1000), at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC), birth_date=birth)

    assert points == (20 if fits else 10)


@pytest.mark.parametrize("zone", ["Asia/Tokyo"])
def test_the_day_is_the_shops_own(settings: Any, zone: str) -> None:
    settings.TIME_ZONE = zone
    rule("2", weekdays=[4])

    assert earned(("", 1000), at=datetime(2026, 5, 20, 16, tzinfo=UTC)) == 20  # Thursday morning in Tokyo


def test_a_sale_that_arrives_late_earns_by_the_rules_of_its_own_day() -> None:
    rule("2", starts_on=A_WEDNESDAY, ends_on=A_WEDNESDAY)
    customer = make.customer(registered=True)

    make.receipt(make.line(make.product()), customer=customer, sold_at=make.NOW, now=make.NOW + timedelta(days=3))

    assert CustomerProfile.objects.get(customer=customer).points == 20


def test_members_of_a_tier_earn_by_its_factor_on_top_and_the_highest_that_runs_counts() -> None:
    rule("2")
    customer = make.customer(registered=True)
    for name, spend, factor, days in (("Silver", 10, "1.25", 5), ("Gold", 20, "1.5", 1), ("Past", 30, "9", -1)):
        TierAward.objects.create(
            customer=customer,
            tier=Tier.objects.create(name=name, spend_minor=spend, factor=Decimal(factor)),
            reached_on=A_WEDNESDAY - timedelta(days=10),
            ends_on=A_WEDNESDAY + timedelta(days=days),
        )

    make.receipt(make.line(make.product(price_minor=999)), customer=customer)

    assert CustomerProfile.objects.get(customer=customer).points == 29  # 9.99 x 2 x 1.5


def test_terms_that_are_slips_of_the_keyboard_stop_no_sale() -> None:
    LoyaltyProgramme(points_per_unit=32_767).save()
    rule("1000")

    assert earned(("", 99_999_999)) == 100_000_000


def test_rules_take_no_further_round_trip(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(3):
        rule(str(number + 1), category=make.category(f"Food > {number}"))
    Tier.objects.create(name="Silver", spend_minor=0)
    customer = make.customer(card="29000001")
    lines = [make.line(make.product(path=f"Food > {n} > {m}")) for n in range(3) for m in range(2)]
    sale = make.sale(*lines, customer=customer)

    with django_assert_num_queries(16):
        sales.record_sale(sale=sale, by=None, now=make.NOW)


PATHS = ("Food", "Food > Dairy", "Food > Dairy > Milk", "Home", "")
RULES = st.lists(
    st.tuples(st.sampled_from(["0", "0.5", "1.5", "2", "3.33"]), st.sampled_from(PATHS), st.booleans()), max_size=4
)
LINES = st.lists(st.tuples(st.sampled_from(PATHS), st.integers(0, 5_000)), min_size=1, max_size=4)


class AnyRules(TestCase):
    customer: Customer
    products: dict[str, Product]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.customer = make.customer(registered=True)
        cls.products = {path: make.product(price_minor=None, path=path) for path in PATHS}

    @settings(max_examples=40, deadline=None)
    @given(rules=RULES, lines=LINES, tier=st.sampled_from(["", "1", "1.25", "2.5"]))
    def test_give_what_working_it_out_by_hand_gives(
        self, rules: list[tuple[str, str, bool]], lines: list[tuple[str, int]], tier: str
    ) -> None:
        for factor, path, today in rules:
            rule(factor, category=make.category(path) if path else None, weekdays=[3 if today else 4])
        if tier:
            held = Tier.objects.create(name="Held", spend_minor=10**9, factor=Decimal(tier))
            TierAward.objects.create(
                customer=self.customer, tier=held, reached_on=A_WEDNESDAY, ends_on=A_WEDNESDAY + timedelta(days=1)
            )

        make.receipt(
            *[make.line(self.products[path], price=f"{minor // 100}.{minor % 100:02d}") for path, minor in lines],
            customer=self.customer,
        )

        due = Decimal(0)
        for path, minor in lines:
            fitting = [
                Decimal(factor)
                for factor, of, today in rules
                if today and (not of or path == of or path.startswith(of + Category.SEPARATOR))
            ]
            due += minor * (Decimal(0) if 0 in fitting else max(fitting, default=Decimal(1)))
        expected = int(due * Decimal(tier or 1) / 100)
        assert CustomerProfile.objects.get(customer=self.customer).points == expected
        assert [entry.points for entry in LoyaltyEntry.objects.all()] == ([expected] if expected else [])
        assert list(profiles.differences()) == []
        assert Receipt.objects.get().total_minor == sum(minor for _path, minor in lines)
