"""How programs get in: tokens of the API, each acting as one staff account."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ApiToken(models.Model):
    """A program's key. Only the SHA-256 of its 256 random bits is kept, so that a stolen database opens nothing."""

    name = models.CharField(_("used by"), max_length=100, help_text=_("The program that uses it: “online shop”."))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="api_tokens",
        verbose_name=_("acts as"),
        help_text=_("The token may do what this account may do."),
    )
    key_hash = models.BinaryField(max_length=32, unique=True, editable=False)
    start = models.CharField(_("starts with"), max_length=8, editable=False)
    scopes = ArrayField(
        models.CharField(max_length=50),
        verbose_name=_("may use"),
        blank=True,
        default=list,
        help_text=_("Parts of the API that the token may use: “receipts:write”... None: whatever its account may do."),
    )
    expires_on = models.DateField(_("last day"), null=True, blank=True, help_text=_("Empty: until it is deleted."))
    last_used_on = models.DateField(_("last used"), null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("made by"),
    )
    created_at = models.DateTimeField(_("made"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"
