"""What analyses have found: kept with its date until the next run, and about groups, never about one customer."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models import Category, Product


class Run(models.Model):
    """One analysis, made as a job."""

    made_at = models.DateTimeField(_("made"))

    class Meta:
        abstract = True
        ordering = ["-made_at", "-id"]
        default_permissions = ()


class InsightRun(Run):
    """One look at all attributes and segments.

    Attributes as of the end of ``measured_on``, outcomes from the day after it to ``until_on``. ``customers`` were
    known then, ``sampled`` of them were looked at. ``outcomes`` are their names; ``data`` holds what was left out.
    """

    measured_on = models.DateField(_("attributes as of"))
    until_on = models.DateField(_("outcomes until"))
    customers = models.PositiveIntegerField(_("customers"))
    sampled = models.PositiveIntegerField(_("customers looked at"))
    outcomes = ArrayField(models.CharField(max_length=50), verbose_name=_("outcomes"))
    data = models.JSONField(_("details"), default=dict)

    class Meta(Run.Meta):
        verbose_name = _("insight")
        verbose_name_plural = _("insights")

    def __str__(self) -> str:
        return f"{self.measured_on}"


class AttributeInsight(models.Model):
    """What a run found about one attribute; ``data`` is written and read by :mod:`segments.insight.findings`."""

    run = models.ForeignKey(InsightRun, models.CASCADE, related_name="attributes", db_index=False)
    key = models.CharField(max_length=200)
    attribute = models.CharField(_("attribute"), max_length=100)
    filters = models.JSONField(default=dict)
    rank = models.PositiveIntegerField(_("rank"))
    data = models.JSONField(_("details"))

    class Meta:
        verbose_name = _("insight into an attribute")
        verbose_name_plural = _("insights into attributes")
        default_permissions = ()
        ordering = ["run", "rank"]
        constraints = [models.UniqueConstraint(fields=["run", "key"], name="attribute_once_per_insight")]

    def __str__(self) -> str:
        return self.key


class SegmentInsight(models.Model):
    """How the members of a segment compared with everybody else."""

    run = models.ForeignKey(InsightRun, models.CASCADE, related_name="segments", db_index=False)
    segment = models.ForeignKey("segments.Segment", models.CASCADE, related_name="insights")
    rank = models.PositiveIntegerField(_("rank"))
    data = models.JSONField(_("details"))

    class Meta:
        verbose_name = _("insight into a segment")
        verbose_name_plural = _("insights into segments")
        default_permissions = ()
        ordering = ["run", "rank"]
        constraints = [models.UniqueConstraint(fields=["run", "segment"], name="segment_once_per_insight")]

    def __str__(self) -> str:
        return f"{self.segment_id}"


class AffinityRun(Run):
    """Who bought this also bought that: the sales of a stretch of days, by basket or by customer."""

    class Unit(models.TextChoices):
        BASKET = "basket", _("in one purchase")
        CUSTOMER = "customer", _("by one customer")

    unit = models.CharField(_("together"), max_length=10, choices=Unit)
    since_on = models.DateField(_("from"))
    until_on = models.DateField(_("until"))
    units = models.PositiveIntegerField(_("purchases or customers"))
    pairs = models.PositiveBigIntegerField(_("pairs tested"))

    class Meta(Run.Meta):
        verbose_name = _("affinity")
        verbose_name_plural = _("affinities")
        constraints = [
            models.CheckConstraint(condition=models.Q(unit__in=["basket", "customer"]), name="affinity_unit_known")
        ]

    def __str__(self) -> str:
        return f"{self.unit} {self.since_on}"


class Pair(models.Model):
    """Of ``first_count`` units with the first, ``together`` had the other too, which ``other_count`` had in all.

    ``lift`` is how many times as many as if the two had nothing to do with each other, ``evidence`` the log-likelihood
    ratio (G), ``is_sure`` whether that rules out chance, all pairs that were tested taken into account.
    """

    position = models.PositiveSmallIntegerField(_("rank"))
    together = models.PositiveIntegerField(_("together"))
    first_count = models.PositiveIntegerField(_("with the first"))
    other_count = models.PositiveIntegerField(_("with the other"))
    lift = models.FloatField(_("times as likely"))
    evidence = models.FloatField(_("log-likelihood ratio"))
    is_sure = models.BooleanField(_("beyond chance"))

    class Meta:
        abstract = True
        default_permissions = ()

    @property
    def confidence(self) -> float:
        """Share of the units with the first that have the other too."""
        return self.together / self.first_count


class ProductPair(Pair):
    run = models.ForeignKey(AffinityRun, models.CASCADE, related_name="product_pairs", db_index=False)
    first = models.ForeignKey(Product, models.CASCADE, related_name="+")
    other = models.ForeignKey(Product, models.CASCADE, related_name="+")

    class Meta(Pair.Meta):
        verbose_name = _("products bought together")
        verbose_name_plural = _("products bought together")
        constraints = [models.UniqueConstraint(fields=["run", "first", "other"], name="product_pair_once")]

    def __str__(self) -> str:
        return f"{self.first_id}: {self.other_id}"


class CategoryPair(Pair):
    run = models.ForeignKey(AffinityRun, models.CASCADE, related_name="category_pairs", db_index=False)
    first = models.ForeignKey(Category, models.CASCADE, related_name="+")
    other = models.ForeignKey(Category, models.CASCADE, related_name="+")

    class Meta(Pair.Meta):
        verbose_name = _("categories bought together")
        verbose_name_plural = _("categories bought together")
        constraints = [models.UniqueConstraint(fields=["run", "first", "other"], name="category_pair_once")]

    def __str__(self) -> str:
        return f"{self.first_id}: {self.other_id}"


class ClusterModel(Run):
    """A division of customers by what they do, with the centres that whoever comes is assigned by.

    ``features`` are attributes with their filters, each with how it is scaled: ``{"attribute", "filters", "mean",
    "spread"}`` of the logarithm. Figures are those of the end of ``measured_on``, so that time alone moves nobody.
    """

    measured_on = models.DateField(_("as of"))
    features = models.JSONField(_("features"))
    asked_count = models.PositiveSmallIntegerField(_("number asked for"), null=True)
    customers = models.PositiveIntegerField(_("customers"))
    silhouettes = models.JSONField(_("silhouettes"), default=dict)
    is_current = models.BooleanField(_("in use"), default=True)

    class Meta(Run.Meta):
        verbose_name = _("cluster model")
        verbose_name_plural = _("cluster models")
        constraints = [
            models.UniqueConstraint(
                fields=["is_current"], condition=models.Q(is_current=True), name="one_cluster_model_in_use"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measured_on}"


class Cluster(models.Model):
    """A group of customers that are alike. It keeps its name from one model to the next that has one like it."""

    model = models.ForeignKey(ClusterModel, models.CASCADE, related_name="clusters")
    name = models.CharField(_("name"), max_length=100)
    centre = ArrayField(models.FloatField(), verbose_name=_("centre"))
    members = models.PositiveIntegerField(_("members"))
    data = models.JSONField(_("details"), default=dict)

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="cluster_name_once_per_model")]

    def __str__(self) -> str:
        return self.name
