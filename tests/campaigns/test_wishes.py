"""Who asked for a pause, declined the topic or wants fewer messages is not written to, nor at the last moment."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest

from campaigns.audience import freeze_audience, preview_audience
from campaigns.channels import door
from campaigns.models import Campaign, Delivery
from campaigns.sending import claim, open_window
from crm.models import Customer, Topic
from tests.campaigns.builders import campaign_for, fates, people, segment_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
TODAY = date(2026, 11, 22)


def to_everybody(**values: object) -> Campaign:
    return campaign_for(segment_of(list(Customer.objects.all()), now=NOW, name=str(uuid.uuid4())), **values)


def accepted(customer: Customer, sent_at: datetime, **values: object) -> None:
    earlier = Campaign.objects.create(name="Earlier", **values)
    Delivery.objects.create(
        campaign=earlier,
        unit=f"p{customer.pk}",
        customer=customer,
        channel="email",
        address_key=customer.email_key,
        status="accepted",
        assigned_at=sent_at,
        sent_at=sent_at,
    )


def test_a_pause_lasts_through_its_last_day() -> None:
    today, yesterday, tomorrow, _none = people(4)
    for customer, ends_on in ((today, TODAY), (yesterday, TODAY - timedelta(1)), (tomorrow, TODAY + timedelta(1))):
        Customer.objects.filter(pk=customer.pk).update(pause_ends_on=ends_on)
    found = preview_audience(campaign=to_everybody(), now=NOW)
    assert (found.suppressed, found.to_send) == ({"paused": 2}, 2)


def test_a_declined_topic_keeps_out_only_its_campaigns() -> None:
    wine = Topic.objects.create(slug="wine", name="Wine")
    cheese = Topic.objects.create(slug="cheese", name="Cheese")
    declining, _other = people(2)
    Customer.objects.filter(pk=declining.pk).update(topics_declined=["wine"])
    suppressed = [
        preview_audience(campaign=to_everybody(topic=topic), now=NOW).suppressed for topic in (wine, cheese, None)
    ]
    assert suppressed == [{"topic_declined": 1}, {}, {}]


@pytest.mark.parametrize(
    ("often", "days_ago", "is_too_often"),
    [("weekly", 6, True), ("weekly", 8, False), ("monthly", 29, True), ("monthly", 31, False), ("", 0, False)],
)
def test_whoever_wants_fewer_messages_gets_no_second_one_so_soon(often: str, days_ago: int, is_too_often: bool) -> None:
    [customer] = people(1)
    Customer.objects.update(message_frequency=often)
    accepted(customer, NOW - timedelta(days=days_ago))
    found = preview_audience(campaign=to_everybody(), now=NOW)
    assert found.suppressed == ({"too_often": 1} if is_too_often else {})


def test_service_messages_and_campaigns_that_were_carried_out_elsewhere_do_not_count() -> None:
    [customer] = people(1)
    Customer.objects.update(message_frequency="weekly")
    accepted(customer, NOW, is_imported=True)
    accepted(customer, NOW, purpose="research")
    assert preview_audience(campaign=to_everybody(), now=NOW).to_send == 1


def test_a_pause_asked_for_after_the_launch_is_kept_at_the_last_moment() -> None:
    people(3)
    campaign = to_everybody()
    freeze_audience(campaign=campaign, now=NOW)
    Campaign.objects.filter(pk=campaign.pk).update(status="sending", launched_at=NOW)
    lease = uuid.uuid4()
    claimed = claim(campaign_id=campaign.pk, lease=lease, now=NOW, limit=10)
    Customer.objects.filter(pk=claimed[0].customer_id).update(pause_ends_on=TODAY)
    campaign.refresh_from_db()
    ids = [one.id for one in claimed]
    opened = open_window(campaign=campaign, lease=lease, ids=ids, way=door("email"), now=NOW)
    assert opened == set(ids[1:])
    assert fates(campaign) == {"sending": 2, "suppressed: paused": 1}
