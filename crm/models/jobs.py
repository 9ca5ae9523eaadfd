"""Long work with progress, a result and files, and what an import needs to know between its steps."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Job(models.Model):
    """Work that outlives a page: it can be resumed, and closing the page loses nothing (see :mod:`crm.jobs`).

    ``file`` and ``error_file`` are paths below MEDIA_ROOT, blank once removed; only the job's page serves them.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    kind = models.CharField(_("kind"), max_length=50)
    title = models.CharField(_("what"), max_length=300, blank=True, default="", db_default="")
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.QUEUED, db_default=Status.QUEUED
    )
    params = models.JSONField(_("parameters"), default=dict)
    result = models.JSONField(_("result"), default=dict, db_default={})
    done = models.PositiveBigIntegerField(_("done"), default=0, db_default=0)
    total = models.PositiveBigIntegerField(_("of"), default=0, db_default=0)
    note = models.CharField(_("note"), max_length=500, blank=True, default="", db_default="")
    error = models.TextField(_("error"), blank=True, default="", db_default="")
    file = models.CharField(_("file"), max_length=500, blank=True, default="", db_default="")
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
        permissions = [("oversee_job", _("Can see and cancel everybody's jobs"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "done", "failed", "cancelled"]), name="job_status_known"
            )
        ]
        indexes = [models.Index(name="job_due", fields=["id"], condition=Q(status__in=["queued", "running"]))]

    def __str__(self) -> str:
        return self.title or f"{self.kind} {self.pk}"

    @property
    def is_over(self) -> bool:
        return self.status in (self.Status.DONE, self.Status.FAILED, self.Status.CANCELLED)


class Upload(models.Model):
    """A file on its way in: how it is read and which column means what, as far as somebody has said it.

    ``file`` is a path below MEDIA_ROOT, blank once it was removed. The row stays: the next file with the same columns
    (``shape``) begins with this one's mapping.
    """

    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=255)
    file = models.CharField(max_length=500, blank=True, default="", db_default="")
    size = models.PositiveBigIntegerField(default=0, db_default=0)
    how = models.JSONField(default=dict, db_default={})
    mapping = models.JSONField(null=True)
    shape = models.CharField(max_length=64, blank=True, default="", db_default="")
    follows = models.ForeignKey("self", models.SET_NULL, null=True, related_name="follow_ups")
    check_job = models.OneToOneField(Job, models.SET_NULL, null=True, related_name="checked_upload")
    job = models.OneToOneField(Job, models.SET_NULL, null=True, related_name="imported_upload")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("file to import")
        verbose_name_plural = _("files to import")
        ordering = ["-id"]
        default_permissions = ()
        indexes = [models.Index(name="upload_by_shape", fields=["shape", "-id"])]

    def __str__(self) -> str:
        return self.name


class Mending(models.Model):
    """A refused row as somebody has mended it. ``position`` counts the upload's refused rows from 0."""

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="mendings", db_index=False)
    position = models.PositiveIntegerField()
    cells = ArrayField(models.TextField(blank=True))
    mended_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("mended row")
        verbose_name_plural = _("mended rows")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["upload", "position"], name="mending_once_per_row")]

    def __str__(self) -> str:
        return f"{self.upload_id}/{self.position}"
