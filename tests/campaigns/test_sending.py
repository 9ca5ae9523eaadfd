"""Claim, send, settle: at most once whatever happens, and books that balance."""

import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from campaigns import sending, states
from campaigns.books import Books, Progress, books, progress
from campaigns.channels import Fate, Message, Outcome, Trouble, door
from campaigns.models import Campaign, Delivery, TrackedEvent
from campaigns.sending import claim, open_window, release, send_campaign, wanted_senders
from campaigns.states import cancel_campaign, launch_campaign, pause_campaign, release_expired, resume_campaign
from campaigns.tasks import dispatch, send_chunk
from crm.consents import record_consent, suppress, suppressed
from crm.models import Customer, CustomerProfile
from tests.campaigns.builders import campaign_for, fates, people, segment_of
from tests.campaigns.doors import ToyDoor

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def launched(count: int, **values: object) -> Campaign:
    campaign = campaign_for(segment_of(people(count), now=NOW), **values)
    return launch_campaign(campaign=campaign, by=None, now=NOW)


def send(campaign: Campaign, *, now: datetime = NOW) -> int:
    return send_campaign(campaign_id=campaign.pk, seconds=60, clock=lambda: now)


def balanced(campaign: Campaign, *, now: datetime = NOW) -> Books:
    found = books(campaign=campaign, now=now)
    assert found.is_balanced
    assert found.audience == campaign.deliveries.count()
    return found


def test_everybody_gets_one_and_the_campaign_finishes(toy_door: type[ToyDoor]) -> None:
    campaign = launched(250)

    assert send(campaign) == 250
    assert send(campaign) == 0

    assert sorted(toy_door.sent) == sorted(f"Anna{number}@example.org" for number in range(1, 251))
    campaign.refresh_from_db()
    assert (campaign.status, campaign.finished_at) == ("finished", NOW)
    assert balanced(campaign) == Books(250, 250, {}, 0, {}, 0, 0, 0)
    assert set(campaign.deliveries.values_list("sent_at", "lease", "leased_until", "tries")) == {(NOW, None, None, 1)}


def test_sending_is_committed_before_the_bytes_leave_by_windows_of_a_hundred(toy_door: type[ToyDoor]) -> None:
    seen = []

    def on_send(messages: Sequence[Message]) -> None:
        under_way = set(Delivery.objects.filter(status="sending").values_list("id", flat=True))
        seen.append((len(messages), under_way == {message.delivery_id for message in messages}))

    toy_door.on_send = staticmethod(on_send)
    send(launched(230))

    assert seen == [(100, True), (100, True), (30, True)]


def test_what_becomes_of_each_is_written_down(toy_door: type[ToyDoor]) -> None:
    say = {1: Fate.REFUSED, 2: Fate.BAD_ADDRESS, 3: Fate.LATER, 4: Fate.UNCLEAR}
    toy_door.fate_of = staticmethod(lambda address: say.get(int(address[4:-12]), Fate.ACCEPTED))
    toy_door.unmakeable = {"Anna5@example.org"}
    campaign = launched(7)

    assert send(campaign) == 2

    wanted = ["address", "status", "reason", "detail", "not_before", "sent_at"]
    assert list(campaign.deliveries.order_by("id").values_list(*wanted)) == [
        ("Anna1@example.org", "failed", "refused", "REFUSED", None, None),
        ("Anna2@example.org", "failed", "refused", "BAD_ADDRESS", None, None),
        ("Anna3@example.org", "pending", "", "LATER", NOW + timedelta(seconds=300), None),
        ("Anna4@example.org", "sending", "", "UNCLEAR", None, NOW),
        ("Anna5@example.org", "failed", "bad_message", "no name", None, None),
        ("Anna6@example.org", "accepted", "", "", None, NOW),
        ("Anna7@example.org", "accepted", "", "", None, NOW),
    ]
    assert balanced(campaign) == Books(7, 2, {"bad_message": 1, "refused": 2}, 1, {}, 0, 0, 1)
    campaign.refresh_from_db()
    assert campaign.status == "sending"


def test_only_a_wrong_address_is_never_written_to_again(toy_door: type[ToyDoor]) -> None:
    toy_door.fate_of = staticmethod(lambda a: Fate.BAD_ADDRESS if a.startswith("Anna2@") else Fate.REFUSED)

    send(launched(3))

    keys = [f"anna{number}@example.org" for number in (1, 2, 3)]
    assert suppressed(channel="email", address_keys=keys) == {"anna2@example.org": {"bounced"}}
    assert list(TrackedEvent.objects.values_list("delivery__address", "kind")) == [("Anna2@example.org", "bounced")]


def test_a_temporary_error_is_tried_again_later_and_given_up_in_the_end(toy_door: type[ToyDoor]) -> None:
    toy_door.fate_of = staticmethod(lambda address: Fate.LATER)
    campaign = launched(1)
    now, waits = NOW, []
    for _try in range(sending.MOST_TRIES):
        send(campaign, now=now)
        assert send(campaign, now=now) == 0  # not before its time
        not_before = campaign.deliveries.get().not_before
        if not_before:
            waits.append((not_before - now).total_seconds() / 60)
            now = not_before

    assert waits == [5, 15, 45, 135]
    assert fates(campaign) == {"failed: gave_up": 1}
    campaign.refresh_from_db()
    assert campaign.status == "finished"


def test_trouble_fails_nobody_and_waits(toy_door: type[ToyDoor]) -> None:
    trouble = Trouble("No mail server answers.", heals=True)
    toy_door.fate_of = staticmethod(lambda a: trouble if int(a[4:-12]) > 120 else Fate.ACCEPTED)
    campaign = launched(200)

    assert send(campaign) == 120
    assert fates(campaign) == {"accepted": 120, "pending": 80}
    assert set(campaign.deliveries.filter(status="pending").values_list("tries", "lease")) == {(0, None)}
    campaign.refresh_from_db()
    assert (campaign.status, campaign.pause_reason) == ("sending", "No mail server answers.")
    assert send(campaign) == 0  # not before the wait is over
    assert wanted_senders(now=NOW) == {}

    toy_door.reset()
    assert send(campaign, now=NOW + timedelta(seconds=15)) == 80
    campaign.refresh_from_db()
    assert (campaign.status, campaign.troubles, campaign.pause_reason) == ("finished", 0, "")


def test_a_message_that_can_be_made_for_nobody_pauses_and_fails_nobody(toy_door: type[ToyDoor]) -> None:
    campaign = launched(20)
    toy_door.unmakeable = set(campaign.deliveries.values_list("address", flat=True))

    assert send(campaign) == 0
    campaign.refresh_from_db()
    assert (campaign.status, campaign.pause_reason) == ("paused", "The message can't be made: no name")
    assert fates(campaign) == {"pending": 20}


def test_a_no_between_freeze_and_claim_is_heard(toy_door: type[ToyDoor]) -> None:
    campaign = launched(8)
    customers = list(Customer.objects.order_by("id"))
    record_consent(customer=customers[0], channel="email", granted=False, source="till", stated_at=timezone.now())
    for customer, reason in zip(customers[1:5], ["unsubscribed", "bounced", "complained", "erased"], strict=True):
        suppress(channel="email", address_key=customer.email_key, reason=reason)
    Customer.objects.filter(pk=customers[5].pk).update(merged_into=customers[7])
    CustomerProfile.objects.filter(pk=customers[6].pk).delete()

    assert send(campaign) == 1
    assert toy_door.sent == ["Anna8@example.org"]
    assert balanced(campaign) == Books(
        audience=8,
        accepted=1,
        failed={},
        undecided=0,
        suppressed={
            "bounced": 1,
            "complained": 1,
            "erased": 1,
            "no_consent": 2,
            "not_live": 1,
            "unsubscribed": 1,
        },
        held_out=0,
        cancelled=0,
        to_go=0,
    )


def test_what_was_written_for_one_address_goes_to_no_other(toy_door: type[ToyDoor]) -> None:
    campaign = launched(4)
    pause_campaign(campaign=campaign, by=None, now=NOW)
    strangers, gone, capitals, _same = Customer.objects.order_by("id")
    Customer.objects.filter(pk=strangers.pk).update(email="anna@example.com", email_key="anna@example.com")
    Customer.objects.filter(pk=gone.pk).update(email="", email_key="")
    Customer.objects.filter(pk=capitals.pk).update(email="ANNA3@example.org")
    resume_campaign(campaign=campaign, by=None, now=NOW)

    assert send(campaign) == 2

    assert sorted(toy_door.sent) == ["Anna3@example.org", "Anna4@example.org"]
    assert balanced(campaign) == Books(4, 2, {}, 0, {"address_changed": 2}, 0, 0, 0)


def test_a_no_in_mid_chunk_is_heard(toy_door: type[ToyDoor]) -> None:
    campaign = launched(150)
    last = Customer.objects.order_by("id").last()
    assert last is not None
    toy_door.on_send = staticmethod(
        lambda _m: suppress(channel="email", address_key=last.email_key, reason="complained")
    )

    assert send(campaign) == 149
    assert last.email not in toy_door.sent


def test_those_left_out_to_compare_get_nothing(toy_door: type[ToyDoor]) -> None:
    campaign = launched(100, holdout_percent=50)

    found = balanced(campaign)
    assert send(campaign) == found.to_go > 0
    assert balanced(campaign) == Books(100, found.to_go, {}, 0, {}, found.held_out, 0, 0)


def test_pause_stops_between_two_windows(toy_door: type[ToyDoor]) -> None:
    campaign = launched(350)

    def on_send(messages: Sequence[Message]) -> None:
        if len(toy_door.sent) == 100:
            pause_campaign(campaign=campaign, by=None, now=NOW)

    toy_door.on_send = staticmethod(on_send)
    assert send(campaign) == 200
    assert fates(campaign) == {"accepted": 200, "pending": 150}

    resume_campaign(campaign=campaign, by=None, now=NOW)
    assert send(campaign) == 150
    assert len(set(toy_door.sent)) == len(toy_door.sent) == 350


def test_cancel_stops_between_two_windows(toy_door: type[ToyDoor]) -> None:
    campaign = launched(250)
    toy_door.on_send = staticmethod(
        lambda m: cancel_campaign(campaign=campaign, by=None, now=NOW) if not toy_door.sent else None
    )

    assert send(campaign) == 100
    assert balanced(campaign) == Books(250, 100, {}, 0, {}, 0, 150, 0)


@pytest.mark.parametrize("fate", [Fate.LATER, Trouble("No mail server answers.", heals=True)])
def test_what_comes_back_unsent_into_a_cancelled_campaign_is_cancelled_too(
    toy_door: type[ToyDoor], fate: Fate | Trouble
) -> None:
    campaign = launched(150)
    toy_door.on_send = staticmethod(lambda m: cancel_campaign(campaign=campaign, by=None, now=NOW))
    toy_door.fate_of = staticmethod(lambda a: fate if int(a[4:-12]) > 40 else Fate.ACCEPTED)

    assert send(campaign) == 40

    assert balanced(campaign) == Books(150, 40, {}, 0, {}, 0, 110, 0)
    assert set(campaign.deliveries.filter(status="cancelled").values_list("not_before", "lease", "sent_at")) == {
        (None, None, None)
    }
    campaign.refresh_from_db()
    assert (campaign.status, campaign.retry_at) == ("cancelled", None)


def test_a_worker_that_settles_after_the_campaign_was_finished_reopens_it(toy_door: type[ToyDoor]) -> None:
    campaign = launched(3)
    later = NOW + timedelta(seconds=300)
    toy_door.on_send = staticmethod(lambda m: states.finish_if_done(campaign_id=campaign.pk, now=later))
    toy_door.fate_of = staticmethod(lambda a: Fate.LATER if a.startswith("Anna1@") else Fate.ACCEPTED)

    assert send(campaign) == 2

    campaign.refresh_from_db()
    assert (campaign.status, campaign.finished_at) == ("sending", None)
    assert list(campaign.moves.values_list("from_status", "to_status", "note"))[1:] == [
        ("finished", "sending", "A worker that was late gave messages back"),
        ("sending", "finished", ""),
    ]
    toy_door.reset()
    assert send(campaign, now=later) == 1
    assert balanced(campaign, now=later) == Books(3, 3, {}, 0, {}, 0, 0, 0)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.finished_at) == ("finished", later)


def test_a_late_worker_changes_nothing_of_what_a_human_has_settled(toy_door: type[ToyDoor]) -> None:
    campaign = launched(2)
    later = NOW + timedelta(seconds=300)
    manager = User.objects.create_user("maria")

    def on_send(messages: Sequence[Message]) -> None:
        states.finish_if_done(campaign_id=campaign.pk, now=later)
        states.settle_undecided(campaign=campaign, resend=False, by=manager, now=later)

    toy_door.on_send = staticmethod(on_send)
    toy_door.fate_of = staticmethod(lambda address: Fate.LATER)
    send(campaign)

    campaign.refresh_from_db()
    assert (campaign.status, fates(campaign)) == ("finished", {"failed: unclear": 2})


@pytest.mark.django_db(transaction=True)
def test_a_cancel_and_a_settle_at_once_leave_nothing_to_go(toy_door: type[ToyDoor]) -> None:
    """The cancel has read the campaign and waits; a settle that did not wait for it would leave a delivery to go."""
    campaign = launched(1)
    lease = uuid.uuid4()
    claimed = claim(campaign_id=campaign.pk, lease=lease, now=NOW, limit=1)
    open_window(campaign=campaign, lease=lease, ids=[claimed[0].id], way=door("email"), now=NOW)
    outcomes = [Outcome(claimed[0].id, Fate.LATER)]

    def work() -> None:
        sending.settle(campaign=campaign, lease=lease, outcomes=outcomes, claimed=claimed, now=NOW)
        connection.close()

    worker = threading.Thread(target=work)
    with transaction.atomic():
        cancel_campaign(campaign=campaign, by=None, now=NOW)
        worker.start()
        worker.join(timeout=0.5)
        assert worker.is_alive()
    worker.join()

    assert fates(campaign) == {"cancelled": 1}


def test_leases_of_a_dead_worker_run_out_and_what_was_not_begun_goes_back(toy_door: type[ToyDoor]) -> None:
    campaign = launched(5)
    lease = uuid.uuid4()
    claimed = claim(campaign_id=campaign.pk, lease=lease, now=NOW, limit=4)
    open_window(campaign=campaign, lease=lease, ids=[row.id for row in claimed[:2]], way=door("email"), now=NOW)
    later = NOW + timedelta(seconds=300)

    assert send(campaign) == 1
    assert release_expired(now=later - timedelta(seconds=1)) == 0
    assert balanced(campaign, now=later - timedelta(seconds=1)).to_go == 4
    assert release_expired(now=later) == 2
    assert send(campaign, now=later) == 2
    assert send(campaign, now=later) == 0

    assert balanced(campaign, now=later) == Books(5, 3, {}, 2, {}, 0, 0, 0)
    campaign.refresh_from_db()
    assert campaign.status == "finished"  # and the undecided ones are shown
    assert [row.address for row in states.undecided(campaign=campaign, now=later).order_by("id")] == [
        "Anna1@example.org",
        "Anna2@example.org",
    ]


def test_a_worker_that_comes_back_after_its_lease_opens_nothing(toy_door: type[ToyDoor]) -> None:
    campaign = launched(3)
    lease = uuid.uuid4()
    claimed = claim(campaign_id=campaign.pk, lease=lease, now=NOW, limit=3)
    release_expired(now=NOW + timedelta(seconds=300))

    assert (
        open_window(campaign=campaign, lease=lease, ids=[row.id for row in claimed], way=door("email"), now=NOW) is None
    )
    assert fates(campaign) == {"pending": 3}


def test_a_settled_delivery_is_not_settled_again(toy_door: type[ToyDoor]) -> None:
    campaign = launched(2)
    toy_door.on_send = staticmethod(
        lambda messages: Delivery.objects.filter(pk=messages[0].delivery_id).update(
            status="accepted", lease=None, leased_until=None, detail="by an event"
        )
    )
    toy_door.fate_of = staticmethod(lambda address: Fate.REFUSED)

    send(campaign)

    assert sorted(campaign.deliveries.values_list("status", "detail")) == [
        ("accepted", "by an event"),
        ("failed", "REFUSED"),
    ]


def test_release_gives_back_only_what_was_not_begun(toy_door: type[ToyDoor]) -> None:
    campaign = launched(3)
    lease = uuid.uuid4()
    claimed = claim(campaign_id=campaign.pk, lease=lease, now=NOW, limit=3)
    open_window(campaign=campaign, lease=lease, ids=[row.id for row in claimed[:1]], way=door("email"), now=NOW)

    release(lease=lease)

    assert fates(campaign) == {"pending": 2, "sending": 1}


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_claim_different_deliveries() -> None:
    campaign = launched(300)
    start = threading.Barrier(4)
    claimed: list[int] = []

    def work() -> None:
        start.wait()
        for _round in range(5):
            rows = claim(campaign_id=campaign.pk, lease=uuid.uuid4(), now=NOW, limit=20)
            claimed.extend(row.id for row in rows)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == 300
    assert len(set(claimed)) == 300


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_to_everybody_once(toy_door: type[ToyDoor]) -> None:
    campaign = launched(450)

    def work() -> None:
        send(campaign)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(toy_door.sent) == len(set(toy_door.sent)) == 450
    assert balanced(campaign) == Books(450, 450, {}, 0, {}, 0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_up_in_mid_sending_costs_nobody_s_answer(toy_door: type[ToyDoor]) -> None:
    campaign = launched(350)

    def on_send(messages: Sequence[Message]) -> None:
        if len(toy_door.sent) == 100:
            with psycopg.connect(**connection.get_connection_params()) as other:
                connection.ensure_connection()
                other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    toy_door.on_send = staticmethod(on_send)
    with pytest.raises(OperationalError):
        send(campaign)
    assert fates(campaign) == {"accepted": 200, "pending": 150}

    assert send(campaign) == 150
    assert len(set(toy_door.sent)) == len(toy_door.sent) == 350


def test_bells_may_ring_twice_or_for_nothing(toy_door: type[ToyDoor]) -> None:
    campaign = launched(3)

    for _ring in range(2):
        send_chunk(campaign_id=campaign.pk)
    send_chunk(campaign_id=0)

    assert len(toy_door.sent) == 3
    assert fates(campaign) == {"accepted": 3}


def test_dispatch_rings_for_each_chunk_and_finishes_what_is_done(
    toy_door: type[ToyDoor], monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(send_chunk, "apply_async", lambda kwargs, expires: rung.append(kwargs["campaign_id"]))
    monkeypatch.setattr(sending, "CHUNK", 3)
    campaign = launched(7)
    other = campaign_for(segment_of([], now=NOW, name="Nobody"), status="sending", launched_at=NOW)

    for _ring in range(2):
        dispatch()

    assert rung == [campaign.pk] * 6
    other.refresh_from_db()
    assert other.status == "finished"


def test_dispatch_launches_what_is_due(toy_door: type[ToyDoor], monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(send_chunk, "apply_async", lambda kwargs, expires: rung.append(kwargs["campaign_id"]))
    campaign = campaign_for(segment_of(people(2), now=NOW), status="scheduled", scheduled_at=NOW - timedelta(days=2))

    for _ring in range(2):
        dispatch()

    assert fates(campaign) == {"pending": 2}
    assert rung == [campaign.pk] * 2


def test_a_window_costs_the_same_few_queries_however_full(
    toy_door: type[ToyDoor], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 100):
        Delivery.objects.all().delete()
        Customer.objects.filter(profile__isnull=False).update(email_key="")
        campaign = campaign_for(segment_of(people(count, start=count * 1000), now=NOW, name=f"{count}"))
        launch_campaign(campaign=campaign, by=None, now=NOW)
        # campaign; claim, open, settle, release; claim; finish (campaign, left, move, save) in a savepoint of two
        with django_assert_num_queries(12):
            assert send(campaign) == count


def test_progress_counts_and_foretells(toy_door: type[ToyDoor]) -> None:
    campaign = launched(100)
    assert progress(campaign=campaign, now=NOW) == Progress(0, 100, 0.0, None)

    ids = list(campaign.deliveries.order_by("id").values_list("id", flat=True)[:40])
    Delivery.objects.filter(pk__in=ids).update(status="accepted", sent_at=NOW)

    assert progress(campaign=campaign, now=NOW + timedelta(seconds=10)) == Progress(40, 60, 4.0, 15.0)
    assert progress(campaign=campaign, now=NOW + timedelta(minutes=5)) == Progress(40, 60, 0.0, None)


def test_the_lease_is_as_long_as_the_settings_say(toy_door: type[ToyDoor], settings: Settings) -> None:
    settings.SENDING_LEASE_SECONDS = 7
    campaign = launched(1)

    claim(campaign_id=campaign.pk, lease=uuid.uuid4(), now=NOW, limit=1)

    assert campaign.deliveries.get().leased_until == NOW + timedelta(seconds=7)
