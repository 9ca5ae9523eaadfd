from datetime import UTC, date, datetime
from io import StringIO
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Count, Sum
from django.test import Client
from pytest_django import Settings

from campaigns.demo import people, stores, wording
from campaigns.demo.journey import SOURCE, ZONE, Journey, data_folder, weeks_until
from campaigns.demo.loading import load_demo
from campaigns.models import Campaign, Delivery, Redemption
from config.demo_users import DEMO_USERS
from crm import profiles
from crm.models import (
    Customer,
    Household,
    Job,
    LoyaltyEntry,
    PointsRule,
    Receipt,
    ReceiptLine,
    Store,
    Tier,
    TierAward,
)
from personas.models import Persona
from segments.models import Segment

SAMPLE = 12
MONDAY = datetime(2026, 11, 23, 15, tzinfo=UTC)


def source(households: int) -> Any:
    """The purchases of the first households, read here without any code of the loader."""
    sales = pd.read_parquet(data_folder() / "transactions.parquet")
    return sales[sales.household_id.isin(sorted(sales.household_id.unique())[:households])]


def silent(share: float, what: str) -> None:
    """A progress that nobody watches."""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_demo_is_the_source_to_the_cent_and_loads_once(settings: Settings) -> None:
    settings.TIME_ZONE = ZONE
    call_command("load_demo", households=SAMPLE, stdout=(out := StringIO()))
    assert "The demo was loaded in" in out.getvalue()

    sales = source(SAMPLE)
    receipts = Receipt.objects.filter(source=SOURCE)
    assert receipts.aggregate(n=Count("pk"), revenue=Sum("total_minor")) == {
        "n": sales.basket_id.nunique(),
        "revenue": int((sales.sales_value * 100).round().sum()),
    }
    assert ReceiptLine.objects.aggregate(n=Count("pk"), revenue=Sum("total_minor")) == {
        "n": len(sales),
        "revenue": int((sales.sales_value * 100).round().sum()),
    }
    spent = (sales.groupby("household_id").sales_value.sum() * 100).round().astype(int)
    assert dict(Customer.objects.values_list("number", "profile__spend_minor")) == {
        str(number): spend for number, spend in spent.items()
    }
    assert list(Tier.objects.values_list("name", flat=True)) == ["Bronze", "Silver", "Gold"]
    assert PointsRule.objects.count() == 3
    assert (LoyaltyEntry.objects.exists(), TierAward.objects.exists()) == (True, True)
    assert (Customer.objects.count(), Household.objects.count()) == (SAMPLE, SAMPLE)
    assert set(Household.objects.values_list("decision_maker__number", flat=True)) == {str(n) for n in spent.index}
    assert Store.objects.count() == sales.store_id.nunique()
    assert profiles.differences() == []

    assert {(user.username, user.groups.get().name) for user in User.objects.all()} == {
        (person.username, person.group) for person in DEMO_USERS
    }
    for person in DEMO_USERS:
        visitor = Client()
        visitor.force_login(User.objects.get(username=person.username))
        assert visitor.get("/").headers["Location"] == person.starts_at
    assert (Segment.objects.filter(kind="dynamic").count(), Persona.objects.count()) == (6, 4)
    assert not Segment.objects.filter(refreshed_at=None).exists()
    assert not Segment.objects.exclude(last_error="").exists()

    before = (Campaign.objects.count(), Delivery.objects.count(), Job.objects.count())
    call_command("load_demo", stdout=(out := StringIO()))
    assert out.getvalue() == "The demo is there already.\n"
    assert (Campaign.objects.count(), Delivery.objects.count(), Job.objects.count()) == before


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_load_that_is_cut_short_leaves_nothing_and_goes_on_with_the_same_shift() -> None:
    with (
        mock.patch.object(stores, "name_stores", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        load_demo(households=2, now=MONDAY, progress=silent)
    assert not Customer.objects.exists()
    assert not Receipt.objects.exists()

    two_weeks_later = datetime(2026, 12, 7, 15, tzinfo=UTC)
    with (
        mock.patch("campaigns.demo.content.refresh_all", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        load_demo(households=None, now=two_weeks_later, progress=silent)
    assert Customer.objects.count() == 2

    assert load_demo(households=None, now=two_weeks_later, progress=silent) is True
    assert load_demo(households=None, now=two_weeks_later, progress=silent) is False
    job = Job.objects.get(kind="load_demo")
    assert job.params == {"weeks": 464, "households": 2}
    assert Receipt.objects.latest("sold_at").sold_at < MONDAY
    assert Campaign.objects.filter(name="Coffee week", status="draft").count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_shop_with_customers_of_its_own_is_left_alone() -> None:
    Customer.objects.create(number="1")
    with pytest.raises(CommandError, match="customers of its own"):
        call_command("load_demo", households=1, stdout=StringIO())
    assert (Customer.objects.count(), Job.objects.count()) == (1, 0)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_past_campaigns_hold_the_letters_and_redemptions_of_the_source() -> None:
    load_demo(households=40, now=MONDAY, progress=silent)
    chosen = {str(number) for number in sorted(source(40).household_id.unique())}
    mailed = pd.read_parquet(data_folder() / "campaigns.parquet").astype(str)
    redeemed = pd.read_parquet(data_folder() / "coupon_redemptions.parquet")

    def of_campaign(name: str) -> tuple[set[str], int]:
        deliveries = Delivery.objects.filter(campaign__name=name, channel="post", status="accepted")
        redemptions = Redemption.objects.filter(coupon__campaign__name=name)
        return set(deliveries.values_list("customer__number", flat=True)), redemptions.count()

    letters = mailed[(mailed.campaign_id == "18") & mailed.household_id.isin(chosen)]
    coupons = redeemed[(redeemed.campaign_id == 18) & redeemed.household_id.astype(str).isin(chosen)]
    assert of_campaign("Campaign 18 (Type A)") == (set(letters.household_id), len(coupons))
    assert len(letters) > 5
    campaign = Campaign.objects.get(name="Campaign 18 (Type A)")
    # It began on Monday 2017-10-30 and lasted until Sunday 2017-12-24.
    assert (campaign.is_imported, campaign.status, campaign.attribution_days) == (True, "finished", 56)
    assert campaign.launched_at == datetime(2026, 9, 21, 4, tzinfo=UTC)


def test_campaign_18_of_the_source_was_mailed_to_1133_households_of_whom_214_redeemed() -> None:
    journey = Journey(weeks=0)
    mailed, redeemed = journey.table("campaigns"), journey.table("coupon_redemptions")
    assert mailed[mailed.campaign_id == 18].household_id.nunique() == 1133
    assert redeemed[redeemed.campaign_id == 18].household_id.nunique() == 214


@pytest.mark.parametrize(
    ("today", "ends_on"),
    [
        (date(2026, 11, 21), date(2026, 11, 15)),
        (date(2026, 11, 22), date(2026, 11, 15)),  # a Sunday: the one before
        (date(2026, 11, 23), date(2026, 11, 22)),
    ],
)
def test_the_data_ends_on_the_last_sunday_before_today_on_the_shops_wall_clock(today: date, ends_on: date) -> None:
    journey = Journey(weeks=weeks_until(today), households=40)
    local = journey.transactions.transaction_timestamp.dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None)
    assert (journey.transactions.sold_at.dt.time == local.dt.time).all()
    assert (journey.transactions.sold_at.dt.day_of_week == local.dt.day_of_week).all()
    assert journey.transactions.sold_at.max().date() == ends_on


def test_people_are_synthetic_and_always_the_same() -> None:
    crowd = [people.person(str(number), position=number) for number in range(2600)]
    assert crowd[:50] == [people.person(str(number), position=number) for number in range(50)]
    assert {one.email.rpartition("@")[2] for one in crowd} == {"", "example.com", "example.org"}
    assert all(one.email.isascii() for one in crowd)
    assert all(" 555 01" in one.phone for one in crowd if one.phone)
    phones = [one.phone for one in crowd if one.phone]
    assert len(phones) == len(set(phones))
    assert {one.language for one in crowd} == {"en", "ru", "it", "fi", "is"}
    asked = [one.consents["email"] for one in crowd if one.consents["email"]]
    assert 0.6 < sum(answer == "yes" for answer in asked) / len(crowd) < 0.8


@pytest.mark.parametrize(
    ("digits", "code"), [("400638133393", "4006381333931"), ("290000000001", "2900000000018"), ("0" * 12, "0" * 13)]
)
def test_cards_and_barcodes_have_the_check_digit_that_scanners_verify(digits: str, code: str) -> None:
    assert people.ean13(digits) == code


@pytest.mark.parametrize(
    ("shouted", "written"),
    [
        ("FRZN NOVELTIES/WTR ICE", "Frozen novelties/water ice"),
        ("BREAD:ITALIAN/FRENCH", "Bread: italian/french"),
        ("CANDY BARS (SINGLES)(INCLUDING", "Candy bars (singles)"),
        ("CHIPS&SNACKS", "Chips and snacks"),
        ("MISC. DAIRY", "Miscellaneous dairy"),
    ],
)
def test_product_names_are_written_as_a_shop_would(shouted: str, written: str) -> None:
    assert wording.sentence(shouted) == written
