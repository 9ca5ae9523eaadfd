"""Campaigns in the back office: the list, and the pages that take the place of the plain forms."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from campaigns import exports, page, views_compose, views_launch, views_report
from campaigns.models import Campaign
from campaigns.results import Summary, summaries
from crm import person
from crm.admin.exporting import Exportable
from crm.page import parts
from crm.templatetags.regulars import count, money_whole

Status = Campaign.Status
COMPOSED = (Status.DRAFT,)
NONE = format_html('<span class="rg-none">{}</span>', "–")
"""An empty cell; on a phone, where a row is a card, it goes."""


class CampaignList(ChangeList):
    """Puts what came of each campaign beside it: two queries for the page, however long it is."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        found = summaries(campaign_ids=[campaign.pk for campaign in self.result_list])
        for campaign in self.result_list:
            campaign.summary = found[campaign.pk]


@admin.register(Campaign)
class CampaignAdmin(Exportable, ModelAdmin):
    exports = [exports.campaigns]
    list_display = ["name", "shown_status", "audience", "moment", "sent", "clicked", "bought", "revenue"]
    list_filter = ["status", "channel"]
    search_fields = ["name"]
    list_per_page = 50
    actions = None
    list_fullwidth = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return super().get_queryset(request).prefetch_related("segments", "personas")

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [F("launched_at").desc(nulls_first=True), "-id"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CampaignList

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Drafts only: what was sent stays in the books."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or (obj.status == Status.DRAFT and not obj.is_imported))

    @display(
        description=_("status"),
        ordering="status",
        label={
            Status.SENDING.label: "success",
            Status.SCHEDULED.label: "info",
            Status.PAUSED.label: "warning",
            Status.CANCELLED.label: "danger",
        },
    )
    def shown_status(self, campaign: Campaign) -> str:
        return campaign.get_status_display()

    @display(description=_("for"))
    def audience(self, campaign: Campaign) -> str:
        names = [str(group) for group in (*campaign.segments.all(), *campaign.personas.all())]
        return ", ".join(names) or NONE

    @display(description=_("when"), ordering="launched_at")
    def moment(self, campaign: Campaign) -> str:
        moment = campaign.launched_at or campaign.scheduled_at
        return date_format(localtime(moment), "DATE_FORMAT") if moment else NONE

    @display(description=_("sent"))
    def sent(self, campaign: Campaign) -> str:
        return self._number(campaign, "sent")

    @display(description=_("clicked"))
    def clicked(self, campaign: Campaign) -> str:
        return NONE if campaign.is_imported else self._number(campaign, "clicked")

    @display(description=_("bought"))
    def bought(self, campaign: Campaign) -> str:
        return self._number(campaign, "buyers")

    @display(description=_("spent"))
    def revenue(self, campaign: Campaign) -> str:
        summary: Summary = campaign.summary  # type: ignore[attr-defined]  # CampaignList puts it there
        return money_whole(summary.spend_minor) if campaign.launched_at else NONE

    def _number(self, campaign: Campaign, name: str) -> str:
        summary: Summary = campaign.summary  # type: ignore[attr-defined]  # CampaignList puts it there
        return count(getattr(summary, name)) if campaign.launched_at else NONE

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(f"<int:pk>/{route}", self.admin_site.admin_view(view), name=f"campaigns_campaign_{name}")

        return [
            path("customer/<int:pk>/", self.admin_site.admin_view(self.customer_view), name="campaigns_customer"),
            at("audience/", views_compose.audience, "audience"),
            at("audience/<slug:step>/", views_compose.audience_step, "audience_step"),
            at("preview/", views_compose.preview, "preview"),
            at("preview/<str:token>/", views_compose.preview_frame, "preview_frame"),
            at("people/", views_compose.people, "people"),
            at("correct/", self._correct, "correct"),
            at("launch/", views_launch.launch, "launch"),
            at("progress/", views_launch.live, "progress"),
            at("unclear/", views_launch.settle, "settle"),
            at("duplicate/", views_report.duplicate, "duplicate"),
            *(
                path(
                    f"<int:pk>/{action}/",
                    self.admin_site.admin_view(views_launch.move),
                    {"action": action},
                    name=f"campaigns_campaign_{action}",
                )
                for action in ("pause", "resume", "cancel", "unschedule")
            ),
            *super().get_urls(),
        ]

    def customer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What one customer was sent, for their page."""
        customer = parts.customer_for(request, pk, "messages")
        sent = page.sent_to(ids=person.whole_person(customer=customer))
        return parts.show(request, "messages", "campaigns/_customer.html", customer, sent=sent)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return views_compose.add(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A draft opens in the composer, everything else as a report."""
        campaign = get_object_or_404(Campaign, pk=object_id)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        if campaign.status in COMPOSED and not campaign.is_imported:
            return views_compose.compose(request, campaign)
        return views_report.show(request, campaign)

    def _correct(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views_compose.correct(request, get_object_or_404(Campaign, pk=pk))

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> Sequence[str]:
        return ["name"] if obj else []
