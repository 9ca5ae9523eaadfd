"""Sales on account: what is to be paid later, and when it was."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from crm.models.people import Customer


class Invoice(models.Model):
    """What a customer owes for a sale on account. Paying it is the one thing that changes."""

    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, related_name="invoices", verbose_name=_("customer")
    )
    number = models.CharField(_("number"), max_length=100, unique=True)
    issued_on = models.DateField(_("issued"))
    due_on = models.DateField(_("due"))
    paid_on = models.DateField(_("paid"), null=True, blank=True)
    amount_minor = models.BigIntegerField(_("amount"))

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        ordering = ["-issued_on", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(due_on__gte=F("issued_on")), name="invoice_due_after_issue"),
            models.CheckConstraint(
                condition=Q(paid_on=None) | Q(paid_on__gte=F("issued_on")), name="invoice_paid_after_issue"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="invoice_amount_positive"),
        ]
        indexes = [models.Index(name="invoice_by_due_day", fields=["due_on"])]

    def __str__(self) -> str:
        return self.number
