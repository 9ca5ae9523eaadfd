"""The loyalty programme: its terms, rules and tiers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
)

from crm import money
from crm.admin.base import RecordAdmin
from crm.models import LoyaltyProgramme, PointsRule, Tier

MOST_MINOR = 10_000_000_00


def amount_field(label: Any, help_text: Any = "") -> forms.DecimalField:
    """Money as people type it, in whole units with two decimals."""
    return forms.DecimalField(
        label=label,
        help_text=help_text,
        min_value=0,
        max_value=MOST_MINOR // 100,
        max_digits=12,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
    )


class InUnits(forms.ModelForm):
    """Shows a column of hundredths (``amount_column``) as the field ``amount``, and writes it back."""

    amount_column = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "amount" in self.fields:
            self.initial["amount"] = money.from_minor(getattr(self.instance, self.amount_column) or 0)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("amount") is not None:
            setattr(self.instance, self.amount_column, money.to_minor(data["amount"]))
        return data


class ProgrammeForm(InUnits):
    amount = amount_field(_("Worth"), _("What so many points take off a sale; 0 switches redeeming off."))
    amount_column = "redeem_worth_minor"

    class Meta:
        model = LoyaltyProgramme
        fields = ["redeem_points"]  # the page adds its own

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.instance._state.adding and LoyaltyProgramme.objects.exists():
            raise ValidationError(_("The programme exists already."))
        return data


@admin.register(LoyaltyProgramme)
class ProgrammeAdmin(RecordAdmin):
    """One row: its list leads straight to it."""

    form = ProgrammeForm
    fieldsets = [
        (_("Earning"), {"fields": ["points_per_unit", "birthday_points", "expire_after_months"]}),
        (_("Redeeming"), {"fields": ["redeem_points", "amount"]}),
        (_("Tiers"), {"fields": ["tier_months", "tier_kept_months"]}),
        (_("Cards"), {"fields": ["card_prefix"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: LoyaltyProgramme | None = None) -> list[str]:
        return [] if self.has_change_permission(request, obj) else ["amount"]

    @admin.display(description=_("worth"))
    def amount(self, programme: LoyaltyProgramme) -> str:
        return money.show(programme.redeem_worth_minor)

    def save_model(self, request: HttpRequest, obj: LoyaltyProgramme, form: Any, change: bool) -> None:
        """Only what was typed is written: cards are numbered, and days seen to, beside whoever edits."""
        columns = {"amount": "redeem_worth_minor"}
        if change:
            obj.save(update_fields=[columns.get(name, name) for name in form.changed_data])
        else:
            obj.save()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return super().render_change_form(request, context | {"show_save_and_add_another": False}, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        LoyaltyProgramme.objects.get_or_create(pk=1)
        return redirect(reverse("admin:crm_loyaltyprogramme_change", args=[1]))


class RuleForm(forms.ModelForm):
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Weekdays"),
        choices=[(number + 1, name) for number, name in WEEKDAYS.items()],
        coerce=int,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("None ticked: every day."),
    )

    class Meta:
        model = PointsRule
        fields = ["name"]  # the page adds its own


@admin.register(PointsRule)
class RuleAdmin(RecordAdmin):
    """Each line of a sale earns by the largest factor of the rules that fit it; a factor of 0 that fits beats all."""

    form = RuleForm
    list_display = ["name", "times", "category", "when", "is_active"]
    list_filter = ["is_active"]
    list_select_related = ["category"]
    search_fields = ["name"]
    autocomplete_fields = ["category"]
    fieldsets = [
        (None, {"fields": ["name", "factor", "is_active"]}),
        (_("For"), {"fields": ["category", "birthday_days"]}),
        (_("When"), {"fields": ["weekdays", "starts_on", "ends_on"]}),
    ]

    @admin.display(description=_("factor"), ordering="factor")
    def times(self, rule: PointsRule) -> str:
        return times(rule)

    @admin.display(description=_("when"))
    def when(self, rule: PointsRule) -> str:
        days = [str(WEEKDAYS[number - 1]) for number in sorted(rule.weekdays) if 1 <= number <= 7]
        said = [", ".join(days)] if days else []
        if rule.starts_on:
            said.append(_t("from %(day)s") % {"day": date_format(rule.starts_on)})
        if rule.ends_on:
            said.append(_t("until %(day)s") % {"day": date_format(rule.ends_on)})
        if rule.birthday_days == 0:
            said.append(_t("on the birthday"))
        elif rule.birthday_days:
            said.append(
                ngettext(
                    "up to %(days)d day from the birthday", "up to %(days)d days from the birthday", rule.birthday_days
                )
                % {"days": rule.birthday_days}
            )
        return "; ".join(said) or _t("always")


def times(row: PointsRule | Tier) -> str:
    """A factor as it is said: × 1.5."""
    return f"× {number_format(row.factor.normalize(), use_l10n=True)}"


class TierForm(InUnits):
    amount = amount_field(_("From a spend of"), _("Net of returns, within the months that the programme says."))
    amount_column = "spend_minor"

    class Meta:
        model = Tier
        fields = ["name"]  # the page adds its own

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        others = Tier.objects.exclude(pk=self.instance.pk)
        if data.get("amount") is not None and others.filter(spend_minor=self.instance.spend_minor).exists():
            self.add_error("amount", _("Another tier begins there."))
        return data


@admin.register(Tier)
class TierAdmin(RecordAdmin):
    """A changed threshold counts from the next sale or night on; what somebody was given, they keep until its end."""

    form = TierForm
    in_use_by = ["awards"]
    list_display = ["name", "amount", "times", "benefit"]
    search_fields = ["name"]
    fields = ["name", "amount", "factor", "benefit"]

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> list[str]:
        return [] if self.has_change_permission(request, obj) else ["amount"]

    @admin.display(description=_("from a spend of"), ordering="spend_minor")
    def amount(self, tier: Tier) -> str:
        return money.show(tier.spend_minor)

    @admin.display(description=_("factor"), ordering="factor")
    def times(self, tier: Tier) -> str:
        return times(tier)
