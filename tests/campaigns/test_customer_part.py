"""What a customer was sent, on their page."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Delivery, TrackedEvent
from campaigns.page import sent_to
from crm.models import Customer
from tests.campaigns.builders import campaign_for, segment_of
from tests.crm import make
from tests.support.people import person

pytestmark = pytest.mark.django_db


def sent(customer: Customer, name: str, status: str = "accepted", **fields: object) -> Delivery:
    now = timezone.now()
    campaign: Campaign = campaign_for(segment_of([], now=now, name=f"For {name}"), name=name)
    return Delivery.objects.create(
        campaign=campaign,
        unit=f"p{customer.pk}",
        customer=customer,
        channel="email",
        address="anna@example.com",
        address_key="anna@example.com",
        status=status,
        assigned_at=now,
        sent_at=now if status == "accepted" else None,
        **fields,
    )


def test_each_message_shows_what_became_of_it_and_what_they_did() -> None:
    anna = make.customer("Anna Ozola")
    first = sent(anna, "First")
    for kind, automated in (("opened", True), ("opened", False), ("opened", False), ("clicked", False)):
        TrackedEvent.objects.create(delivery=first, kind=kind, is_automated=automated)
    sent(anna, "Second", "suppressed", reason="no_consent")

    assert [(str(one.delivery.campaign), one.outcome, one.responses) for one in sent_to(ids=[anna.pk])] == [
        ("Second", "not sent: no consent", ()),
        ("First", "accepted", ("opened", "clicked")),
    ]


def test_the_part_and_the_timeline_show_messages_and_responses(client: Client) -> None:
    anna = make.customer("Anna Ozola")
    TrackedEvent.objects.create(delivery=sent(anna, "Bricks"), kind="clicked")
    client.force_login(person("Marketing"))

    part = client.get(reverse("admin:campaigns_customer", args=[anna.pk]), headers={"HX-Request": "true"})
    timeline = client.get(
        reverse("admin:crm_customer_timeline", args=[anna.pk]) + "?only=messages", headers={"HX-Request": "true"}
    )

    assert "Bricks" in part.content.decode() and "clicked" in part.content.decode()
    titles = [shown.event.title for shown in timeline.context["events"]]
    assert sorted(titles) == ["Clicked in “Bricks”", "Sent “Bricks” by e-mail"]


def test_one_and_three_messages_take_the_same_queries() -> None:
    anna = make.customer("Anna Ozola")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            [str(one.delivery.campaign) for one in sent_to(ids=[anna.pk])]
        return len(captured)

    sent(anna, "One")
    first = queries()
    sent(anna, "Two")
    sent(anna, "Three")
    assert queries() == first
