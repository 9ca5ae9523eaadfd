"""Jobs in the back office: the list, and a page each that follows the work while it goes on."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from crm import audit, files, jobs
from crm.admin.base import FactAdmin
from crm.admin.exporting import export_view
from crm.models import Job
from crm.views.jobs import job_context, percent_of, time_of

Status = Job.Status
FILES = {"result": "file", "errors": "error_file"}


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(kind.name, kind.label) for kind in jobs.KINDS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(FactAdmin):
    list_display = ["what", "shown_kind", "state", "share", "created_by", "created_at", "took"]
    list_filter = ["status", KindFilter]
    list_select_related = ["created_by"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return jobs.visible_to(cast(User, request.user))

    @display(description=_("what"))
    def what(self, job: Job) -> str:
        return str(job)

    @display(description=_("kind"), ordering="kind")
    def shown_kind(self, job: Job) -> str:
        return str(jobs.KINDS[job.kind].label) if job.kind in jobs.KINDS else job.kind

    @display(
        description=_("status"),
        ordering="status",
        label={
            Status.DONE.label: "success",
            Status.RUNNING.label: "info",
            Status.FAILED.label: "danger",
            Status.CANCELLED.label: "warning",
        },
    )
    def state(self, job: Job) -> str:
        return job.get_status_display()

    @display(description=_("progress"))
    def share(self, job: Job) -> str:
        return f"{percent_of(job)}%" if job.status == Status.RUNNING else "–"

    @display(description=_("took"))
    def took(self, job: Job) -> str:
        return time_of(job, now=timezone.now()) or "–"

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(f"<int:pk>/{route}", self.admin_site.admin_view(view), name=f"crm_job_{name}")

        return [
            at("progress/", self.progress_view, "progress"),
            at("cancel/", require_POST(self.cancel_view), "cancel"),
            at("files/<slug:which>/", self.file_view, "file"),
            path("export/<str:screen>/", self.admin_site.admin_view(export_view), name="crm_job_export"),
            *super().get_urls(),
        ]

    def _job(self, request: HttpRequest, pk: Any) -> Job:
        """The job, if this person may see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request), pk=pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404
        job = self._job(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(job),
            "original": job,
            "kind": self.shown_kind(job),
            **job_context(job, now=timezone.now()),
        }
        return TemplateResponse(request, "jobs/job.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of a page that moves; the whole page is loaded again when the job is over."""
        job = self._job(request, pk)
        response = render(request, "jobs/_progress.html", job_context(job, now=timezone.now()))
        if job.is_over:
            response["HX-Refresh"] = "true"
        return response

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = self._job(request, pk)
        if not jobs.cancel_job(job=job, now=timezone.now()):
            self.message_user(request, _t("It was over already."), messages.WARNING)
        return redirect(safe_next(request) or reverse("admin:crm_job_change", args=[pk]))

    def file_view(self, request: HttpRequest, pk: int, which: str) -> HttpResponseBase:
        job = self._job(request, pk)
        if not jobs.may_take_files(cast(User, request.user), job):
            raise PermissionDenied
        stored = getattr(job, FILES[which]) if which in FILES else ""
        if not files.exists(stored):
            raise Http404(_t("This file was removed."))
        if job.kind == "export" and job.created_by != request.user:  # its maker's taking was noted when it began
            audit.exported(what=str(job)[:200], count=job.result.get("rows", 0), request=request)
        return files.serve(stored, name=stored.rpartition("/")[2])


def safe_next(request: HttpRequest) -> str:
    """Where the page that was left wants to go on: one of ours."""
    address = request.POST.get("next", "")
    return address if address.startswith("/admin/") and "//" not in address and "\\" not in address else ""
