"""Unsubscribing: looking changes nothing, one press is enough, and it stops the address for every record."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from campaigns.audience import preview_audience
from campaigns.models import Delivery
from campaigns.tracking import unsubscribe_url
from campaigns.unsubscribing import unsubscribe
from crm.addresses import masked
from crm.consents import record_consent, stop_address, suppress, suppressed
from crm.models import Consent, Customer, CustomerProfile, Suppression
from tests.campaigns.builders import campaign_for, people, segment_of
from tests.campaigns.test_tracking import FIREFOX, delivery, events

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def path_of(row: Delivery) -> str:
    return urlsplit(unsubscribe_url(token=row.token)).path


def consents(customer: Customer) -> list[tuple[bool, str]]:
    return list(Consent.objects.filter(customer=customer).order_by("id").values_list("granted", "source"))


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_at_the_page_changes_nothing(client: Client, method: str) -> None:
    row = delivery()

    response = getattr(client, method)(path_of(row), headers={"user-agent": FIREFOX})

    assert response.status_code == 200
    assert CustomerProfile.objects.get(customer=row.customer).consent_email is True
    assert (consents(row.customer), events(row), Suppression.objects.count()) == ([], [], 0)


def test_the_page_has_a_button_and_shows_only_a_masked_address(client: Client) -> None:
    row = delivery()

    page = client.get(path_of(row)).content.decode()

    assert '<form class="card stack" method="post">' in page
    assert masked(row.address) in page
    assert row.address not in page
    assert "<script" not in page and "style=" not in page


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "One-Click"}])
def test_a_press_and_one_click_stop_the_address(body: dict[str, str]) -> None:
    row = delivery()
    client = Client(enforce_csrf_checks=True)

    response = client.post(path_of(row), body, headers={"user-agent": FIREFOX})

    assert response.status_code == 200
    assert "You are unsubscribed" in response.content.decode()
    assert response["Cache-Control"] == "no-store"
    assert CustomerProfile.objects.get(customer=row.customer).consent_email is False
    assert consents(row.customer) == [(False, "unsubscribe link")]
    assert suppressed(channel="email", address_keys=[row.address_key]) == {row.address_key: {"unsubscribed"}}
    assert events(row) == [("unsubscribed", "", FIREFOX, False)]


def test_a_second_press_changes_nothing(client: Client) -> None:
    row = delivery()

    for _press in range(3):
        assert client.post(path_of(row)).status_code == 200

    assert (len(consents(row.customer)), len(events(row)), Suppression.objects.count()) == (1, 1, 1)


def test_after_a_new_yes_the_old_link_says_no_again(client: Client) -> None:
    row = delivery()
    client.post(path_of(row))
    record_consent(customer=row.customer, channel="email", granted=True, source="till", stated_at=timezone.now())

    assert "No more offers" in client.get(path_of(row)).content.decode()
    client.post(path_of(row))

    assert [granted for granted, _source in consents(row.customer)] == [False, True, False]
    assert CustomerProfile.objects.get(customer=row.customer).consent_email is False


def test_everybody_with_that_address_is_left_alone(client: Client) -> None:
    row = delivery()
    sister, stranger = people(2, start=50)
    Customer.objects.filter(pk=sister.pk).update(email=row.address, email_key=row.address_key)
    campaign = campaign_for(segment_of([sister, stranger], now=NOW))

    client.post(path_of(row))

    found = preview_audience(campaign=campaign, now=NOW)
    assert (found.suppressed, found.to_send) == ({"no_consent": 1}, 1)
    assert consents(sister) == consents(row.customer) == [(False, "unsubscribe link")]
    assert consents(stranger) == []
    assert set(suppressed(channel="email", address_keys=[row.address_key])) == {row.address_key}


def yes(customer: Customer, *, at: datetime | None = None) -> None:
    record_consent(
        customer=customer, channel="email", granted=True, source="till", stated_at=at or timezone.now(), by=None
    )


def test_a_later_yes_at_the_till_is_one_persons_and_they_are_written_to_again(client: Client) -> None:
    row = delivery()
    (sister,) = people(1, start=50)
    Customer.objects.filter(pk=sister.pk).update(email=row.address, email_key=row.address_key)
    campaign = campaign_for(segment_of([sister, row.customer], now=NOW))
    client.post(path_of(row))

    yes(row.customer)

    found = preview_audience(campaign=campaign, now=NOW)
    assert (found.suppressed, found.to_send) == ({"no_consent": 1}, 1)
    assert CustomerProfile.objects.get(customer=sister).consent_email is False
    client.post(path_of(row))
    assert preview_audience(campaign=campaign, now=NOW).to_send == 0


def test_after_a_sisters_new_yes_the_old_link_stops_the_address_again(client: Client) -> None:
    row = delivery()
    (sister,) = people(1, start=50)
    Customer.objects.filter(pk=sister.pk).update(email=row.address, email_key=row.address_key)
    client.post(path_of(row))
    yes(sister)
    assert "You are unsubscribed" not in client.get(path_of(row)).content.decode()

    client.post(path_of(row))

    assert CustomerProfile.objects.get(customer=sister).consent_email is False
    assert Suppression.objects.filter(reason="unsubscribed").count() == 1


@pytest.mark.parametrize("reason", ["bounced", "complained", "erased"])
def test_a_yes_ends_no_other_reason_and_an_old_yes_ends_none(client: Client, reason: str) -> None:
    row = delivery()
    client.post(path_of(row))
    suppress(channel="email", address_key=row.address_key, reason=reason)

    yes(row.customer, at=timezone.now() - timedelta(days=1))
    assert set(Suppression.objects.values_list("reason", flat=True)) == {"unsubscribed", reason}
    yes(row.customer)
    assert set(Suppression.objects.values_list("reason", flat=True)) == {reason}


def test_stopping_an_address_takes_the_same_queries_for_one_bearer_and_for_three() -> None:
    counts = []
    for bearers in (1, 3):
        rows = people(bearers, start=100 * bearers)
        Customer.objects.filter(pk__in=[one.pk for one in rows]).update(email_key=f"shared{bearers}@example.com")
        with CaptureQueriesContext(connection) as queries:
            stop_address(
                channel="email",
                address_key=f"shared{bearers}@example.com",
                by_customer=rows[0],
                source="unsubscribe link",
                stated_at=NOW,
            )
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_no_of_a_merged_record_is_the_survivor_s(client: Client) -> None:
    row = delivery()
    (survivor,) = people(1, start=60)
    Customer.objects.filter(pk=row.customer.pk).update(merged_into=survivor)

    client.post(path_of(row))

    assert consents(survivor) == [(False, "unsubscribe link")]
    assert CustomerProfile.objects.get(customer=survivor).consent_email is False
    assert "You are unsubscribed" in client.get(path_of(row)).content.decode()


def test_a_forged_link_is_refused(client: Client) -> None:
    row, other = delivery(), delivery()
    forged = [
        path_of(row).replace(row.token.hex, other.token.hex),
        path_of(row)[:-1],
        path_of(row)[:-16] + "A" * 16,
        path_of(row) + "x",
    ]

    assert [client.post(url).status_code for url in forged] == [404] * 4
    assert Consent.objects.count() == 0


def test_an_unknown_delivery_is_refused(client: Client) -> None:
    row = delivery()
    url = path_of(row)
    row.delete()

    assert client.post(url).status_code == 404
    assert unsubscribe(token=row.token, now=NOW) is False


def test_the_page_speaks_the_customer_s_language(client: Client, settings: Settings) -> None:
    settings.LANGUAGES = [("en", "English"), ("fi", "Finnish")]
    row = delivery()
    Customer.objects.filter(pk=row.customer.pk).update(language="fi")

    assert '<html lang="fi"' in client.get(path_of(row)).content.decode()


def test_a_press_settles_an_unclear_delivery(client: Client) -> None:
    row = delivery("sending", sent_at=NOW - timedelta(minutes=9))

    client.post(path_of(row))

    row.refresh_from_db()
    assert (row.status, row.sent_at) == ("accepted", NOW - timedelta(minutes=9))


@pytest.mark.parametrize(
    ("address", "shown"),
    [("anna@example.org", "a***@example.org"), ("a@b", "a***@b"), ("", "***"), ("nonsense", "***")],
)
def test_masked_shows_too_little_to_write_to(address: str, shown: str) -> None:
    assert masked(address) == shown
