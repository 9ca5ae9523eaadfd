"""The composer's forms. A draft is saved as typed: only what no column can hold is refused here."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign, Variant
from crm.models import Topic
from personas.models import Persona
from segments.models import Segment


class WhoForm(forms.ModelForm):
    class Meta:
        model = Campaign
        fields = ["name", "segments", "personas", "topic", "attribution_days", "holdout_percent"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = self.instance.segments.values("pk") if self.instance.pk else Segment.objects.none().values("pk")
        segments = Segment.objects.exclude(kind=Segment.Kind.PERSONA)
        _field(self, "segments").queryset = (
            segments.filter(is_archived=False) | segments.filter(pk__in=mine)
        ).distinct()
        mine = self.instance.personas.values("pk") if self.instance.pk else Persona.objects.none().values("pk")
        personas = Persona.objects.filter(is_active=True) | Persona.objects.filter(pk__in=mine)
        _field(self, "personas").queryset = personas.select_related("segment").distinct()
        topics = Topic.objects.filter(is_active=True) | Topic.objects.filter(pk=self.instance.topic_id)
        _field(self, "topic").queryset = topics.distinct()
        _field(self, "topic").empty_label = _("none in particular")
        self.fields["name"].widget.attrs |= {"autocomplete": "off"}

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Segments, then personas, as rows to tick; those that are ticked come first."""
        rows = []
        for name in ("segments", "personas"):
            chosen = {str(getattr(value, "pk", value)) for value in self[name].value() or []}
            for one in _field(self, name).queryset:
                segment = one if isinstance(one, Segment) else one.segment
                rows.append(
                    {
                        "field": name,
                        "pk": one.pk,
                        "name": one.name,
                        "what": segment.description if isinstance(one, Segment) else one.quote or one.job,
                        "count": segment.members_count,
                        "is_known": segment.refreshed_at is not None,
                        "is_chosen": str(one.pk) in chosen,
                        "is_persona": name == "personas",
                    }
                )
        return sorted(rows, key=lambda row: not row["is_chosen"])


def _field(form: forms.BaseForm, name: str) -> Any:
    return form.fields[name]


class MessageForm(forms.ModelForm):
    class Meta:
        model = Variant
        fields = ["subject", "preheader", "heading", "body", "button_label", "button_url", "sender_name", "mjml"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.required = False
            field.widget.attrs |= {"autocomplete": "off", "data-placeholders": ""}
            if name in ("body", "mjml"):
                field.widget.attrs |= {"rows": 9 if name == "body" else 16}
        self.fields["sender_name"].widget.attrs.pop("data-placeholders")
        self.fields["mjml"].widget.attrs |= {"spellcheck": "false"}
        self.fields["button_url"].widget.attrs |= {"inputmode": "url", "placeholder": "https://"}


class ScheduleForm(forms.Form):
    """A moment in the shop's time zone."""

    use_required_attribute = False  # it is only asked for where "at a time" is chosen
    send_at = forms.DateTimeField(
        label=_("Send at"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        error_messages={"required": _("Say when to send it.")},
    )

    def clean_send_at(self) -> Any:
        moment = self.cleaned_data["send_at"]
        if moment <= timezone.now():
            raise ValidationError(_("That moment has passed."))
        return moment
