"""Receipts, consents and loyalty: to be read. Facts come from the till, imports and the API."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter

from crm import consents, customers, money
from crm.admin.base import FactAdmin, FactInline, RecordAdmin
from crm.exporting import lists
from crm.models import Consent, Receipt, ReceiptLine, ReceiptVoid, Suppression

MOST_FOUND = 200


def of_customers_found(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """The rows of the customers that the text means, for any model with a ``customer``."""
    found = customers.search(text=text, limit=MOST_FOUND)
    return rows.filter(customer__in=[customer.pk for customer in found])


class LineInline(FactInline):
    model = ReceiptLine
    fk_name = "receipt"
    fields = ["position", "product", "amount", "price", "discount", "total"]
    readonly_fields = fields
    verbose_name_plural = _("lines")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReceiptLine]:
        return super().get_queryset(request).select_related("product")

    @admin.display(description=_("quantity"))
    def amount(self, line: ReceiptLine) -> str:
        return f"{line.quantity.normalize():f}"

    @admin.display(description=_("unit price"))
    def price(self, line: ReceiptLine) -> str:
        return f"{line.unit_price.normalize():f}"

    @admin.display(description=_("discount"))
    def discount(self, line: ReceiptLine) -> str:
        return money.show(line.discount_minor) if line.discount_minor else ""

    @admin.display(description=_("total"))
    def total(self, line: ReceiptLine) -> str:
        return money.show(line.total_minor)


@admin.register(Receipt)
class ReceiptAdmin(FactAdmin):
    personal = "customer"
    exports = [lists.receipt_lines, lists.receipts]
    list_display = ["external_id", "kind", "store", "customer", "sold_at", "total"]
    list_filter = [("sold_on", RangeDateFilter), "kind", "channel", "store"]
    list_filter_submit = True
    list_select_related = ["store", "customer"]
    ordering = ["-sold_on", "-id"]  # an index leads
    search_fields = ["external_id"]
    search_help_text = _("Receipt number, or a customer's name, card, phone or e-mail")
    inlines = [LineInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "external_id",
                    "kind",
                    "sold_at",
                    "store",
                    "customer",
                    "total",
                    "discount",
                    "payment",
                    "returns",
                    "voided",
                ]
            },
        ),
        (
            _("Where it came from"),
            {"classes": ["collapse"], "fields": ["source", "channel", "recorded_at", "recorded_by"]},
        ),
    ]

    @admin.display(description=_("total"), ordering="total_minor")
    def total(self, receipt: Receipt) -> str:
        return money.show(receipt.total_minor)

    @admin.display(description=_("discount"))
    def discount(self, receipt: Receipt) -> str:
        return money.show(receipt.discount_minor)

    @admin.display(description=_("voided"))
    def voided(self, receipt: Receipt) -> str:
        void = ReceiptVoid.objects.filter(receipt=receipt).first()
        return f"{date_format(timezone.localtime(void.voided_at), 'DATETIME_FORMAT')}: {void.reason}" if void else "–"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Receipt], search_term: str
    ) -> tuple[QuerySet[Receipt], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        numbered = queryset.filter(external_id=text)
        return (numbered if numbered.exists() else of_customers_found(queryset, text)), False


class ConsentForm(forms.ModelForm):
    def clean_stated_at(self) -> datetime:
        stated_at: datetime = self.cleaned_data["stated_at"]
        try:
            consents.check_stated_at(stated_at=stated_at, now=timezone.now())
        except ValidationError as error:
            raise ValidationError(error.messages) from error
        return stated_at


@admin.register(Consent)
class ConsentAdmin(RecordAdmin):
    """The ledger of statements. A new statement may be added; none is changed, the newest counts."""

    personal = "customer"

    exports = [lists.consents]
    form = ConsentForm

    list_display = ["customer", "channel", "granted", "stated_at", "source"]
    list_filter = ["channel", "granted"]
    list_select_related = ["customer"]
    search_fields = ["customer__search_text"]
    autocomplete_fields = ["customer"]
    fields = ["customer", "channel", "granted", "stated_at", "source", "wording"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Consent], search_term: str
    ) -> tuple[QuerySet[Consent], bool]:
        return (of_customers_found(queryset, search_term) if search_term.strip() else queryset), False

    def has_change_permission(self, request: HttpRequest, obj: Consent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Consent | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Consent, form: Any, change: bool) -> None:
        stated = {name: form.cleaned_data[name] for name in self.fields}
        recorded = consents.record_consent(**stated, by=cast(User, request.user))
        obj.__dict__.update(recorded.__dict__)


@admin.register(Suppression)
class SuppressionAdmin(FactAdmin):
    """Which addresses are not written to: why and since when. The addresses themselves are kept as hashes only."""

    exports = [lists.suppressions]
    list_display = ["reason", "channel", "recorded_at"]
    list_filter = ["reason", "channel"]
    fields = ["reason", "channel", "recorded_at"]
    ordering = ["-recorded_at", "-id"]
