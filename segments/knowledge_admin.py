"""The pages of ready-made knowledge: insight, what is bought together, clusters."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import jobs as crm_jobs
from crm.views.access import member
from crm.views.jobs import job_context
from segments import domain, jobs, knowledge_tabs
from segments.affinity import page as affinity_page
from segments.clusters import page as clusters_page
from segments.insight import page
from segments.models import AttributeInsight, Segment
from segments.naming import free_name
from segments.tree import Node, RuleError


class KnowledgePages:
    """Views for the admin of segments: who may see segments sees them, who may add segments starts analyses."""

    change_list_template = "segments/change_list.html"
    admin_site: Any
    opts: Any
    has_view_permission: Any
    has_add_permission: Any

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=name)

        return [
            at("insight/", self.insight_view, "segments_insight"),
            at("insight/<int:pk>/", self.attribute_view, "segments_insight_attribute"),
            at("clusters/", self.clusters_view, "segments_clusters"),
            at("affinity/", self.affinity_view, "segments_affinity"),
            *super().get_urls(),  # type: ignore[misc]  # of the ModelAdmin that this is mixed into
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"tabs": knowledge_tabs.tabs(request), **(extra_context or {})}
        return super().changelist_view(request, extra)  # type: ignore[misc]

    def insight_view(self, request: HttpRequest) -> HttpResponse:
        """All attributes and segments, ranked by what they tell. A post has them looked at again."""
        self._allow(request)
        if request.method == "POST":
            self._allow_adding(request)
            jobs.start_insight(by=member(request))
            return redirect("admin:segments_insight")
        run = page.latest()
        found = page.overview(run) if run else {}
        return self._knowledge(request, "insight.html", _("Insight"), **self._work(request, jobs.INSIGHT), **found)

    def attribute_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One attribute: its distribution, its groups, what they differ in. A post makes a group into a segment."""
        self._allow(request)
        kept = get_object_or_404(AttributeInsight.objects.select_related("run"), pk=pk)
        if request.method == "POST":
            number = request.POST.get("group", "")
            proposed = page.proposed(kept, int(number)) if number.isdecimal() and len(number) < 4 else None
            if proposed is None:
                raise Http404
            return self._make_segment(request, *proposed)
        found = page.attribute_page(kept)
        if found is None:
            raise Http404
        return self._knowledge(request, "insight_attribute.html", found["label"], **found)

    def clusters_view(self, request: HttpRequest) -> HttpResponse:
        """Who is alike. A post makes the clusters anew by the figures chosen, or one of them into a segment."""
        self._allow(request)
        if request.method == "POST" and "cluster" in request.POST:
            proposed = clusters_page.proposed(request.POST["cluster"])
            if proposed is None:
                raise Http404
            return self._make_segment(request, *proposed)
        form = clusters_page.ClusterForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            self._allow_adding(request)
            jobs.start_clusters(features=form.features(), count=form.cleaned_data["count"], by=member(request))
            return redirect("admin:segments_clusters")
        found = clusters_page.page(form)
        return self._knowledge(request, "clusters.html", _("Clusters"), **self._work(request, jobs.CLUSTERS), **found)

    def affinity_view(self, request: HttpRequest) -> HttpResponse:
        """What is bought together. A post has it counted again, or makes "bought this, never that" into a segment."""
        self._allow(request)
        asked = affinity_page.Asked.read(request.GET)
        if request.method == "POST":
            if "pair" not in request.POST:
                self._allow_adding(request)
                jobs.start_affinity(unit=asked.unit, by=member(request))
                return redirect(request.get_full_path())
            proposed = affinity_page.proposed(asked, request.POST["pair"])
            if proposed is None:
                raise Http404
            return self._make_segment(request, *proposed)
        found = affinity_page.page(asked, number=request.GET.get("p"))
        work = self._work(request, jobs.AFFINITY, unit=asked.unit)
        return self._knowledge(request, "affinity.html", _("Bought together"), **work, **found)

    def _make_segment(self, request: HttpRequest, name: str, rule: Node) -> HttpResponse:
        """One click makes what was found into a segment; the same rule twice leads to the one that is there."""
        self._allow_adding(request)
        try:
            written = domain.checked(rule)
        except RuleError as error:
            messages.error(request, str(error))
            return redirect(request.get_full_path())
        known = Segment.objects.filter(rule=domain.dump(written), is_archived=False, kind=Segment.Kind.DYNAMIC).first()
        if known is None:
            known = domain.create_segment(name=free_name(name), rule=written, by=member(request))
            messages.success(request, _("“%(name)s” is a segment now.") % {"name": known.name})
        return redirect("admin:segments_segment_members", known.pk)

    def _allow(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _allow_adding(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def _work(self, request: HttpRequest, kind: str, **params: Any) -> dict[str, Any]:
        """The analysis that is under way, with its progress for who may follow it; or why the last one failed."""
        found = jobs.going_on(kind, **params)
        if found is None:
            failed = jobs.last_failure(kind, **params)
            return {"failure": failed.error if failed else ""}
        user = member(request)
        may_follow = user.has_perm("crm.view_job") and crm_jobs.visible_to(user).filter(pk=found.pk).exists()
        return {"under_way": found, **(job_context(found, now=timezone.now()) if may_follow else {})}

    def _knowledge(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"segments/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": title,
                "tabs": knowledge_tabs.tabs(request),
                "may_add": self.has_add_permission(request),
                **context,
            },
        )
