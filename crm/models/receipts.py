"""What was bought and brought back. Facts: only added, never edited (the database refuses; see migration 0002)."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer
from crm.models.shop import Product, Store


class ReceiptKind(models.TextChoices):
    SALE = "sale", _("sale")
    RETURN = "return", _("return")


class SalesChannel(models.TextChoices):
    TILL = "till", _("till")
    ONLINE = "online", _("online")


class Receipt(models.Model):
    """A sale, or a return (whose quantities and totals are negative, so that sums are net).

    The same sale is known by (source, external_id, kind); a till or client also sends ``client_key``, so that a double
    click or a retry is one sale. ``content_hash`` tells a repeat from another content under a known id.
    """

    source = models.CharField(_("source"), max_length=50, help_text=_("Till, API client or import that brought it."))
    external_id = models.CharField(_("receipt number"), max_length=100)
    kind = models.CharField(_("kind"), max_length=6, choices=ReceiptKind)
    channel = models.CharField(_("channel"), max_length=6, choices=SalesChannel, default=SalesChannel.TILL)
    client_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    content_hash = models.BinaryField(max_length=32, editable=False)
    public_id = models.UUIDField(
        unique=True, default=uuid.uuid4, db_default=models.Func(function="gen_random_uuid"), editable=False
    )
    store = models.ForeignKey(Store, models.PROTECT, related_name="receipts", verbose_name=_("store"), db_index=False)
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="receipts",
        verbose_name=_("customer"),
        db_index=False,
    )
    returns = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="returned_by",
        verbose_name=_("takes back"),
        db_index=False,
    )
    sold_at = models.DateTimeField(_("sold"))
    sold_on = models.DateField(_("day"), help_text=_("The shop's local day of the sale."))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("recorded by"),
        db_index=False,
    )
    payment = models.CharField(_("payment"), max_length=20, blank=True, default="", db_default="")
    total_minor = models.BigIntegerField(
        _("total"), help_text=_("Sum of the lines, tax included; negative for a return.")
    )
    discount_minor = models.BigIntegerField(_("discount"), default=0, db_default=0)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        ordering = ["-sold_at", "-id"]
        permissions = [
            ("import_receipt", _("Can import products, receipts and points")),
            ("ring_up_sale", _("Can ring up a sale at the till")),
            ("return_without_receipt", _("Can take goods back without a receipt")),
            ("void_receipt", _("Can void a sale of the day")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id", "kind"], name="receipt_once_per_source"),
            models.CheckConstraint(
                condition=Q(kind="sale", total_minor__gte=0, returns=None) | Q(kind="return", total_minor__lte=0),
                name="receipt_sign_fits_kind",
            ),
            models.CheckConstraint(condition=Q(channel__in=SalesChannel.values), name="receipt_channel_known"),
        ]
        indexes = [
            # Covers the recency, frequency and money of a customer without touching the table.
            models.Index(
                name="receipt_by_customer",
                fields=["customer", "sold_at"],
                include=["kind", "sold_on", "total_minor"],
                condition=Q(customer__isnull=False),
            ),
            models.Index(name="receipt_by_day", fields=["sold_on"], include=["kind", "total_minor", "customer"]),
            models.Index(name="receipt_returns", fields=["returns"], condition=Q(returns__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} ({self.get_kind_display()})"


class ReceiptLine(models.Model):
    """One position of a receipt; identical lines are legal, so position tells them apart.

    ``customer``, ``sold_on`` and ``is_return`` repeat the receipt's, so that segment rules read one table.
    """

    receipt = models.ForeignKey(Receipt, models.CASCADE, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField(_("position"))
    product = models.ForeignKey(
        Product, models.PROTECT, related_name="lines", verbose_name=_("product"), db_index=False
    )
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True, related_name="lines", db_index=False)
    sold_on = models.DateField(_("day"))
    is_return = models.BooleanField(_("return"), default=False)
    quantity = models.DecimalField(_("quantity"), max_digits=14, decimal_places=3)
    unit_price = models.DecimalField(
        _("unit price"),
        max_digits=18,
        decimal_places=6,
        help_text=_("Of one unit, before discount, in whole currency units."),
    )
    discount_minor = models.BigIntegerField(_("discount"), default=0, db_default=0)
    total_minor = models.BigIntegerField(_("total"))
    returns_line = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="returned_by", db_index=False
    )

    class Meta:
        verbose_name = _("receipt line")
        verbose_name_plural = _("receipt lines")
        ordering = ["receipt", "position"]
        constraints = [
            models.UniqueConstraint(fields=["receipt", "position"], name="line_position_once"),
            models.CheckConstraint(
                condition=Q(is_return=False, quantity__gte=0, total_minor__gte=0)
                | Q(is_return=True, quantity__lte=0, total_minor__lte=0),
                name="line_sign_fits_kind",
            ),
        ]
        indexes = [
            models.Index(name="line_by_customer", fields=["customer", "sold_on"], condition=Q(customer__isnull=False)),
            models.Index(name="line_by_product", fields=["product", "sold_on"]),
            models.Index(name="line_returns", fields=["returns_line"], condition=Q(returns_line__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.receipt_id}/{self.position}"


class ReceiptVoid(models.Model):
    """A sale that should never have been rung up. Only ever added; see :mod:`crm.voids` for what it does."""

    receipt = models.OneToOneField(
        Receipt, models.PROTECT, primary_key=True, related_name="void", verbose_name=_("receipt")
    )
    reason = models.CharField(_("reason"), max_length=200)
    voided_at = models.DateTimeField(_("voided"))
    voided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("voided by"),
        db_index=False,
    )

    class Meta:
        verbose_name = _("voided sale")
        verbose_name_plural = _("voided sales")
        ordering = ["-voided_at"]

    def __str__(self) -> str:
        return f"{self.receipt_id}"
