"""Which customers belong together: a rule, who it selects now, and who came and went."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models import Customer
from segments.models.knowledge import (
    AffinityRun,
    AttributeInsight,
    CategoryPair,
    Cluster,
    ClusterModel,
    InsightRun,
    ProductPair,
    SegmentInsight,
)
from segments.models.scores import CustomerScore, CustomerValue, CutPoints, GroupFlow, ScoresAsked, ValueModel

__all__ = [
    "AffinityRun",
    "AttributeInsight",
    "CategoryPair",
    "Cluster",
    "ClusterModel",
    "CustomerScore",
    "CustomerValue",
    "CutPoints",
    "GroupFlow",
    "InsightRun",
    "Membership",
    "MembershipEvent",
    "ProductPair",
    "ScoresAsked",
    "Segment",
    "SegmentInsight",
    "ValueModel",
]


class Segment(models.Model):
    """A rule with its members.

    ``rule`` is the versioned JSON of :mod:`segments.rules`; a new rule raises ``rule_version``.

    A persona owns a segment of kind PERSONA, so that there is one machine for membership.
    """

    class Kind(models.TextChoices):
        DYNAMIC = "dynamic", _("follows its rule")
        FROZEN = "frozen", _("frozen")
        PICKED = "picked", _("picked by hand")
        PERSONA = "persona", _("persona")

    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.DYNAMIC)
    rule = models.JSONField(_("rule"), default=dict)
    rule_version = models.PositiveIntegerField(_("rule version"), default=1, editable=False)
    is_archived = models.BooleanField(_("archived"), default=False)
    members_count = models.PositiveIntegerField(_("members"), default=0, db_default=0, editable=False)
    refreshed_at = models.DateTimeField(_("as of"), null=True, editable=False)
    # The rule version with which everybody was last evaluated (0 asks for it anew), and the shop's day for which the
    # members are right, but for marks that wait.
    refreshed_version = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    swept_on = models.DateField(null=True, editable=False)
    # The newest day for which anybody may have been evaluated: nobody is for an earlier one any more.
    opened_on = models.DateField(null=True, editable=False)
    # The last day on which a full comparison found nothing to change, or mended what it found.
    proved_on = models.DateField(null=True, editable=False)
    # What the rule's names meant then ("category:Food > Milk" -> id), so that a renamed category stays itself.
    names = models.JSONField(default=dict, db_default={}, editable=False)
    last_error = models.TextField(_("last error"), blank=True, default="", db_default="", editable=False)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    changed_at = models.DateTimeField(_("last change"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=~Q(kind="persona"), name="segment_name_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["dynamic", "frozen", "picked", "persona"]), name="segment_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_being_counted(self) -> bool:
        """Whether its members are those of an earlier rule, or not found yet."""
        return self.refreshed_at is None or self.refreshed_version != self.rule_version


class Membership(models.Model):
    """Who is in now: the narrow, current table beside the history."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="memberships", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="memberships")
    entered_at = models.DateTimeField(_("since"))
    rule_version = models.PositiveIntegerField(_("rule version"))

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [models.UniqueConstraint(fields=["segment", "customer"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.customer_id}"


class MembershipEvent(models.Model):
    """Somebody came or went. Only ever added."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="events", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="membership_events")
    entered = models.BooleanField(_("came in"))
    happened_at = models.DateTimeField(_("when"))
    rule_version = models.PositiveIntegerField(_("rule version"))

    class Meta:
        verbose_name = _("coming or going")
        verbose_name_plural = _("comings and goings")
        indexes = [models.Index(name="membership_history", fields=["segment", "happened_at"])]

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.customer_id} {'in' if self.entered else 'out'}"


class SegmentVersion(models.Model):
    """A rule that the segment has or had. Only ever added; taking an old one up again makes a new version."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField(_("rule version"))
    rule = models.JSONField(_("rule"))
    # What the rule's names meant then, so that a category renamed since is still found.
    names = models.JSONField(default=dict, db_default={})
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField(_("when"), db_default=Now())

    class Meta:
        verbose_name = _("version of a segment")
        verbose_name_plural = _("versions of segments")
        ordering = ["segment", "-number"]
        constraints = [models.UniqueConstraint(fields=["segment", "number"], name="segment_version_once")]

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.number}"


class OutOfStep(models.Model):
    """A full comparison found members missing or too many whom nothing explains: a fault, mended at once."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="faults")
    found_at = models.DateTimeField(_("when"))
    missing = models.PositiveIntegerField(_("were missing"))
    surplus = models.PositiveIntegerField(_("were too many"))
    seen_at = models.DateTimeField(_("seen"), null=True, blank=True)

    class Meta:
        verbose_name = _("segment out of step")
        verbose_name_plural = _("segments out of step")
        ordering = ["-found_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.found_at}"
