import secrets

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models import Channel, Purpose, Topic
from personas.models import Persona
from segments.models import Segment


def new_seed() -> str:
    return secrets.token_hex(16)


class Campaign(models.Model):
    """A message for some segments or personas. The legal moves of ``status`` are in :mod:`campaigns.states`."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        SCHEDULED = "scheduled", _("scheduled")
        SENDING = "sending", _("sending")
        PAUSED = "paused", _("paused")
        FINISHED = "finished", _("finished")
        CANCELLED = "cancelled", _("cancelled")

    name = models.CharField(_("name"), max_length=200)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel, default=Channel.EMAIL)
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose, default=Purpose.MARKETING)
    topic = models.ForeignKey(
        Topic,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="campaigns",
        verbose_name=_("topic"),
        help_text=_("Whoever declined this topic does not get it."),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    segments = models.ManyToManyField(Segment, blank=True, related_name="campaigns", verbose_name=_("segments"))
    personas = models.ManyToManyField(Persona, blank=True, related_name="campaigns", verbose_name=_("personas"))
    scheduled_at = models.DateTimeField(_("send at"), null=True, blank=True)
    attribution_days = models.PositiveSmallIntegerField(
        _("days in which purchases count"), default=14, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    holdout_percent = models.PositiveSmallIntegerField(
        _("left out to compare, %"),
        default=0,
        validators=[MaxValueValidator(50)],
        help_text=_("Drawn at random, so that the effect can be measured."),
    )
    seed = models.CharField(max_length=32, default=new_seed, editable=False)
    is_imported = models.BooleanField(_("carried out elsewhere"), default=False, editable=False)
    rules_at_launch = models.JSONField(
        default=list, editable=False, help_text=_("The segments and rule versions that made the audience.")
    )
    pause_reason = models.CharField(_("paused because"), max_length=500, blank=True, default="", editable=False)
    troubles = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text=_("Failures of the mail server in a row.")
    )
    retry_at = models.DateTimeField(
        _("next try"), null=True, editable=False, help_text=_("After trouble with the mail server.")
    )
    launched_at = models.DateTimeField(_("launched"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    launched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-created_at", "-id"]
        permissions = [("launch_campaign", _("Can launch, pause and cancel campaigns"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["draft", "scheduled", "sending", "paused", "finished", "cancelled"]),
                name="campaign_status_known",
            ),
            models.CheckConstraint(condition=Q(holdout_percent__lte=50), name="campaign_holdout_at_most_half"),
            models.CheckConstraint(
                condition=~Q(status="scheduled", scheduled_at=None), name="campaign_scheduled_has_time"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "scheduled", "cancelled"]) | Q(launched_at__isnull=False),
                name="campaign_under_way_was_launched",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CampaignMove(models.Model):
    """Who moved a campaign from which status to which, when and why. Only ever added."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="moves", db_index=False)
    from_status = models.CharField(_("from"), max_length=10, choices=Campaign.Status)
    to_status = models.CharField(_("to"), max_length=10, choices=Campaign.Status)
    note = models.CharField(_("note"), max_length=500, blank=True, default="")
    moved_at = models.DateTimeField(_("when"))
    moved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty: by itself."),
    )

    class Meta:
        verbose_name = _("move")
        verbose_name_plural = _("moves")
        ordering = ["moved_at", "id"]
        indexes = [models.Index(name="campaign_moves", fields=["campaign", "moved_at"])]

    def __str__(self) -> str:
        return f"{self.campaign_id}: {self.get_from_status_display()} → {self.get_to_status_display()}"


class Variant(models.Model):
    """What is said: one row for each language and, in a test, for each letter."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="variants")
    letter = models.CharField(_("variant"), max_length=1, default="A")
    language = models.CharField(
        _("language"), max_length=10, blank=True, default="", help_text=_("Empty for the version for everybody else.")
    )
    sender_name = models.CharField(_("sender's name"), max_length=100, blank=True)
    subject = models.CharField(_("subject"), max_length=200)
    preheader = models.CharField(_("preview text"), max_length=200, blank=True)
    heading = models.CharField(_("heading"), max_length=200, blank=True)
    body = models.TextField(_("text"), blank=True, help_text=_("Paragraphs, with an empty line between them."))
    button_label = models.CharField(_("button"), max_length=100, blank=True)
    button_url = models.CharField(_("button leads to"), max_length=1000, blank=True)
    mjml = models.TextField(_("MJML"), blank=True, help_text=_("Empty: the starter template with the texts above."))
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["campaign", "letter", "language"]
        constraints = [models.UniqueConstraint(fields=["campaign", "letter", "language"], name="variant_once")]

    def __str__(self) -> str:
        return self.subject
