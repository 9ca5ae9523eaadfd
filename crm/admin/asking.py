"""What people are asked for, and how: topics, sign-up forms, the wordings of consent."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from crm import wordings
from crm.admin.base import RecordAdmin
from crm.models import Consent, ConsentWording, OptIn, SignupForm, Topic


@admin.register(Topic)
class TopicAdmin(RecordAdmin):
    """What messages may be about. Customers decline topics on their own page; one that is put aside is not asked."""

    list_display = ["name", "slug", "description", "is_active"]
    fields = ["name", "slug", "description", "is_active"]
    prepopulated_fields = {"slug": ["name"]}

    def get_readonly_fields(self, request: HttpRequest, obj: Topic | None = None) -> list[str]:
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Topic | None = None) -> Any:
        return {} if obj else self.prepopulated_fields


@admin.register(SignupForm)
class SignupFormAdmin(RecordAdmin):
    """Public forms where people leave their address; each yes is confirmed by mail."""

    list_display = ["title", "goal", "address", "is_active"]
    fields = ["title", "slug", "goal", "is_active"]
    prepopulated_fields = {"slug": ["title"]}

    def get_readonly_fields(self, request: HttpRequest, obj: SignupForm | None = None) -> list[str]:
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: SignupForm | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that somebody used is switched off: consents name it."""
        used = obj and (Consent.objects.filter(form=obj).exists() or OptIn.objects.filter(form=obj).exists())
        return bool(super().has_delete_permission(request, obj)) and not used

    @admin.display(description=_("address"))
    def address(self, form: SignupForm) -> str:
        path = reverse("join", args=[form.slug])
        return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', path, path)


@admin.register(ConsentWording)
class ConsentWordingAdmin(RecordAdmin):
    """What people are asked to agree to. A new wording is a new version; used ones never change."""

    list_display = ["purpose", "channel", "language", "version", "text", "published_at"]
    list_filter = ["purpose", "channel", "language"]
    fields = ["purpose", "channel", "language", "text"]

    def save_model(self, request: HttpRequest, obj: ConsentWording, form: Any, change: bool) -> None:
        obj.__dict__.update(wordings.publish(**form.cleaned_data).__dict__)
