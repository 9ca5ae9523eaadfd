"""Personas in the back office: cards, a sheet that opens with what matters, and the people behind each claim."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from crm import audit
from crm.page import parts
from personas import sheet
from personas.domain import create_persona, update_persona
from personas.evidence import TRAITS
from personas.forms import PersonaForm
from personas.models import Persona
from segments import why
from segments.compile import live_customers
from segments.models import Segment

PEOPLE_A_PAGE = 50


@admin.register(Persona)
class PersonaAdmin(ModelAdmin):
    form = PersonaForm
    change_list_template = "personas/persona_list.html"
    search_fields = ("name", "job", "story")
    list_display = ("name", "job", "is_active")
    list_filter = ("is_active",)
    list_per_page = 60
    warn_unsaved_form = True

    class Media:
        css = {"all": ["css/personas.css"]}

    fieldsets = (
        (None, {"fields": (("name", "is_active"), "quote", "portrait")}),
        (_("Reach them, tell them"), {"fields": ("preferred_channel", "key_message")}),
        (_("Who is like that"), {"fields": ("rule",)}),
        (_("The person"), {"fields": (("age", "decision_power"), ("job", "home"), "story")}),
        (_("What moves them"), {"fields": ("goals", "worries", "values")}),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Persona]":
        return super().get_queryset(request).select_related("segment").order_by("-is_active", "name")

    def has_delete_permission(self, request: HttpRequest, obj: Persona | None = None) -> bool:
        """Campaigns remember whom they were for: a persona is put away, not deleted."""
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("customer/<int:pk>/", view(self.customer_view), name="personas_customer"),
            path("<int:pk>/sheet/", view(self.sheet_view), name="personas_persona_sheet"),
            path("<int:pk>/people/", view(self.people_view), name="personas_persona_people"),
            path("<int:pk>/portrait/", view(self.portrait_view), name="personas_persona_portrait"),
            *super().get_urls(),
        ]

    def customer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The personas that one customer is like, for their page."""
        customer = parts.customer_for(request, pk, "personas")
        belongings = why.why(customer=customer, now=timezone.now(), kinds=[Segment.Kind.PERSONA])
        personas = Persona.objects.in_bulk([one.segment.pk for one in belongings], field_name="segment_id")
        return parts.show(
            request,
            "personas",
            "personas/_customer.html",
            customer,
            likenesses=[(personas[one.segment.pk], one) for one in belongings],
            nothing=why.nothing_said(customer),
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"customers_count": live_customers().count(), **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Persona, form: ModelForm, change: bool) -> None:
        rule, by = form.cleaned_data["rule"], request.user
        if change:
            update_persona(persona=obj, rule=rule, by=by, now=timezone.now())  # type: ignore[arg-type] # staff
        else:
            create_persona(persona=obj, rule=rule, by=by)  # type: ignore[arg-type] # staff

    def response_post_save_add(self, request: HttpRequest, obj: Persona) -> HttpResponse:
        return redirect("admin:personas_persona_sheet", obj.pk)

    def response_post_save_change(self, request: HttpRequest, obj: Persona) -> HttpResponse:
        return redirect("admin:personas_persona_sheet", obj.pk)

    def sheet_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        persona = self._get_for_view(request, pk)
        context = sheet.sheet(
            persona=persona, now=timezone.now(), sees_people=request.user.has_perm("crm.view_customer")
        )
        return self._page(request, "personas/sheet.html", persona, title=persona.name, **context)

    def people_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The customers behind a claim: who they are, never more than a page at a time."""
        persona = self._get_for_view(request, pk)
        if not request.user.has_perm("crm.view_customer"):
            raise PermissionDenied
        try:
            people, claim = sheet.people_behind(persona=persona, asked=request.GET)
        except sheet.UnknownClaim as error:
            raise Http404(str(error)) from error
        page = Paginator(people, PEOPLE_A_PAGE).get_page(request.GET.get("page"))
        audit.searched(
            what="persona's people", count=len(page.object_list), request=request, detail=f"persona {persona.pk}"
        )
        return self._page(
            request, "personas/people.html", persona, title=persona.name, claim=claim, page=page, asked=_asked(request)
        )

    def portrait_view(self, request: HttpRequest, pk: int) -> HttpResponse | FileResponse:
        """Portraits come through here, so that only who may see personas sees them."""
        persona = self._get_for_view(request, pk)
        if not persona.portrait:
            raise Http404
        return FileResponse(persona.portrait.open("rb"), content_type="image/webp")

    def _get_for_view(self, request: HttpRequest, pk: int) -> Persona:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Persona.objects.select_related("segment"), pk=pk)

    def _page(self, request: HttpRequest, template: str, persona: Persona, **context: Any) -> TemplateResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": persona,
                "persona": persona,
                "can_change": self.has_change_permission(request, persona),
                "sheet_url": reverse("admin:personas_persona_sheet", args=[persona.pk]),
                **context,
            },
        )


def _asked(request: HttpRequest) -> str:
    """The claim's part of the address, to be kept from page to page."""
    kept = request.GET.copy()
    for name in list(kept):
        if name not in ("category", "channel", *TRAITS):
            kept.pop(name)
    return kept.urlencode()
