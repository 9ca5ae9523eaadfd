from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.models.campaign import Campaign
from crm.models import Customer, Receipt


class Coupon(models.Model):
    """A code that a campaign gives out. What it takes off, and its limits, come with the coupons of the till."""

    campaign = models.ForeignKey(
        Campaign, models.PROTECT, related_name="coupons", verbose_name=_("campaign"), db_index=False
    )
    code = models.CharField(_("code"), max_length=100)
    description = models.CharField(_("description"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("coupon")
        verbose_name_plural = _("coupons")
        constraints = [models.UniqueConstraint(fields=["campaign", "code"], name="coupon_once_per_campaign")]

    def __str__(self) -> str:
        return self.code


class Redemption(models.Model):
    """A coupon used by a customer on a day. Only ever added; of an erased customer's only the customer goes."""

    coupon = models.ForeignKey(Coupon, models.PROTECT, related_name="redemptions", verbose_name=_("coupon"))
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, related_name="redemptions", verbose_name=_("customer")
    )
    receipt = models.ForeignKey(
        Receipt, models.PROTECT, null=True, blank=True, related_name="redemptions", verbose_name=_("receipt")
    )
    redeemed_on = models.DateField(_("day"))

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        indexes = [models.Index(name="redemption_by_coupon", fields=["coupon", "redeemed_on", "customer"])]

    def __str__(self) -> str:
        return f"{self.coupon_id}: {self.customer_id}"
