"""The shop's own fields on the form of a customer's page."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from crm import custom_fields
from crm.models import CustomField

Kind = CustomField.Kind
YES_NO = {"": None, "yes": True, "no": False}


def form_fields() -> dict[str, forms.Field]:
    """A form's field for each of the shop's own, by the name that rules have for it."""
    return {field.attribute: _form_field(field) for field in custom_fields.fields()}


def initial(custom: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of a customer's values."""
    said = {field.attribute: custom.get(field.slug) for field in custom_fields.fields()}
    return {name: _CHOSEN.get(value, value) if isinstance(value, bool) else value for name, value in said.items()}


_CHOSEN: dict[Any, str] = {True: "yes", False: "no"}


def merged(custom: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The customer's values after the form: emptied ones go, those that no field has stay."""
    after = dict(custom)
    for field in custom_fields.fields():
        if field.attribute not in data:
            continue
        value = YES_NO[data[field.attribute]] if field.kind == Kind.FLAG else data[field.attribute]
        if value is None or value in ("", []):
            after.pop(field.slug, None)
        else:
            after[field.slug] = value
    return after


def _form_field(field: CustomField) -> forms.Field:
    about: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": False}
    match field.kind:
        case Kind.NUMBER:
            label = f"{field.label} ({field.unit})" if field.unit else field.label
            about["label"] = label
            return forms.DecimalField(**about, max_digits=20, decimal_places=6, widget=UnfoldAdminDecimalFieldWidget)
        case Kind.CHOICE:
            choices = [("", "–"), *((one, one) for one in field.choices)]
            return forms.ChoiceField(**about, choices=choices, widget=UnfoldAdminSelectWidget)
        case Kind.FLAG:
            choices = [("", str(_("unknown"))), ("yes", str(_("yes"))), ("no", str(_("no")))]
            return forms.ChoiceField(**about, choices=choices, widget=UnfoldAdminSelectWidget)
        case Kind.DATE:
            return forms.DateField(**about, widget=UnfoldAdminDateWidget)
        case Kind.WORDS:
            return SimpleArrayField(forms.CharField(max_length=100), **about, widget=UnfoldAdminTextInputWidget)
    return forms.CharField(**about, max_length=1_000, widget=UnfoldAdminTextInputWidget)
