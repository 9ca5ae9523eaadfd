"""Loyalty cards, and the ledger of points."""

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from crm import customers, loyalty
from crm.admin.base import FactInline, RecordAdmin
from crm.admin.facts import of_customers_found
from crm.exporting import lists
from crm.models import Customer, LoyaltyCard, LoyaltyEntry


class ActingForm(forms.ModelForm):
    """Once all its fields are right it does what they ask (``act``): what is refused then stands on the page, too."""

    by: User

    def act(self) -> Model | None:
        """The row that came of it; None where there was nothing to do. Raises ValidationError."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        if self.errors:
            return
        try:
            made = self.act()
        except ValidationError as refused:
            self.add_error(None, refused)
        else:
            self.instance.__dict__.update(made.__dict__ if made is not None else {})


class OfCustomers(RecordAdmin):
    """Rows of customers, found as customers are; what the page does is done by its :class:`ActingForm`."""

    personal = "customer"
    autocomplete_fields = ["customer"]
    list_select_related = ["customer"]
    search_help_text = _("A customer's name, card, phone or e-mail")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return (of_customers_found(queryset, search_term) if search_term.strip() else queryset), False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "customer":
            kwargs["queryset"] = Customer.objects.filter(pk__in=customers.live().values("pk"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        return type(made.__name__, (made,), {"by": request.user})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form has done it."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EntryForm(ActingForm):
    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    note = forms.CharField(label=_("Reason"), max_length=200, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = LoyaltyEntry
        fields = ["customer", "points"]
        help_texts = {"points": _("With a minus to take them.")}

    def act(self) -> LoyaltyEntry:
        data = self.cleaned_data
        return loyalty.adjust_points(
            customer=data["customer"],
            points=data["points"],
            reason=data["note"],
            key=data["once"],
            by=self.by,
            now=timezone.now(),
        )


@admin.register(LoyaltyEntry)
class EntryAdmin(OfCustomers):
    """The ledger. Points may be given or taken by hand, with a reason; nothing is ever changed."""

    form = EntryForm
    exports = [lists.ledger]
    list_display = ["customer", "moved", "kind", "note", "receipt", "recorded_at", "recorded_by"]
    list_filter = ["kind"]
    list_select_related = ["customer", "receipt", "recorded_by"]
    ordering = ["-id"]  # an index leads
    search_fields = ["customer__search_text"]
    shown = ["customer", "points", "kind", "note", "receipt", "card", "recorded_at", "recorded_by"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "customer__id__exact" or bool(super().lookup_allowed(lookup, value, request))

    def get_fields(self, request: HttpRequest, obj: LoyaltyEntry | None = None) -> list[str]:
        return self.shown if obj else ["customer", "points", "note", "once"]

    def get_readonly_fields(self, request: HttpRequest, obj: LoyaltyEntry | None = None) -> list[str]:
        return self.shown if obj else []

    def has_change_permission(self, request: HttpRequest, obj: LoyaltyEntry | None = None) -> bool:
        return False

    @admin.display(description=_("points"), ordering="points")
    def moved(self, entry: LoyaltyEntry) -> str:
        return f"{entry.points:+d}"


class EntryInline(FactInline):
    model = LoyaltyEntry
    fields = ["recorded_at", "kind", "points", "receipt", "note"]
    readonly_fields = fields
    verbose_name_plural = _("points")
    per_page = 20


class NewCardForm(ActingForm):
    number = forms.CharField(
        label=_("Card number"),
        max_length=50,
        required=False,
        help_text=_("As a printed card bears it. Left empty: the next number of the shop's range."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = LoyaltyCard
        fields = ["customer"]

    def act(self) -> LoyaltyCard:
        data = self.cleaned_data
        return loyalty.issue_card(customer=data["customer"], number=data["number"], by=self.by, now=timezone.now())


class CardForm(ActingForm):
    LOST, REPLACED, CLOSED = "lost", "replaced", "closed"

    what = forms.ChoiceField(
        label=_("What happened"),
        required=False,
        choices=[
            ("", _("Nothing")),
            (REPLACED, _("It was lost, and a new card takes its place")),
            (LOST, _("It was lost, and no new one is wanted")),
            (CLOSED, _("It is used no more")),
        ],
        help_text=_("The points stay with the customer whatever becomes of a card."),
        widget=UnfoldAdminRadioSelectWidget,
    )
    new_number = forms.CharField(
        label=_("Number of the new card"),
        max_length=50,
        required=False,
        help_text=_("As a printed card bears it. Left empty: the next number of the shop's range."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = LoyaltyCard
        fields: list[str] = []

    def act(self) -> None:
        match self.cleaned_data["what"]:
            case self.REPLACED:
                number = self.cleaned_data["new_number"]
                loyalty.replace_card(card=self.instance, number=number, by=self.by, now=timezone.now())
            case self.LOST:
                loyalty.lose_card(card=self.instance, by=self.by)
            case self.CLOSED:
                loyalty.close_card(card=self.instance, by=self.by)
        self.instance.refresh_from_db()


@admin.register(LoyaltyCard)
class CardAdmin(OfCustomers):
    exports = [lists.balances, lists.cards, lists.ledger]
    list_display = ["number", "customer", "status", "replaced_by", "issued_at"]
    list_filter = ["status"]
    list_select_related = ["customer", "replaced_by"]
    search_fields = ["number"]

    def get_inlines(self, request: HttpRequest, obj: LoyaltyCard | None) -> list[type[EntryInline]]:
        return [EntryInline] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **{"form": CardForm if obj else NewCardForm, **kwargs})

    def get_fields(self, request: HttpRequest, obj: LoyaltyCard | None = None) -> list[str]:
        if obj is None:
            return ["customer", "number"]
        shown = ["number", "customer", "status", "new_card", "issued_at"]
        may_act = self.has_change_permission(request, obj) and not obj.replaced_by_id
        return [*shown, "what", "new_number"] if may_act and obj.status != LoyaltyCard.Status.CLOSED else shown

    def get_readonly_fields(self, request: HttpRequest, obj: LoyaltyCard | None = None) -> list[str]:
        return ["number", "customer", "status", "new_card", "issued_at"] if obj else []

    @admin.display(description=_("replaced by"))
    def new_card(self, card: LoyaltyCard) -> SafeString | str:
        if card.replaced_by is None:
            return "–"
        address = reverse("admin:crm_loyaltycard_change", args=[card.replaced_by.pk])
        return format_html('<a href="{}">{}</a>', address, card.replaced_by.number)
