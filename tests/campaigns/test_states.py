"""A campaign's moves: which are legal, who made them, and that of two at once one wins."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from campaigns import states
from campaigns.models import Campaign, CampaignMove, Delivery
from campaigns.sending import claim
from campaigns.states import (
    MOVES,
    CampaignNotReady,
    IllegalMove,
    cancel_campaign,
    launch_campaign,
    launch_due,
    pause_campaign,
    readiness,
    resume_campaign,
    schedule_campaign,
    settle_undecided,
    unschedule_campaign,
)
from crm.models import Customer
from segments.domain import create_segment
from segments.models import Segment
from segments.refresh import refresh_all
from tests.campaigns.builders import campaign_for, fates, people, segment_of
from tests.campaigns.doors import ToyDoor
from tests.segments.test_rules import a_rule, ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_door")]
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture
def manager(db: None) -> User:
    return User.objects.create_user("maria")


def draft(count: int = 3) -> Campaign:
    return campaign_for(segment_of(people(count), now=NOW))


def moves(campaign: Campaign) -> list[tuple[str, str, str, str]]:
    rows = CampaignMove.objects.filter(campaign=campaign)
    return [(row.from_status, row.to_status, str(row.moved_by or ""), row.note) for row in rows]


def test_launch_freezes_the_audience_and_says_who_launched(manager: User) -> None:
    campaign = launch_campaign(campaign=draft(), by=manager, now=NOW)

    campaign.refresh_from_db()
    assert (campaign.status, campaign.launched_at, campaign.launched_by) == ("sending", NOW, manager)
    assert fates(campaign) == {"pending": 3}
    assert moves(campaign) == [("draft", "sending", "maria", "")]


def test_launch_twice_is_refused_and_changes_nothing(manager: User) -> None:
    campaign = draft()
    launch_campaign(campaign=campaign, by=manager, now=NOW)

    with pytest.raises(IllegalMove, match="is sending"):
        launch_campaign(campaign=campaign, by=manager, now=NOW)
    assert fates(campaign) == {"pending": 3}
    assert len(moves(campaign)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_launches_at_once_one_wins() -> None:
    campaign = draft()
    start = threading.Barrier(4)
    results: list[str] = []

    def launch() -> None:
        start.wait()
        try:
            launch_campaign(campaign=Campaign.objects.get(pk=campaign.pk), by=None, now=NOW)
            results.append("launched")
        except IllegalMove:
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=launch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["launched", "refused", "refused", "refused"]
    assert fates(campaign) == {"pending": 3}
    assert moves(campaign) == [("draft", "sending", "", "")]


def test_readiness_names_everything_that_is_missing() -> None:
    campaign = Campaign.objects.create(name="Empty")

    assert readiness(campaign=campaign, now=NOW) == ["Choose a segment or persona: who is it for?", "Write a message."]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"last_error": "There is no attribute “spnd”."}, "The rule of “VIP” is broken: There is no attribute “spnd”."),
        ({"kind": "dynamic", "rule_version": 2}, "The members of “VIP” have not been found yet."),
        ({"is_archived": True}, "“VIP” is archived."),
    ],
)
def test_readiness_refuses_a_segment_that_can_not_be_trusted(change: dict[str, object], reason: str) -> None:
    campaign = campaign_for(segment_of(people(2), now=NOW, name="VIP"))
    Segment.objects.update(**change)

    assert readiness(campaign=campaign, now=NOW) == [reason]


def test_readiness_refuses_an_audience_of_nobody() -> None:
    campaign = campaign_for(segment_of(people(2, consent=False), now=NOW))

    assert readiness(campaign=campaign, now=NOW) == ["There is nobody to send to."]


def test_readiness_asks_the_door(toy_door: type[ToyDoor]) -> None:
    toy_door.faults = ["There is no placeholder “nmae”."]

    assert readiness(campaign=draft(), now=NOW) == ["There is no placeholder “nmae”."]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"channel": "post"}, "Nothing can be sent by letter yet."),
        ({"is_imported": True}, "This campaign was carried out elsewhere."),
    ],
)
def test_readiness_refuses_what_can_not_be_sent_at_all(values: dict[str, object], reason: str) -> None:
    assert readiness(campaign=campaign_for(segment_of(people(2), now=NOW), **values), now=NOW) == [reason]


def test_launch_of_what_is_not_ready_changes_nothing(manager: User) -> None:
    campaign = campaign_for(segment_of(people(2, consent=False), now=NOW))

    with pytest.raises(CampaignNotReady) as refusal:
        launch_campaign(campaign=campaign, by=manager, now=NOW)
    assert refusal.value.reasons == ["There is nobody to send to."]
    campaign.refresh_from_db()
    assert (campaign.status, fates(campaign), moves(campaign)) == ("draft", {}, [])


def test_schedule_then_launch_when_due(manager: User) -> None:
    campaign = schedule_campaign(campaign=draft(), send_at=NOW + timedelta(hours=1), by=manager, now=NOW)

    assert launch_due(now=NOW) == []
    assert launch_due(now=NOW + timedelta(hours=1)) == [campaign.pk]
    assert launch_due(now=NOW + timedelta(hours=1)) == []
    campaign.refresh_from_db()
    assert (campaign.status, campaign.launched_by) == ("sending", manager)
    assert moves(campaign) == [
        ("draft", "scheduled", "maria", "2026-11-22T09:00:00+00:00"),
        ("scheduled", "sending", "", ""),
    ]


def test_schedule_can_be_changed_and_undone(manager: User) -> None:
    campaign = schedule_campaign(campaign=draft(), send_at=NOW + timedelta(hours=1), by=manager, now=NOW)
    campaign = schedule_campaign(campaign=campaign, send_at=NOW + timedelta(hours=2), by=manager, now=NOW)
    assert launch_due(now=NOW + timedelta(hours=1)) == []

    campaign = unschedule_campaign(campaign=campaign, by=manager, now=NOW)
    assert (campaign.status, campaign.scheduled_at) == ("draft", None)
    assert launch_due(now=NOW + timedelta(hours=3)) == []


def test_schedule_refuses_a_time_that_has_passed(manager: User) -> None:
    with pytest.raises(CampaignNotReady, match="has passed"):
        schedule_campaign(campaign=draft(), send_at=NOW, by=manager, now=NOW)


def test_what_is_no_longer_ready_when_due_becomes_a_draft_that_says_why(manager: User, toy_door: type[ToyDoor]) -> None:
    campaign = schedule_campaign(campaign=draft(), send_at=NOW + timedelta(hours=1), by=manager, now=NOW)
    toy_door.faults = ["The message needs a subject."]

    assert launch_due(now=NOW + timedelta(hours=1)) == []
    campaign.refresh_from_db()
    assert (campaign.status, campaign.pause_reason) == ("draft", "The message needs a subject.")


@pytest.mark.parametrize("what", ["launch", "unschedule"])
def test_what_goes_wrong_with_one_planned_campaign_stops_no_other(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    at = NOW + timedelta(hours=1)
    segment = segment_of(people(2), now=NOW)
    broken = schedule_campaign(campaign=campaign_for(segment), send_at=at, by=None, now=NOW)
    sound = schedule_campaign(campaign=campaign_for(segment), send_at=at + timedelta(minutes=1), by=None, now=NOW)
    launch = states.launch_campaign

    def fragile(**values: Any) -> Campaign:
        if values["campaign"] == broken and what == "launch":
            raise RuntimeError("out of order")
        if values["campaign"] == broken:  # cancelled by a manager before it can become a draft
            cancel_campaign(campaign=broken, by=None, now=NOW)
            raise CampaignNotReady(["There is nobody to send to."])
        return launch(**values)

    monkeypatch.setattr(states, "launch_campaign", fragile)

    assert launch_due(now=at + timedelta(minutes=1)) == [sound.pk]
    broken.refresh_from_db()
    assert broken.status == ("scheduled" if what == "launch" else "cancelled")
    logged = [(record.message, str(record.exc_info and record.exc_info[1])) for record in caplog.records]
    assert logged == ([(f"Campaign {broken.pk} could not be launched", "out of order")] if what == "launch" else [])


def test_a_segment_that_another_worker_is_just_counting_is_waited_for() -> None:
    """Yesterday's members would get the message, and today's not."""
    campaign = campaign_for(create_segment(name="VIP", rule=a_rule({"and": [ask("city", "=", "Riga")]}), by=None))
    people(2)
    Customer.objects.update(city="Riga")
    refresh_all(now=NOW - timedelta(days=1))
    schedule_campaign(campaign=campaign, send_at=NOW - timedelta(minutes=1), by=None, now=NOW - timedelta(hours=1))
    Segment.objects.update(leased_until=NOW + timedelta(minutes=1))

    assert launch_due(now=NOW) == []
    with pytest.raises(states.SegmentsBusy, match="The members of “VIP” are just being found; try again in a minute"):
        launch_campaign(campaign=campaign, by=None, now=NOW)
    campaign.refresh_from_db()
    assert (campaign.status, fates(campaign)) == ("scheduled", {})

    assert launch_due(now=NOW + timedelta(minutes=1)) == [campaign.pk]
    assert fates(campaign) == {"pending": 2}


def test_pause_gives_leased_deliveries_back_and_resume_goes_on(manager: User) -> None:
    campaign = launch_campaign(campaign=draft(), by=manager, now=NOW)
    claim(campaign_id=campaign.pk, lease=Delivery().token, now=NOW, limit=2)

    campaign = pause_campaign(campaign=campaign, by=manager, now=NOW, reason="a typo")
    assert (campaign.status, campaign.pause_reason, fates(campaign)) == ("paused", "a typo", {"pending": 3})
    assert claim(campaign_id=campaign.pk, lease=Delivery().token, now=NOW, limit=2) == []

    campaign = resume_campaign(campaign=campaign, by=manager, now=NOW)
    assert (campaign.status, campaign.pause_reason) == ("sending", "")
    assert [(a, b, note) for a, b, _by, note in moves(campaign)] == [
        ("draft", "sending", ""),
        ("sending", "paused", "a typo"),
        ("paused", "sending", ""),
    ]


def test_cancel_keeps_what_was_sent(manager: User) -> None:
    campaign = launch_campaign(campaign=draft(6), by=manager, now=NOW)
    for status, delivery in zip(["accepted", "failed", "sending", "leased"], campaign.deliveries.all(), strict=False):
        Delivery.objects.filter(pk=delivery.pk).update(status=status)

    campaign = cancel_campaign(campaign=campaign, by=manager, now=NOW)

    assert (campaign.status, campaign.finished_at) == ("cancelled", NOW)
    assert fates(campaign) == {"accepted": 1, "cancelled": 3, "failed": 1, "sending": 1}


@pytest.mark.parametrize("status", list(Campaign.Status))
@pytest.mark.parametrize(
    ("move", "to", "also_from"),
    [
        (lambda c: launch_campaign(campaign=c, by=None, now=NOW), "sending", {"draft", "scheduled"}),
        (
            lambda c: schedule_campaign(campaign=c, send_at=NOW + timedelta(days=1), by=None, now=NOW),
            "scheduled",
            {"draft", "scheduled"},
        ),
        (lambda c: unschedule_campaign(campaign=c, by=None, now=NOW), "draft", {"scheduled"}),
        (lambda c: pause_campaign(campaign=c, by=None, now=NOW), "paused", {"sending"}),
        (lambda c: resume_campaign(campaign=c, by=None, now=NOW), "sending", {"paused"}),
        (
            lambda c: cancel_campaign(campaign=c, by=None, now=NOW),
            "cancelled",
            {"draft", "scheduled", "sending", "paused"},
        ),
    ],
)
def test_every_move_is_possible_from_its_states_alone(
    status: str, move: Callable[[Campaign], Campaign], to: str, also_from: set[str]
) -> None:
    campaign = draft()
    Campaign.objects.update(status=status, launched_at=NOW, scheduled_at=NOW)

    if status in also_from:
        assert move(campaign).status == to
        assert to in MOVES[status]
    else:
        with pytest.raises(IllegalMove):
            move(campaign)
        campaign.refresh_from_db()
        assert campaign.status == status


@pytest.mark.parametrize(
    ("resend", "status", "fate"), [(True, "sending", "pending"), (False, "finished", "failed: unclear")]
)
def test_undecided_ones_are_settled_by_a_human_alone(manager: User, resend: bool, status: str, fate: str) -> None:
    campaign = launch_campaign(campaign=draft(4), by=manager, now=NOW)
    first, second, third, fourth = campaign.deliveries.order_by("id")
    Delivery.objects.update(status="sending", leased_until=NOW - timedelta(seconds=1), sent_at=NOW)
    Delivery.objects.filter(pk=first.pk).update(leased_until=NOW + timedelta(seconds=1))
    Delivery.objects.filter(pk=second.pk).update(status="accepted", leased_until=None)
    Campaign.objects.update(status="finished")

    assert [row.pk for row in states.undecided(campaign=campaign, now=NOW).order_by("id")] == [third.pk, fourth.pk]
    assert settle_undecided(campaign=campaign, resend=resend, by=manager, now=NOW) == 2
    assert settle_undecided(campaign=campaign, resend=resend, by=manager, now=NOW) == 0

    campaign.refresh_from_db()
    assert (campaign.status, fates(campaign)) == (status, dict(sorted({"accepted": 1, "sending": 1, fate: 2}.items())))
    note = "2 unclear ones are sent again" if resend else "2 unclear ones are left as they are"
    assert moves(campaign)[1:] == [("finished", status, "maria", note)]


def test_trouble_waits_longer_each_time_and_then_pauses(manager: User) -> None:
    campaign = launch_campaign(campaign=draft(), by=manager, now=NOW)
    now, waits = NOW, []
    for _round in range(states.TROUBLES_IN_A_ROW):
        for _worker in range(2):  # the second worker's trouble is the same one
            states.note_trouble(campaign_id=campaign.pk, reason="No mail server answers.", heals=True, now=now)
        campaign.refresh_from_db()
        assert campaign.retry_at is not None
        waits.append((campaign.retry_at - now).total_seconds())
        now = campaign.retry_at
        assert (campaign.status, campaign.pause_reason) == ("sending", "No mail server answers.")
    assert waits == [15, 30, 60, 120, 240, 480]

    states.note_trouble(campaign_id=campaign.pk, reason="No mail server answers.", heals=True, now=now)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.retry_at) == ("paused", None)
    assert moves(campaign)[-1] == ("sending", "paused", "", "No mail server answers.")


def test_success_ends_the_row_of_troubles(manager: User) -> None:
    campaign = launch_campaign(campaign=draft(), by=manager, now=NOW)
    states.note_trouble(campaign_id=campaign.pk, reason="No mail server answers.", heals=True, now=NOW)

    states.note_success(campaign_id=campaign.pk)

    campaign.refresh_from_db()
    assert (campaign.troubles, campaign.retry_at, campaign.pause_reason) == (0, None, "")


def test_trouble_that_does_not_heal_pauses_at_once(manager: User) -> None:
    campaign = launch_campaign(campaign=draft(), by=manager, now=NOW)

    states.note_trouble(campaign_id=campaign.pk, reason="Wrong password.", heals=False, now=NOW)

    campaign.refresh_from_db()
    assert (campaign.status, campaign.pause_reason) == ("paused", "Wrong password.")
