"""The loyalty programme: its rules, tiers and cards, and the ledger of points whose sum is the balance."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer
from crm.models.receipts import Receipt
from crm.models.shop import Category


class LoyaltyProgramme(models.Model):
    """The one row of the programme's terms. Rules and tiers add to it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    points_per_unit = models.PositiveSmallIntegerField(
        _("points per currency unit"),
        default=1,
        help_text=_("Earned for each whole unit of currency spent; 0 switches earning off."),
    )
    redeem_points = models.PositiveIntegerField(
        _("points redeemed at a time"),
        default=100,
        validators=[MinValueValidator(1)],
        help_text=_("Points are redeemed in multiples of this number."),
    )
    redeem_worth_minor = models.BigIntegerField(
        _("worth"), default=0, help_text=_("What so many points take off a sale; 0 switches redeeming off.")
    )
    expire_after_months = models.PositiveSmallIntegerField(
        _("points expire after months"), null=True, blank=True, help_text=_("Oldest first; empty: never.")
    )
    birthday_points = models.PositiveIntegerField(
        _("points for a birthday"), default=0, help_text=_("Given on the day, once a year.")
    )
    tier_months = models.PositiveSmallIntegerField(
        _("tiers look at the spend of months"), default=12, validators=[MinValueValidator(1)]
    )
    tier_kept_months = models.PositiveSmallIntegerField(
        _("a tier is kept for months"), default=12, validators=[MinValueValidator(1)]
    )
    card_prefix = models.CharField(
        _("card numbers begin with"),
        max_length=6,
        default="29",
        db_default="29",
        validators=[RegexValidator(r"^2[0-9]{1,5}$", _("Two to six digits, the first of them a 2."))],
        help_text=_("Cards bear an EAN-13; numbers that begin with 2 are free for a shop's own use."),
    )
    cards_numbered = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    day_done_on = models.DateField(
        null=True, editable=False, help_text=_("The shop's day whose gifts, expiries and tiers were last seen to.")
    )

    class Meta:
        verbose_name = _("loyalty programme")
        verbose_name_plural = _("loyalty programme")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="programme_is_one_row"),
            models.CheckConstraint(condition=Q(redeem_worth_minor__gte=0), name="points_worth_not_negative"),
        ]

    def __str__(self) -> str:
        return str(_("Loyalty programme"))

    @classmethod
    def current(cls) -> "LoyaltyProgramme":
        """The terms in force; the defaults where nobody has saved any."""
        return cls.objects.filter(pk=1).first() or cls()


class PointsRule(models.Model):
    """More points, or none, for a category, on some days, or around a birthday.

    Each line of a sale earns by the largest factor of the rules that fit it; a factor of 0 that fits beats them all.
    """

    name = models.CharField(_("name"), max_length=200)
    factor = models.DecimalField(
        _("factor"),
        max_digits=6,
        decimal_places=2,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1000))],
        help_text=_("2 doubles the points, 0 gives none."),
    )
    category = models.ForeignKey(
        Category,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("category"),
        help_text=_("With everything below it; empty: everything."),
    )
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(7)]),
        verbose_name=_("weekdays"),
        blank=True,
        default=list,
        help_text=_("1 is Monday; empty: every day."),
    )
    starts_on = models.DateField(_("first day"), null=True, blank=True)
    ends_on = models.DateField(_("last day"), null=True, blank=True)
    birthday_days = models.PositiveSmallIntegerField(
        _("days around the birthday"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(60)],
        help_text=_("0: on the day itself; empty: whatever the birthday."),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("points rule")
        verbose_name_plural = _("points rules")
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(factor__gte=0), name="points_rule_factor_not_negative"),
            models.CheckConstraint(
                condition=Q(starts_on=None) | Q(ends_on=None) | Q(starts_on__lte=F("ends_on")),
                name="points_rule_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Tier(models.Model):
    """A rank in the programme, reached by spending so much within the programme's months."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    spend_minor = models.BigIntegerField(_("from a spend of"), unique=True)
    factor = models.DecimalField(
        _("factor"),
        max_digits=6,
        decimal_places=2,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(100))],
        help_text=_("By which members of this tier earn more points."),
    )
    benefit = models.CharField(_("benefit"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering = ["spend_minor"]
        constraints = [
            models.CheckConstraint(condition=Q(factor__gte=1), name="tier_factor_takes_nothing_away"),
            models.CheckConstraint(condition=Q(spend_minor__gte=0), name="tier_spend_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name


class TierAward(models.Model):
    """A customer reached a tier, and keeps it until a day. Only ever added; the highest one that still runs counts."""

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="tier_awards", verbose_name=_("customer"), db_index=False
    )
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="awards", verbose_name=_("tier"))
    reached_on = models.DateField(_("reached"))
    ends_on = models.DateField(_("kept until"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("tier reached")
        verbose_name_plural = _("tiers reached")
        ordering = ["-reached_on", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "tier", "reached_on"], name="tier_reached_once_a_day"),
            models.CheckConstraint(condition=Q(ends_on__gte=F("reached_on")), name="tier_kept_from_the_day"),
        ]
        indexes = [
            models.Index(name="tier_by_first_day", fields=["reached_on"]),
            models.Index(name="tier_by_last_day", fields=["ends_on"]),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.tier_id}"


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
        GIVE_BACK = "give_back", _("given back")
        GIFT = "gift", _("gift")
        EXPIRE = "expire", _("expired")
        ADJUST = "adjust", _("adjusted")

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="loyalty_entries", verbose_name=_("customer"), db_index=False
    )
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
    shares = ArrayField(
        models.BigIntegerField(),
        null=True,
        editable=False,
        help_text=_("What each line of the receipt weighs in it, by position; empty: what it cost."),
    )
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
        indexes = [models.Index(name="loyalty_entry_by_time", fields=["customer", "recorded_at"], include=["points"])]

    def __str__(self) -> str:
        return f"{self.points:+d}"
