"""Claim, send, settle (promise 5): a person gets a campaign at most once, whatever dies in the middle.

A worker leases a large chunk. For each window of at most 100 it commits "sending" (asking once more for address,
consent and suppression in the same statement), lets the bytes leave, and settles the window in one statement. So a
kill leaves at most 100 undecided. Leased ones that were not begun go back by themselves when the lease runs out;
undecided ones wait for a human, or for an event that bears the delivery's token. The broker only rings: everything is
in the database.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import states, wishes
from campaigns.channels import Claimed, Door, Fate, Outcome, Session, Trouble, door
from campaigns.models import Campaign, Delivery, TrackedEvent
from campaigns.suppression import hash_params, reason_of_one, suppress_addresses

CHUNK = 1000
WINDOW = 100
"""Promise 5: so many deliveries, at most, can be undecided after a kill."""
MOST_TRIES = 5
MOST_SENDERS = 4
"""Workers that one campaign keeps busy at a time."""
SETTLE_WAITS = (0.0, 1.0, 3.0, 10.0)
"""Seconds between tries to settle while the database does not answer; then the window is left undecided."""
UNMADE_STOP = 10
"""So many messages of a window that can't be made, and none that can: the message is wrong, not the customers."""


def wanted_senders(*, now: datetime) -> dict[int, int]:
    """How many workers each campaign can use now. One of which nothing is left to go is finished on the way."""
    senders = {}
    sending = Campaign.objects.filter(status=Campaign.Status.SENDING).order_by("id")
    for campaign in sending.filter(Q(retry_at=None) | Q(retry_at__lte=now)):
        due = campaign.deliveries.filter(Q(not_before=None) | Q(not_before__lte=now), status="pending")
        count = len(due.values_list("id")[: CHUNK * MOST_SENDERS])
        if count:
            senders[campaign.pk] = -(-count // CHUNK)
        else:
            states.finish_if_done(campaign_id=campaign.pk, now=now)
    return senders


def send_campaign(*, campaign_id: int, seconds: float, clock: Callable[[], datetime] = timezone.now) -> int:
    """Send what is due of this campaign for about so many seconds, beside any other workers; how many were accepted.

    Does nothing for a campaign that is not sending: call it as often as you like.
    """
    now = clock()
    campaign = Campaign.objects.filter(pk=campaign_id, status=Campaign.Status.SENDING).first()
    if campaign is None or (campaign.retry_at is not None and campaign.retry_at > now):
        return 0
    way = door(campaign.channel)
    until = time.monotonic() + seconds
    accepted = 0
    with way.open() as session:
        while time.monotonic() < until:
            chunk = _Chunk(campaign, way, session, clock)
            claimed = claim(campaign_id=campaign_id, lease=chunk.lease, now=clock(), limit=CHUNK)
            if not claimed:
                break
            try:
                chunk.send(claimed, until=until)
            except Trouble as trouble:
                states.note_trouble(campaign_id=campaign_id, reason=trouble.reason, heals=trouble.heals, now=clock())
                break
            finally:
                accepted += chunk.accepted
                release(lease=chunk.lease)
    states.finish_if_done(campaign_id=campaign_id, now=clock())
    return accepted


class _Chunk:
    """Deliveries under one lease, sent window by window.

    A window is settled in the transaction that opens the next one: one commit a window, and at any moment only the
    last one's deliveries are "sending".
    """

    def __init__(self, campaign: Campaign, way: Door, session: Session, clock: Callable[[], datetime]) -> None:
        self.campaign, self.door, self.session, self.clock = campaign, way, session, clock
        self.lease = uuid.uuid4()
        self.accepted = 0
        self._window: Sequence[Claimed] = ()
        self._unsettled: list[Outcome] = []

    def send(self, claimed: Sequence[Claimed], *, until: float) -> None:
        """Until all are sent, the time is up, or the campaign has been stopped. Trouble passes, everything settled."""
        try:
            for at in range(0, len(claimed), WINDOW):
                if at and time.monotonic() > until:
                    break
                if not self._send_window(claimed[at : at + WINDOW]):
                    break
        finally:
            self._settle_for_sure()
        if self.campaign.troubles and self.accepted:
            states.note_success(campaign_id=self.campaign.pk)

    def _send_window(self, window: Sequence[Claimed]) -> bool:
        """Whether to go on: not where the campaign has been stopped or the lease lost. Trouble passes."""
        prepared = self.door.prepare(self.campaign, window, now=self.clock())
        if prepared.unmade and not prepared.messages and len(prepared.unmade) >= UNMADE_STOP:
            reason = next(iter(prepared.unmade.values()))
            raise Trouble(_("The message can't be made: %s") % reason, heals=False)
        with transaction.atomic(savepoint=False):
            self._settle()
            if prepared.unmade:
                _fail_unmade(self.lease, prepared.unmade)
            cleared = open_window(
                campaign=self.campaign,
                lease=self.lease,
                ids=[message.delivery_id for message in prepared.messages],
                way=self.door,
                now=self.clock(),
            )
        self._unsettled = []
        if cleared is None:
            return False
        messages = [message for message in prepared.messages if message.delivery_id in cleared]
        # From here until it is settled, the window's bytes may be on their way.
        self._window = window
        sent = self.session.send(messages, seconds=settings.SENDING_LEASE_SECONDS / 3)
        tried = {outcome.delivery_id for outcome in sent.outcomes}
        untried = [message.delivery_id for message in messages if message.delivery_id not in tried]
        self._unsettled = [*sent.outcomes, *(Outcome(delivery_id, Fate.UNSENT) for delivery_id in untried)]
        self.accepted += sum(outcome.fate is Fate.ACCEPTED for outcome in sent.outcomes)
        if sent.trouble:
            raise sent.trouble
        return True

    def _settle_for_sure(self) -> None:
        """Also where the database is just being restarted: what the server said of a window is known only here."""
        for wait in SETTLE_WAITS:
            try:
                self._settle()
                return
            except (OperationalError, InterfaceError):
                connection.close()
                time.sleep(wait)
        self._settle()

    def _settle(self) -> None:
        """Of the last window, if that has not been done. Doing it twice does no harm."""
        if self._unsettled:
            settle(
                campaign=self.campaign,
                lease=self.lease,
                outcomes=self._unsettled,
                claimed=self._window,
                now=self.clock(),
            )


_CLAIM = """
UPDATE campaigns_delivery SET status = 'leased', lease = %(lease)s, leased_until = %(until)s
WHERE id IN (
    SELECT id FROM campaigns_delivery
    WHERE campaign_id = %(campaign)s AND status = 'pending' AND (not_before IS NULL OR not_before <= %(now)s)
        AND EXISTS (SELECT FROM campaigns_campaign WHERE id = %(campaign)s AND status = 'sending')
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, customer_id, variant_id, address, address_key, token, tries
"""


def claim(*, campaign_id: int, lease: uuid.UUID, now: datetime, limit: int) -> list[Claimed]:
    """Lease up to ``limit`` due deliveries that no other worker has, oldest first."""
    params: dict[str, Any] = {
        "lease": lease,
        "until": _lease_end(now),
        "campaign": campaign_id,
        "now": now,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, params)
        return sorted((Claimed(*row) for row in cursor.fetchall()), key=lambda claimed: claimed.id)


_OPEN = """
WITH judged AS (
    SELECT d.id, CASE WHEN c.merged_into_id IS NOT NULL OR c.erased_at IS NOT NULL THEN 'not_live'
                      WHEN c.{key} <> d.address_key THEN 'address_changed'
                      WHEN NOT coalesce(p.{consent}, false) THEN 'no_consent'
                      {against}
                      ELSE coalesce(s.reason, '') END AS reason
    FROM campaigns_delivery d
    JOIN crm_customer c ON c.id = d.customer_id
    LEFT JOIN crm_customerprofile p ON p.customer_id = d.customer_id
    LEFT JOIN LATERAL ({suppressed}) s ON true
    WHERE d.id = ANY(%(ids)s) AND d.status = 'leased' AND d.lease = %(lease)s
        AND EXISTS (SELECT FROM campaigns_campaign WHERE id = %(campaign)s AND status = 'sending')
    ORDER BY d.id FOR UPDATE OF d
)
UPDATE campaigns_delivery d SET reason = judged.reason,
    status = CASE judged.reason WHEN '' THEN 'sending' ELSE 'suppressed' END,
    leased_until = CASE judged.reason WHEN '' THEN %(until)s::timestamptz END,
    lease = CASE judged.reason WHEN '' THEN d.lease END,
    sent_at = CASE judged.reason WHEN '' THEN %(now)s::timestamptz END
FROM judged WHERE d.id = judged.id
RETURNING d.id, d.status
"""


def open_window(
    *, campaign: Campaign, lease: uuid.UUID, ids: Sequence[int], way: Door, now: datetime
) -> set[int] | None:
    """Note "sending" for those of the window that may still be written to; the others become suppressed.

    None where the campaign is no longer sending, or these are no longer ours.
    """
    sql = _OPEN.format(
        against=wishes.against(campaign),
        suppressed=reason_of_one("d.address_key"),
        consent=way.consent_column,
        key=way.key_column,
    )
    params: dict[str, Any] = {
        **hash_params(),
        **wishes.params(campaign, now),
        "channel": campaign.channel,
        "campaign": campaign.pk,
        "lease": lease,
        "ids": list(ids),
        "until": _lease_end(now),
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    if ids and not rows:
        return None
    return {delivery_id for delivery_id, status in rows if status == "sending"}


_SETTLE = """
WITH given AS (
    UPDATE campaigns_delivery d SET status = o.status, reason = o.reason, detail = o.detail, not_before = o.not_before,
        leased_until = NULL, lease = CASE o.status WHEN 'sending' THEN d.lease END, tries = d.tries + o.tried,
        sent_at = CASE WHEN o.status IN ('accepted', 'sending') THEN d.sent_at END
    FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(reasons)s::text[], %(details)s::text[],
        %(not_befores)s::timestamptz[], %(tried)s::int[]) AS o (id, status, reason, detail, not_before, tried)
    WHERE d.id = o.id AND d.status = 'sending' AND d.lease = %(lease)s
    RETURNING d.status, d.customer_id
), marked AS (
    INSERT INTO crm_changemark (customer_id)
    SELECT coalesce(c.merged_into_id, c.id) FROM given JOIN crm_customer c ON c.id = given.customer_id
    WHERE given.status = 'accepted'
)
SELECT status FROM given
"""


@dataclass(frozen=True, slots=True)
class _Settled:
    id: int
    status: str
    reason: str = ""
    detail: str = ""
    not_before: datetime | None = None
    tried: int = 1


def settle(
    *,
    campaign: Campaign,
    lease: uuid.UUID,
    outcomes: Sequence[Outcome],
    claimed: Sequence[Claimed],
    now: datetime,
) -> None:
    """Write down what became of a window; addresses that do not exist are never written to again.

    A delivery that an event has settled meanwhile stays as it is. What would go back to be sent is cancelled with its
    campaign, and reopens one that was finished while this worker was thought dead.
    """
    by_id = {row.id: row for row in claimed}
    rows = [_settled(outcome, by_id[outcome.delivery_id].tries, now) for outcome in outcomes]
    gone = [by_id[outcome.delivery_id] for outcome in outcomes if outcome.fate is Fate.BAD_ADDRESS]
    with transaction.atomic(savepoint=False):
        goes_back = any(row.status == "pending" for row in rows)
        if goes_back and states.lock_status(campaign_id=campaign.pk) == Campaign.Status.CANCELLED:
            rows = [
                replace(row, status="cancelled", not_before=None) if row.status == "pending" else row for row in rows
            ]
        if "pending" in _write(lease, rows):
            states.reopen_if_finished(campaign_id=campaign.pk, now=now)
        if gone:
            keys = [row.address_key for row in gone]
            suppress_addresses(channel=campaign.channel, address_keys=keys, reason="bounced")
            TrackedEvent.objects.bulk_create(
                [TrackedEvent(delivery_id=row.id, kind=TrackedEvent.Kind.BOUNCED, happened_at=now) for row in gone]
            )


def _write(lease: uuid.UUID, rows: Sequence[_Settled]) -> set[str]:
    """The statuses that were really given. Whoever was written to is marked: segments may ask for it."""
    params: dict[str, Any] = {
        "lease": lease,
        "ids": [row.id for row in rows],
        "statuses": [row.status for row in rows],
        "reasons": [row.reason for row in rows],
        "details": [row.detail[:500] for row in rows],
        "not_befores": [row.not_before for row in rows],
        "tried": [row.tried for row in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, params)
        return {status for (status,) in cursor.fetchall()}


def _settled(outcome: Outcome, tries: int, now: datetime) -> _Settled:
    """The row that an outcome makes of a delivery tried ``tries`` times before."""
    reasons = Delivery.Reason
    match outcome.fate:
        case Fate.ACCEPTED:
            return _Settled(outcome.delivery_id, "accepted")
        case Fate.REFUSED | Fate.BAD_ADDRESS:
            return _Settled(outcome.delivery_id, "failed", reasons.REFUSED, outcome.detail)
        case Fate.LATER if tries + 1 >= MOST_TRIES:
            return _Settled(outcome.delivery_id, "failed", reasons.GAVE_UP, outcome.detail)
        case Fate.LATER:
            wait = timedelta(seconds=settings.SENDING_RETRY_SECONDS * 3**tries)
            return _Settled(outcome.delivery_id, "pending", "", outcome.detail, now + wait)
        case Fate.UNCLEAR:
            return _Settled(outcome.delivery_id, "sending", "", outcome.detail)
        case Fate.UNSENT:
            return _Settled(outcome.delivery_id, "pending", "", outcome.detail, tried=0)


_FAIL_UNMADE = """
UPDATE campaigns_delivery d SET status = 'failed', reason = 'bad_message', detail = o.detail, lease = NULL,
    leased_until = NULL
FROM unnest(%s::bigint[], %s::text[]) AS o (id, detail)
WHERE d.id = o.id AND d.status = 'leased' AND d.lease = %s
"""


def _fail_unmade(lease: uuid.UUID, unmade: dict[int, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_FAIL_UNMADE, [list(unmade), [detail[:500] for detail in unmade.values()], lease])


def release(*, lease: uuid.UUID) -> None:
    """Give back what was leased and not begun."""
    Delivery.objects.filter(lease=lease, status="leased").update(status="pending", lease=None, leased_until=None)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.SENDING_LEASE_SECONDS)
