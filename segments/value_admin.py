"""The pages of ready-made knowledge about what customers are worth: RFM, lifecycle, regular buyers, expected value."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.views.access import member
from segments import regulars_page, rfm_page, stages_page, value_job, value_page


class ValuePages:
    """Views for the admin of segments, beside those of :class:`segments.knowledge_admin.KnowledgePages`."""

    admin_site: Any
    has_add_permission: Any
    _allow: Any
    _allow_adding: Any
    _knowledge: Any

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=name)

        return [
            at("rfm/", self.rfm_view, "segments_rfm"),
            at("stages/", self.stages_view, "segments_stages"),
            at("regulars/", self.regulars_view, "segments_regulars"),
            at("expected/", self.value_view, "segments_value"),
            *super().get_urls(),  # type: ignore[misc]  # of the ModelAdmin that this is mixed into
        ]

    def rfm_view(self, request: HttpRequest) -> HttpResponse:
        """Who bought lately, often and for much."""
        self._allow(request)
        found = rfm_page.page(month=request.GET.get("month", ""), may_add=self.has_add_permission(request))
        return self._shown(request, "rfm.html", _("RFM"), **found)

    def stages_view(self, request: HttpRequest) -> HttpResponse:
        """How far customers have come, and how long it took them."""
        self._allow(request)
        return self._shown(
            request,
            "stages.html",
            _("Lifecycle"),
            **stages_page.page(now=timezone.now(), may_add=self.has_add_permission(request)),
        )

    def regulars_view(self, request: HttpRequest) -> HttpResponse:
        """Who buys something again and again, and is late for it."""
        self._allow(request)
        category = request.GET.get("category", "")[:1000].replace("\x00", "")
        found = regulars_page.page(now=timezone.now(), category=category)
        return self._shown(request, "regular_buyers.html", _("Regular buyers"), **found)

    def value_view(self, request: HttpRequest) -> HttpResponse:
        """What customers will probably buy. A post has it worked out again."""
        self._allow(request)
        if request.method == "POST":
            self._allow_adding(request)
            value_job.start(by=member(request))
            messages.success(request, _("It is being worked out; look again in a minute."))
            return redirect("admin:segments_value")
        under_way = value_job.going_on() is not None
        return self._shown(
            request, "expected_value.html", _("Expected value"), under_way=under_way, **value_page.page()
        )

    def _shown(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        response: HttpResponse = self._knowledge(request, template, title, **context)
        return response
