"""The report's page: what it says in words and numbers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign, Coupon, Redemption
from crm.models import Household
from tests.campaigns.test_results import LAUNCH, a_campaign, a_delivery, buys
from tests.crm.make import a_customer
from tests.support.people import person

pytestmark = pytest.mark.django_db

Reader = Callable[[Campaign], str]


@pytest.fixture
def page(client: Client) -> Reader:
    client.force_login(person("Marketing"))

    def read(campaign: Campaign) -> str:
        response = client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
        assert response.status_code == 200
        return " ".join(response.content.decode().split())

    return read


def test_a_campaign_carried_out_elsewhere_reports_its_coupons_and_claims_no_effect(page: Reader) -> None:
    campaign = a_campaign(name="Letter 18", is_imported=True, channel="post")
    coupon = Coupon.objects.create(campaign=campaign, code="X")
    for number in range(4):
        home = Household.objects.create(number=str(number))
        customer = a_customer(household=home)
        a_delivery(campaign, customer, unit=f"h{home.pk}")
        buys(customer, 1_250, day=number)
    Redemption.objects.create(coupon=coupon, customer=customer, redeemed_on=LAUNCH.date())
    text = page(campaign)
    assert "1 of 4 households redeemed a coupon." in text
    assert "4 of them bought, for $50.00" in text
    assert "Nobody was left out at random, so this is a difference, not an effect." in text
    assert "they balance" in text
    for word in ("Opened, by people", "Pause", "Cancel", "Newcombe"):
        assert word not in text


def test_a_campaign_with_a_draw_shows_both_arms_and_no_interval_of_money(page: Reader) -> None:
    campaign = a_campaign(holdout_percent=50)
    for number in range(40):
        customer = a_customer()
        a_delivery(campaign, customer, "held_out" if number % 2 else "accepted")
        if number % 2 == 0:
            buys(customer, 1_000, day=1)
    text = page(campaign)
    assert "It worked: best guess 20 extra buyers" in text
    assert "Left out to compare" in text
    assert "+100 points" in text
    assert "Whether they spent more: can't tell." in text


def test_every_state_has_a_page(page: Reader) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    seen = {
        status: page(
            a_campaign(
                name=status,
                status=status,
                launched_at=None if status == "scheduled" else LAUNCH,
                scheduled_at=soon if status == "scheduled" else None,
            )
        )
        for status in ("scheduled", "sending", "paused", "finished", "cancelled")
    }
    assert "Goes out on" in seen["scheduled"]
    assert "Back to a draft" in seen["scheduled"]
    assert "Pause" in seen["sending"]
    assert "Resume" in seen["paused"]
    assert "Correct the message" in seen["paused"]
    for status in ("finished", "cancelled"):
        assert "Nobody got this message" in seen[status]
        assert "Cancel this campaign" not in seen[status]
        assert "Duplicate" in seen[status]
