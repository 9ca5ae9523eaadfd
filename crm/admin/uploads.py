"""Importing in the back office: a page for each step, each with an address of its own."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from crm import uploads
from crm.admin.base import RecordAdmin
from crm.models import Job, Upload
from crm.templatetags.regulars import count
from crm.views import imports, mending

Status = Job.Status


@admin.register(Upload)
class UploadAdmin(RecordAdmin):
    list_display = ["what", "shown_kind", "state", "rows", "refused", "created_by", "created_at"]
    list_select_related = ["job", "check_job", "created_by"]
    ordering = ["-id"]

    def has_view_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return bool(uploads.kinds_for(request.user))

    has_add_permission = has_view_permission
    has_module_permission = has_view_permission

    def has_change_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upload]:
        return uploads.visible_to(cast(User, request.user))

    @display(description=_("file"), ordering="name")
    def what(self, upload: Upload) -> str:
        return _t("%(name)s, the refused rows") % {"name": upload.name} if upload.follows_id else upload.name

    @display(description=_("kind"), ordering="kind")
    def shown_kind(self, upload: Upload) -> str:
        return str(uploads.about(upload.kind).label)

    @display(
        description=_("state"),
        label={"done": "success", "failed": "danger", "running": "info", "queued": "info", "begun": "warning"},
    )
    def state(self, upload: Upload) -> tuple[str, str]:
        if upload.job is None:
            return "begun", str(_("not imported yet"))
        return upload.job.status, upload.job.get_status_display()

    @display(description=_("rows"))
    def rows(self, upload: Upload) -> str:
        return self._number(upload, "rows")

    @display(description=_("refused"))
    def refused(self, upload: Upload) -> str:
        return self._number(upload, "refused_rows")

    def _number(self, upload: Upload, name: str) -> str:
        found = (upload.job.result if upload.job else {}).get(name)
        return "–" if found is None else count(found)

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(f"<int:pk>/{route}", self.admin_site.admin_view(view), name=f"crm_upload_{name}")

        return [
            path("add/", self.admin_site.admin_view(imports.add), name="crm_upload_add"),
            at("read/", imports.read, "read"),
            at("columns/", imports.columns, "columns"),
            at("check/", imports.check, "check"),
            at("start/", imports.start, "start"),
            at("discard/", imports.discard, "discard"),
            at("result/", imports.result, "result"),
            at("refused/", mending.refused, "refused"),
            at("again/", mending.again, "again"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Whoever has imported nothing yet begins at the beginning."""
        if self.has_view_permission(request) and not self.get_queryset(request).exists():
            return redirect(reverse("admin:crm_upload_add"))
        return super().changelist_view(request, extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Wherever the work on this file stands."""
        return imports.resume(request, object_id)
