"""Loyalty cards and the ledger of points. The balance is the sum of the ledger, nothing else."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer
from crm.models.receipts import Receipt


class LoyaltyCard(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        LOST = "lost", _("lost")
        CLOSED = "closed", _("closed")

    number = models.CharField(_("card number"), max_length=50, unique=True)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="cards", verbose_name=_("customer"))
    status = models.CharField(
        _("status"), max_length=6, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE
    )
    issued_at = models.DateTimeField(_("issued"), db_default=Now(), editable=False)
    replaced_by = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="replaces")

    class Meta:
        verbose_name = _("loyalty card")
        verbose_name_plural = _("loyalty cards")
        ordering = ["number"]

    def __str__(self) -> str:
        return self.number


class LoyaltyEntry(models.Model):
    """A movement of points. Only ever added; ``key`` makes a repeated one impossible (``earn:<receipt id>``)."""

    class Kind(models.TextChoices):
        EARN = "earn", _("earned")
        TAKE_BACK = "take_back", _("taken back")
        REDEEM = "redeem", _("redeemed")
        EXPIRE = "expire", _("expired")
        ADJUST = "adjust", _("adjusted")

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="loyalty_entries", verbose_name=_("customer"))
    card = models.ForeignKey(
        LoyaltyCard,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="entries",
        verbose_name=_("card"),
        db_index=False,
    )
    receipt = models.ForeignKey(
        Receipt, models.PROTECT, null=True, blank=True, related_name="loyalty_entries", verbose_name=_("receipt")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    points = models.IntegerField(_("points"))
    key = models.CharField(max_length=120, unique=True, editable=False)
    note = models.CharField(_("note"), max_length=200, blank=True, default="", db_default="")
    recorded_at = models.DateTimeField(_("when"), db_default=Now(), editable=False)
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
        verbose_name = _("loyalty entry")
        verbose_name_plural = _("loyalty entries")
        ordering = ["-recorded_at", "-id"]
        constraints = [models.CheckConstraint(condition=~Q(points=0), name="loyalty_entry_moves_points")]

    def __str__(self) -> str:
        return f"{self.points:+d}"
