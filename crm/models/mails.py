"""Mails to single people that are a service, not marketing: receipts, confirmations, replies."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer
from crm.models.receipts import Receipt


class QueuedMail(models.Model):
    """A mail on its way out. "Sending" is committed before a byte leaves.

    So what a killed worker leaves in "sending" may or may not have gone out: it is shown as unclear, and never silently
    sent again.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENDING = "sending", _("sending, or unclear")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    email = models.CharField(_("e-mail"), max_length=320)
    email_key = models.CharField(max_length=320, editable=False)
    status = models.CharField(
        _("status"), max_length=8, choices=Status, default=Status.QUEUED, db_default=Status.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)
    error = models.CharField(_("error"), max_length=500, blank=True, default="", db_default="")
    asked_at = models.DateTimeField(_("asked"))
    due_at = models.DateTimeField(_("due"))
    settled_at = models.DateTimeField(_("settled"), null=True, editable=False)

    class Meta:
        abstract = True
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(status__in=["queued", "sending", "sent", "failed"]), name="%(class)s_status_known"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="%(class)s_due", fields=["due_at"], condition=Q(status="queued"))
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.get_status_display()})"


class ReceiptMail(QueuedMail):
    """A receipt sent by mail: once per address."""

    receipt = models.ForeignKey(Receipt, models.CASCADE, related_name="mails", verbose_name=_("receipt"))

    class Meta(QueuedMail.Meta):
        verbose_name = _("receipt mail")
        verbose_name_plural = _("receipt mails")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            *QueuedMail.Meta.constraints,
            models.UniqueConstraint(fields=["receipt", "email_key"], name="receipt_mail_once_per_address"),
        ]


class ServiceMail(QueuedMail):
    """A mail that somebody asked for or must have, written when it was asked for; once for each ``key``."""

    key = models.CharField(max_length=120, unique=True, editable=False)
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, blank=True, related_name="service_mails", verbose_name=_("customer")
    )
    subject = models.CharField(_("subject"), max_length=300)
    text = models.TextField(_("text"))

    class Meta(QueuedMail.Meta):
        verbose_name = _("service mail")
        verbose_name_plural = _("service mails")
