"""“Export…” on the lists of the back office: one button, one page, one job."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit
from crm.exporting import FORMATS, SCREENS, Export, Screen, offer
from crm.exporting import run as exporting
from crm.exporting.lists import PERSONAL

NOT_FILTERS = {"p", "o", "all", "_popup", "_to_field", "_facets", "e"}


class Exportable:
    """A list of the admin with the exports of :attr:`exports`, filtered and searched as on the screen."""

    exports: ClassVar[Sequence[Export]] = ()
    change_list_template = "exports/change_list.html"

    def __init__(self, model: Any, admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)  # type: ignore[call-arg]  # a mixin before ModelAdmin
        self.screen = offer(Screen(model._meta.label_lower, self.exports, self._on_screen, self._back))

    def _on_screen(self, user: User, query: str) -> QuerySet[Any]:
        """What the change list shows for this query string, all pages of it."""
        request = HttpRequest()
        request.method, request.GET, request.user = "GET", QueryDict(query), user
        if not self.has_view_permission(request):  # type: ignore[attr-defined]  # ModelAdmin's
            raise PermissionDenied
        found: QuerySet[Any] = self.get_changelist_instance(request).queryset  # type: ignore[attr-defined]
        return found

    def _back(self, query: str) -> str:
        opts = self.opts  # type: ignore[attr-defined]  # ModelAdmin's
        address = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        return f"{address}?{query}" if query else address

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {**(extra_context or {}), "export_address": export_address(request, self.screen)}
        response: HttpResponse = super().changelist_view(request, extra)  # type: ignore[misc]  # ModelAdmin's
        return response


def export_address(request: HttpRequest, screen: Screen, query: str | None = None) -> str:
    """Where this screen is exported, as it is filtered now; "" for those who may not."""
    if not screen.allowed(cast(User, request.user)):
        return ""
    address = reverse("admin:crm_job_export", args=[screen.name])
    query = request.GET.urlencode() if query is None else query
    return f"{address}?{query}" if query else address


def export_view(request: HttpRequest, screen: str) -> HttpResponseBase:
    """Choose what and in which format; then the file, or the job that makes it."""
    if screen not in SCREENS:
        raise Http404
    place, query = SCREENS[screen], request.GET.urlencode()
    allowed = place.allowed(cast(User, request.user))
    if not allowed:
        raise PermissionDenied
    try:
        found = place.find(cast(User, request.user), query)
    except (IncorrectLookupParameters, DisallowedModelAdminLookup, SuspiciousOperation, ValueError):
        messages.error(request, _("These filters do not exist. Choose them again, then export."))
        return redirect(place.back(""))
    if request.method == "POST":
        return _export(request, place, query, found, allowed)
    rows = {export.name: exporting.count(export, found) for export in allowed}
    context = {
        **admin.site.each_context(request),
        "title": _("Export"),
        "choices": [(export, rows[export.name]) for export in allowed],
        "formats": FORMATS,
        "at_once": exporting.AT_ONCE,
        "is_personal": any(PERSONAL in export.permissions for export in allowed),
        "is_filtered": any(key not in NOT_FILTERS for key in request.GET),
        "back": place.back(query),
    }
    return TemplateResponse(request, "exports/export.html", context)


def _export(
    request: HttpRequest, place: Screen, query: str, found: QuerySet[Any], allowed: list[Export]
) -> HttpResponseBase:
    chosen = {export.name: export for export in allowed}.get(request.POST.get("what", ""))
    form = request.POST.get("format", "")
    if chosen is None or form not in FORMATS:
        return HttpResponseBadRequest(_("Choose what to export, and a format."))
    rows = exporting.count(chosen, found)
    if PERSONAL in chosen.permissions:
        narrowed = ", ".join(sorted(set(QueryDict(query)) - NOT_FILTERS))
        detail = f"{form}; {narrowed}" if narrowed else form
        audit.exported(what=str(chosen.label), count=rows, request=request, detail=detail[:500])
    if rows > exporting.AT_ONCE:
        job = exporting.start(export=chosen, screen=place.name, query=query, form=form, by=cast(User, request.user))
        return redirect(reverse("admin:crm_job_change", args=[job.pk]))
    name = exporting.file_name(chosen, suffix=FORMATS[form].suffix, on=timezone.localdate())
    return StreamingHttpResponse(
        exporting.pieces(chosen, found, form=form),
        content_type=FORMATS[form].content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
