"""Pages about one segment besides its members: what changed, why somebody is in or out, versions, and picked people."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import audit, finding
from crm.admin.exporting import export_address
from crm.models import Customer
from segments import changes, domain, exports, people, versions, why
from segments.forms import PickForm
from segments.models import Segment, SegmentVersion
from segments.overview import sentence_of
from segments.rules import RuleError

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Admin
else:
    _Admin = object

FOUND = 12
"""People offered for a name."""
TOLD = 5
"""Lines of a list that are repeated where nobody was found for them."""


def tabs(segment: Segment, request: HttpRequest, here: str) -> list[dict[str, Any]]:
    """Links from one page of the segment to the others."""
    shown = [("members", _("Members"))]
    if segment.kind == Segment.Kind.PICKED and request.user.has_perm("segments.change_segment"):
        shown.append(("people", _("Put in, take out")))
    shown.append(("changes", _("What changed?")))
    if segment.kind in domain.FOLLOW_RULES:
        shown += [("why", _("Why in, why out?")), ("versions", _("Versions"))]
    return [
        {"url": reverse(f"admin:segments_segment_{key}", args=[segment.pk]), "label": label, "is_here": key == here}
        for key, label in shown
    ]


class MembershipPages(_Admin):
    """Mixed into the admin of segments."""

    def membership_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("pick/", wrap(self.pick_view), name="segments_segment_pick"),
            path("<int:pk>/changes/", wrap(self.changes_view), name="segments_segment_changes"),
            path("<int:pk>/why/", wrap(self.why_view), name="segments_segment_why"),
            path("<int:pk>/versions/", wrap(self.versions_view), name="segments_segment_versions"),
            path("<int:pk>/people/", wrap(self.people_view), name="segments_segment_people"),
        ]

    def _segment(self, request: HttpRequest, pk: int) -> Segment:
        segment = get_object_or_404(Segment, pk=pk)
        if not self.has_view_permission(request, segment):
            raise PermissionDenied
        return segment

    def _page(self, request: HttpRequest, segment: Segment, here: str, **context: Any) -> TemplateResponse:
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": segment.name,
            "segment": segment,
            "sentence": sentence_of(segment),
            "tabs": tabs(segment, request, here),
            "may_change": self.has_change_permission(request, segment) and segment.kind != Segment.Kind.PERSONA,
        }
        return TemplateResponse(request, f"segments/{here}.html", {**shared, **context})

    def changes_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Who came and went between two days."""
        segment = self._segment(request, pk)
        asked = {name: request.GET.get(name, "") for name in ("since", "until", "only")}
        try:
            span, problem = changes.read_span(**asked, now=timezone.now()), ""
        except ValueError:
            span = changes.read_span(since="", until="", only="", now=timezone.now())
            problem = _("These dates can't be read; the last four weeks are shown.")
        found = changes.summary(segment=segment, span=span)
        total = {"came": found.came, "went": found.went}.get(span.only, found.came + found.went)
        may_see = request.user.has_perms(["crm.view_customer", "segments.view_membershipevent"])
        number = request.GET.get("p")
        page = changes.events_page(segment=segment, span=span, number=number, total=total) if may_see else None
        seen = len({event.customer_id for event in page.object_list}) if page else 0
        audit.searched(what="segment changes", count=seen, request=request, detail=f"segment {segment.pk}")
        query = f"segment={segment.pk}&{span.query}"
        return self._page(
            request,
            segment,
            "changes",
            span=span,
            problem=problem,
            summary=found,
            chart=found.chart,
            page=page,
            export_address=export_address(request, exports.changes_screen, query),
        )

    def why_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Somebody looked up: why they are in, or out."""
        segment = self._segment(request, pk)
        if not request.user.has_perms(["crm.view_customer", "segments.view_membership"]):
            raise PermissionDenied
        text, chosen = request.GET.get("q", "")[:200].replace("\x00", ""), request.GET.get("customer", "")
        customer, found = None, list[Customer]()
        if _is_key(chosen):
            customer = finding.survivor(get_object_or_404(Customer, pk=int(chosen), erased_at=None))
        elif text.strip():
            found = finding.search(text=text, limit=FOUND)
            audit.searched(what="segment: why", count=len(found), request=request, detail=f"segment {segment.pk}")
            if len(found) == 1:
                (customer,), found = found, []
        belonging = None
        if customer is not None:
            audit.looked(customer=customer, what="page: why in a segment", request=request)
            belonging = why.explain(customer=customer, segment=segment, now=timezone.now())
        shut_out = why.shut_out(customer, now=timezone.now()) if customer is not None else ""
        context = {"customer": customer, "belonging": belonging, "shut_out": shut_out}
        if "HX-Request" in request.headers and belonging is not None:
            return TemplateResponse(request, "segments/_belonging.html", context)
        return self._page(request, segment, "why", text=text, found=found, **context)

    def versions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The rules it has had; one of them can be taken up again."""
        segment = self._segment(request, pk)
        if request.method == "POST":
            if segment.kind == Segment.Kind.PERSONA or not self.has_change_permission(request, segment):
                raise PermissionDenied
            number = request.POST.get("number", "")
            if not _is_key(number) or len(number) > 9:
                return HttpResponseBadRequest()
            self._restore(request, segment, int(number), timezone.now())
            return HttpResponseRedirect(reverse("admin:segments_segment_versions", args=[segment.pk]))
        return self._page(request, segment, "versions", editions=versions.editions(segment=segment))

    def _restore(self, request: HttpRequest, segment: Segment, number: int, now: datetime) -> None:
        try:
            domain.restore_version(segment=segment, number=number, by=user_of(request), now=now)
        except SegmentVersion.DoesNotExist:
            self.message_user(request, _("There is no such version."), messages.ERROR)
        except RuleError as error:
            message = _("Version %(number)d can't be used any more: %(reason)s")
            self.message_user(request, message % {"number": number, "reason": error}, messages.ERROR)
        else:
            message = _("Version %(number)d is in use again; its members are being counted.")
            self.message_user(request, message % {"number": number}, messages.SUCCESS)

    def pick_view(self, request: HttpRequest) -> HttpResponse:
        """A new segment of people picked by hand."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PickForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            segment = people.pick(
                name=data["name"], description=data["description"], by=user_of(request), now=timezone.now()
            )
            return HttpResponseRedirect(reverse("admin:segments_segment_people", args=[segment.pk]))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": _("Pick people by hand")}
        return TemplateResponse(request, "segments/pick.html", {**context, "form": form})

    def people_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Putting people in and taking them out, by name or by a list."""
        segment = self._segment(request, pk)
        allowed = self.has_change_permission(request, segment) and request.user.has_perm("crm.view_customer")
        if segment.kind != Segment.Kind.PICKED or not allowed:
            raise PermissionDenied
        if request.method == "POST":
            return self._move_people(request, segment)
        text = request.GET.get("q", "")[:200].replace("\x00", "")
        found = finding.search(text=text, limit=FOUND) if text.strip() else []
        audit.searched(what="segment: picking people", count=len(found), request=request, detail=f"segment {pk}")
        inside = set(
            segment.memberships.filter(customer__in=[one.pk for one in found]).values_list("customer_id", flat=True)
        )
        return self._page(request, segment, "people", text=text, found=[(one, one.pk in inside) for one in found])

    def _move_people(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        ids = [int(one) for one in request.POST.getlist("customer") if _is_key(one)]
        back = reverse("admin:segments_segment_people", args=[segment.pk])
        match request.POST.get("do"):
            case "add":
                came = people.add_people(segment=segment, customer_ids=ids, now=timezone.now())
            case "remove":
                went = people.remove_people(segment=segment, customer_ids=ids, now=timezone.now())
                message = ngettext("%(number)d person was taken out.", "%(number)d people were taken out.", went)
                self.message_user(request, message % {"number": went}, messages.SUCCESS)
                return HttpResponseRedirect(_members(segment) if "members" in request.POST else back)
            case "list":
                lines = people.lines_of(request.POST.get("lines", ""))
                if len(lines) > people.MOST_AT_ONCE:
                    message = _("At most %(limit)d lines at once.") % {"limit": people.MOST_AT_ONCE}
                    self.message_user(request, message, messages.ERROR)
                    return HttpResponseRedirect(back)
                told = people.named_by(lines=lines)
                came = people.add_people(segment=segment, customer_ids=told.customer_ids, now=timezone.now())
                self._tell_unclear(request, told)
            case _:
                return HttpResponseBadRequest()
        message = ngettext("%(number)d person was put in.", "%(number)d people were put in.", came)
        self.message_user(request, message % {"number": came}, messages.SUCCESS)
        return HttpResponseRedirect(back)

    def _tell_unclear(self, request: HttpRequest, told: "people.Told") -> None:
        unknown, unclear = _("Nobody was found for: %(lines)s."), _("More than one person goes by: %(lines)s.")
        for words, message in ((told.unknown, unknown), (told.unclear, unclear)):
            if words:
                shown = ", ".join(f"“{word[:60]}”" for word in words[:TOLD])
                more = len(words) - TOLD
                if more > 0:
                    shown += " " + _("and %(number)d more") % {"number": more}
                self.message_user(request, message % {"lines": shown}, messages.WARNING)


def _members(segment: Segment) -> str:
    return reverse("admin:segments_segment_members", args=[segment.pk])


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def user_of(request: HttpRequest) -> Any:
    return request.user if request.user.is_authenticated else None
