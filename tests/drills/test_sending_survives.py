"""Real Celery workers, a real mail server, and what goes wrong in a long life: nobody gets two, the books balance.

REGULARS_DRILL=full plays them in full size (`make drill`).
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns.books import books
from campaigns.models import Campaign
from campaigns.states import launch_campaign, settle_undecided, undecided
from campaigns.tracking import pixel_url
from config.celery import app
from tests.campaigns.builders import campaign_for, people, segment_of
from tests.support.sink import DROP, Sink
from tests.support.workers import WorkerFactory

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LEASE = 3
QUICK = {
    "REGULARS_SENDING_LEASE_SECONDS": str(LEASE),
    "REGULARS_SENDING_RETRY_SECONDS": "1",
    "REGULARS_SENDING_BACKOFF_SECONDS": "1",
}


class Stage:
    """A mail server, workers that send to it, and a campaign on its way."""

    def __init__(self, factory: WorkerFactory, sink: Sink) -> None:
        self.factory, self.sink = factory, sink
        self.env = {**QUICK, "REGULARS_SMTP_HOST": "127.0.0.1", "REGULARS_SMTP_PORT": str(sink.port)}

    def bell_ringer(self) -> subprocess.Popen[bytes]:
        """Beat, and the worker of the fast queue that hears it."""
        return self.factory(["fast"], beat=True, env=self.env)

    def sender(self) -> subprocess.Popen[bytes]:
        return self.factory(["bulk"], env=self.env)

    def wait_for_mails(self, count: int, *, seconds: float) -> None:
        wait_until(lambda: self.sink.arrived.total() >= count, seconds=seconds, what=f"mail {count}")

    def launch(self, count: int) -> Campaign:
        now = timezone.now()
        return launch_campaign(campaign=campaign_for(segment_of(people(count), now=now)), by=None, now=now)


@pytest.fixture
def stage(celery_worker_process: WorkerFactory, settings: Settings) -> Iterator[Stage]:
    settings.SENDING_LEASE_SECONDS = LEASE
    sink = Sink(keep=False).start()
    yield Stage(celery_worker_process, sink)
    celery_worker_process.kill()
    sink.stop()


def wait_until(happens: Callable[[], bool], *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.002)


def is_finished(campaign: Campaign) -> bool:
    time.sleep(0.1)
    return Campaign.objects.filter(pk=campaign.pk, status="finished").exists()


def tokens(campaign: Campaign, **filters: object) -> set[str]:
    """As Message-IDs of the sink."""
    found = campaign.deliveries.filter(**filters).values_list("token", flat=True)
    return {f"{token.hex}@example.com" for token in found}


def check_nobody_got_two(stage: Stage, campaign: Campaign, *, now: datetime) -> None:
    """What the server saw and what the books say are the same story."""
    arrived = stage.sink.arrived
    assert {message_id: count for message_id, count in arrived.items() if count > 1} == {}
    assert set(arrived) <= tokens(campaign)
    assert tokens(campaign, status="accepted") <= set(arrived)
    assert set(arrived) <= tokens(campaign, status__in=["accepted", "sending"])
    assert books(campaign=campaign, now=now).is_balanced


def test_workers_killed_in_mid_sending_leave_at_most_a_window_unclear(
    stage: Stage, drill_is_full: bool, client: Client
) -> None:
    count, kills = (20_000, 20) if drill_is_full else (2_000, 3)
    seed = int(os.environ.get("REGULARS_DRILL_SEED", random.randrange(10_000)))
    print(f"REGULARS_DRILL_SEED={seed}")  # shown where the drill fails
    points = sorted(random.Random(seed).sample(range(20, count - 150 * kills), kills))
    stage.bell_ringer()
    worker = stage.sender()
    campaign = stage.launch(count)
    unclear = 0
    for point in points:
        stage.wait_for_mails(point, seconds=60)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(10)
        left = campaign.deliveries.filter(status="sending").count()
        assert left - unclear <= 100
        unclear = left
        worker = stage.sender()
    wait_until(lambda: is_finished(campaign), seconds=90, what="the campaign's end")

    now = timezone.now()
    check_nobody_got_two(stage, campaign, now=now)
    found = books(campaign=campaign, now=now)
    assert (found.audience, found.accepted + found.undecided, found.undecided) == (count, count, unclear)
    print(f"{kills} kills left {unclear} of {count} unclear")
    listed = list(undecided(campaign=campaign, now=now).values_list("token", flat=True))
    assert len(listed) == unclear
    check_unclear_ones_are_settled(stage, campaign, listed, client)


def check_unclear_ones_are_settled(stage: Stage, campaign: Campaign, listed: list[UUID], client: Client) -> None:
    """Those that did arrive say so when opened; a human lets the others be. Nothing more goes out."""
    before = stage.sink.arrived.total()
    opened = [token for token in listed if f"{token.hex}@example.com" in stage.sink.arrived]
    for token in opened:
        client.get(pixel_url(token=token).removeprefix("http://testserver"))
    now = timezone.now()
    assert books(campaign=campaign, now=now).undecided == len(listed) - len(opened)
    settle_undecided(campaign=campaign, resend=False, by=User.objects.create_user("maria"), now=now)
    found = books(campaign=campaign, now=now)
    assert (found.undecided, sum(found.failed.values())) == (0, len(listed) - len(opened))
    assert found.is_balanced
    assert stage.sink.arrived.total() == before


def test_an_emptied_broker_costs_seconds_and_no_mail(stage: Stage, drill_is_full: bool) -> None:
    count = 20_000 if drill_is_full else 2_000
    stage.sink.on_data = lambda _id, _n: time.sleep(0.001)  # so that there is a middle in which to do it
    stage.bell_ringer()
    stage.sender()
    campaign = stage.launch(count)
    for share in (0.1, 0.4, 0.7):
        point = int(count * share)
        stage.wait_for_mails(point, seconds=120)
        with app.connection_for_write() as connection:
            channel: Any = connection.default_channel  # of Redis, which alone has a client
            channel.client.flushdb()
    wait_until(lambda: is_finished(campaign), seconds=60 if not drill_is_full else 300, what="the campaign's end")

    found = books(campaign=campaign, now=timezone.now())
    assert (found.accepted, found.audience) == (count, count)
    check_nobody_got_two(stage, campaign, now=timezone.now())


def test_a_mail_server_in_a_bad_mood_is_borne(stage: Stage, drill_is_full: bool) -> None:
    """Refuses every 7th for good, every 11th at first, drops the connection after every 97th message."""
    count = 10_000 if drill_is_full else 1_000
    tried: set[str] = set()

    def on_rcpt(address: str, _n: int) -> str | None:
        number = int(address[4:].partition("@")[0])
        if number % 7 == 0:
            return "554 5.7.1 not today"
        if number % 11 == 0 and address not in tried:
            tried.add(address)
            return "451 4.7.1 come back later"
        return None

    stage.sink.on_rcpt = on_rcpt
    stage.sink.on_data = lambda _id, n: DROP if n % 97 == 0 else None
    stage.bell_ringer()
    stage.sender()
    campaign = stage.launch(count)
    wait_until(lambda: is_finished(campaign), seconds=120, what="the campaign's end")

    now = timezone.now()
    refused = sum(number % 7 == 0 for number in range(1, count + 1))
    check_nobody_got_two(stage, campaign, now=now)
    found = books(campaign=campaign, now=now)
    dropped = stage.sink.arrived.total() // 97
    assert (found.failed, found.undecided) == ({"refused": refused}, dropped)
    assert found.accepted == count - refused - dropped
    assert stage.sink.arrived.total() == count - refused
