"""What the customers' own pages send, checked."""

from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import addresses, preferences, wordings
from crm.models import Channel, Customer, Frequency, Topic
from crm.text import clean

MAX_INTERESTS = 20
NO_PAUSE, UNTIL = "", "until"


class PreferencesForm(forms.Form):
    """Channels, topics, how often, a pause, language and interests of one customer."""

    message_frequency = forms.ChoiceField(
        label=gettext_lazy("How often at most"),
        choices=[("", gettext_lazy("As often as there is something to say")), *Frequency.choices],
        required=False,
    )
    interests = forms.CharField(
        label=gettext_lazy("What interests you"),
        max_length=1000,
        required=False,
        help_text=gettext_lazy("A few words with commas between them."),
    )
    pause_ends_on = forms.DateField(
        label=gettext_lazy("No messages until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Empty: no pause."),
    )

    def __init__(self, data: Any = None, *, customer: Customer, today: date) -> None:
        self.customer, self.today = customer, today
        self.now_wanted = preferences.current(customer=customer)
        super().__init__(data, initial=self._initial())
        written: list[tuple[str, Any]] = [("", _("As you see this page")), *settings.LANGUAGES]
        if customer.language and customer.language not in dict(written):
            written.append((customer.language, customer.language))  # as an earlier list had it
        self.fields["language"] = forms.ChoiceField(label=_("Language"), choices=written, required=False)
        for channel in self.now_wanted.channels:
            self.fields[f"channel_{channel}"] = forms.BooleanField(required=False, label=str(Channel(channel).label))
        self.topics = list(Topic.objects.filter(is_active=True))
        for topic in self.topics:
            self.fields[f"topic_{topic.slug}"] = forms.BooleanField(
                required=False, label=topic.name, help_text=topic.description
            )

    def _initial(self) -> dict[str, Any]:
        wanted = self.now_wanted
        runs = wanted.pause_ends_on is not None and wanted.pause_ends_on >= self.today
        return {
            "message_frequency": wanted.message_frequency,
            "language": wanted.language,
            "interests": ", ".join(wanted.interests),
            "pause_ends_on": wanted.pause_ends_on if runs else None,
            **{f"channel_{channel}": said for channel, said in wanted.channels.items()},
            **{
                f"topic_{slug}": slug not in wanted.topics_declined
                for slug in Topic.objects.filter(is_active=True).values_list("slug", flat=True)
            },
        }

    @property
    def channels(self) -> list[dict[str, Any]]:
        """The tick of each channel, with what a yes to it means."""
        return [
            {"field": self[f"channel_{channel}"], "wording": wordings.in_force(channel=channel).text}
            for channel in self.now_wanted.channels
        ]

    @property
    def topic_fields(self) -> list[Any]:
        return [self[f"topic_{topic.slug}"] for topic in self.topics]

    def clean_interests(self) -> list[str]:
        words = list(dict.fromkeys(clean(word) for word in self.cleaned_data["interests"].split(",") if clean(word)))
        if any(len(word) > 100 for word in words) or len(words) > MAX_INTERESTS:
            raise forms.ValidationError(_("At most %(n)d words of 100 letters.") % {"n": MAX_INTERESTS})
        return words

    def clean_pause_ends_on(self) -> date | None:
        until: date | None = self.cleaned_data["pause_ends_on"]
        if until and not self.today <= until <= self.today + preferences.LONGEST_PAUSE:
            raise forms.ValidationError(_("Choose a day from today on, within a year. To stop for good, unsubscribe."))
        return until

    def wanted(self) -> preferences.Preferences:
        """What a valid form says."""
        data = self.cleaned_data
        return preferences.Preferences(
            channels={channel: data[f"channel_{channel}"] for channel in self.now_wanted.channels},
            topics_declined=[topic.slug for topic in self.topics if not data[f"topic_{topic.slug}"]],
            message_frequency=data["message_frequency"],
            language=data["language"],
            interests=data["interests"],
            pause_ends_on=data["pause_ends_on"],
        )


class DataForm(forms.ModelForm):
    """What a customer may correct about themselves. The address that the link was mailed to stays as it is."""

    class Meta:
        model = Customer
        fields = ["first_name", "last_name", "phone", "birth_date", "address", "postcode", "city", "region", "country"]
        widgets = {"birth_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}

    def clean_phone(self) -> str:
        return addresses.clean_phone(self.cleaned_data["phone"])

    def clean_birth_date(self) -> date | None:
        born: date | None = self.cleaned_data["birth_date"]
        if born and not date(1900, 1, 1) <= born <= date.today():
            raise forms.ValidationError(_("This can't be a birth date."))
        return born


class JoinForm(forms.Form):
    """Somebody leaves their address for news."""

    first_name = forms.CharField(
        label=gettext_lazy("First name"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    email = forms.CharField(
        label=gettext_lazy("E-mail"),
        max_length=320,
        widget=forms.TextInput(attrs={"autocomplete": "email", "inputmode": "email", "autocapitalize": "off"}),
    )
    agrees = forms.BooleanField(
        required=True, error_messages={"required": gettext_lazy("Tick the box, or we may not write to you.")}
    )
    website = forms.CharField(required=False)  # a trap: people don't see it, programs fill it in

    def clean_email(self) -> str:
        return addresses.clean_email(self.cleaned_data["email"])
