"""Long work with progress, a result and an error file."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Job(models.Model):
    """Work that outlives a page: it can be resumed, and closing the page loses nothing."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    kind = models.CharField(_("kind"), max_length=50)
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.QUEUED, db_default=Status.QUEUED
    )
    params = models.JSONField(_("parameters"), default=dict)
    result = models.JSONField(_("result"), default=dict, db_default={})
    done = models.PositiveBigIntegerField(_("done"), default=0, db_default=0)
    total = models.PositiveBigIntegerField(_("of"), default=0, db_default=0)
    note = models.CharField(_("note"), max_length=500, blank=True, default="", db_default="")
    error = models.TextField(_("error"), blank=True, default="", db_default="")
    error_file = models.CharField(_("error file"), max_length=500, blank=True, default="", db_default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0, editable=False)
    cancel_asked_at = models.DateTimeField(_("cancelled at"), null=True, editable=False)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "done", "failed", "cancelled"]), name="job_status_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
