"""Segments in the back office: the list, the builder, and the page of one segment with its members."""

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from crm import audit, privacy
from crm.admin.exporting import Exportable, export_address
from crm.attributes import Filter, lookup
from crm.page import parts
from crm.templatetags.regulars import count
from segments import builder, domain, exports, offers, overlap, overview, people, picking, proof, why
from segments.forms import MAX_LENGTH, NameForm, SegmentForm
from segments.knowledge_admin import KnowledgePages
from segments.models import Segment
from segments.overview import sentence_of
from segments.pages import MembershipPages, tabs, user_of
from segments.rules import RuleError
from segments.value_admin import ValuePages

picking.register()


class ArchivedFilter(admin.SimpleListFilter):
    title = gettext_lazy("archived")
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("archived")), ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        return [{**first, "display": _("in use")}, *rest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Segment]) -> QuerySet[Segment]:
        if self.value() == "all":
            return queryset
        return queryset.filter(is_archived=self.value() == "yes")


@admin.register(Segment)
class SegmentAdmin(ValuePages, KnowledgePages, MembershipPages, Exportable, ModelAdmin):
    exports = [exports.segments]
    form = SegmentForm
    list_display = ["name", "sentence", "members", "as_of", "last_change"]
    list_filter = [ArchivedFilter, "kind"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    list_per_page = 50
    actions = ["compare_chosen", "archive_chosen"]
    change_form_template = "segments/change_form.html"
    change_list_template = "segments/change_list.html"
    warn_unsaved_form = True
    compressed_fields = False

    class Media:
        css = {"all": ["css/segments.css", "css/knowledge.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        """Without the personas' own ones: those are edited with the persona."""
        return super().get_queryset(request).exclude(kind=Segment.Kind.PERSONA)

    def has_delete_permission(self, request: HttpRequest, obj: Segment | None = None) -> bool:
        """Campaigns refer to segments, and their history tells what happened: they are archived instead."""
        return False

    def get_form(self, request: HttpRequest, obj: Segment | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Without a rule where people are picked by hand, or frozen."""
        if obj is not None and obj.kind not in domain.FOLLOW_RULES:
            kwargs["form"] = NameForm
        return super().get_form(request, obj, change, **kwargs)

    @display(description=gettext_lazy("who belongs to it"))
    def sentence(self, segment: Segment) -> SafeString:
        return format_html('<span class="segment-sentence">{}</span>', sentence_of(segment))

    @display(description=gettext_lazy("members"), ordering="members_count")
    def members(self, segment: Segment) -> SafeString:
        link = reverse("admin:segments_segment_members", args=[segment.pk])
        return format_html('<a class="rg-link rg-num" href="{}">{}</a>', link, count(segment.members_count))

    @display(description=gettext_lazy("as of"), ordering="refreshed_at")
    def as_of(self, segment: Segment) -> SafeString | str:
        """The time of the last count, with its day unless that is today; a mark where something is the matter."""
        if segment.last_error:
            return format_html('<span class="rg-chip rg-chip-bad">{}</span>', _("needs a look"))
        if segment.is_being_counted:
            return format_html('<span class="rg-chip rg-chip-warm">{}</span>', _("being counted"))
        moment = timezone.localtime(segment.refreshed_at)
        is_today = moment.date() == timezone.localdate()
        return date_format(moment, "TIME_FORMAT" if is_today else "DATE_FORMAT")

    @display(description=gettext_lazy("last change"), ordering="changed_at")
    def last_change(self, segment: Segment) -> str:
        return date_format(timezone.localtime(segment.changed_at), "DATE_FORMAT")

    def save_model(self, request: HttpRequest, obj: Segment, form: Any, change: bool) -> None:
        data = form.cleaned_data
        named = {"name": data["name"], "description": data["description"]}
        if change:
            saved = domain.rename(segment=Segment.objects.get(pk=obj.pk), now=timezone.now(), **named)
            if "rule" in data:
                domain.change_rule(segment=saved, rule=data["rule"], by=user_of(request), now=timezone.now())
        else:
            obj.pk = domain.create_segment(rule=data["rule"], by=user_of(request), **named).pk
        obj.refresh_from_db()

    def response_post_save_add(self, request: HttpRequest, obj: Segment) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[obj.pk]))

    response_post_save_change = response_post_save_add

    @admin.action(description=gettext_lazy("Compare"), permissions=["view"])
    def compare_chosen(self, request: HttpRequest, queryset: QuerySet[Segment]) -> HttpResponseRedirect:
        chosen = [str(pk) for pk in queryset.order_by("name").values_list("pk", flat=True)[: overlap.MOST]]
        return HttpResponseRedirect(reverse("admin:segments_segment_compare", query={"segment": chosen}))

    @admin.action(description=gettext_lazy("Archive"), permissions=["change"])
    def archive_chosen(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        for segment in queryset:
            domain.archive(segment=segment, now=timezone.now())
        self.message_user(request, _("Archived. Their members stay as they are."), messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        def wrap(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        return [
            path("customer/<int:pk>/", wrap(self.customer_view), name="segments_customer"),
            path("preview/", wrap(self.preview_view), name="segments_segment_preview"),
            path("values/", wrap(self.values_view), name="segments_segment_values"),
            path("compare/", wrap(self.compare_view), name="segments_segment_compare"),
            path("<int:pk>/members/", wrap(self.members_view), name="segments_segment_members"),
            path("<int:pk>/do/", wrap(self.do_view), name="segments_segment_do"),
            *self.membership_urls(),
            *super().get_urls(),
        ]

    def customer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The segments of one customer, for their page."""
        customer = parts.customer_for(request, pk, "segments")
        kinds = [kind for kind in Segment.Kind.values if kind != Segment.Kind.PERSONA]
        belongings = why.why(customer=customer, now=timezone.now(), kinds=kinds)
        inside = [one.segment.pk for one in belongings]
        others = Segment.objects.filter(kind=Segment.Kind.DYNAMIC, is_archived=False).exclude(pk__in=inside)
        context = {"belongings": belongings, "nothing": why.nothing_said(customer), "others": others.order_by("name")}
        return parts.show(request, "segments", "segments/_customer.html", customer, **context)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The live number, sentence and sample of a rule that is being built."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST" or len(request.body) > MAX_LENGTH:
            return HttpResponseBadRequest()
        try:
            rule = json.loads(request.body)
        except (ValueError, RecursionError):
            return HttpResponseBadRequest()
        with_names = request.user.has_perm("crm.view_customer")
        saved = _asked_for(Segment.objects.all(), request.GET.getlist("segment"))
        before = saved[0].rule if saved else None
        shown = builder.preview(rule=rule, now=timezone.now(), with_names=with_names, saved=before)
        audit.searched(what="segment builder", count=len(shown.get("sample", [])), request=request)
        return JsonResponse(shown)

    def values_view(self, request: HttpRequest) -> HttpResponse:
        """Values to choose from, with how many customers have each."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = request.GET.get("text", "")[:200].replace("\x00", "")
        attribute = lookup(request.GET.get("attribute", ""))
        if attribute is not None:
            if not privacy.may_see(request.user, attribute):
                raise PermissionDenied
            argument = request.GET.get("argument", "")[:200].replace("\x00", "")
            found = offers.values_of(attribute=attribute, text=text, argument=argument)
        elif request.GET.get("filter") in list(Filter):
            found = offers.names_for(kind=Filter(request.GET["filter"]), text=text)
        else:
            return HttpResponseBadRequest()
        return JsonResponse({"values": [vars(offer) for offer in found]})

    def members_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Who belongs to the segment and since when, how to reach them, who came and went."""
        segment = get_object_or_404(Segment, pk=pk)
        if not self.has_view_permission(request, segment):
            raise PermissionDenied
        may_see = request.user.has_perm("crm.view_customer")
        page = overview.members_page(segment=segment, number=request.GET.get("p")) if may_see else None
        events = list(overview.recent_events(segment=segment)) if may_see else []
        people = {row.customer_id for row in [*(page.object_list if page else []), *events]}
        audit.searched(what="segment members", count=len(people), request=request, detail=f"segment {segment.pk}")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": segment.name,
            "segment": segment,
            "sentence": sentence_of(segment),
            "tabs": tabs(segment, request, "members"),
            "waiting": segment.is_being_counted and not segment.last_error,
            "used_by": overview.used_by(segment=segment),
            "faults": segment.faults.filter(seen_at=None),
            "may_take_out": segment.kind == Segment.Kind.PICKED and self.has_change_permission(request, segment),
            "may_see": may_see,
            "may_change": self.has_change_permission(request, segment),
            "may_add": self.has_add_permission(request),
            "is_persona": segment.kind == Segment.Kind.PERSONA,
            "export_address": export_address(request, exports.members_screen, f"segment={segment.pk}"),
            "reach": overview.reach(segment=segment),
            "likes": overview.likes(segment=segment),
            "chart": overview.chart(segment=segment, now=timezone.now()),
            "page": page,
            "events": events,
        }
        return TemplateResponse(request, "segments/members.html", context)

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """How two or three segments overlap, each part of it one click from being a segment."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = _asked_for(self.get_queryset(request), request.GET.getlist("segment"))[: overlap.MOST]
        found = overlap.regions(segments=chosen) if len(chosen) > 1 else []
        may_add = self.has_add_permission(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Compare segments"),
            "choices": self.get_queryset(request).filter(is_archived=False).order_by("name"),
            "places": [*chosen, *[None] * overlap.MOST][: overlap.MOST],
            "chosen": chosen,
            "regions": [(region, overlap.link(region)) for region in found],
            "sentence": overlap.sentence(segments=chosen, found=found),
            "venn": overlap.venn(segments=chosen, found=found),
            "chart": overlap.upset(segments=chosen, found=found, may_add=may_add) if found else None,
            "may_add": may_add,
        }
        return TemplateResponse(request, "segments/compare.html", context)

    def do_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Duplicate, freeze, archive or restore; or having seen that it was out of step."""
        segment = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method != "POST":
            return HttpResponseBadRequest()
        match request.POST.get("do"):
            case "duplicate" if self.has_add_permission(request):
                return self._duplicate(request, segment)
            case "freeze" if self.has_add_permission(request):
                frozen = people.freeze(segment=segment, by=user_of(request), now=timezone.now())
                self.message_user(request, _("Frozen: these people stay in it, whatever they do."), messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[frozen.pk]))
            case "seen" if self.has_change_permission(request, segment):
                proof.see(segment=segment, now=timezone.now())
            case "archive" if self.has_change_permission(request, segment):
                domain.archive(segment=segment, now=timezone.now())
                self.message_user(request, _("Archived. Its members stay as they are."), messages.SUCCESS)
            case "restore" if self.has_change_permission(request, segment):
                domain.restore(segment=segment, now=timezone.now())
                self.message_user(request, _("Restored. Its members are being counted."), messages.SUCCESS)
            case _:
                raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))

    def _duplicate(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        if segment.kind not in domain.FOLLOW_RULES:
            copy = people.duplicate_people(segment=segment, by=user_of(request), now=timezone.now())
            return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[copy.pk]))
        try:
            copy = domain.duplicate(segment=segment, by=user_of(request))
        except RuleError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
        return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[copy.pk]))


def _asked_for(segments: QuerySet[Segment], keys: list[str]) -> list[Segment]:
    """Those with these keys from an address, in that order; what is no key is nobody's."""
    numbers = [int(key) for key in keys if key.isascii() and key.isdecimal() and len(key) < 19]
    found = segments.in_bulk(numbers)
    return [found[number] for number in dict.fromkeys(numbers) if number in found]
