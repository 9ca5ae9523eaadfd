"""The people a shop has in mind."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models import Channel
from segments.models import Segment


class Persona(models.Model):
    """A buyer persona. Its ``segment`` holds the rule that matches customers to it, and who matches now."""

    class DecisionPower(models.TextChoices):
        DECIDES = "decides", _("decides alone")
        SHARES = "shares", _("decides with others")
        INFLUENCES = "influences", _("influences")
        USES = "uses", _("uses what others buy")

    name = models.CharField(_("name"), max_length=100, unique=True)
    segment = models.OneToOneField(Segment, models.PROTECT, related_name="persona", editable=False)
    portrait = models.ImageField(_("portrait"), upload_to="personas/", blank=True)
    age = models.PositiveSmallIntegerField(_("age"), null=True, blank=True)
    job = models.CharField(_("job"), max_length=200, blank=True)
    home = models.CharField(_("home and family"), max_length=200, blank=True)
    quote = models.CharField(_("in one sentence"), max_length=300, blank=True)
    story = models.TextField(_("story"), blank=True)
    goals = models.TextField(_("goals"), blank=True, help_text=_("One a line."))
    worries = models.TextField(_("worries"), blank=True, help_text=_("One a line."))
    values = models.TextField(_("values"), blank=True, help_text=_("One a line."))
    decision_power = models.CharField(_("decision power"), max_length=10, choices=DecisionPower, blank=True)
    preferred_channel = models.CharField(_("reach them by"), max_length=10, choices=Channel, blank=True)
    key_message = models.TextField(_("tell them"), blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("persona")
        verbose_name_plural = _("personas")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(preferred_channel__in=["", *Channel.values]), name="persona_channel_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name
