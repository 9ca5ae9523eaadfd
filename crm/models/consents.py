"""What customers allow, as a ledger, and the addresses that must not be written to."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.people import Channel, Customer


class Purpose(models.TextChoices):
    MARKETING = "marketing", _("marketing")


class Consent(models.Model):
    """One statement of a customer: yes or no, for a channel and purpose. The newest (``stated_at``, then id) counts."""

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="consents", verbose_name=_("customer"), db_index=False
    )
    channel = models.CharField(_("channel"), max_length=10, choices=Channel)
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose, default=Purpose.MARKETING)
    granted = models.BooleanField(_("allowed"))
    stated_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)
    source = models.CharField(_("source"), max_length=100, help_text=_("Till, form, import, unsubscribe link..."))
    wording = models.CharField(
        _("wording"), max_length=500, blank=True, default="", db_default="", help_text=_("What was agreed to.")
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("recorded by"),
        db_index=False,
    )

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["-stated_at", "-id"]
        constraints = [models.CheckConstraint(condition=Q(channel__in=Channel.values), name="consent_channel_known")]
        indexes = [
            models.Index(
                name="consent_newest_first",
                fields=["customer", "channel", "purpose", "-stated_at", "-id"],
                include=["granted"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {_('yes') if self.granted else _('no')}"


class Suppression(models.Model):
    """An address that is not written to, whoever bears it: as a keyed hash (:func:`crm.addresses.address_hash`)."""

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        BOUNCED = "bounced", _("bounced")
        COMPLAINED = "complained", _("complained")
        ERASED = "erased", _("erased")

    channel = models.CharField(_("channel"), max_length=10, choices=Channel)
    address_hash = models.BinaryField(max_length=32)
    reason = models.CharField(_("reason"), max_length=12, choices=Reason)
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        constraints = [
            models.UniqueConstraint(fields=["channel", "address_hash", "reason"], name="suppression_once"),
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="suppression_channel_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_reason_display()}"
