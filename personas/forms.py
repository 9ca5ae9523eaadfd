"""The persona as an administrator edits it."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from personas.models import Persona
from personas.portraits import clean_portrait
from segments.forms import RuleField

DETAILS = (
    "name",
    "is_active",
    "portrait",
    "quote",
    "age",
    "job",
    "home",
    "decision_power",
    "preferred_channel",
    "key_message",
    "story",
    "goals",
    "worries",
    "values",
)


class PortraitInput(forms.ClearableFileInput):
    """Shows the portrait (or the drawing in its place) beside the choice of another one."""

    persona: Persona | None = None

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        context = self.get_context(name, value, attrs)
        context["persona"] = self.persona
        return render_to_string("personas/portrait_input.html", context)


class PersonaForm(forms.ModelForm):
    portrait = forms.FileField(
        label=gettext_lazy("Portrait"),
        required=False,
        widget=PortraitInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        help_text=gettext_lazy("JPEG, PNG or WebP, at most 5 MB, cut to a square. Without one we draw something."),
    )
    rule = RuleField(
        label=gettext_lazy("Customers like this"),
        help_text=gettext_lazy("The rule that matches customers to this persona."),
    )

    class Meta:
        model = Persona
        fields = DETAILS
        widgets = {
            name: UnfoldAdminTextareaWidget(attrs={"rows": rows})
            for name, rows in {"key_message": 2, "story": 7, "goals": 4, "worries": 4, "values": 4}.items()
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["rule"] = self.instance.segment.rule
            rule = self.fields["rule"]
            if isinstance(rule, RuleField):
                rule.widget.segment = rule.segment_id = self.instance.segment_id
            # As it is saved: a form shown again with an error has what was typed in its instance.
            self.fields["portrait"].widget.persona = Persona.objects.get(pk=self.instance.pk)

    def clean_portrait(self) -> Any:
        chosen = self.cleaned_data["portrait"]
        return clean_portrait(chosen) if isinstance(chosen, UploadedFile) else chosen
