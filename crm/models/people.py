"""Who the customers are. Blank text and empty lists mean "unknown", never "none"."""

import uuid
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import ExtractDay, ExtractMonth, Now, Reverse
from django.utils.translation import gettext_lazy as _

from crm.models.places import latitude_field, longitude_field

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class Gender(models.TextChoices):
    FEMALE = "female", _("female")
    MALE = "male", _("male")
    OTHER = "other", _("other")


class Channel(models.TextChoices):
    """A way to reach a customer."""

    EMAIL = "email", _("e-mail")
    SMS = "sms", _("SMS")
    PHONE = "phone", _("phone call")
    POST = "post", _("letter")


class Frequency(models.TextChoices):
    """How often a customer wants to hear from the shop at most; blank leaves it to the shop."""

    WEEKLY = "weekly", _("once a week")
    MONTHLY = "monthly", _("once a month")
    QUARTERLY = "quarterly", _("four times a year")


class Company(models.Model):
    """A business customer; its people are customers with a job title."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    industry = models.CharField(_("industry"), max_length=200, blank=True)
    employees = models.PositiveIntegerField(_("employees"), null=True, blank=True)
    website = models.URLField(_("website"), blank=True, default="", db_default="")
    address = models.TextField(_("postal address"), blank=True, default="", db_default="")
    decision_maker = models.ForeignKey(
        "Customer",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="decides_for_companies",
        verbose_name=_("decision maker"),
    )

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Household(models.Model):
    """People who live and shop together."""

    number = models.CharField(_("household number"), max_length=100, unique=True)
    address = models.CharField(_("street address"), max_length=500, blank=True, default="", db_default="")
    postcode = models.CharField(_("postcode"), max_length=20, blank=True, default="", db_default="")
    city = models.CharField(_("city"), max_length=200, blank=True, default="", db_default="")
    shares_points = models.BooleanField(
        _("shares its points"),
        default=False,
        db_default=False,
        help_text=_("Each member may redeem what the others have earned."),
    )
    decision_maker = models.ForeignKey(
        "Customer",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="decides_for_households",
        verbose_name=_("decision maker"),
    )

    class Meta:
        verbose_name = _("household")
        verbose_name_plural = _("households")
        ordering = ["number"]

    def __str__(self) -> str:
        return self.number


def _text(label: "StrPromise", length: int = 200) -> "models.CharField[str, str]":
    return models.CharField(label, max_length=length, blank=True, default="", db_default="")


def _words(label: "StrPromise") -> "ArrayField[list[str], list[str]]":
    return ArrayField(models.CharField(max_length=100), verbose_name=label, blank=True, default=list, db_default=[])


class Customer(models.Model):
    """A person the shop knows: a prospect until the first purchase.

    Phones and e-mail addresses are not unique (two sisters, one phone) and never merge people by themselves.
    The ``*_key``, ``name_words`` and ``search_text`` columns are derived; :func:`crm.customers.derive_keys` fills them.
    """

    number = models.CharField(
        _("customer number"), max_length=100, unique=True, help_text=_("As imports and receipts name it.")
    )
    public_id = models.UUIDField(
        unique=True, default=uuid.uuid4, db_default=models.Func(function="gen_random_uuid"), editable=False
    )
    first_name = _text(_("first name"))
    last_name = _text(_("last name"))
    email = _text(_("e-mail"), 320)
    email_key = models.CharField(max_length=320, editable=False, default="", db_default="")
    phone = _text(_("phone"), 50)
    phone_key = models.CharField(max_length=50, editable=False, default="", db_default="")
    postcode_key = models.CharField(max_length=20, editable=False, default="", db_default="")
    name_words = models.CharField(max_length=600, editable=False, default="", db_default="")
    search_text = models.CharField(max_length=600, editable=False, default="", db_default="")
    name_key = models.BinaryField(max_length=500, editable=False, default=b"", db_default=b"")

    birth_date = models.DateField(_("birth date"), null=True, blank=True)
    age_band = _text(_("age band"), 50)
    gender = models.CharField(_("gender"), max_length=10, choices=Gender, blank=True, default="", db_default="")
    language = _text(_("language"), 10)
    address = _text(_("street address"), 500)
    city = _text(_("city"))
    region = _text(_("region"))
    country = _text(_("country"), 100)
    postcode = _text(_("postcode"), 20)
    area_kind = _text(_("urban or rural"), 50)
    latitude = latitude_field()
    longitude = longitude_field()

    income_band = _text(_("income band"), 50)
    social_group = _text(_("socio-economic group"), 50)
    housing = _text(_("housing"), 50)
    occupation = _text(_("occupation"))
    work_pattern = _text(_("work pattern"), 50)
    company = models.ForeignKey(
        Company, models.SET_NULL, null=True, blank=True, related_name="contacts", verbose_name=_("company")
    )
    job_title = _text(_("job title"))

    household = models.ForeignKey(
        Household, models.SET_NULL, null=True, blank=True, related_name="members", verbose_name=_("household")
    )
    household_size = models.PositiveSmallIntegerField(
        _("household size"), null=True, blank=True, validators=[MaxValueValidator(50)]
    )
    family_situation = _text(_("family situation"), 100)
    children = models.PositiveSmallIntegerField(
        _("children"), null=True, blank=True, validators=[MaxValueValidator(30)]
    )
    pets = _words(_("pets"))

    lifestyle = _text(_("lifestyle"))
    interests = _words(_("interests"))
    opinions = _words(_("opinions"))
    values = _words(_("values"))
    tags = _words(_("tags"))
    custom = models.JSONField(_("custom fields"), blank=True, default=dict, db_default={})

    preferred_channel = models.CharField(
        _("preferred channel"), max_length=10, choices=Channel, blank=True, default="", db_default=""
    )
    message_frequency = models.CharField(
        _("how often"), max_length=10, choices=Frequency, blank=True, default="", db_default=""
    )
    topics_declined = _words(_("topics not wanted"))
    pause_ends_on = models.DateField(
        _("no messages until"),
        null=True,
        blank=True,
        help_text=_("The last day of a pause that the customer asked for."),
    )
    source = _text(_("came through"), 100)
    goal = _text(_("came for"), 100)
    registered_at = models.DateTimeField(
        _("registered"), null=True, blank=True, help_text=_("Joined the programme, or signed up.")
    )
    guardian_agreed_on = models.DateField(
        _("guardian agreed on"),
        null=True,
        blank=True,
        help_text=_("Of a child: when a parent or guardian agreed that it belongs to groups and is written to."),
    )
    no_profiling = models.BooleanField(
        _("asked not to be profiled"),
        default=False,
        db_default=False,
        help_text=_("Keeps the points; leaves segments and personas."),
    )
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="merged_from", db_index=False
    )
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["name_key", "id"]
        permissions = [
            ("export_customer", _("Can export customers")),
            ("import_customer", _("Can import customers, households and consents")),
            ("lookup_customer", _("Can look a customer up at the till")),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(merged_into=models.F("id")), name="customer_not_merged_into_itself"),
            models.CheckConstraint(condition=Q(gender__in=["", *Gender.values]), name="customer_gender_known"),
            models.CheckConstraint(
                condition=Q(message_frequency__in=["", *Frequency.values]), name="customer_frequency_known"
            ),
            models.CheckConstraint(
                condition=Q(preferred_channel__in=["", *Channel.values]), name="customer_channel_known"
            ),
        ]
        indexes = [
            models.Index(
                name="customer_by_email",
                fields=["email_key"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(email_key=""),
            ),
            models.Index(
                name="customer_by_phone",
                fields=["phone_key"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(phone_key=""),
            ),
            # The end of a phone or customer number is what people remember of it.
            models.Index(
                OpClass(Reverse("phone_key"), name="text_pattern_ops"),
                name="customer_by_phone_end",
                condition=~Q(phone_key=""),
            ),
            models.Index(OpClass(Reverse("number"), name="text_pattern_ops"), name="customer_by_number_end"),
            models.Index(
                name="customer_by_postcode",
                fields=["postcode_key"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(postcode_key=""),
            ),
            models.Index(name="customer_by_name", fields=["name_key", "id"]),
            models.Index(
                name="customer_by_birth_date",
                fields=["birth_date"],
                condition=Q(birth_date__isnull=False, guardian_agreed_on=None),
            ),
            # Whom rules may speak of, and the few of whom they may not: both without reading the customers' wide rows.
            models.Index(
                name="customer_live",
                fields=["id"],
                include=["birth_date", "guardian_agreed_on"],
                condition=Q(merged_into=None, erased_at=None, no_profiling=False),
            ),
            models.Index(
                name="customer_closed",
                fields=["id"],
                condition=Q(merged_into__isnull=False) | Q(erased_at__isnull=False) | Q(no_profiling=True),
            ),
            models.Index(
                ExtractMonth("birth_date"),
                ExtractDay("birth_date"),
                name="customer_by_birthday",
                condition=Q(birth_date__isnull=False),
            ),
            models.Index(name="customer_merged", fields=["merged_into"], condition=Q(merged_into__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email or self.number

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def is_live(self) -> bool:
        """Neither merged into another record nor erased."""
        return self.merged_into_id is None and self.erased_at is None


class ExternalId(models.Model):
    """The customer's id in another system (an online shop, a newsletter tool)."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="external_ids")
    system = models.CharField(_("system"), max_length=100)
    value = models.CharField(_("id there"), max_length=200)

    class Meta:
        verbose_name = _("external id")
        verbose_name_plural = _("external ids")
        constraints = [models.UniqueConstraint(fields=["system", "value"], name="external_id_once_per_system")]

    def __str__(self) -> str:
        return f"{self.system}: {self.value}"
