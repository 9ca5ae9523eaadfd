"""What customers allow, as a ledger, and the addresses that must not be written to."""

import uuid

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.activity import SignupForm
from crm.models.people import Channel, Customer


class Purpose(models.TextChoices):
    """What a consent is for. Marketing and research name a channel; sensitive data are allowed for all or for none."""

    MARKETING = "marketing", _("marketing")
    RESEARCH = "research", _("surveys and market research")
    SENSITIVE = "sensitive", _("use of sensitive data (health, politics, belief)")


class Topic(models.Model):
    """What messages may be about, so that a customer can decline one topic without leaving them all."""

    slug = models.SlugField(_("key"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=300, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ConsentWording(models.Model):
    """What people are asked to agree to, word for word. A new wording is a new version; used ones never change."""

    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose, default=Purpose.MARKETING)
    channel = models.CharField(
        _("channel"),
        max_length=10,
        choices=Channel,
        blank=True,
        help_text=_("Empty: the same words for every channel."),
    )
    language = models.CharField(_("language"), max_length=10, default="en")
    version = models.PositiveIntegerField(_("version"), default=1, validators=[MinValueValidator(1)], editable=False)
    text = models.TextField(_("wording"), max_length=2000)
    published_at = models.DateTimeField(_("used from"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("consent wording")
        verbose_name_plural = _("consent wordings")
        ordering = ["purpose", "channel", "language", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["purpose", "channel", "language", "version"], name="wording_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} {self.language} {self.version}"


class Consent(models.Model):
    """One statement of a customer: yes or no, for a channel and purpose. The newest (``stated_at``, then id) counts.

    ``proof`` keeps what shows that it was made: the page and browser of a form, the confirmed mail, a file's name and
    row. A merged-away customer keeps their statements, read through ``merged_into``.
    """

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="consents", verbose_name=_("customer"), db_index=False
    )
    channel = models.CharField(_("channel"), max_length=10, choices=Channel, blank=True)
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose, default=Purpose.MARKETING)
    granted = models.BooleanField(_("allowed"))
    stated_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)
    source = models.CharField(_("source"), max_length=100, help_text=_("Till, form, import, unsubscribe link..."))
    wording = models.CharField(
        _("wording"), max_length=500, blank=True, default="", db_default="", help_text=_("What was agreed to.")
    )
    wording_version = models.ForeignKey(
        ConsentWording,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("wording version"),
        db_index=False,
    )
    form = models.ForeignKey(
        SignupForm, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("form"), db_index=False
    )
    proof = models.JSONField(_("proof"), default=dict, db_default={}, blank=True)
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
        constraints = [
            models.CheckConstraint(
                condition=Q(purpose=Purpose.SENSITIVE, channel="")
                | Q(purpose__in=[Purpose.MARKETING, Purpose.RESEARCH], channel__in=Channel.values),
                name="consent_channel_fits_purpose",
            )
        ]
        indexes = [
            models.Index(
                name="consent_newest_first",
                fields=["customer", "channel", "purpose", "-stated_at", "-id"],
                include=["granted"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {_('yes') if self.granted else _('no')}"


class OptIn(models.Model):
    """A yes that waits for its confirmation (double opt-in): it counts only once the link in the mail was used."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="opt_ins", verbose_name=_("customer"))
    email = models.CharField(_("e-mail"), max_length=320)
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose, default=Purpose.MARKETING)
    source = models.CharField(_("source"), max_length=100)
    wording = models.CharField(_("wording"), max_length=500, blank=True, default="", db_default="")
    wording_version = models.ForeignKey(ConsentWording, models.PROTECT, null=True, related_name="+", db_index=False)
    form = models.ForeignKey(SignupForm, models.PROTECT, null=True, related_name="+", db_index=False)
    proof = models.JSONField(default=dict, db_default={})
    asked_at = models.DateTimeField(_("asked"))
    expires_at = models.DateTimeField(_("valid until"))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, editable=False)

    class Meta:
        verbose_name = _("waiting consent")
        verbose_name_plural = _("waiting consents")
        ordering = ["-asked_at", "-id"]
        constraints = [models.CheckConstraint(condition=Q(expires_at__gt=F("asked_at")), name="opt_in_ends_later")]

    def __str__(self) -> str:
        return self.email


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
