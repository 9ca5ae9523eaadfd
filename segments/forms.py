"""The rule builder as a form field, for segments and for whatever else holds a rule."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from segments import builder, domain
from segments.models import Segment
from segments.rules import RuleError, dump

MAX_LENGTH = 200_000


class RuleWidget(forms.Widget):
    """Rows of attribute, comparison and value over a hidden text of JSON; see static/js/builder.js."""

    template_name = "segments/_builder.html"

    class Media:
        css = {"all": ["css/segments.css"]}
        js = [forms.Script("js/builder.js", type="module")]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["builder"] = {
            "catalogue": builder.catalogue_data(),
            "starters": [] if value else builder.starters(),
            "preview_url": reverse("admin:segments_segment_preview"),
            "values_url": reverse("admin:segments_segment_values"),
        }
        return context

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """From the project's templates: Django's own renderer of forms looks only into apps."""
        return render_to_string(template_name, context)


class RuleField(forms.CharField):
    """Cleans to the rule as stored JSON; every mistake is said."""

    widget = RuleWidget
    default_error_messages = {
        "required": _("Say who belongs to it: add at least one condition."),
        "unreadable": _("The rule could not be read."),
    }

    def prepare_value(self, value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) and value else value or ""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            rule = json.loads(text) if len(text) <= MAX_LENGTH else None
        except (ValueError, RecursionError):
            rule = None
        if rule is None:
            raise forms.ValidationError(self.error_messages["unreadable"], code="unreadable")
        try:
            return dump(domain.checked(rule))
        except RuleError as error:
            raise forms.ValidationError(
                [forms.ValidationError(problem.message, code="rule") for problem in error.problems[:5]]
            ) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except forms.ValidationError:
            return True


class SegmentForm(forms.ModelForm):
    rule = RuleField(label=_("Who belongs to it"))

    class Meta:
        model = Segment
        fields = ["name", "rule", "description"]
        widgets = {
            "name": UnfoldAdminTextInputWidget(),
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }
