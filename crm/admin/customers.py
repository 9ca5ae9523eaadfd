"""Customers and the households and companies they belong to."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Case, IntegerField, QuerySet, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm import addresses, audit, companies, custom_fields, customers, money
from crm.admin import custom_form
from crm.admin.base import FactInline, RecordAdmin
from crm.admin.pages import CustomerPages, GroupPages, StageFilter
from crm.exporting import lists
from crm.models import Company, Customer, Household, LoyaltyCard

MOST_FOUND = 200
OFFERED = 20
"""Customers that a field offers at once."""
ACTIONS: list[Any] = []
"""What higher apps offer to do with customers chosen in the list; each is an action of the admin."""


class CustomerForm(forms.ModelForm):
    class Meta:
        model = Customer
        fields = ["number", "email", "phone"]  # the page adds those of its fieldsets

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "number" in self.fields:
            self.fields["number"].required = False
            self.fields["number"].help_text = _("Left empty: the next free one. It stays for good.")
        self.initial.update(custom_form.initial(self.instance.custom))

    def clean_email(self) -> str:
        return addresses.clean_email(self.cleaned_data["email"])

    def clean_phone(self) -> str:
        return addresses.clean_phone(self.cleaned_data["phone"])


class CardInline(FactInline):
    model = LoyaltyCard
    fields = ["number", "status", "issued_at"]
    readonly_fields = fields


@admin.register(Customer)
class CustomerAdmin(CustomerPages, RecordAdmin):
    """A customer's page opens with who this is, in three lines; what is written down is changed on its own page."""

    exports = [lists.customers]
    personal = "self"
    actions = ACTIONS
    form = CustomerForm
    list_display = ["name", "number", "email", "city", "receipts", "spend", "last_purchase"]
    list_filter = [
        StageFilter,
        "profile__consent_email",
        "gender",
        "preferred_channel",
        "no_profiling",
    ]
    list_select_related = ["profile"]
    search_fields = ["search_text"]
    search_help_text = _("Name, card, customer number, phone or e-mail; mistyped names are found, too")
    autocomplete_fields = ["household", "company"]
    inlines = [CardInline]
    fieldsets = [
        (
            _("Who"),
            {"fields": ["number", "first_name", "last_name", "birth_date", "age_band", "gender", "language"]},
        ),
        (
            _("How to reach"),
            {"fields": ["email", "phone", "address", "postcode", "city", "region", "country", "preferred_channel"]},
        ),
        (
            _("Where that is"),
            {"classes": ["collapse"], "fields": ["area_kind", "latitude", "longitude"]},
        ),
        (
            _("Home and family"),
            {
                "classes": ["collapse"],
                "fields": ["household", "household_size", "family_situation", "children", "pets", "housing"],
            },
        ),
        (
            _("Work and means"),
            {
                "classes": ["collapse"],
                "fields": ["occupation", "work_pattern", "company", "job_title", "income_band", "social_group"],
            },
        ),
        (
            _("Likes and views"),
            {"classes": ["collapse"], "fields": ["lifestyle", "interests", "opinions", "values", "tags"]},
        ),
        (
            _("With us"),
            {
                "classes": ["collapse"],
                "fields": ["source", "goal", "registered_at", "created_at", "no_profiling", "guardian_agreed_on"],
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        return customers.live()

    def get_form(self, request: HttpRequest, obj: Customer | None = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, with the shop's own fields as they are now."""
        kwargs["form"] = type("CustomerFormNow", (CustomerForm,), custom_form.form_fields())
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        own = list(custom_form.form_fields()) if self.has_change_permission(request, obj) else []
        return [*self.fieldsets, *([(_("Our own fields"), {"classes": ["collapse"], "fields": own})] if own else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> list[str]:
        return ["created_at", *(["number"] if obj else [])]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting: customers are erased."""
        found: dict[str, Any] = super().get_actions(request)
        return {name: action for name, action in found.items() if name != "delete_selected"}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        if search_term.strip():
            found = customers.search(text=search_term, limit=MOST_FOUND)
            queryset = queryset.filter(pk__in=[customer.pk for customer in found])
            if found and ORDER_VAR not in request.GET:
                ranks = (When(pk=customer.pk, then=rank) for rank, customer in enumerate(found))
                queryset = queryset.order_by(Case(*ranks, output_field=IntegerField()))
        if request.path_info.endswith("/autocomplete/"):
            offered = queryset.values("pk")[:OFFERED].count()
            audit.searched(what="choice of a customer", count=offered, request=request)
        return queryset, False

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        custom = custom_form.merged(obj.custom, form.cleaned_data)
        data = {name: value for name, value in form.cleaned_data.items() if not name.startswith(custom_fields.PREFIX)}
        if change:
            changed = {name: data[name] for name in form.changed_data if name in data}
            if custom != obj.custom:
                changed["custom"] = custom
            saved = customers.change_customer(customer=obj, **changed)
        else:
            fields = {**data, "custom": custom}
            registered_at = fields.pop("registered_at", None)
            saved = customers.create_customer(
                now=registered_at or timezone.now(), registered=registered_at is not None, **fields
            )
        obj.__dict__.update(saved.__dict__)

    @admin.display(description=_("name"), ordering="name_key")
    def name(self, customer: Customer) -> str:
        return str(customer)

    @admin.display(description=_("receipts"), ordering="profile__receipts")
    def receipts(self, customer: Customer) -> int:
        return customer.profile.receipts

    @admin.display(description=_("spend"), ordering="profile__spend_minor")
    def spend(self, customer: Customer) -> str:
        return money.show(customer.profile.spend_minor)

    @admin.display(description=_("last purchase"), ordering="profile__last_sold_on")
    def last_purchase(self, customer: Customer) -> Any:
        return customer.profile.last_sold_on


class MemberInline(FactInline):
    model = Customer
    fields = ["number", "first_name", "last_name", "email", "phone"]
    readonly_fields = fields
    show_change_link = True


class LiveMemberInline(MemberInline):
    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        return super().get_queryset(request).filter(merged_into=None, erased_at=None)


class HouseholdMembers(LiveMemberInline):
    fk_name = "household"
    verbose_name_plural = _("members")


@admin.register(Household)
class HouseholdAdmin(GroupPages, RecordAdmin):
    template = "customers/household.html"
    personal = "members"
    exports = [lists.households]
    list_display = ["number", "decision_maker"]
    list_select_related = ["decision_maker"]
    search_fields = ["number"]
    autocomplete_fields = ["decision_maker"]
    inlines = [HouseholdMembers]

    def save_model(self, request: HttpRequest, obj: Household, form: Any, change: bool) -> None:
        companies.save_group(group=obj)

    def delete_model(self, request: HttpRequest, obj: Household) -> None:
        companies.delete_group(group=obj)


class Contacts(LiveMemberInline):
    fk_name = "company"
    fields = ["number", "first_name", "last_name", "job_title", "email", "phone"]
    readonly_fields = fields
    verbose_name_plural = _("contacts")


@admin.register(Company)
class CompanyAdmin(GroupPages, RecordAdmin):
    template = "customers/company.html"
    personal = "contacts"
    exports = [lists.companies]
    list_display = ["name", "industry", "employees", "decision_maker"]
    list_select_related = ["decision_maker"]
    search_fields = ["name", "industry"]
    autocomplete_fields = ["decision_maker"]
    inlines = [Contacts]

    def save_model(self, request: HttpRequest, obj: Company, form: Any, change: bool) -> None:
        companies.save_group(group=obj)

    def delete_model(self, request: HttpRequest, obj: Company) -> None:
        companies.delete_group(group=obj)
