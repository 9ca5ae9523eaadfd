"""Parts of a customer's page that higher apps own: the page loads each by its address, and `crm` names none of them."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django_stubs_ext import StrOrPromise

from crm import audit
from crm.models import Customer


@dataclass(frozen=True, kw_only=True)
class Part:
    """``url_name`` takes the customer's key and answers with a fragment; only those with ``permission`` see it."""

    key: str
    title: StrOrPromise
    url_name: str
    permission: str
    order: int = 0


_PARTS: dict[str, Part] = {}


def register(part: Part) -> None:
    """Let an app show something; the same key again replaces what it showed before."""
    _PARTS[part.key] = part


def customer_for(request: HttpRequest, pk: int, part: str) -> Customer:
    """The customer of a part's address, for those who may see both; the look is noted. Raises Http404."""
    if not request.user.has_perms(["crm.view_customer", _PARTS[part].permission]):
        raise PermissionDenied
    customer = get_object_or_404(Customer, pk=pk, merged_into=None, erased_at=None)
    note = audit.still_looking if "HX-Request" in request.headers else audit.looked
    note(customer=customer, what=f"page: customer, {part}", request=request)
    return customer


def show(request: HttpRequest, part: str, template: str, customer: Customer, **context: Any) -> TemplateResponse:
    """The fragment, or for somebody who opens its address a page around it."""
    full = {"customer": customer, "part_template": template, **context}
    if "HX-Request" in request.headers:
        return TemplateResponse(request, template, full)
    title = _PARTS[part].title
    page = {**admin.site.each_context(request), "opts": Customer._meta, "title": title, "part_title": title, **full}
    return TemplateResponse(request, "customers/part.html", page)


def for_page(*, customer: Customer, request: HttpRequest) -> list[dict[str, object]]:
    """The parts that this user may see, in their order, with their addresses."""
    seen = [part for part in _PARTS.values() if request.user.has_perm(part.permission)]
    return [
        {"key": part.key, "title": part.title, "url": reverse(part.url_name, args=[customer.pk])}
        for part in sorted(seen, key=lambda part: (part.order, part.key))
    ]
