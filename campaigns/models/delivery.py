import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.campaign import Campaign, Variant
from crm.models import Channel, Customer


class Delivery(models.Model):
    """THE record of who got what: one row for each unit of a campaign's audience, whatever became of it.

    The books balance: audience = pending + leased + sending + accepted + failed + suppressed + held out + cancelled.
    A delivery that is "sending" without a live lease is *undecided*: its worker died, or the server went away, between
    the message's bytes and the answer. It is shown and never silently sent again.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("still to go")
        LEASED = "leased", _("taken by a worker")
        SENDING = "sending", _("being sent")
        ACCEPTED = "accepted", _("accepted")
        FAILED = "failed", _("failed")
        SUPPRESSED = "suppressed", _("not sent")
        HELD_OUT = "held_out", _("left out to compare")
        CANCELLED = "cancelled", _("cancelled")

    class Reason(models.TextChoices):
        """Why an assigned customer was not written to, or why sending failed."""

        NO_ADDRESS = "no_address", _("no address")
        NO_CONSENT = "no_consent", _("no consent")
        PAUSED = "paused", _("asked for a pause")
        TOPIC_DECLINED = "topic_declined", _("does not want this topic")
        TOO_OFTEN = "too_often", _("wants fewer messages")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        BOUNCED = "bounced", _("bounced earlier")
        COMPLAINED = "complained", _("complained")
        ERASED = "erased", _("asked to be forgotten")
        SAME_ADDRESS = "same_address", _("address shared with another recipient")
        NOT_LIVE = "not_live", _("record merged or erased")
        TOO_YOUNG = "too_young", _("child whose guardian has not agreed")
        ADDRESS_CHANGED = "address_changed", _("address changed since the launch")
        REFUSED = "refused", _("refused by the mail server")
        BAD_MESSAGE = "bad_message", _("message could not be made")
        GAVE_UP = "gave_up", _("gave up after several tries")
        UNCLEAR = "unclear", _("unclear, not sent again")

    UNIT_PERSON, UNIT_HOUSEHOLD, UNIT_COMPANY = "p", "h", "c"

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="deliveries", db_index=False)
    occurrence = models.CharField(
        max_length=50, default="launch", help_text=_("The launch, receipt or birthday year that caused it.")
    )
    unit = models.CharField(
        max_length=24, help_text=_("p, h or c (person, household, company) and its id: the unit of the draw.")
    )
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="deliveries")
    channel = models.CharField(max_length=10, choices=Channel)
    address = models.CharField(_("address"), max_length=500, blank=True)
    address_key = models.CharField(max_length=320, blank=True)
    variant = models.ForeignKey(Variant, models.PROTECT, null=True, related_name="deliveries", db_index=False)
    status = models.CharField(_("status"), max_length=10, choices=Status)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True, default="", db_default="")
    detail = models.CharField(_("detail"), max_length=500, blank=True, default="", db_default="")
    token = models.UUIDField(
        unique=True, default=uuid.uuid4, db_default=models.Func(function="gen_random_uuid"), editable=False
    )
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    not_before = models.DateTimeField(null=True, help_text=_("After a temporary error: the next try."))
    assigned_at = models.DateTimeField(_("assigned"))
    sent_at = models.DateTimeField(_("sent"), null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["campaign", "occurrence", "unit"], name="delivery_once_per_unit"),
            models.UniqueConstraint(
                fields=["campaign", "occurrence", "channel", "address_key"],
                condition=~Q(address_key="") & ~Q(status__in=["suppressed"]),
                name="delivery_once_per_address",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "pending",
                        "leased",
                        "sending",
                        "accepted",
                        "failed",
                        "suppressed",
                        "held_out",
                        "cancelled",
                    ]
                ),
                name="delivery_status_known",
            ),
            models.CheckConstraint(condition=~Q(status="suppressed", reason=""), name="delivery_suppressed_has_reason"),
            models.CheckConstraint(
                condition=Q(status__in=["leased", "sending"]) | Q(leased_until=None),
                name="delivery_lease_while_taken",
            ),
        ]
        indexes = [
            models.Index(name="delivery_by_status", fields=["campaign", "status", "id"]),
            models.Index(
                name="delivery_leases",
                fields=["campaign", "leased_until"],
                condition=Q(status__in=["leased", "sending"]),
            ),
            models.Index(name="delivery_by_time", fields=["sent_at"], condition=Q(status="accepted")),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}: {self.unit}"


class Link(models.Model):
    """A destination that a campaign's messages lead to; a click can only go to one of these (no open redirect)."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="links", db_index=False)
    url = models.CharField(_("address"), max_length=2000)

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        constraints = [models.UniqueConstraint(fields=["campaign", "url"], name="link_once_per_campaign")]

    def __str__(self) -> str:
        return self.url


class TrackedEvent(models.Model):
    """A response to a delivery, as it came in. Only ever added; ``is_automated`` ones never decide anything."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("opened")
        CLICKED = "clicked", _("clicked")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        BOUNCED = "bounced", _("bounced")
        COMPLAINED = "complained", _("complained")

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    link = models.ForeignKey(Link, models.SET_NULL, null=True, blank=True, related_name="events", db_index=False)
    happened_at = models.DateTimeField(_("when"), db_default=Now())
    user_agent = models.CharField(_("program"), max_length=500, blank=True)
    is_automated = models.BooleanField(_("by a machine"), default=False)

    class Meta:
        verbose_name = _("response")
        verbose_name_plural = _("responses")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["opened", "clicked", "unsubscribed", "bounced", "complained"]),
                name="event_kind_known",
            )
        ]
        indexes = [
            models.Index(name="event_by_delivery", fields=["delivery", "kind", "happened_at"]),
            models.Index(name="event_by_time", fields=["happened_at"]),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
