"""Clicks and openings: counted, led only to the campaign's own addresses, machines told from people."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from campaigns.models import Delivery, Link, TrackedEvent
from campaigns.tracking import (
    click_url,
    follower,
    looks_automated,
    pixel_url,
    record_click,
    record_links,
    signature,
    with_pixel,
)
from tests.campaigns.builders import campaign_for, people, segment_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGES = ["https://shop.example.com/a", "https://shop.example.com/b?x=1&y=2", "https://shop.example.com/c"]


def delivery(status: str = "accepted", **values: object) -> Delivery:
    campaign = campaign_for(segment_of([], now=NOW, name=str(uuid.uuid4())))
    (customer,) = people(1, start=Delivery.objects.count() + 1)
    row = Delivery.objects.create(
        campaign=campaign,
        unit=f"p{customer.pk}",
        customer=customer,
        channel="email",
        address=customer.email,
        address_key=customer.email_key,
        status=status,
        assigned_at=NOW,
        **values,
    )
    record_links(campaign_id=campaign.pk, urls=PAGES)
    return row


def link_of(row: Delivery, url: str) -> Link:
    return Link.objects.get(campaign=row.campaign, url=url)


def events(row: Delivery) -> list[tuple[str, str, str, bool]]:
    found = row.events.order_by("id").values_list("kind", "link__url", "user_agent", "is_automated")
    return [(kind, url or "", agent, machine) for kind, url, agent, machine in found]


def test_a_click_is_written_down_and_leads_on(client: Client) -> None:
    row = delivery()

    response = client.get(
        click_url(token=row.token, link_id=link_of(row, PAGES[1]).pk), headers={"user-agent": FIREFOX}
    )

    assert (response.status_code, response["Location"]) == (302, PAGES[1])
    assert (response["Cache-Control"], response["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert response.cookies == {}
    assert events(row) == [("clicked", PAGES[1], FIREFOX, False)]


def test_a_click_costs_few_queries(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    row = delivery()
    url = click_url(token=row.token, link_id=link_of(row, PAGES[0]).pk)

    with django_assert_num_queries(3):
        client.get(url)


def test_a_forged_click_is_refused_and_leaves_nothing(client: Client) -> None:
    row, other = delivery(), delivery()
    link, others_link = link_of(row, PAGES[0]), link_of(other, PAGES[0])
    good = signature("c", row.token, link.pk)
    forged = [
        f"/m/c/{row.token.hex}/{link.pk}/{'A' * 16}",
        f"/m/c/{row.token.hex}/{link.pk}/{good[:-1]}",
        f"/m/c/{row.token.hex}/{link.pk + 1}/{good}",
        f"/m/c/{other.token.hex}/{link.pk}/{good}",
        f"/m/c/{row.token.hex}/{link.pk}/{signature('u', row.token, link.pk)}",
        f"/m/c/{row.token.hex}/{others_link.pk}/{signature('c', row.token, others_link.pk)}",  # another campaign's
        f"/m/c/{uuid.uuid4().hex}/{link.pk}/{good}",
        f"/m/c/{row.token.hex}/{link.pk}/{good}ж",
        f"/m/o/{row.token.hex}/{good}.gif",
        f"/m/c/nonsense/{link.pk}/{good}",
    ]

    assert [client.get(url).status_code for url in forged] == [404] * len(forged)
    assert TrackedEvent.objects.count() == 0


def test_links_outlive_a_change_of_secret(client: Client, settings: Settings) -> None:
    row = delivery()
    url = click_url(token=row.token, link_id=link_of(row, PAGES[0]).pk)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another-secret-" + "y" * 40

    assert client.get(url).status_code == 404
    settings.SECRET_KEY_FALLBACKS = [old]
    assert client.get(url).status_code == 302


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_click_is_a_get(client: Client, method: str) -> None:
    row = delivery()

    assert getattr(client, method)(click_url(token=row.token, link_id=link_of(row, PAGES[0]).pk)).status_code == 405
    assert events(row) == []


def test_an_opening_is_written_down_and_shows_a_picture(client: Client) -> None:
    row = delivery()

    response = client.get(pixel_url(token=row.token), headers={"user-agent": FIREFOX})

    assert (response.status_code, response["Content-Type"], len(response.content)) == (200, "image/gif", 42)
    assert response["Cache-Control"] == "no-store"
    assert events(row) == [("opened", "", FIREFOX, False)]


@pytest.mark.parametrize(
    ("status", "reason", "becomes"),
    [
        ("sending", "", "accepted"),
        ("failed", "unclear", "accepted"),
        ("failed", "refused", "failed"),
        ("cancelled", "", "cancelled"),
        ("suppressed", "no_consent", "suppressed"),
    ],
)
def test_an_event_settles_what_was_unclear(client: Client, status: str, reason: str, becomes: str) -> None:
    row = delivery(status, reason=reason)

    client.get(pixel_url(token=row.token), headers={"user-agent": "curl/8"})

    row.refresh_from_db()
    assert (row.status, row.sent_at is not None) == (becomes, becomes == "accepted")


@pytest.mark.parametrize(
    ("method", "headers", "machine"),
    [
        ("get", {"user-agent": FIREFOX}, False),
        ("get", {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"}, False),
        (
            "get",
            {"user-agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"},
            False,
        ),
        ("head", {"user-agent": FIREFOX}, True),
        ("get", {"user-agent": FIREFOX, "sec-purpose": "prefetch;prerender"}, True),
        ("get", {"user-agent": FIREFOX, "x-moz": "prefetch"}, True),
        ("get", {"user-agent": FIREFOX, "purpose": "preview"}, True),
        ("get", {"user-agent": "Mozilla/5.0"}, True),
        ("get", {}, True),
        ("get", {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}, True),
        ("get", {"user-agent": "python-requests/2.32"}, True),
        ("get", {"user-agent": "BarracudaCentral"}, True),
        ("get", {"user-agent": "Mozilla/5.0 (X11) AppleWebKit/537.36 HeadlessChrome/140.0"}, True),
        ("get", {"user-agent": "Mozilla/5.0 (Linux; Android 14; Cubot X70) Chrome/140.0 Mobile Safari/537.36"}, False),
    ],
)
def test_machines_that_say_so_are_known(method: str, headers: dict[str, str], machine: bool) -> None:
    assert looks_automated(getattr(RequestFactory(), method)("/", headers=headers)) is machine


def test_a_burst_over_many_links_is_a_machine_from_its_first_click() -> None:
    row = delivery()
    for seconds, url in ((0, PAGES[0]), (0.5, PAGES[1]), (1, PAGES[2]), (60, PAGES[0])):
        record_click(
            token=row.token,
            link_id=link_of(row, url).pk,
            now=NOW + timedelta(seconds=seconds),
            user_agent=FIREFOX,
            is_automated=False,
        )

    assert [machine for *_rest, machine in events(row)] == [True, True, True, False]


def test_a_reader_who_clicks_the_same_or_two_links_is_a_person() -> None:
    row, other = delivery(), delivery()
    for seconds, url in ((0, PAGES[0]), (0.3, PAGES[0]), (0.6, PAGES[0]), (1, PAGES[1]), (30, PAGES[2])):
        record_click(
            token=row.token,
            link_id=link_of(row, url).pk,
            now=NOW + timedelta(seconds=seconds),
            user_agent=FIREFOX,
            is_automated=False,
        )
    record_click(
        token=other.token, link_id=link_of(other, PAGES[2]).pk, now=NOW, user_agent=FIREFOX, is_automated=False
    )

    assert [machine for *_rest, machine in events(row)] == [False] * 5


def test_only_web_addresses_become_links_and_each_once() -> None:
    campaign = campaign_for()
    urls = [
        "https://a.example/",
        "mailto:a@b.example",
        "tel:1",
        "https://a.example/",
        "https://a.example/" + "x" * 2000,
    ]

    first = record_links(campaign_id=campaign.pk, urls=urls)

    assert list(first) == ["https://a.example/"]
    assert record_links(campaign_id=campaign.pk, urls=urls) == first


def test_follower_swaps_known_addresses_alone() -> None:
    token = uuid.uuid4()
    follow = follower(token=token, links={"https://a.example/": 7})

    assert follow("https://a.example/") == click_url(token=token, link_id=7)
    assert follow("https://b.example/") == "https://b.example/"


def test_the_pixel_stands_at_the_end_of_the_page() -> None:
    token = uuid.uuid4()

    page = with_pixel("<html><body><p>Hi</p></body></html>", token=token)

    assert page.startswith("<html><body><p>Hi</p><img ") and page.endswith("></body></html>")
    assert page.count(pixel_url(token=token)) == 1


def test_what_a_program_calls_itself_is_cut_and_cleaned(client: Client) -> None:
    row = delivery()

    client.get(pixel_url(token=row.token), headers={"user-agent": "x\0" + "y" * 2000})

    assert row.events.get().user_agent == "x" + "y" * 499
    assert row.events.get().happened_at <= timezone.now()
