"""What an administrator adds to what is known of customers: fields of the shop's own, and questions of surveys."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from crm import custom_fields, surveys
from crm.admin.base import RecordAdmin
from crm.attributes import Group
from crm.models import CustomField, Question

GROUPS = [(group.value, group.label) for group in Group if group not in (Group.GROUPS, Group.VALUE, Group.LIFECYCLE)]


class CustomFieldForm(forms.ModelForm):
    group = forms.ChoiceField(
        label=_("Group"),
        choices=GROUPS,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Where the builder of segments offers it."),
    )
    choices = forms.CharField(
        label=_("Values"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text=_("One a line: what can be chosen, where the kind is “one of a list”."),
    )

    class Meta:
        model = CustomField
        fields = ["slug", "label", "help", "group", "kind", "unit", "privacy"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "choices" in self.fields:
            self.initial["choices"] = "\n".join(self.instance.choices)

    def clean_choices(self) -> list[str]:
        return list(dict.fromkeys(line.strip() for line in self.cleaned_data["choices"].splitlines() if line.strip()))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        kind = data.get("kind", self.instance.kind)
        if kind != CustomField.Kind.CHOICE:
            data["choices"] = []
        elif not data.get("choices"):
            raise ValidationError({"choices": _("Give at least one value to choose.")})
        if any(len(choice) > 100 for choice in data["choices"]):
            raise ValidationError({"choices": _("A value has 100 characters at most.")})
        return data


@admin.register(CustomField)
class CustomFieldAdmin(RecordAdmin):
    """A field that is saved here stands at once on the customers' pages, in segments, imports, exports and the API."""

    form = CustomFieldForm
    list_display = ["label", "attribute", "kind", "privacy"]
    list_filter = ["kind", "privacy"]
    search_fields = ["label", "slug"]
    fields = ["label", "slug", "help", "group", "kind", "choices", "unit", "privacy"]

    def get_readonly_fields(self, request: HttpRequest, obj: CustomField | None = None) -> list[str]:
        return ["slug", "kind"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: CustomField | None = None) -> Any:
        return {}

    def save_model(self, request: HttpRequest, obj: CustomField, form: Any, change: bool) -> None:
        custom_fields.save_field(field=obj)

    def delete_model(self, request: HttpRequest, obj: CustomField) -> None:
        custom_fields.remove_field(field=obj)

    @admin.display(description=_("in rules"))
    def attribute(self, field: CustomField) -> str:
        return field.attribute


@admin.register(Question)
class QuestionAdmin(RecordAdmin):
    """What surveys ask, and how near it comes to people. The key stays: rules and files name it."""

    in_use_by = ["answers"]
    list_display = ["text", "slug", "privacy"]
    list_filter = ["privacy"]
    search_fields = ["text", "slug"]
    fields = ["text", "slug", "privacy"]
    prepopulated_fields = {"slug": ["text"]}

    def get_readonly_fields(self, request: HttpRequest, obj: Question | None = None) -> list[str]:
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Question | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def save_model(self, request: HttpRequest, obj: Question, form: Any, change: bool) -> None:
        surveys.save_question(question=obj)
