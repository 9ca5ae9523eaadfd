"""Duplicates: one pair after the other, side by side; merging any two by hand; what was merged, and its undoing."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from crm import audit, customers, duplicates, merging
from crm.admin.base import FactAdmin, RecordAdmin
from crm.duplicates import review
from crm.models import Customer, DuplicatePair, Merge
from crm.views.access import member

Status = DuplicatePair.Status
FOUND = 12
MANY = 100
"""More waiting pairs than these are not counted for the sidebar."""


def waiting_count(request: HttpRequest) -> str:
    """How many pairs wait, for the sidebar; nothing where none do."""
    count = duplicates.waiting()[:MANY].count()
    return f"{MANY - 1}+" if count == MANY else str(count or "")


@admin.register(DuplicatePair)
class DuplicatePairAdmin(RecordAdmin):
    """The list's address shows the surest pair that waits; a pair's own address shows that one."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and request.user.has_perm("crm.view_customer")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and request.user.has_perm("crm.merge_customer")

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"crm_duplicatepair_{name}")

        return [
            at("<int:pk>/decide/", require_POST(self.decide_view), "decide"),
            at("two/<int:left>/<int:right>/", self.two_view, "two"),
            at("two/<int:left>/<int:right>/result/", self.result_view, "result"),
            at("with/<int:pk>/", self.with_view, "with"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The next pair, of those that wait or of those set aside."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        aside = "later" in request.GET
        pair = duplicates.waiting(Status.LATER if aside else Status.OPEN).select_related("first", "second").first()
        if pair is None:
            return self._render(request, "duplicates/none.html", aside=aside, **self._counts(), **self._merged(request))
        return self._compare(request, pair.first, pair.second, pair=pair, aside=aside)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method == "POST" or not object_id.isdecimal():
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        pair = get_object_or_404(DuplicatePair.objects.select_related("first", "second"), pk=object_id)
        if not (pair.first.is_live and pair.second.is_live):
            raise Http404(_t("One of the two is no record of its own any more."))
        return self._compare(request, pair.first, pair.second, pair=pair, aside=pair.status == Status.LATER)

    def two_view(self, request: HttpRequest, left: int, right: int) -> HttpResponse:
        """Any two, chosen by hand; sent back, they are merged."""
        one, other = self._two(request, left, right)
        pair = DuplicatePair.objects.filter(first=min(left, right), second=max(left, right)).first()
        if request.method != "POST":
            return self._compare(request, one, other, pair=pair, by_hand=True)
        return self._merge(request, one, other) or self._compare(request, one, other, pair=pair, by_hand=True)

    def result_view(self, request: HttpRequest, left: int, right: int) -> HttpResponse:
        """What would come of it: a fragment that follows the choices."""
        one, other = self._two(request, left, right)
        return TemplateResponse(request, "duplicates/_result.html", _result(one, other, request.GET))

    def with_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Look for the other record of a customer."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        customer = get_object_or_404(customers.live(), pk=pk)
        text = request.GET.get("q", "").strip()[:200]
        found = [one for one in customers.search(text=text, limit=FOUND + 1) if one.pk != pk][:FOUND] if text else []
        alike = Q(first=customer) | Q(second=customer)
        pairs = duplicates.waiting().filter(alike).select_related("first", "second")[:FOUND]
        likely = [pair.second if pair.first_id == pk else pair.first for pair in pairs]
        audit.searched(what="duplicates: other records", count=len(found) + len(likely), request=request)
        context = {"customer": customer, "text": text, "found": found, "likely": likely}
        return self._render(request, "duplicates/with.html", **context)

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        pair = get_object_or_404(DuplicatePair.objects.select_related("first", "second"), pk=pk)
        aside = pair.status == Status.LATER
        decision = request.POST.get("decision", "")
        if decision == Status.SAME:
            merged = self._merge(request, pair.first, pair.second, aside=aside)
            return merged or self._compare(request, pair.first, pair.second, pair=pair, aside=aside)
        try:
            duplicates.decide(pair=pair, status=decision, by=member(request), now=timezone.now())
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
        else:
            audit.changed(customer=pair.first, what=f"duplicates: {decision}", request=request, detail=f"#{pair.pk}")
        return redirect(_queue(aside=aside))

    def _merge(
        self, request: HttpRequest, left: Customer, right: Customer, *, aside: bool = False
    ) -> HttpResponse | None:
        survivor, merged = _sides(left, right, request.POST)
        try:
            made = merging.merge_customers(
                survivor=survivor,
                merged=merged,
                choices=review.read_choices(request.POST),
                by=member(request),
                now=timezone.now(),
            )
        except merging.MergeRefused as refused:
            self.message_user(request, " ".join(refused.messages), messages.ERROR)
            return None
        for one in (survivor, merged):
            audit.changed(customer=one, what="merge", request=request, detail=f"#{made.pk}")
        return redirect(_queue(aside=aside, merged=made.pk))

    def _two(self, request: HttpRequest, left: int, right: int) -> tuple[Customer, Customer]:
        if not self.has_change_permission(request):
            raise PermissionDenied
        found = customers.live().in_bulk([left, right])
        if len(found) < 2:
            raise Http404(_t("One of the two is no record of its own any more."))
        return found[left], found[right]

    def _compare(
        self,
        request: HttpRequest,
        left: Customer,
        right: Customer,
        *,
        pair: DuplicatePair | None,
        aside: bool = False,
        by_hand: bool = False,
    ) -> HttpResponse:
        for one in (left, right):
            audit.looked(customer=one, what="duplicates", request=request)
        # Whose record says more by itself stays: who bought more often, else the older one.
        both = review.bought([left, right])
        given = request.POST or {"survivor": "right" if both[1].receipts > both[0].receipts else "left"}
        context = {
            "left": left,
            "right": right,
            "bought": both,
            "pair": pair,
            "rows": review.rows(left, right, pair.evidence if pair else {}, given),
            "percent": min(99, round(pair.score * 100)) if pair else None,
            "may_decide": self.has_change_permission(request),
            "aside": aside,
            "by_hand": by_hand,
            "survivor": given.get("survivor", "left"),
            **_result(left, right, given),
            **self._counts(),
            **self._merged(request),
        }
        return self._render(request, "duplicates/pair.html", **context)

    def _counts(self) -> dict[str, int]:
        return {"open_count": duplicates.waiting().count(), "later_count": duplicates.waiting(Status.LATER).count()}

    def _merged(self, request: HttpRequest) -> dict[str, Any]:
        """The merge that was made a moment ago, to offer its undoing."""
        given = request.GET.get("merged", "")
        if not (given.isascii() and given.isdecimal() and len(given) < 18):
            return {"just_merged": None}
        known = Merge.objects.filter(pk=given, undone_at=None).select_related("survivor", "merged")
        return {"just_merged": known.first()}

    def _render(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        full = {**self.admin_site.each_context(request), "opts": self.opts, "title": _t("Duplicates"), **context}
        return TemplateResponse(request, template, full)


def _sides(left: Customer, right: Customer, data: Any) -> tuple[Customer, Customer]:
    """Who stays and who goes up in them."""
    return (right, left) if data.get("survivor") == "right" else (left, right)


def _result(left: Customer, right: Customer, data: Any) -> dict[str, Any]:
    survivor, merged = _sides(left, right, data)
    result = review.result(survivor=survivor, merged=merged, choices=review.read_choices(data))
    return {"result": result, "stays": survivor, "goes": merged}


def _queue(*, aside: bool, merged: int | None = None) -> str:
    query = {**({"later": ""} if aside else {}), **({"merged": merged} if merged else {})}
    return reverse("admin:crm_duplicatepair_changelist") + (f"?{urlencode(query)}" if query else "")


@admin.register(Merge)
class MergeAdmin(FactAdmin):
    """What has been merged, by whom or which rule; each can be undone."""

    personal = "survivor"
    list_display = ["what", "made_at", "decided", "state"]
    list_filter = ["rule"]
    list_select_related = ["survivor", "merged", "made_by"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Merge]:
        return super().get_queryset(request).select_related("survivor", "merged", "made_by", "undone_by")

    def get_urls(self) -> list[URLPattern]:
        undo = self.admin_site.admin_view(require_POST(self.undo_view))
        return [path("<int:pk>/undo/", undo, name="crm_merge_undo"), *super().get_urls()]

    @display(description=_("merged"))
    def what(self, merge: Merge) -> str:
        return _t("%(merged)s (%(number)s) into %(survivor)s (%(other)s)") % {
            "merged": merge.merged,
            "number": merge.merged.number,
            "survivor": merge.survivor,
            "other": merge.survivor.number,
        }

    @display(description=_("by"))
    def decided(self, merge: Merge) -> str:
        rule = duplicates.RULES.get(merge.rule)
        return str(rule.label if rule else merge.rule) if merge.rule else str(merge.made_by or "–")

    @display(description=_("state"), label={_("merged"): "success", _("undone"): "warning"})
    def state(self, merge: Merge) -> Any:
        return _("undone") if merge.undone_at else _("merged")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdecimal():
            raise Http404
        merge = get_object_or_404(self.get_queryset(request), pk=object_id)
        for one in (merge.survivor, merge.merged):
            audit.looked(customer=one, what="merge", request=request)
        changes = review.changes(merge)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _t("Merge"),
            "merge": merge,
            "decided": self.decided(merge),
            "changes": changes,
            "moved": _moved(merge),
            "refusal": merging.undoable(merge),
            "may_undo": request.user.has_perm("crm.merge_customer"),
        }
        return TemplateResponse(request, "duplicates/merge.html", context)

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("crm.merge_customer"):
            raise PermissionDenied
        merge = get_object_or_404(Merge, pk=pk)
        try:
            done = merging.undo_merge(merge=merge, by=member(request), now=timezone.now())
        except merging.MergeRefused as refused:
            self.message_user(request, " ".join(refused.messages), messages.ERROR)
            return redirect("admin:crm_merge_change", pk)
        for one in (done.survivor, done.merged):
            audit.changed(customer=one, what="merge undone", request=request, detail=f"#{pk}")
        self.message_user(
            request,
            _t("Undone: %(one)s (%(number)s) and %(other)s (%(other_number)s) are two records again.")
            % {
                "one": done.survivor,
                "number": done.survivor.number,
                "other": done.merged,
                "other_number": done.merged.number,
            },
            messages.SUCCESS,
        )
        return redirect("admin:crm_duplicatepair_two", done.survivor_id, done.merged_id)


def _moved(merge: Merge) -> list[tuple[str, int]]:
    """How many rows of which kind moved, by the names that people know."""
    names = {
        "receipt": _t("receipts"),
        "loyaltyentry": _t("movements of points"),
        "loyaltycard": _t("cards"),
        "webvisit": _t("visits"),
        "wishlistitem": _t("wishes"),
        "review": _t("reviews"),
        "answer": _t("answers"),
        "externalid": _t("external ids"),
        "note": _t("notes"),
        "tieraward": _t("tiers reached"),
        "household": _t("households"),
        "company": _t("companies"),
        "customer": _t("records merged before"),
    }
    counts = merging.moved(merge=merge)
    return [(name, counts[key]) for key, name in names.items() if key in counts]
