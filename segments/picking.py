"""An action on the list of customers: putting those chosen there into a segment that is picked by hand."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm import audit
from crm.admin.customers import ACTIONS
from crm.models import Customer
from segments import people
from segments.models import Segment


class PutForm(forms.Form):
    """Into one that is there, or a new one."""

    segment = forms.ModelChoiceField(
        label=gettext_lazy("Segment"),
        queryset=Segment.objects.filter(kind=Segment.Kind.PICKED, is_archived=False).order_by("name"),
        required=False,
        empty_label=gettext_lazy("a new one"),
    )
    name = forms.CharField(label=gettext_lazy("Name of the new one"), max_length=200, required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        name = (data.get("name") or "").strip()
        if not data.get("segment") and not name:
            raise forms.ValidationError(_("Choose a segment, or name a new one."))
        if not data.get("segment") and Segment.objects.exclude(kind=Segment.Kind.PERSONA).filter(name=name).exists():
            raise forms.ValidationError(_("There is a segment of that name already."))
        return {**data, "name": name}


@admin.action(description=gettext_lazy("Put into a segment…"), permissions=["view"])
def put_into_segment(model_admin: Any, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
    """Ask into which one, then put them in."""
    if not request.user.has_perms(["segments.add_segment", "segments.change_segment"]):
        raise PermissionDenied
    ids = list(queryset.order_by().values_list("pk", flat=True)[: people.MOST_AT_ONCE + 1])
    if len(ids) > people.MOST_AT_ONCE:
        message = _("At most %(limit)d customers at once; make a rule for so many.") % {"limit": people.MOST_AT_ONCE}
        model_admin.message_user(request, message, messages.ERROR)
        return None
    form = PutForm(request.POST if "put" in request.POST else None)
    if "put" in request.POST and form.is_valid():
        return _put(model_admin, request, form.cleaned_data, ids)
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    context = {
        **admin.site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Put into a segment"),
        "form": form,
        "number": len(ids),
        "chosen": chosen,
        "across": request.POST.get("select_across", "0"),
    }
    return TemplateResponse(request, "segments/put.html", context)


def _put(model_admin: Any, request: HttpRequest, data: dict[str, Any], ids: list[int]) -> HttpResponse:
    by = request.user if request.user.is_authenticated else None
    segment = data["segment"] or people.pick(name=data["name"], by=by, now=timezone.now())
    came = people.add_people(segment=segment, customer_ids=ids, now=timezone.now())
    audit.searched(what="segment: picking people", count=len(ids), request=request, detail=f"segment {segment.pk}")
    message = ngettext("%(number)d person was put in.", "%(number)d people were put in.", came)
    model_admin.message_user(request, message % {"number": came}, messages.SUCCESS)
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))


def register() -> None:
    if put_into_segment not in ACTIONS:
        ACTIONS.append(put_into_segment)
