"""Two records of one person: pairs that look so, merges, and what each merge moved."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer


class DuplicatePair(models.Model):
    """Two customers that may be one, with what speaks for it; decided by a human, or by a rule that one turned on."""

    class Status(models.TextChoices):
        OPEN = "open", _("to be looked at")
        LATER = "later", _("later")
        SAME = "same", _("the same person")
        DIFFERENT = "different", _("two people")

    first = models.ForeignKey(Customer, models.CASCADE, related_name="+", verbose_name=_("one"))
    second = models.ForeignKey(Customer, models.CASCADE, related_name="+", verbose_name=_("the other"))
    score = models.FloatField(_("score"), help_text=_("How sure it is that they are one, from 0 to 1."))
    evidence = models.JSONField(_("evidence"), default=dict, db_default={})
    looks = models.CharField(
        max_length=80,
        default="",
        db_default="",
        editable=False,
        help_text=_("How both looked when they were compared."),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN, db_default=Status.OPEN)
    found_at = models.DateTimeField(_("found"), db_default=Now(), editable=False)
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("possible duplicate")
        verbose_name_plural = _("possible duplicates")
        ordering = ["-score", "id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="pair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="pair_in_order"),
            models.CheckConstraint(condition=Q(score__range=(0, 1)), name="pair_score_is_a_share"),
            models.CheckConstraint(
                condition=Q(status__in=["open", "later", "same", "different"]), name="pair_status_known"
            ),
        ]
        indexes = [models.Index(name="pair_waiting", fields=["-score", "id"], condition=Q(status="open"))]

    def __str__(self) -> str:
        return f"{self.first_id} = {self.second_id}?"


class ComparedCustomer(models.Model):
    """How a live customer looked when they were last compared with others, and by which keys they were found."""

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="+")
    look = models.UUIDField(help_text=_("A hash of what is compared."))
    keys = ArrayField(models.BigIntegerField())

    class Meta:
        verbose_name = _("compared customer")
        verbose_name_plural = _("compared customers")
        default_permissions = ()
        indexes = [GinIndex(name="compared_by_key", fields=["keys"], fastupdate=False)]

    def __str__(self) -> str:
        return f"{self.customer_id}"


class DuplicateExpectation(models.Model):
    """The one row of what the shop's customers have taught: pairs to expect for each customer."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    doubles = models.FloatField(_("pairs that are one person"))
    housemates = models.FloatField(_("pairs of one household"))
    learned_at = models.DateTimeField(_("learned"), auto_now=True)

    class Meta:
        verbose_name = _("expectation of duplicates")
        verbose_name_plural = _("expectations of duplicates")
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="duplicate_expectation_is_one_row")]

    def __str__(self) -> str:
        return f"{self.doubles:.3f} / {self.housemates:.3f}"


class Merge(models.Model):
    """One record went up in another. ``changes`` holds what the survivor's fields were before and after."""

    survivor = models.ForeignKey(Customer, models.PROTECT, related_name="merges", verbose_name=_("stays"))
    merged = models.ForeignKey(Customer, models.PROTECT, related_name="merged_by", verbose_name=_("goes up in it"))
    changes = models.JSONField(_("changes"), default=dict, db_default={})
    rule = models.CharField(
        _("by rule"), max_length=50, blank=True, default="", db_default="", help_text=_("Empty: a human decided.")
    )
    made_at = models.DateTimeField(_("merged"), db_default=Now(), editable=False)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("by")
    )
    undone_at = models.DateTimeField(_("undone"), null=True, editable=False)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        ordering = ["-made_at", "-id"]
        permissions = [("merge_customer", _("Can merge customers, and undo it"))]
        constraints = [
            models.UniqueConstraint(fields=["merged"], condition=Q(undone_at=None), name="merged_once_at_a_time"),
            models.CheckConstraint(condition=~Q(survivor=F("merged")), name="merge_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} -> {self.survivor_id}"


class MergeMove(models.Model):
    """One row whose customer a merge changed, so that its undoing finds exactly those. Lines follow their receipt."""

    merge = models.ForeignKey(Merge, models.CASCADE, related_name="moves", db_index=False)
    relation = models.CharField(max_length=50, help_text=_("Which table: “receipt”, “loyaltyentry”..."))
    row_id = models.BigIntegerField()

    class Meta:
        verbose_name = _("moved row")
        verbose_name_plural = _("moved rows")
        constraints = [models.UniqueConstraint(fields=["merge", "relation", "row_id"], name="moved_once")]

    def __str__(self) -> str:
        return f"{self.relation} {self.row_id}"
