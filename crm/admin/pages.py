"""The pages of a customer, a household and a company. Each opens with who this is; changing it is a page of its own."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import audit, notes, person
from crm.attributes import Scope
from crm.days import shop_day
from crm.lifecycle import STAGES, lifecycle
from crm.models import Company, Customer, Household, Note
from crm.page import groups, parts, sheet, timeline
from crm.views.access import member


class PageFirst:
    """The address of a record shows its page; ``…/edit/`` is the form, and a form that was sent is saved as ever."""

    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/edit/", wrap(self.edit_view), name=f"{name}_edit"),
            *self.page_urls(name, wrap),
            *super().get_urls(),  # type: ignore[misc]  # of the ModelAdmin that this is mixed into
        ]

    def page_urls(self, name: str, wrap: Any) -> list[URLPattern]:
        return []

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            return super().change_view(request, object_id, *args, **kwargs)  # type: ignore[misc]
        if not object_id.isascii() or not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        return self.page_view(request, int(object_id))

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return super().change_view(request, str(pk))  # type: ignore[misc]

    def page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        raise NotImplementedError

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", obj.pk)

    def _render(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        full = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **context}
        return TemplateResponse(request, template, full)


class CustomerPages(PageFirst):
    def page_urls(self, name: str, wrap: Any) -> list[URLPattern]:
        return [
            path("<int:pk>/timeline/", wrap(self.timeline_view), name=f"{name}_timeline"),
            path("<int:pk>/notes/", wrap(self.notes_view), name=f"{name}_notes"),
            path("<int:pk>/notes/<int:note>/remove/", wrap(self.remove_note_view), name=f"{name}_remove_note"),
        ]

    def page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        customer = _customer(request, pk)
        if not customer.is_live:
            return self._render(request, "customers/closed.html", _("Closed record"), customer=customer)
        audit.looked(customer=customer, what="page: customer", request=request)
        context = sheet.sheet(customer=customer, now=timezone.now())
        return self._render(
            request,
            "customers/page.html",
            str(customer),
            customer=customer,
            may_change=request.user.has_perm("crm.change_customer"),
            may_note=request.user.has_perm("crm.add_note"),
            parts=parts.for_page(customer=customer, request=request),
            **context,
            **_events(request, customer, context["ids"]),
        )

    def timeline_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The next page of what happened, or the first one of some kinds: a fragment for htmx, else the page."""
        customer = _live(request, pk)
        if "HX-Request" not in request.headers:
            return redirect("admin:crm_customer_change", customer.pk)
        audit.still_looking(customer=customer, what="page: customer, timeline", request=request)
        try:
            events = _events(request, customer, person.whole_person(customer=customer))
        except ValueError:
            return HttpResponseBadRequest()
        template = "customers/_events.html" if request.GET.get("before") else "customers/_timeline.html"
        return TemplateResponse(request, template, {"customer": customer, **events})

    def notes_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write a note."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        customer = _live(request, pk, "crm.add_note")
        try:
            notes.add_note(customer=customer, text=request.POST.get("text", ""), by=member(request), now=timezone.now())
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        return redirect(reverse("admin:crm_customer_change", args=[pk]) + "#timeline")

    def remove_note_view(self, request: HttpRequest, pk: int, note: int) -> HttpResponse:
        """Take away a note: one's own, or anybody's with the right to change notes."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        customer = _live(request, pk, "crm.add_note")
        ids = person.whole_person(customer=customer)
        found = get_object_or_404(Note, pk=note, customer__in=ids)
        if found.written_by_id != request.user.pk and not request.user.has_perm("crm.change_note"):
            raise PermissionDenied
        notes.remove_note(note=found, by=member(request), now=timezone.now())
        return redirect(reverse("admin:crm_customer_change", args=[pk]) + "#timeline")


def _customer(request: HttpRequest, pk: int) -> Customer:
    if not request.user.has_perm("crm.view_customer"):
        raise PermissionDenied
    customer = sheet.load(pk)
    if customer is None:
        raise Http404
    return customer


def _live(request: HttpRequest, pk: int, *permissions: str) -> Customer:
    customer = _customer(request, pk)
    if not request.user.has_perms(permissions):
        raise PermissionDenied
    if not customer.is_live:
        raise Http404
    return customer


def _events(request: HttpRequest, customer: Customer, ids: Any) -> dict[str, Any]:
    """A page of the timeline. Raises ValueError for a cursor that no page made."""
    sources = timeline.sources(may=request.user.has_perm)
    chosen = request.GET.get("only", "")
    narrowed = [source for source in sources if source.group == chosen] or sources
    page = timeline.page(ids=ids, sources=narrowed, before=timeline.read_cursor(request.GET.get("before", "")))
    return {
        "events": page.events,
        "after": page.after,
        "chosen": chosen,
        "groups": list({source.group: source.label for source in sources}.items()),
        "may_remove": request.user.has_perm("crm.change_note"),
        "user_id": request.user.pk,
    }


class GroupPages(PageFirst):
    """The page of a household or a company."""

    template: ClassVar[str]
    model: Any

    def page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm(f"crm.view_{self.opts.model_name}"):
            raise PermissionDenied
        found: Household | Company = get_object_or_404(self.model.objects.select_related("decision_maker"), pk=pk)
        sees_people = request.user.has_perm("crm.view_customer")
        context = groups.group(of=found, now=timezone.now()) if sees_people else {}
        if sees_people:
            audit.searched(
                what=f"page: {self.opts.model_name}", count=len(context["members"]), request=request, detail=f"#{pk}"
            )
        return self._render(
            request,
            self.template,
            str(found),
            group=found,
            sees_people=sees_people,
            may_change=request.user.has_perm(f"crm.change_{self.opts.model_name}"),
            **context,
        )


class StageFilter(admin.SimpleListFilter):
    """By how far they have come: prospects have not bought."""

    title = gettext_lazy("stage")
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(STAGES.items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = timezone.now()
        who = lifecycle(Scope(now=now, today=shop_day(now))).get(self.value() or "")
        return queryset.filter(who) if who is not None else queryset
