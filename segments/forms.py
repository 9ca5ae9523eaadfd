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
from segments.rules import Problem, RuleError, dump
from segments.tokens import Located

MAX_LENGTH = 200_000


class RuleWidget(forms.Widget):
    """Rows of attribute, comparison and value, or the rule as text, over a hidden field; see static/js/builder.js."""

    segment: int | None = None
    """The saved segment that changes are compared with."""
    template_name = "segments/_builder.html"

    class Media:
        css = {"all": ["css/segments.css"]}
        js = [forms.Script("js/builder.js", type="module")]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        query = {"segment": self.segment} if self.segment else None
        context["builder"] = {
            "catalogue": builder.catalogue_data(),
            "starters": [] if value else builder.starters(),
            "preview_url": reverse("admin:segments_segment_preview", query=query),
            "values_url": reverse("admin:segments_segment_values"),
        }
        return context

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """From the project's templates: Django's own renderer of forms looks only into apps."""
        return render_to_string(template_name, context)


class RuleField(forms.CharField):
    """Cleans to the rule as stored JSON; every mistake is said."""

    widget = RuleWidget
    segment_id: int | None = None
    """Whose rule it is to be, where that segment is there already: it can't ask for itself."""

    default_error_messages = {
        "required": _("Say who belongs to it: add at least one condition."),
        "unreadable": _("The rule could not be read."),
    }

    def prepare_value(self, value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) and value else value or ""

    def to_python(self, value: Any) -> Any:
        written = super().to_python(value)
        if not written:
            return None
        try:
            return dump(domain.checked(self._rule(written), segment_id=self.segment_id))
        except RuleError as error:
            raise forms.ValidationError(
                [forms.ValidationError(_told(problem), code="rule") for problem in error.problems[:5]]
            ) from error

    def _rule(self, written: str) -> Any:
        """JSON as the tree it is, anything else as the text form."""
        if not written.startswith(("{", "[")):
            return written
        try:
            rule = json.loads(written) if len(written) <= MAX_LENGTH else None
        except (ValueError, RecursionError):
            rule = None
        if not isinstance(rule, dict):
            raise forms.ValidationError(self.error_messages["unreadable"], code="unreadable")
        return rule

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except forms.ValidationError:
            return True


def _told(problem: Problem) -> str:
    """The message; of a text of several lines with its line."""
    if isinstance(problem, Located) and problem.line > 1:
        return str(_("Line %(line)d: %(message)s") % {"line": problem.line, "message": problem.message})
    return problem.message


class PickForm(forms.ModelForm):
    """A segment without a rule: its people are picked afterwards."""

    class Meta:
        model = Segment
        fields = ["name", "description"]
        widgets = {
            "name": UnfoldAdminTextInputWidget(),
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }


class NameForm(PickForm):
    """What can be changed of a segment that follows no rule."""


class SegmentForm(forms.ModelForm):
    rule = RuleField(label=_("Who belongs to it"))

    class Meta:
        model = Segment
        fields = ["name", "rule", "description"]
        widgets = {
            "name": UnfoldAdminTextInputWidget(),
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.fields.get("rule")
        if isinstance(rule, RuleField):
            rule.widget.segment = rule.segment_id = self.instance.pk
