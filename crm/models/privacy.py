"""What customers may ask of us about their data, who looked at it, and who has asked to be forgotten."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.jobs import Job
from crm.models.people import Customer


class DataRequest(models.Model):
    """“Customer asks...”: identity check, a clock of one month, a reply. It outlives the erasure that it asks for."""

    class Kind(models.TextChoices):
        STOP = "stop", _("send me nothing more")
        COPY = "copy", _("a copy of my data")
        CORRECT = "correct", _("correct my data")
        DELETE = "delete", _("delete my data")
        NO_PROFILING = "no_profiling", _("don't profile me")

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")

    class Through(models.TextChoices):
        TILL = "till", _("at the till")
        PHONE = "phone", _("by phone")
        EMAIL = "email", _("by e-mail")
        POST = "post", _("by letter")
        PAGE = "page", _("on their own page")

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="requests", verbose_name=_("customer"))
    kind = models.CharField(_("asks"), max_length=12, choices=Kind)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OPEN, db_default=Status.OPEN)
    through = models.CharField(_("asked"), max_length=5, choices=Through)
    details = models.JSONField(
        _("details"), default=dict, db_default={}, help_text=_("What is to be corrected, and to what.")
    )
    note = models.TextField(_("note"), blank=True, default="", db_default="")
    asked_at = models.DateTimeField(_("when"))
    due_on = models.DateField(_("answer due"))
    extended_because = models.CharField(_("extended because"), max_length=500, blank=True, default="", db_default="")
    identity = models.CharField(
        _("identity checked by"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("Card and birth date, say."),
    )
    identity_checked_at = models.DateTimeField(null=True, editable=False)
    reply = models.TextField(_("reply"), blank=True, default="", db_default="")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, editable=False, related_name="+", db_index=False)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("noted by"),
    )
    decided_at = models.DateTimeField(_("answered"), null=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("customer's request")
        verbose_name_plural = _("customers' requests")
        ordering = ["due_on", "id"]
        permissions = [("note_request", _("Can note what a customer asks"))]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=["open", "done", "refused"]), name="request_status_known"),
            models.CheckConstraint(
                condition=Q(status="open") | Q(decided_at__isnull=False), name="request_end_has_a_time"
            ),
        ]
        indexes = [models.Index(name="request_open", fields=["due_on"], condition=Q(status="open"))]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_status_display()})"


class AuditEntry(models.Model):
    """Somebody of the staff, or a program, looked at or took out personal data. Only ever added.

    ``customer_id`` is no foreign key: the book outlives whom it is about. Lists and exports name a count instead.
    """

    class Action(models.TextChoices):
        LOOKED = "looked", _("looked at")
        SEARCHED = "searched", _("searched")
        EXPORTED = "exported", _("exported")
        CHANGED = "changed", _("changed")

    happened_at = models.DateTimeField(_("when"), db_default=Now(), editable=False)
    action = models.CharField(_("did"), max_length=8, choices=Action)
    what = models.CharField(_("what"), max_length=200)
    customer_id = models.BigIntegerField(_("customer"), null=True)
    count = models.PositiveIntegerField(_("how many"), default=1, db_default=1)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("who"), db_index=False
    )
    username = models.CharField(_("log-in"), max_length=150, blank=True, default="", db_default="")
    address = models.GenericIPAddressField(_("from"), null=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("look at personal data")
        verbose_name_plural = _("looks at personal data")
        ordering = ["-id"]
        indexes = [models.Index(name="audit_by_customer", fields=["customer_id", "-id"])]

    def __str__(self) -> str:
        return f"{self.username} {self.get_action_display()} {self.what}"


class ErasedIdentity(models.Model):
    """A number or address of somebody who was erased, as a keyed hash, so that no import brings them back."""

    class Kind(models.TextChoices):
        NUMBER = "number", _("customer number")
        EMAIL = "email", _("e-mail")
        PHONE = "phone", _("phone")
        CARD = "card", _("card")

    kind = models.CharField(_("kind"), max_length=6, choices=Kind)
    key_hash = models.BinaryField(max_length=32)
    erased_at = models.DateTimeField(_("erased"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("erased identity")
        verbose_name_plural = _("erased identities")
        constraints = [models.UniqueConstraint(fields=["kind", "key_hash"], name="erased_identity_once")]

    def __str__(self) -> str:
        return self.get_kind_display()
