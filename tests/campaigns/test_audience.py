"""Who gets a campaign: the waterfall, and that what is frozen is what was shown."""

from datetime import UTC, datetime

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from campaigns.audience import Audience, Step, freeze_audience, preview_audience
from campaigns.channels import NoDoor
from campaigns.models import Campaign, Delivery, Variant
from campaigns.suppression import sql_address_hash
from crm.addresses import address_hash
from crm.consents import suppress
from crm.models import Customer, CustomerProfile
from tests.campaigns.builders import campaign_for, fates, people, segment_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def mixed_campaign(**values: object) -> Campaign:
    """Twenty people: three fall away for what they are, four by their address, two share one."""
    customers = people(20)
    gone, blank, unwilling, bounced, complained, left, erased, sister, twin = customers[:9]
    Customer.objects.filter(pk=gone.pk).update(merged_into=customers[-1])
    Customer.objects.filter(pk=blank.pk).update(email="", email_key="")
    CustomerProfile.objects.filter(pk=unwilling.pk).update(consent_email=False)
    for customer, reason in (
        (bounced, "bounced"),
        (complained, "complained"),
        (left, "unsubscribed"),
        (erased, "erased"),
    ):
        suppress(channel="email", address_key=customer.email_key, reason=reason)
    suppress(channel="email", address_key=complained.email_key, reason="bounced")
    suppress(channel="sms", address_key=customers[10].email_key, reason="unsubscribed")
    Customer.objects.filter(pk=twin.pk).update(email=sister.email, email_key=sister.email_key)
    first = segment_of(customers[:15], now=NOW, name="First")
    second = segment_of(customers[5:], now=NOW, name="Second")
    people(5, start=100)
    return campaign_for(first, second, **values)


WATERFALL = {
    "not_live": 1,
    "no_address": 1,
    "no_consent": 1,
    "bounced": 1,
    "complained": 1,
    "unsubscribed": 1,
    "erased": 1,
    "same_address": 1,
}


def test_preview_counts_each_person_once_with_the_first_reason() -> None:
    assert preview_audience(campaign=mixed_campaign(), now=NOW) == Audience(
        total=20, suppressed=WATERFALL, held_out=0, to_send=12
    )


def test_preview_shows_steps_in_the_order_of_judging() -> None:
    steps = Audience(total=10, suppressed={"no_consent": 3, "no_address": 2}, held_out=1, to_send=4).steps

    assert steps == [
        Step("no_address", "no address", 2, 8),
        Step("no_consent", "no consent", 3, 5),
        Step("held_out", "left out to compare", 1, 4),
    ]


def test_preview_asks_the_database_twice(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    campaign = mixed_campaign()

    with django_assert_num_queries(2):
        preview_audience(campaign=campaign, now=NOW)


@pytest.mark.parametrize("holdout_percent", [0, 30])
def test_freeze_writes_what_preview_showed(holdout_percent: int) -> None:
    campaign = mixed_campaign(holdout_percent=holdout_percent)
    shown = preview_audience(campaign=campaign, now=NOW)

    assert freeze_audience(campaign=campaign, now=NOW) == shown
    assert shown.suppressed == WATERFALL
    assert shown.held_out + shown.to_send == 12
    assert fates(campaign) == {
        key: count
        for key, count in sorted(
            {
                "pending": shown.to_send,
                "held_out": shown.held_out,
                **{f"suppressed: {reason}": count for reason, count in WATERFALL.items()},
            }.items()
        )
        if count
    }


def test_freeze_writes_whole_deliveries_and_the_rules_that_chose_them() -> None:
    customers = people(2)
    segment = segment_of(customers, now=NOW)
    campaign = campaign_for(segment)

    freeze_audience(campaign=campaign, now=NOW)

    variant = campaign.variants.get()
    wanted = ["occurrence", "unit", "customer", "channel", "address", "address_key", "variant", "status", "assigned_at"]
    assert list(Delivery.objects.order_by("id").values_list(*wanted)) == [
        ("launch", f"p{c.pk}", c.pk, "email", c.email, c.email_key, variant.pk, "pending", NOW) for c in customers
    ]
    campaign.refresh_from_db()
    assert campaign.rules_at_launch == [
        {
            "segment": segment.pk,
            "name": "Regular guests",
            "kind": "picked",
            "rule": {},
            "rule_version": 1,
            "refreshed_at": NOW.isoformat(),
            "members": 2,
        }
    ]


def test_a_shared_address_goes_to_the_one_who_bought_last() -> None:
    customers = people(3)
    Customer.objects.update(email="home@example.org", email_key="home@example.org")
    CustomerProfile.objects.filter(pk=customers[1].pk).update(last_sold_on="2026-10-01")
    CustomerProfile.objects.filter(pk=customers[2].pk).update(last_sold_on="2026-09-01")
    campaign = campaign_for(segment_of(customers, now=NOW))

    freeze_audience(campaign=campaign, now=NOW)

    assert list(Delivery.objects.order_by("id").values_list("customer", "status", "reason")) == [
        (customers[0].pk, "suppressed", "same_address"),
        (customers[1].pk, "pending", ""),
        (customers[2].pk, "suppressed", "same_address"),
    ]


def test_the_draw_is_about_the_share_and_depends_on_the_seed_alone() -> None:
    segment = segment_of(people(2000), now=NOW)
    one = campaign_for(segment, holdout_percent=20, seed="a" * 32)
    same = campaign_for(segment, holdout_percent=20, seed="a" * 32)
    other = campaign_for(segment, holdout_percent=20, seed="b" * 32)
    for campaign in (one, same, other):
        freeze_audience(campaign=campaign, now=NOW)

    def held_out(campaign: Campaign) -> set[int]:
        return set(campaign.deliveries.filter(status="held_out").values_list("customer_id", flat=True))

    assert held_out(one) == held_out(same)
    assert 320 < len(held_out(one)) < 480  # 400, sd 18
    assert 40 < len(held_out(one) & held_out(other)) < 120  # 80 by chance


def test_everyone_gets_the_message_in_their_language() -> None:
    customers = people(5)
    for customer, language in zip(customers, ["ru", "RU-ru", "fi_FI", "de", ""], strict=True):
        Customer.objects.filter(pk=customer.pk).update(language=language)
    campaign = campaign_for(segment_of(customers, now=NOW))
    other = campaign.variants.get()
    russian = Variant.objects.create(campaign=campaign, subject="Кирпич", body="Кирпич", language="ru")
    finnish = Variant.objects.create(campaign=campaign, subject="Tiilet", body="Tiilet", language="fi")

    freeze_audience(campaign=campaign, now=NOW)

    assert list(Delivery.objects.order_by("customer_id").values_list("variant_id", flat=True)) == [
        russian.pk,
        russian.pk,
        finnish.pk,
        other.pk,
        other.pk,
    ]


def test_preview_refuses_a_channel_without_a_door() -> None:
    with pytest.raises(NoDoor):
        preview_audience(campaign=campaign_for(channel="post"), now=NOW)


@pytest.mark.parametrize("key", ["anna@example.org", "", "o'brien@example.org", "%s@пример.example", "back\\slash@a.b"])
@pytest.mark.parametrize("secret", ["short", "x" * 64, "a much longer key than one block of the hash function " * 3])
def test_the_database_hashes_addresses_as_python_does(key: str, secret: str, settings: Settings) -> None:
    settings.ADDRESS_HASH_KEY = secret

    assert sql_address_hash(key) == address_hash(key)
