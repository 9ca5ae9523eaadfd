"""The shop itself: its stores and what it sells."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.models.places import latitude_field, longitude_field


class Shop(models.Model):
    """The one row of settings that an administrator edits; what needs a restart is in the environment instead."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(_("name"), max_length=200, default="Our shop")
    address = models.TextField(
        _("postal address"), blank=True, help_text=_("Shown at the foot of messages and receipts.")
    )
    website = models.URLField(_("website"), blank=True)
    return_terms = models.TextField(_("return terms"), blank=True, help_text=_("Shown on receipts."))
    contact_email = models.EmailField(
        _("e-mail for questions"), blank=True, help_text=_("Where customers write to about their data.")
    )
    data_recipients = models.TextField(
        _("who receives customers' data"),
        blank=True,
        default="",
        help_text=_("One a line: who keeps the server, sends the mails... Said in the copy that people ask for."),
    )
    double_opt_in = models.BooleanField(
        _("confirm e-mail consents"),
        default=False,
        help_text=_("A yes given on a form counts once the link in a mail was used (double opt-in)."),
    )
    auto_merge = ArrayField(
        models.CharField(max_length=50),
        verbose_name=_("duplicates merged by themselves"),
        blank=True,
        default=list,
        help_text=_("The rules by which two records are sure to be one person. None: a human decides on each."),
    )
    attribution_days = models.PositiveSmallIntegerField(
        _("days after a message in which purchases count"), default=14, validators=[MinValueValidator(1)]
    )
    rfm_months = models.PositiveSmallIntegerField(
        _("months in which purchases count for scores"),
        default=24,
        db_default=24,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text=_("How often and for how much customers bought is scored over the last so many months."),
    )
    regular_receipts = models.PositiveSmallIntegerField(
        _("purchases that make a regular"),
        default=5,
        db_default=5,
        validators=[MinValueValidator(2), MaxValueValidator(1000)],
    )
    regular_days = models.PositiveSmallIntegerField(
        _("days without a purchase until a regular is at risk"),
        default=90,
        db_default=90,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
    )
    lapsed_days = models.PositiveSmallIntegerField(
        _("days without a purchase until a customer has lapsed"),
        default=180,
        db_default=180,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("More than the days until a regular is at risk."),
    )
    won_back_days = models.PositiveSmallIntegerField(
        _("days for which somebody who came back counts as won back"),
        default=90,
        db_default=90,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("At most the days until a customer has lapsed."),
    )
    interested_days = models.PositiveSmallIntegerField(
        _("days for which a visit or a wish shows interest"),
        default=90,
        db_default=90,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("Of people who have not bought yet."),
    )
    forecast_months = models.PositiveSmallIntegerField(
        _("months that are forecast"),
        default=12,
        db_default=12,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text=_("For what a customer is expected to buy and spend."),
    )

    class Meta:
        verbose_name = _("shop")
        verbose_name_plural = _("shop")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="shop_is_one_row"),
            models.CheckConstraint(
                condition=Q(regular_days__lt=models.F("lapsed_days"), won_back_days__lte=models.F("lapsed_days")),
                name="shop_stages_in_order",
                violation_error_message=_(
                    "The stages must follow each other: at risk before lapsed, and won back for no longer than it "
                    "takes to lapse."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> "Shop":
        """The shop's settings; the defaults where nobody has saved any."""
        return cls.objects.filter(pk=1).first() or cls()

    @property
    def currency(self) -> str:
        return settings.CURRENCY


class Store(models.Model):
    """A place, or a website, where the shop sells."""

    code = models.CharField(_("code"), max_length=100, unique=True, help_text=_("As imports and tills name it."))
    name = models.CharField(_("name"), max_length=200)
    city = models.CharField(_("city"), max_length=200, blank=True)
    latitude = latitude_field()
    longitude = longitude_field()
    is_active = models.BooleanField(_("active"), default=True)
    receipts_numbered = models.PositiveBigIntegerField(
        default=0, db_default=0, editable=False, help_text=_("The last number that this store's till gave.")
    )

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Category(models.Model):
    """A node of the category tree. ``path`` names it from the root (Food > Dairy > Milk)."""

    SEPARATOR = " > "

    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("parent")
    )
    name = models.CharField(_("name"), max_length=200)
    path = models.CharField(_("path"), max_length=1000, unique=True, editable=False)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "name"], nulls_distinct=False, name="category_name_once_per_parent"
            ),
            models.CheckConstraint(condition=~Q(parent=models.F("id")), name="category_not_its_own_parent"),
        ]

    def __str__(self) -> str:
        return self.path


class Product(models.Model):
    sku = models.CharField(_("SKU"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=300)
    search_text = models.CharField(max_length=600, editable=False, default="")
    category = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="products", verbose_name=_("category")
    )
    brand = models.CharField(_("brand"), max_length=200, blank=True)
    price_minor = models.BigIntegerField(
        _("price"), null=True, blank=True, help_text=_("In hundredths of the currency, tax included.")
    )
    barcode = models.CharField(_("barcode"), max_length=50, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["barcode"], condition=~Q(barcode=""), name="product_barcode_once"),
            models.CheckConstraint(condition=Q(price_minor__gte=0), name="product_price_not_negative"),
        ]
        indexes = [GinIndex(name="product_search", fields=["search_text"], opclasses=["gin_trgm_ops"])]

    def __str__(self) -> str:
        return self.name
