"""A campaign's life: which moves are legal, who makes them, and what has to be true before.

Every move locks the campaign's row first, so that of two clicks, two managers, or a manager and a worker, one wins and
the other is told. Each leaves a :class:`~campaigns.models.CampaignMove`.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from campaigns.audience import audience_segments, freeze_audience, preview_audience, segment_problems
from campaigns.channels import NoDoor, door
from campaigns.models import Campaign, CampaignMove, Delivery
from crm.bell import ring_after_commit
from segments.refresh import live_segments, refresh_segment, stale

log = logging.getLogger(__name__)

Status = Campaign.Status

MOVES: Mapping[str, frozenset[str]] = {
    Status.DRAFT: frozenset({Status.SCHEDULED, Status.SENDING, Status.CANCELLED}),
    Status.SCHEDULED: frozenset({Status.DRAFT, Status.SCHEDULED, Status.SENDING, Status.CANCELLED}),
    Status.SENDING: frozenset({Status.PAUSED, Status.FINISHED, Status.CANCELLED}),
    Status.PAUSED: frozenset({Status.SENDING, Status.CANCELLED}),
    Status.FINISHED: frozenset({Status.SENDING}),  # only when deliveries that were unclear are to go again
    Status.CANCELLED: frozenset(),
}

TROUBLES_IN_A_ROW = 6
"""With the wait doubling from 15 seconds, a mail server has a quarter of an hour before its campaigns are paused."""


class CampaignNotReady(Exception):
    """The campaign can't be launched; ``reasons`` are sentences for the one who tried."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


class SegmentsBusy(CampaignNotReady):
    """Another worker is just finding the members of a segment: in a moment the campaign may be ready."""


class IllegalMove(Exception):
    """The campaign is not in a state from which it could go there; somebody else may have been faster."""

    def __init__(self, campaign: Campaign, to: str) -> None:
        values = {"name": campaign.name, "status": campaign.get_status_display(), "to": Status(to).label}
        super().__init__(_("“%(name)s” is %(status)s; it can't become %(to)s.") % values)


def is_legal(campaign: Campaign, to: str) -> bool:
    return to in MOVES[campaign.status]


def readiness(*, campaign: Campaign, now: datetime) -> list[str]:
    """Everything that keeps the campaign from being launched, in sentences; nothing for a ready one."""
    if campaign.is_imported:
        return [_("This campaign was carried out elsewhere.")]
    try:
        way = door(campaign.channel)
    except NoDoor:
        return [_("Nothing can be sent by %(channel)s yet.") % {"channel": campaign.get_channel_display()}]
    reasons = []
    segments = audience_segments(campaign)
    if not segments:
        reasons.append(_("Choose a segment or persona: who is it for?"))
    reasons += segment_problems(segments)
    if not campaign.variants.exists():
        reasons.append(_("Write a message."))
    reasons += way.problems(campaign)
    if segments and not reasons and not preview_audience(campaign=campaign, now=now).to_send:
        reasons.append(_("There is nobody to send to."))
    return reasons


def launch_campaign(*, campaign: Campaign, by: AbstractBaseUser | None, now: datetime) -> Campaign:
    """Freeze the audience and start sending. IllegalMove, SegmentsBusy, or CampaignNotReady with the reasons."""
    segments = [segment.pk for segment in audience_segments(campaign)]
    for segment_id in segments:
        refresh_segment(segment_id=segment_id, now=now)
    with transaction.atomic():
        campaign = _locked(campaign, to=Status.SENDING, from_=(Status.DRAFT, Status.SCHEDULED))
        # Those that another worker holds were not refreshed above. Broken ones are among the reasons below.
        busy = live_segments().filter(stale(now), pk__in=segments, last_error="").order_by("pk")
        if busy:
            sentence = _("The members of “%(name)s” are just being found; try again in a minute.")
            raise SegmentsBusy([sentence % {"name": segment.name} for segment in busy])
        reasons = readiness(campaign=campaign, now=now)
        if reasons:
            raise CampaignNotReady(reasons)
        freeze_audience(campaign=campaign, now=now)
        door(campaign.channel).launched(campaign)
        campaign.launched_at = now
        if by is not None:
            campaign.launched_by_id = by.pk
        _move(campaign, to=Status.SENDING, by=by, now=now)
        ring_after_commit("campaigns.tasks.dispatch")
    return campaign


def schedule_campaign(*, campaign: Campaign, send_at: datetime, by: AbstractBaseUser | None, now: datetime) -> Campaign:
    """Launch by itself at ``send_at``. What can be judged now is; the audience is frozen then."""
    reasons = readiness(campaign=campaign, now=now)
    if send_at <= now:
        reasons.append(_("The time to send at has passed."))
    with transaction.atomic():
        campaign = _locked(campaign, to=Status.SCHEDULED, from_=(Status.DRAFT, Status.SCHEDULED))
        if reasons:
            raise CampaignNotReady(reasons)
        campaign.scheduled_at = send_at
        campaign.launched_by_id = by.pk if by is not None else None
        _move(campaign, to=Status.SCHEDULED, by=by, now=now, note=send_at.isoformat())
    return campaign


def unschedule_campaign(*, campaign: Campaign, by: AbstractBaseUser | None, now: datetime, note: str = "") -> Campaign:
    """Back to a draft."""
    with transaction.atomic():
        campaign = _locked(campaign, to=Status.DRAFT)
        campaign.scheduled_at = None
        _move(campaign, to=Status.DRAFT, by=by, now=now, note=note)
    return campaign


def pause_campaign(*, campaign: Campaign, by: AbstractBaseUser | None, now: datetime, reason: str = "") -> Campaign:
    """Stop at once: at most the window that is being sent now (100 messages) still goes out."""
    with transaction.atomic():
        campaign = _locked(campaign, to=Status.PAUSED)
        _move(campaign, to=Status.PAUSED, by=by, now=now, note=reason)
        _release(campaign)
    return campaign


def resume_campaign(*, campaign: Campaign, by: AbstractBaseUser | None, now: datetime) -> Campaign:
    with transaction.atomic():
        campaign = _locked(campaign, to=Status.SENDING, from_=(Status.PAUSED,))
        campaign.troubles, campaign.retry_at = 0, None
        _move(campaign, to=Status.SENDING, by=by, now=now)
        ring_after_commit("campaigns.tasks.dispatch")
    return campaign


def cancel_campaign(*, campaign: Campaign, by: AbstractBaseUser | None, now: datetime) -> Campaign:
    """Stop for good. What was sent stays in the books; what was not is marked as cancelled."""
    with transaction.atomic():
        campaign = _locked(campaign, to=Status.CANCELLED)
        campaign.finished_at = now
        _move(campaign, to=Status.CANCELLED, by=by, now=now)
        campaign.deliveries.filter(status__in=["pending", "leased"]).update(
            status="cancelled", lease=None, leased_until=None, not_before=None
        )
    return campaign


def finish_if_done(*, campaign_id: int, now: datetime) -> bool:
    """Finish a campaign of which nothing is left to go. Undecided deliveries stay, and are shown."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(no_key=True).filter(pk=campaign_id, status="sending").first()
        under_way = Q(status__in=["pending", "leased"]) | Q(status="sending", leased_until__gt=now)
        if campaign is None or campaign.deliveries.filter(under_way).exists():
            return False
        campaign.finished_at = now
        _move(campaign, to=Status.FINISHED, by=None, now=now)
    return True


def lock_status(*, campaign_id: int) -> str:
    """The campaign's status, which stays so to the end of the caller's transaction."""
    return Campaign.objects.select_for_update(no_key=True).values_list("status", flat=True).get(pk=campaign_id)


def reopen_if_finished(*, campaign_id: int, now: datetime) -> None:
    """Go on with a campaign finished over deliveries whose worker, thought dead, gives them back unsent after all."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(no_key=True).filter(pk=campaign_id, status="finished").first()
        if campaign is not None:
            _reopen(campaign, by=None, now=now, note=_("A worker that was late gave messages back"))


def _reopen(campaign: Campaign, *, by: AbstractBaseUser | None, now: datetime, note: str) -> None:
    """Of a locked, finished campaign."""
    campaign.finished_at = None
    _move(campaign, to=Status.SENDING, by=by, now=now, note=note)
    ring_after_commit("campaigns.tasks.dispatch")


def settle_undecided(
    *, campaign: Campaign, resend: bool, by: AbstractBaseUser, now: datetime, delivery_ids: list[int] | None = None
) -> int:
    """A human's word on deliveries of which nobody knows whether they arrived (all of them, or these): how many.

    ``resend`` takes the risk that somebody gets the message twice; else they are written off as failed.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        unclear = undecided(campaign=campaign, now=now)
        if delivery_ids is not None:
            unclear = unclear.filter(pk__in=delivery_ids)
        if resend:
            if campaign.status == Status.CANCELLED:
                raise IllegalMove(campaign, Status.SENDING)
            count = unclear.update(status="pending", lease=None, leased_until=None, sent_at=None, detail="")
            note = _("%(count)s unclear ones are sent again") % {"count": count}
        else:
            count = unclear.update(
                status="failed", reason=Delivery.Reason.UNCLEAR, lease=None, leased_until=None, sent_at=None
            )
            note = _("%(count)s unclear ones are left as they are") % {"count": count}
        if count and resend and campaign.status == Status.FINISHED:
            _reopen(campaign, by=by, now=now, note=note)
        elif count:
            _log(campaign, to=campaign.status, by=by, now=now, note=note)
    return count


def undecided(*, campaign: Campaign, now: datetime) -> "QuerySet[Delivery]":
    """Deliveries whose bytes may have left, and whose worker or server never said what became of them."""
    return campaign.deliveries.filter(is_undecided(now))


def is_undecided(now: datetime) -> Q:
    """Of deliveries: "sending", and no live worker has them in hand."""
    return Q(status="sending") & (Q(leased_until=None) | Q(leased_until__lte=now))


def release_expired(*, now: datetime) -> int:
    """What a dead worker had leased and not begun goes back by itself. How many."""
    return Delivery.objects.filter(status="leased", leased_until__lte=now).update(
        status="pending", lease=None, leased_until=None
    )


def note_trouble(*, campaign_id: int, reason: str, heals: bool, now: datetime) -> None:
    """The mail server is broken: wait, longer each time, and pause when waiting does not help.

    Two workers that hit the same trouble count as one: the second finds the wait already noted.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)
        if campaign.status != Status.SENDING or (campaign.retry_at is not None and campaign.retry_at > now):
            return
        if not heals or campaign.troubles >= TROUBLES_IN_A_ROW:
            campaign.troubles, campaign.retry_at = 0, None
            _move(campaign, to=Status.PAUSED, by=None, now=now, note=reason[:500])
            _release(campaign)
            return
        wait = settings.SENDING_BACKOFF_SECONDS * 2**campaign.troubles
        campaign.troubles += 1
        campaign.retry_at = now + timedelta(seconds=wait)
        campaign.pause_reason = reason[:500]
        campaign.save(update_fields=["troubles", "retry_at", "pause_reason"])


def note_success(*, campaign_id: int) -> None:
    """The mail server takes messages again."""
    Campaign.objects.filter(pk=campaign_id, status=Status.SENDING, troubles__gt=0).update(
        troubles=0, retry_at=None, pause_reason=""
    )


def launch_due(*, now: datetime) -> list[int]:
    """Launch what was scheduled for now or earlier; what is no longer ready becomes a draft again, saying why.

    Whatever is wrong with one stops no other: it stays scheduled, and is tried again at the next call.
    """
    launched = []
    for campaign in Campaign.objects.filter(status=Status.SCHEDULED, scheduled_at__lte=now).order_by("scheduled_at"):
        try:
            if _launch_or_unschedule(campaign, now):
                launched.append(campaign.pk)
        except IllegalMove:
            continue  # another worker, or a manager, was faster
        except Exception:
            log.exception("Campaign %s could not be launched", campaign.pk)
    return launched


def _launch_or_unschedule(campaign: Campaign, now: datetime) -> bool:
    """Whether it was launched."""
    try:
        launch_campaign(campaign=campaign, by=None, now=now)
    except SegmentsBusy:
        return False
    except CampaignNotReady as error:
        unschedule_campaign(campaign=campaign, by=None, now=now, note=str(error)[:500])
        return False
    return True


def _release(campaign: Campaign) -> None:
    campaign.deliveries.filter(status="leased").update(status="pending", lease=None, leased_until=None)


def _locked(campaign: Campaign, *, to: str, from_: tuple[str, ...] | None = None) -> Campaign:
    """The campaign as it is now, its row locked, if it may move there (from one of these states)."""
    locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if not is_legal(locked, to) or (from_ is not None and locked.status not in from_):
        raise IllegalMove(locked, to)
    return locked


def _move(campaign: Campaign, *, to: str, by: AbstractBaseUser | None, now: datetime, note: str = "") -> None:
    """Of a locked campaign. A draft that could not be launched shows why, as a paused one does."""
    _log(campaign, to=to, by=by, now=now, note=note)
    campaign.status = to
    campaign.pause_reason = note if to in (Status.PAUSED, Status.DRAFT) else ""
    campaign.save()


def _log(campaign: Campaign, *, to: str, by: AbstractBaseUser | None, now: datetime, note: str) -> None:
    CampaignMove.objects.create(
        campaign=campaign,
        from_status=campaign.status,
        to_status=to,
        note=note,
        moved_at=now,
        moved_by_id=by.pk if by is not None else None,
    )
