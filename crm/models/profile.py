"""What can be said about a customer now. Derived from the facts in the same transaction, never edited.

It holds nothing that time alone changes; :mod:`crm.profiles` keeps it and recounts it.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer
from crm.models.shop import Category


class CustomerProfile(models.Model):
    """``receipts`` counts sales and ``returns`` returns; units, spend and discounts are net of returns."""

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="profile")
    receipts = models.PositiveIntegerField(_("receipts"), default=0, db_default=0)
    returns = models.PositiveIntegerField(_("returns"), default=0, db_default=0)
    units = models.DecimalField(_("units"), max_digits=18, decimal_places=3, default=0, db_default=0)
    spend_minor = models.BigIntegerField(_("spend"), default=0, db_default=0)
    discount_minor = models.BigIntegerField(_("discounts"), default=0, db_default=0)
    first_sold_on = models.DateField(_("first purchase"), null=True)
    last_sold_on = models.DateField(_("last purchase"), null=True)
    points = models.IntegerField(_("points"), default=0, db_default=0)
    consent_email = models.BooleanField(_("e-mail consent"), default=False, db_default=False)
    consent_sms = models.BooleanField(_("SMS consent"), default=False, db_default=False)
    consent_phone = models.BooleanField(_("phone consent"), default=False, db_default=False)
    consent_post = models.BooleanField(_("letter consent"), default=False, db_default=False)

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")
        indexes = [
            models.Index(name="profile_by_last_sale", fields=["last_sold_on"]),
            models.Index(name="profile_by_spend", fields=["spend_minor"]),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}"


class CustomerCategory(models.Model):
    """A customer's purchases in a category and everything below it (so a receipt counts once at every level)."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="categories", db_index=False)
    category = models.ForeignKey(Category, models.CASCADE, related_name="customers", db_index=False)
    receipts = models.PositiveIntegerField(_("receipts"), default=0, db_default=0)
    units = models.DecimalField(_("units"), max_digits=18, decimal_places=3, default=0, db_default=0)
    spend_minor = models.BigIntegerField(_("spend"), default=0, db_default=0)
    first_sold_on = models.DateField(_("first purchase"), null=True)
    last_sold_on = models.DateField(_("last purchase"), null=True)

    class Meta:
        verbose_name = _("customer's category")
        verbose_name_plural = _("customers' categories")
        constraints = [models.UniqueConstraint(fields=["customer", "category"], name="customer_category_once")]
        indexes = [models.Index(name="customer_category_by_category", fields=["category", "customer"])]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.category_id}"


class UsualPrice(models.Model):
    """What all customers pay for a unit of a category on average; :mod:`crm.prices` makes it anew from time to time.

    ``unit_price`` is net of discounts, in whole currency units; empty where nothing was sold.
    """

    category = models.OneToOneField(Category, models.CASCADE, primary_key=True, related_name="usual_price")
    unit_price = models.DecimalField(_("unit price"), max_digits=18, decimal_places=6, null=True)
    made_at = models.DateTimeField(_("as of"))

    class Meta:
        verbose_name = _("usual price")
        verbose_name_plural = _("usual prices")

    def __str__(self) -> str:
        return f"{self.category_id}"


class ChangeMark(models.Model):
    """Tells that something about this customer changed: written with the fact and read by `segments`.

    Always a new row: an upsert that does nothing would lose a change between a worker's read and its delete.
    ``customer`` is empty for "all", as a large import leaves it.
    """

    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, related_name="+", db_index=False, db_constraint=False
    )
    marked_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("change mark")
        verbose_name_plural = _("change marks")
        indexes = [models.Index(name="mark_all", fields=["id"], condition=Q(customer=None))]

    def __str__(self) -> str:
        return f"{self.customer_id or 'all'}"
