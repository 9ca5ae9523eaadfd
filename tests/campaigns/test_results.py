"""Reports against a naive recount in Python, and the sentence that sums them up."""

import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from campaigns.books import Books
from campaigns.models import Campaign, Coupon, Delivery, Redemption, TrackedEvent, Variant
from campaigns.results import DAYS_BEFORE, Arm, Coupons, Responses, difference, report
from campaigns.verdict import verdict
from crm.models import Customer, Household, Receipt, ReceiptKind
from tests.crm.make import a_customer, a_product, a_receipt

pytestmark = pytest.mark.django_db

LAUNCH = datetime(2026, 5, 4, 9, tzinfo=UTC)
NOW = LAUNCH + timedelta(days=60)


def a_campaign(**fields: Any) -> Campaign:
    values = {"name": "Spring", "status": "finished", "launched_at": LAUNCH, "attribution_days": 14}
    campaign = Campaign.objects.create(**(values | fields))
    Variant.objects.create(campaign=campaign, subject="s", body="b")
    return campaign


def a_delivery(campaign: Campaign, customer: Customer, status: str = "accepted", **fields: Any) -> Delivery:
    values = {"unit": f"p{customer.pk}", "channel": "email", "assigned_at": LAUNCH}
    return Delivery.objects.create(campaign=campaign, customer=customer, status=status, **(values | fields))


def buys(customer: Customer, minor: int, *, day: int, kind: str = ReceiptKind.SALE) -> Receipt:
    """``day`` days after the launch, at noon."""
    quantity = "1" if minor >= 0 else "-1"
    return a_receipt(
        customer, [(a_product("thing"), quantity, minor)], sold_on=LAUNCH.date() + timedelta(days=day), kind=kind
    )


def naive_arm(customers: list[Customer]) -> Arm:
    """The same numbers, told customer by customer from all their receipts."""
    window = timedelta(days=14)
    buyers = spend = before = buyers_before = 0
    for customer in customers:
        receipts = Receipt.objects.filter(customer=customer)
        after = [r for r in receipts if LAUNCH <= r.sold_at < LAUNCH + window]
        earlier = [r for r in receipts if LAUNCH - window <= r.sold_at < LAUNCH]
        buyers += any(r.kind == "sale" for r in after)
        buyers_before += any(r.kind == "sale" for r in earlier)
        spend += sum(r.total_minor for r in after)
        before += sum(r.total_minor for r in earlier)
    return Arm(len(customers), buyers, spend, before, buyers_before)


def test_arms_equal_a_naive_recount_of_random_purchases() -> None:
    dice = random.Random(7)
    campaign = a_campaign(holdout_percent=20)
    arms: dict[str, list[Customer]] = {"accepted": [], "held_out": [], "failed": [], "cancelled": []}
    for _ in range(40):
        customer = a_customer()
        status = dice.choice(list(arms))
        arms[status].append(customer)
        a_delivery(campaign, customer, status, reason="refused" if status == "failed" else "")
        for _ in range(dice.randrange(5)):
            buys(customer, dice.randrange(1, 9_000), day=dice.randrange(-30, 30))
        if dice.random() < 0.3:
            buys(customer, -dice.randrange(1, 2_000), day=dice.randrange(-30, 30), kind=ReceiptKind.RETURN)
    for customer in (a_customer(), a_customer()):  # fell away before the draw: in no arm
        a_delivery(campaign, customer, "suppressed", reason="no_consent")
        buys(customer, 5_000, day=2)
    late = a_customer()  # unsubscribed after the draw, before the claim: stays in the arm
    a_delivery(campaign, late, "suppressed", reason="unsubscribed", variant=campaign.variants.get())
    buys(late, 4_000, day=2)
    arms["cancelled"].append(late)
    result = report(campaign=campaign, now=NOW)
    assert result.sent == naive_arm(arms["accepted"] + arms["failed"] + arms["cancelled"])
    assert result.held_out == naive_arm(arms["held_out"])
    assert result.extra is not None
    assert result.sent.units + result.held_out.units + 2 == result.books.audience == 43
    everybody = arms["accepted"] + arms["failed"] + arms["cancelled"]
    ends_at = LAUNCH + timedelta(days=14)
    on_day = [
        Receipt.objects.filter(customer__in=everybody, sold_on=day.on, sold_at__lt=ends_at, kind="sale")
        .values("customer")
        .distinct()
        .count()
        for day in result.by_day
    ]
    assert [day.buyers for day in result.by_day] == on_day
    assert [day.offset for day in result.by_day] == list(range(-DAYS_BEFORE, 15))


def test_the_window_begins_with_the_draw_and_ends_before_the_same_hour_n_days_later() -> None:
    campaign = a_campaign(launched_at=LAUNCH.replace(hour=12), attribution_days=3)
    customer = a_customer()
    a_delivery(campaign, customer, assigned_at=LAUNCH.replace(hour=12))
    for day, minor in ((-4, 1), (-3, 10), (-1, 100), (0, 1_000), (2, 10_000), (3, 100_000)):
        buys(customer, minor, day=day)
    assert report(campaign=campaign, now=NOW).sent == Arm(1, 1, 11_000, 110, 1)


def test_the_days_of_the_plot_add_up_to_the_number_above_it() -> None:
    """Purchases are made at noon: on the first day before the window begins, on the last before it ends."""
    afternoon = LAUNCH.replace(hour=13)
    campaign = a_campaign(launched_at=afternoon, attribution_days=3, holdout_percent=50)
    customer, other = a_customer(), a_customer()
    a_delivery(campaign, customer, assigned_at=afternoon)
    a_delivery(campaign, other, "held_out", assigned_at=afternoon)
    for day, minor in ((-1, 1), (0, 20), (1, 300), (3, 4_000), (4, 50_000)):
        buys(customer, minor, day=day)
        buys(other, 2 * minor, day=day)
    result = report(campaign=campaign, now=NOW)
    after = [day for day in result.by_day if day.offset >= 0]
    assert [(day.offset, day.spend_minor) for day in after] == [(0, 0), (1, 300), (2, 0), (3, 4_000)]
    assert sum(day.spend_minor for day in after) == result.sent.spend_minor
    assert sum(day.held_out_spend_minor for day in after) == result.held_out.spend_minor == 8_600


def test_books_balance_and_name_every_reason() -> None:
    campaign = a_campaign(status="sending")
    soon = NOW + timedelta(minutes=5)
    for status, fields in (
        ("accepted", {}),
        ("accepted", {}),
        ("suppressed", {"reason": "no_consent"}),
        ("suppressed", {"reason": "no_consent"}),
        ("suppressed", {"reason": "bounced"}),
        ("failed", {"reason": "refused"}),
        ("held_out", {}),
        ("pending", {}),
        ("leased", {"leased_until": soon}),
        ("sending", {}),
        ("sending", {"leased_until": soon}),
        ("cancelled", {}),
    ):
        a_delivery(campaign, a_customer(), status, **fields)
    books = report(campaign=campaign, now=NOW).books
    assert books == Books(
        audience=12,
        accepted=2,
        failed={"refused": 1},
        undecided=1,
        suppressed={"no_consent": 2, "bounced": 1},
        held_out=1,
        cancelled=1,
        to_go=3,
    )
    assert books.is_balanced


def test_responses_count_people_and_machines_apart_and_each_delivery_once() -> None:
    campaign = a_campaign()
    read, scanned, silent = (a_delivery(campaign, a_customer()) for _ in range(3))
    for delivery, kind, automated in (
        (read, "opened", True),
        (read, "opened", False),
        (read, "clicked", False),
        (read, "clicked", False),
        (read, "unsubscribed", False),
        (scanned, "opened", True),
        (scanned, "clicked", True),
        (silent, "bounced", False),
    ):
        TrackedEvent.objects.create(delivery=delivery, kind=kind, is_automated=automated, happened_at=LAUNCH)
    assert report(campaign=campaign, now=NOW).responses == Responses(
        opened=1, opened_by_machines=1, clicked=1, clicked_by_machines=1, unsubscribed=1, bounced=1
    )


def test_clicked_then_bought_counts_from_the_first_click_of_a_person() -> None:
    campaign = a_campaign()
    before, after, machine = a_customer(), a_customer(), a_customer()
    for customer, automated in ((before, False), (after, False), (machine, True)):
        delivery = a_delivery(campaign, customer)
        TrackedEvent.objects.create(
            delivery=delivery, kind="clicked", is_automated=automated, happened_at=LAUNCH + timedelta(days=2)
        )
    buys(before, 1_000, day=1)
    buys(after, 2_000, day=3)
    buys(after, 500, day=15)
    buys(after, 9_000, day=16)
    buys(machine, 4_000, day=3)
    assert report(campaign=campaign, now=NOW).attributed == Arm(units=2, buyers=1, spend_minor=2_500)


def test_people_merged_since_are_counted_once_in_the_survivors_arm() -> None:
    campaign = a_campaign(holdout_percent=10)
    survivor, double, older = a_customer(), a_customer(), a_customer()
    a_delivery(campaign, double, "accepted")
    a_delivery(campaign, survivor, "held_out")
    a_delivery(campaign, older, "accepted")
    double.merged_into = survivor
    double.save()
    Customer.objects.filter(pk=older.pk).update(merged_into=double)
    buys(survivor, 700, day=1)
    coupon = Coupon.objects.create(campaign=campaign, code="X")
    for customer in (survivor, double, older):
        Redemption.objects.create(coupon=coupon, customer=customer, redeemed_on=LAUNCH.date())
    result = report(campaign=campaign, now=NOW)
    assert (result.sent, result.held_out) == (Arm(), Arm(1, 1, 700))
    assert result.coupons == Coupons(offered=1, redemptions=3, customers=1)


def test_a_household_counts_the_purchases_of_all_its_people() -> None:
    campaign = a_campaign(is_imported=True)
    home = Household.objects.create(number="1")
    mother, son = a_customer(household=home), a_customer(household=home)
    a_delivery(campaign, mother, unit=f"h{home.pk}")
    buys(son, 300, day=1)
    buys(mother, 200, day=2)
    result = report(campaign=campaign, now=NOW)
    assert result.sent == Arm(1, 1, 500)
    assert "1 of 1 household bought" in " ".join(verdict(result))


def test_a_report_takes_as_many_queries_for_three_deliveries_as_for_one(django_assert_num_queries: Any) -> None:
    campaign = a_campaign()
    a_delivery(campaign, a_customer())
    with django_assert_num_queries(8):
        report(campaign=campaign, now=NOW)
    for _ in range(2):
        buys(a_delivery(campaign, a_customer()).customer, 100, day=1)
    with django_assert_num_queries(8):
        report(campaign=campaign, now=NOW)


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        # Newcombe (1998), Statistics in Medicine 17: 873-890, table II, method 10.
        ((56, 70, 48, 80), (0.2, 0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.6, 0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.5714, 0.0582, 0.8062)),
        ((5, 56, 0, 29), (0.0893, -0.0381, 0.1926)),
        ((0, 10, 0, 20), (0.0, -0.1611, 0.2775)),
        ((10, 10, 0, 10), (1.0, 0.6075, 1.0)),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(arms: tuple[int, ...], expected: tuple[float, ...]) -> None:
    found = difference(*arms)
    assert all(
        math.isclose(a, b, abs_tol=0.00006) for a, b in zip((found.best, found.low, found.high), expected, strict=True)
    )


def test_without_a_draw_the_verdict_tells_a_difference_and_claims_no_effect() -> None:
    campaign = a_campaign(is_imported=True, channel="post")
    coupon = Coupon.objects.create(campaign=campaign, code="X")
    for number in range(3):
        customer = a_customer()
        a_delivery(campaign, customer)
        buys(customer, 10_000, day=number)
        buys(customer, 4_000, day=-3)
        if number:
            Redemption.objects.create(coupon=coupon, customer=customer, redeemed_on=date(2026, 5, 6))
    result = report(campaign=campaign, now=NOW)
    assert result.extra is None
    assert verdict(result)[1] == "In the 14 days after, 3 of them bought, for $300.00."  # the receipts begin later
    buys(a_customer(), 100, day=-14)
    result = report(campaign=campaign, now=NOW)
    assert verdict(result) == [
        "2 of 3 customers redeemed a coupon.",
        "In the 14 days after, 3 of them bought, for $300.00; in the 14 days before, $120.00.",
        "Nobody was left out at random, so this is a difference, not an effect.",
    ]


def test_with_a_draw_the_verdict_gives_extra_buyers_or_says_that_it_cant_tell() -> None:
    campaign = a_campaign(holdout_percent=50)
    for number in range(60):
        customer = a_customer()
        a_delivery(campaign, customer, "held_out" if number % 2 else "accepted")
        if number % 2 == 0 and number < 50:
            buys(customer, 1_000, day=1)
    result = report(campaign=campaign, now=NOW)
    [sentence] = verdict(result)
    assert sentence.startswith("It worked: best guess 25 extra buyers (95% interval 19 to 28). 83.3% of those")
    Receipt.objects.filter(customer__isnull=False).update(customer=None)
    [sentence] = verdict(report(campaign=campaign, now=NOW))
    assert sentence.startswith("Can't tell whether it sold more: 0.0% of those")


def test_before_the_days_are_over_the_verdict_says_so_far() -> None:
    campaign = a_campaign()
    a_delivery(campaign, a_customer())
    early = LAUNCH + timedelta(days=2, hours=5)
    assert verdict(report(campaign=campaign, now=early)) == [
        "Day 3 of 14: so far 0 of 1 customer bought, for $0.00.",
        "Nobody was left out at random, so it will be a difference, not an effect.",
    ]
    a_delivery(campaign, a_customer(), "held_out")
    assert verdict(report(campaign=campaign, now=early)) == [
        "Day 3 of 14: so far 0 of 1 customer bought, for $0.00.",
        "What the message changed is judged when the 14 days are over.",
    ]
    assert verdict(report(campaign=a_campaign(status="draft", launched_at=None), now=NOW)) == ["Not sent yet."]
