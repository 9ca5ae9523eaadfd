from datetime import date, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from crm import loyalty, merging
from crm.days import months_before
from crm.models import ChangeMark, Customer, LoyaltyProgramme, Tier, TierAward
from segments.compile import customers
from segments.rules import RuleError, parse
from tests.crm import make

pytestmark = pytest.mark.django_db

TODAY = make.NOW.date()


@pytest.fixture
def tiers() -> dict[str, Tier]:
    LoyaltyProgramme(tier_months=12, tier_kept_months=6).save()
    return {
        name: Tier.objects.create(name=name, spend_minor=spend)
        for name, spend in (("Gold", 100_00), ("Silver", 50_00), ("Platinum", 500_00))
    }


def buy(customer: Customer, minor: int, *, days_ago: int = 0) -> None:
    sold_at = make.NOW - timedelta(days=days_ago)
    make.receipt(make.line(make.product(price_minor=minor)), customer=customer, sold_at=sold_at if days_ago else None)


def awards(customer: Customer) -> list[tuple[str, date, date]]:
    found = TierAward.objects.filter(customer=customer).order_by("pk")
    return list(found.values_list("tier__name", "reached_on", "ends_on"))


def test_the_sale_that_crosses_a_threshold_awards_the_highest_tier_reached(tiers: dict[str, Tier]) -> None:
    customer = make.customer(registered=True)
    until = months_before(TODAY, -6)
    buy(customer, 49_99)
    assert awards(customer) == []

    buy(customer, 1)
    assert awards(customer) == [("Silver", TODAY, until)]
    buy(customer, 10_00)
    assert awards(customer) == [("Silver", TODAY, until)]
    buy(customer, 40_00)

    assert awards(customer) == [("Silver", TODAY, until), ("Gold", TODAY, until)]
    assert loyalty.tier_of(customer, TODAY) == tiers["Gold"]
    assert loyalty.tier_of(customer, until) == tiers["Gold"]
    assert loyalty.tier_of(customer, until + timedelta(days=1)) is None
    assert loyalty.tier_of(customer, TODAY - timedelta(days=1)) is None


def test_only_what_was_spent_within_the_months_counts_net_of_returns(tiers: dict[str, Tier]) -> None:
    customer = make.customer(registered=True)
    buy(customer, 45_00, days_ago=366)
    buy(customer, 45_00, days_ago=364)
    make.a_receipt(customer, [(make.product(), "-1", -5_00)], sold_on=TODAY, kind="return")

    buy(customer, 9_99)
    assert awards(customer) == []
    buy(customer, 1)
    assert [name for name, *_rest in awards(customer)] == ["Silver"]


def test_nobody_but_members_gets_a_tier(tiers: dict[str, Tier]) -> None:
    customer = make.customer()
    buy(customer, 60_00)
    assert loyalty.award_tiers(today=TODAY) == 0
    assert awards(customer) == []


def test_an_award_stays_until_its_end_and_is_given_anew_to_whoever_still_spends(tiers: dict[str, Tier]) -> None:
    loyal, gone = make.customer(registered=True), make.customer(registered=True)
    buy(loyal, 60_00)
    buy(gone, 60_00)
    ended = months_before(TODAY, -6) + timedelta(days=1)
    make.a_receipt(gone, [(make.product(), "-1", -20_00)], sold_on=TODAY, kind="return")
    assert loyalty.award_tiers(today=ended - timedelta(days=1)) == 0
    assert loyalty.tier_of(gone, TODAY) == tiers["Silver"]
    ChangeMark.objects.all().delete()

    assert [loyalty.award_tiers(today=ended), loyalty.award_tiers(today=ended)] == [1, 0]

    assert loyalty.tiers_of(customer_ids=[loyal.pk, gone.pk], today=ended) == {loyal.pk: tiers["Silver"]}
    assert list(ChangeMark.objects.values_list("customer", flat=True)) == [loyal.pk]


def test_a_merge_may_reach_a_tier(tiers: dict[str, Tier]) -> None:
    one, other = make.customer(registered=True), make.customer()
    buy(one, 30_00)
    buy(other, 30_00)

    merging.merge_customers(survivor=one, merged=other, by=None, now=make.NOW)

    assert [name for name, *_rest in awards(one)] == ["Silver"]


def test_the_standing_says_what_the_next_tier_asks_for(tiers: dict[str, Tier]) -> None:
    customer = make.customer(registered=True)
    nothing = loyalty.standing(customer=customer, today=TODAY)
    assert (nothing.tier, nothing.ends_on, nothing.next_tier, nothing.missing_minor) == (
        None, None, tiers["Silver"], 50_00,
    )  # fmt: skip
    buy(customer, 120_00)

    standing = loyalty.standing(customer=customer, today=TODAY)
    assert (standing.tier, standing.ends_on) == (tiers["Gold"], months_before(TODAY, -6))
    assert (standing.spend_minor, standing.next_tier, standing.missing_minor) == (120_00, tiers["Platinum"], 380_00)


def test_tiers_of_a_list_are_one_query(
    tiers: dict[str, Tier], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    people = [make.customer(registered=True) for _ in range(3)]
    for person in people:
        buy(person, 60_00)
    for count in (1, 3):
        with django_assert_num_queries(1):
            assert len(loyalty.tiers_of(customer_ids=[one.pk for one in people[:count]], today=TODAY)) == count


def test_rules_ask_for_the_tier_of_today(tiers: dict[str, Tier]) -> None:
    silver, gold, none = (make.customer(registered=True) for _ in range(3))
    buy(silver, 60_00)
    buy(gold, 60_00)
    buy(gold, 60_00)
    past = make.customer(registered=True)
    TierAward.objects.create(
        customer=past, tier=tiers["Gold"], reached_on=TODAY - timedelta(days=9), ends_on=TODAY - timedelta(days=1)
    )

    def found(operator: str, *values: object) -> set[int]:
        asked = {"attribute": "tier", "operator": operator, **({"value": values[0]} if values else {})}
        rule = parse({"v": 1, "rule": asked})
        return set(customers(rule=rule, now=make.NOW).values_list("pk", flat=True))

    assert found("=", "Silver") == {silver.pk}
    assert found("!=", "Silver") == {gold.pk}
    assert found("in", ["Silver", "Gold"]) == {silver.pk, gold.pk}
    assert found("not in", ["Platinum"]) == {silver.pk, gold.pk}
    assert found("known") == {silver.pk, gold.pk}
    assert found("unknown") == {none.pk, past.pk}
    with pytest.raises(RuleError):
        found("=", "Bronze")


def test_the_factor_of_a_tier_counts_from_the_sale_after_the_one_that_reached_it(tiers: dict[str, Tier]) -> None:
    Tier.objects.update(factor=Decimal(2))
    customer = make.customer(registered=True)
    buy(customer, 50_00)
    buy(customer, 1_00)
    customer.refresh_from_db()
    assert customer.profile.points == 50 + 2
