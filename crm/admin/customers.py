"""Customers and the households and companies they belong to."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from crm import addresses, audit, consents, customers, loyalty, money
from crm.admin.base import FactInline, RecordAdmin
from crm.days import shop_day
from crm.exporting import lists
from crm.models import Channel, Company, Customer, Household, LoyaltyCard

MOST_FOUND = 200
FAVOURITES = 3
LATEST = 10
OFFERED = 20
"""Customers that a field offers at once."""


class CustomerForm(forms.ModelForm):
    class Meta:
        model = Customer
        fields = ["number", "email", "phone"]  # the page adds those of its fieldsets

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "number" in self.fields:
            self.fields["number"].required = False
            self.fields["number"].help_text = _("Left empty: the next free one. It stays for good.")

    def clean_email(self) -> str:
        return addresses.clean_email(self.cleaned_data["email"])

    def clean_phone(self) -> str:
        return addresses.clean_phone(self.cleaned_data["phone"])


class CardInline(FactInline):
    model = LoyaltyCard
    fields = ["number", "status", "issued_at"]
    readonly_fields = fields


@admin.register(Customer)
class CustomerAdmin(RecordAdmin):
    """The page opens with who this is, in words; what is written down follows."""

    exports = [lists.customers]
    personal = "self"
    form = CustomerForm
    list_display = ["name", "number", "email", "city", "receipts", "spend", "last_purchase"]
    list_filter = [
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
    summary = ["bought", "programme", "favourites", "reached"]
    fieldsets = [
        (_("In short"), {"fields": [*summary, "latest"]}),
        (
            _("Who"),
            {"fields": ["number", "first_name", "last_name", "birth_date", "age_band", "gender", "language"]},
        ),
        (
            _("How to reach"),
            {"fields": ["email", "phone", "address", "postcode", "city", "region", "country", "preferred_channel"]},
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
                "fields": ["source", "goal", "registered_at", "created_at", "no_profiling", "custom"],
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        return customers.live()

    def get_fieldsets(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[1:]

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> list[str]:
        return [*self.summary, "latest", "created_at", *(["number"] if obj else [])]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        if search_term.strip():
            found = customers.search(text=search_term, limit=MOST_FOUND)
            queryset = queryset.filter(pk__in=[customer.pk for customer in found])
        if request.path_info.endswith("/autocomplete/"):
            offered = queryset.values("pk")[:OFFERED].count()
            audit.searched(what="choice of a customer", count=offered, request=request)
        return queryset, False

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        if change:
            changed = {name: form.cleaned_data[name] for name in form.changed_data}
            saved = customers.change_customer(customer=obj, **changed)
        else:
            fields = dict(form.cleaned_data)
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

    @admin.display(description=_("Bought"))
    def bought(self, customer: Customer) -> str:
        profile = customer.profile
        if not profile.receipts:
            return _t("Nothing yet.")
        return ngettext(
            "%(count)d time since %(first)s, last on %(last)s, for %(spend)s in all.",
            "%(count)d times since %(first)s, last on %(last)s, for %(spend)s in all.",
            profile.receipts,
        ) % {
            "count": profile.receipts,
            "first": date_format(profile.first_sold_on) if profile.first_sold_on else "?",
            "last": date_format(profile.last_sold_on) if profile.last_sold_on else "?",
            "spend": money.show(profile.spend_minor),
        }

    @admin.display(description=_("Loyalty"))
    def programme(self, customer: Customer) -> SafeString:
        """Tier and points, what comes next, and what is about to be lost; leads to the ledger."""
        today = shop_day(timezone.now())
        standing = loyalty.standing(customer=customer, today=today)
        said = []
        if standing.tier and standing.ends_on:
            until = {"tier": standing.tier.name, "day": date_format(standing.ends_on)}
            said.append(_t("%(tier)s until %(day)s.") % until)
        if standing.next_tier:
            missing = {"missing": money.show(standing.missing_minor), "tier": standing.next_tier.name}
            said.append(_t("%(missing)s more for %(tier)s.") % missing)
        if lost := loyalty.expiring_points(customer_ids=[customer.pk], today=today).get(customer.pk):
            said.append(
                ngettext("%(n)d point expires within a month.", "%(n)d points expire within a month.", lost)
                % {"n": lost}
            )
        ledger = f"{reverse('admin:crm_loyaltyentry_changelist')}?customer__id__exact={customer.pk}"
        points = customer.profile.points
        shown = ngettext("%(n)d point", "%(n)d points", points) % {"n": points}
        return format_html('<a href="{}" class="underline">{}</a>. {}', ledger, shown, " ".join(said))

    @admin.display(description=_("Likes to buy"))
    def favourites(self, customer: Customer) -> str:
        leaves = customer.categories.filter(category__children=None, receipts__gt=0).select_related("category")
        best = leaves.order_by("-receipts", "-spend_minor")[:FAVOURITES]
        return ", ".join(row.category.name for row in best) or "–"

    @admin.display(description=_("Can be written to by"))
    def reached(self, customer: Customer) -> str:
        allowed = [
            Channel(channel) for channel, flag in consents.PROFILE_FLAGS.items() if getattr(customer.profile, flag)
        ]
        return ", ".join(str(channel.label) for channel in allowed) or _t("No channel: no consent.")

    @admin.display(description=_("Latest receipts"))
    def latest(self, customer: Customer) -> SafeString | str:
        rows = customer.receipts.order_by("-sold_at", "-id")[:LATEST]
        links = (
            (
                reverse("admin:crm_receipt_change", args=[receipt.pk]),
                date_format(receipt.sold_on),
                money.show(receipt.total_minor),
            )
            for receipt in rows
        )
        return (
            format_html(
                "{}",
                format_html_join(
                    " · ",
                    '<a class="text-primary-600 whitespace-nowrap dark:text-primary-500" href="{}">{}: {}</a>',
                    links,
                ),
            )
            or "–"
        )


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
class HouseholdAdmin(RecordAdmin):
    personal = "members"
    exports = [lists.households]
    list_display = ["number", "decision_maker"]
    list_select_related = ["decision_maker"]
    search_fields = ["number"]
    autocomplete_fields = ["decision_maker"]
    inlines = [HouseholdMembers]


class Contacts(LiveMemberInline):
    fk_name = "company"
    fields = ["number", "first_name", "last_name", "job_title", "email", "phone"]
    readonly_fields = fields
    verbose_name_plural = _("contacts")


@admin.register(Company)
class CompanyAdmin(RecordAdmin):
    personal = "contacts"
    exports = [lists.companies]
    list_display = ["name", "industry", "employees", "decision_maker"]
    list_select_related = ["decision_maker"]
    search_fields = ["name", "industry"]
    autocomplete_fields = ["decision_maker"]
    inlines = [Contacts]
