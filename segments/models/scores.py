"""What sets customers against each other: RFM scores with their cut points, flows between groups, expected value.

All of it is derived. A score is relative, so it is read from cut points that are made at one moment and kept with their
date: a sale changes the figures of one customer and moves nobody else.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models import Customer


class CutPoints(models.Model):
    """The least values that earn the scores 2, 3, 4 and 5, as they were on a day. The newest row is in force.

    A list is shorter where no buyer reached a score (ties). ``made_on`` is also the day to which every score row has
    been brought, from purchases of the ``months`` before it.
    """

    made_at = models.DateTimeField(_("made"))
    made_on = models.DateField(_("day"))
    months = models.PositiveSmallIntegerField(_("months"))
    buyers = models.PositiveIntegerField(_("buyers"))
    recency = ArrayField(models.DateField(), verbose_name=_("last purchase"))
    frequency = ArrayField(models.IntegerField(), verbose_name=_("receipts"))
    money = ArrayField(models.BigIntegerField(), verbose_name=_("spend"))

    class Meta:
        verbose_name = _("cut points")
        verbose_name_plural = _("cut points")
        default_permissions = ()
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.made_on}"


class ScoresAsked(models.Model):
    """A note that everybody's figures must be read from the facts again: after a large import, or other settings."""

    asked_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("wish for new scores")
        verbose_name_plural = _("wishes for new scores")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.asked_at}"


class CustomerScore(models.Model):
    """A buyer's figures as of the cut points' day, and what they score. Nobody else has a row."""

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="score")
    last_sold_on = models.DateField(_("last purchase"))
    receipts_ever = models.IntegerField(_("receipts ever"))
    receipts = models.IntegerField(_("receipts"))
    spend_minor = models.BigIntegerField(_("spend"))
    r = models.SmallIntegerField(_("recency score"))
    f = models.SmallIntegerField(_("frequency score"))
    m = models.SmallIntegerField(_("money score"))
    rfm_group = models.CharField(_("RFM group"), max_length=20)

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(r__range=(1, 5), f__range=(1, 5), m__range=(1, 5)), name="score_one_to_five"
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.r}{self.f}{self.m}"


class GroupFlow(models.Model):
    """How many buyers were in one RFM group at the end of the month before, and in another at the end of this one.

    ``was`` is blank for those who had not bought before.
    """

    month_on = models.DateField(_("end of the month"))
    was = models.CharField(_("before"), max_length=20, blank=True)
    now = models.CharField(_("after"), max_length=20)
    customers = models.PositiveIntegerField(_("customers"))

    class Meta:
        verbose_name = _("flow between RFM groups")
        verbose_name_plural = _("flows between RFM groups")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["month_on", "was", "now"], name="flow_once")]

    def __str__(self) -> str:
        return f"{self.month_on}: {self.was} > {self.now}"


class ValueModel(models.Model):
    """The model of what customers will buy, as it was fitted on a day, and how it did on data that it had not seen.

    ``result`` is what :func:`segments.value.fit` found, as plain data. ``is_used`` tells whether it beat the naive
    forecast; where not, nobody has an expected value. The newest row is in force.
    """

    made_at = models.DateTimeField(_("made"))
    made_on = models.DateField(_("day"))
    months = models.PositiveSmallIntegerField(_("months that are forecast"))
    is_used = models.BooleanField(_("in use"))
    result = models.JSONField(_("result"), default=dict)

    class Meta:
        verbose_name = _("model of expected value")
        verbose_name_plural = _("models of expected value")
        default_permissions = ()
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.made_on}"


class CustomerValue(models.Model):
    """What the model in force expects of a customer; ``alive`` in percent."""

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="expected")
    alive = models.DecimalField(_("probably still a customer"), max_digits=5, decimal_places=2)
    purchases = models.DecimalField(_("expected purchases"), max_digits=9, decimal_places=3)
    spend_minor = models.BigIntegerField(_("expected spend"), null=True)

    class Meta:
        verbose_name = _("expected value")
        verbose_name_plural = _("expected values")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.customer_id}"
