"""What customers asked about their data: the open ones by urgency, and a page each to answer them."""

import uuid
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Case, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from crm import audit, customers, data_requests, erasing, privacy_jobs
from crm.admin.base import RecordAdmin
from crm.days import shop_day
from crm.exporting import lists
from crm.forms import CorrectionForm, RequestForm, note_request
from crm.models import Customer, DataRequest
from crm.views.my_data import FORMS, copy_file

Kind, Status = DataRequest.Kind, DataRequest.Status


@admin.register(DataRequest)
class DataRequestAdmin(RecordAdmin):
    exports = [lists.requests]
    list_display = ["asked", "customer", "due", "state", "through", "asked_at"]
    list_filter = ["status", "kind"]
    list_select_related = ["customer"]
    personal = "customer"

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataRequest]:
        """Open ones first, the most urgent on top; then those answered, the latest first."""
        is_open = Case(When(status=Status.OPEN, then=Value(0)), default=Value(1))
        return super().get_queryset(request).order_by(is_open, "due_on", "-id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("crm.note_request") and request.user.has_perm("crm.view_customer")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("asks"), ordering="kind")
    def asked(self, asked: DataRequest) -> str:
        return asked.get_kind_display()

    @display(description=_("answer due"), ordering="due_on")
    def due(self, asked: DataRequest) -> SafeString | str:
        day = date_format(asked.due_on, "SHORT_DATE_FORMAT")
        return format_html('<span class="rg-down rg-strong">{}</span>', day) if is_overdue(asked) else day

    @display(
        description=_("status"),
        ordering="status",
        label={_("open"): "warning", _("done"): "success", _("refused"): "danger", _("overdue"): "danger"},
    )
    def state(self, asked: DataRequest) -> Any:
        return _("overdue") if is_overdue(asked) else asked.get_status_display()

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"crm_datarequest_{name}")

        return [
            at("<int:pk>/do/", require_POST(self.do_view), "do"),
            at("<int:pk>/copy/<slug:form>/", self.copy_view, "copy"),
            *super().get_urls(),
        ]

    def _asked(self, request: HttpRequest, pk: Any, *, to_change: bool = False) -> DataRequest:
        allowed = self.has_change_permission(request) if to_change else self.has_view_permission(request)
        if not allowed:
            raise PermissionDenied
        rows = DataRequest.objects.select_related("customer", "job", "recorded_by", "decided_by")
        return get_object_or_404(rows, pk=pk)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Note what a customer asks: `?customer=` says who, as any page links here."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        customer = _customer(request.GET.get("customer", ""))
        form = RequestForm(request.POST if request.method == "POST" else None, initial={"key": uuid.uuid4()})
        if customer and request.method == "POST" and form.is_valid():
            try:
                noted = note_request(
                    form,
                    customer=customer,
                    through=form.cleaned_data["through"] or DataRequest.Through.EMAIL,
                    by=_member(request),
                    now=timezone.now(),
                )
            except ValidationError as error:
                form.add_error(None, error)
            else:
                audit.changed(customer=customer, what=f"request noted: {noted.kind}", request=request)
                may_open = self.has_view_permission(request)
                return redirect(reverse("admin:crm_datarequest_change", args=[noted.pk]) if may_open else "admin:index")
        if customer:
            audit.looked(customer=customer, what="customer asks", request=request)
        context = {"title": _t("Customer asks…"), "form": form, "customer": customer, **self._context(request)}
        return TemplateResponse(request, "privacy/note.html", context, status=422 if form.errors else 200)

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What was asked, what would happen, and the buttons."""
        if not object_id.isdecimal() or request.method == "POST":
            raise Http404
        asked = self._asked(request, object_id)
        return self._page(request, asked)

    def _page(
        self,
        request: HttpRequest,
        asked: DataRequest,
        *,
        errors: ValidationError | None = None,
        corrections: Any = None,
    ) -> TemplateResponse:
        is_open, may = asked.status == Status.OPEN, self.has_change_permission(request)
        audit.looked(customer=asked.customer, what="request", request=request)
        context = {
            **self._context(request),
            "title": asked.get_kind_display(),
            "original": asked,
            "asked": asked,
            "is_open": is_open,
            "is_overdue": is_overdue(asked),
            "may_change": may,
            "errors": errors.messages if errors else [],
            "needs_identity": is_open and asked.kind in data_requests.NEEDS_IDENTITY and not asked.identity_checked_at,
            "is_running": is_open and asked.job is not None and not asked.job.is_over,
            "preview": erasing.preview(customer=asked.customer)
            if is_open and may and asked.kind == Kind.DELETE
            else None,
            "corrections": corrections or _correction_form(asked) if is_open and asked.kind == Kind.CORRECT else None,
            "copy_ends_at": privacy_jobs.link_ends_at(asked) if asked.kind == Kind.COPY else None,
            "reply_to": asked.details.get("reply_to", ""),
        }
        return TemplateResponse(request, "privacy/request.html", context, status=422 if errors else 200)

    def do_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Check who asks, carry out, extend or refuse."""
        asked = self._asked(request, pk, to_change=True)
        by, now = _member(request), timezone.now()
        because = request.POST.get("because", "")
        form = None
        try:
            match request.POST.get("do"):
                case "identity":
                    data_requests.check_identity(request=asked, how=request.POST.get("identity", ""), by=by, now=now)
                case "extend":
                    data_requests.extend(request=asked, because=because, by=by, now=now)
                case "refuse":
                    data_requests.refuse(request=asked, because=because, by=by, now=now)
                case "carry_out":
                    if asked.kind == Kind.CORRECT:
                        form = CorrectionForm(request.POST, instance=Customer.objects.get(pk=asked.customer_id))
                        if not form.is_valid():
                            raise ValidationError(_t("Not done yet: see the marked fields."))
                    corrections = form.corrections if form else None
                    data_requests.carry_out(request=asked, by=by, now=now, corrections=corrections)
                case _:
                    raise Http404
        except ValidationError as error:
            return self._page(request, self._asked(request, pk), errors=error, corrections=form)
        audit.changed(customer=asked.customer, what=f"request: {request.POST['do']}", request=request)
        asked.refresh_from_db()
        self.message_user(request, _said(asked, request.POST["do"]), messages.SUCCESS)
        return redirect(reverse("admin:crm_datarequest_change", args=[pk]))

    def copy_view(self, request: HttpRequest, pk: int, form: str) -> HttpResponseBase:
        """The copy, to be handed over at the counter."""
        asked = self._asked(request, pk, to_change=True)
        if form not in FORMS or privacy_jobs.link_ends_at(asked) is None:
            raise Http404(_t("This file was removed."))
        audit.exported(what="copy of a customer's data", count=1, customer=asked.customer, request=request)
        return copy_file(asked, form)


def is_overdue(asked: DataRequest) -> bool:
    return asked.status == Status.OPEN and asked.due_on < shop_day(timezone.now())


def _customer(text: str) -> Customer | None:
    """Who is meant: by id, as our links say it, or by number, as people type it."""
    text = text.strip()[:100]
    if text.isascii() and text.isdecimal() and len(text) < 19 and (found := customers.live().filter(pk=text).first()):
        return found
    return customers.live().filter(number=text).first() if text else None


def _correction_form(asked: DataRequest) -> CorrectionForm:
    """The customer's fields, with what they asked to be put there."""
    return CorrectionForm(instance=asked.customer, initial=asked.details.get("corrections", {}))


def _member(request: HttpRequest) -> User:
    return cast(User, request.user)  # the admin lets nobody else in


def _said(asked: DataRequest, what: str) -> str:
    if what == "identity":
        return _t("Noted.")
    if what == "extend":
        return _t("Extended.")
    if asked.status == Status.REFUSED:
        return _t("Refused. The reply says why.")
    return _t("Done.") if asked.status == Status.DONE else _t("It is being done; this page says when it is finished.")
