"""What the pages of a campaign share: who may see them, and how they are drawn inside the back office."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from campaigns.models import Campaign

View = Callable[..., HttpResponseBase]


def campaign_page(*permissions: str) -> Callable[[View], View]:
    """Gives the view its campaign, and only to those with one of these permissions on campaigns."""

    def wrap(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, pk: int, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not any(request.user.has_perm(f"campaigns.{name}") for name in permissions):
                raise PermissionDenied
            return view(request, get_object_or_404(Campaign, pk=pk), *args, **kwargs)

        return inner

    return wrap


def page(request: HttpRequest, template: str, *, title: str, status: int = 200, **context: Any) -> TemplateResponse:
    """A full page of the back office."""
    full = {**admin.site.each_context(request), "title": title, "opts": Campaign._meta, **context}
    full["original"] = context.get("campaign")  # the last of the breadcrumbs
    return TemplateResponse(request, f"campaigns/{template}", full, status=status)


def posted_ids(request: HttpRequest, name: str) -> list[int]:
    """The keys sent under this name. ValueError where one is none."""
    return [read_id(value) for value in request.POST.getlist(name)]


def read_id(value: str) -> int:
    """A key as a page sends it. ValueError for anything else, such as “²”, which is a digit but no number."""
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise ValueError(value)
    return int(value)


def may_launch(request: HttpRequest) -> bool:
    return request.user.has_perm("campaigns.launch_campaign")


def may_edit(request: HttpRequest) -> bool:
    return request.user.has_perm("campaigns.change_campaign")


def may_see_customers(request: HttpRequest) -> bool:
    return request.user.has_perm("crm.view_customer")


def address_of(campaign: Campaign, page: str = "change") -> str:
    return reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])
