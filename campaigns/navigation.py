"""The back office's sidebar, grouped by work. It shows a page only to those who may open it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.admin.duplicates import waiting_count


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page of the sidebar: a model's list, or a named address for those with a permission."""

    title: str | Promise
    icon: str
    model: str = ""
    url: str = ""
    permission: str = ""
    badge: Callable[[HttpRequest], str] | None = None
    """What stands behind the title: how many wait, say. Blank where there is nothing to say."""


GROUPS: list[tuple[str | Promise, list[Entry]]] = [
    (
        "",
        [
            Entry(title=_("Home"), icon="home", url="admin:index"),
            Entry(title=_("Till"), icon="point_of_sale", url="till", permission="crm.ring_up_sale"),
        ],
    ),
    (
        _("Customers"),
        [
            Entry(title=_("Customers"), icon="group", model="crm.Customer"),
            Entry(title=_("Duplicates"), icon="join_inner", model="crm.DuplicatePair", badge=waiting_count),
            Entry(title=_("Households"), icon="cottage", model="crm.Household"),
            Entry(title=_("Companies"), icon="apartment", model="crm.Company"),
            Entry(title=_("Receipts"), icon="receipt_long", model="crm.Receipt"),
            Entry(title=_("Receipts by mail"), icon="outgoing_mail", model="crm.ReceiptMail"),
            Entry(title=_("Service mails"), icon="mark_email_read", model="crm.ServiceMail"),
            Entry(title=_("Loyalty cards"), icon="loyalty", model="crm.LoyaltyCard"),
            Entry(title=_("Points"), icon="toll", model="crm.LoyaltyEntry"),
            Entry(title=_("Consents"), icon="handshake", model="crm.Consent"),
            Entry(title=_("Suppressed addresses"), icon="block", model="crm.Suppression"),
            Entry(title=_("Customers ask"), icon="contact_support", model="crm.DataRequest"),
        ],
    ),
    (
        _("Who to talk to"),
        [
            Entry(title=_("Segments"), icon="pie_chart", model="segments.Segment"),
            Entry(title=_("Knowledge"), icon="insights", url="admin:segments_rfm", permission="segments.view_segment"),
            Entry(title=_("Personas"), icon="face", model="personas.Persona"),
        ],
    ),
    (
        _("What to say"),
        [
            Entry(title=_("Campaigns"), icon="campaign", model="campaigns.Campaign"),
            Entry(title=_("Coupons"), icon="confirmation_number", model="campaigns.Coupon"),
        ],
    ),
    (
        _("Catalogue"),
        [
            Entry(title=_("Products"), icon="inventory_2", model="crm.Product"),
            Entry(title=_("Categories"), icon="account_tree", model="crm.Category"),
            Entry(title=_("Stores"), icon="storefront", model="crm.Store"),
        ],
    ),
    (
        _("Loyalty programme"),
        [
            Entry(title=_("Terms"), icon="loyalty", model="crm.LoyaltyProgramme"),
            Entry(title=_("Points rules"), icon="rule", model="crm.PointsRule"),
            Entry(title=_("Tiers"), icon="military_tech", model="crm.Tier"),
        ],
    ),
    (
        _("Settings"),
        [
            Entry(title=_("Shop"), icon="tune", model="crm.Shop"),
            Entry(title=_("Custom fields"), icon="playlist_add", model="crm.CustomField"),
            Entry(title=_("Questions of surveys"), icon="quiz", model="crm.Question"),
            Entry(title=_("Topics"), icon="sell", model="crm.Topic"),
            Entry(title=_("Sign-up forms"), icon="how_to_reg", model="crm.SignupForm"),
            Entry(title=_("Consent wordings"), icon="contract", model="crm.ConsentWording"),
            Entry(title=_("Import"), icon="upload_file", model="crm.Upload"),
            Entry(title=_("Jobs"), icon="hourglass_top", model="crm.Job"),
            Entry(title=_("Staff"), icon="badge", model="auth.User"),
            Entry(title=_("Roles"), icon="admin_panel_settings", model="auth.Group"),
            Entry(title=_("API keys"), icon="key", model="crm.ApiToken"),
            Entry(title=_("Looks at personal data"), icon="visibility", model="crm.AuditEntry"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups and pages that this user may open, as django-unfold wants them; unfold calls it for every page."""
    groups = []
    for title, entries in GROUPS:
        items = [
            {"title": entry.title, "icon": entry.icon, "link": link, **_badge(entry, request)}
            for entry in entries
            for link in _links(request, entry)
        ]
        if items:
            groups.append({"title": title, "items": items})
    return groups


def _badge(entry: Entry, request: HttpRequest) -> dict[str, str]:
    text = entry.badge(request) if entry.badge else ""
    return {"badge": text, "badge_variant": "info"} if text else {}


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """The links in the menu behind the user's name."""
    return [{"title": _("Change password"), "link": reverse("admin:password_change")}]


def _links(request: HttpRequest, entry: Entry) -> Iterator[str]:
    """The entry's address, if this user may open it; a page that this installation lacks has none."""
    if entry.model:
        model_admin = admin.site._registry.get(apps.get_model(entry.model))
        if model_admin is not None and model_admin.has_view_permission(request):
            yield reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
    elif not entry.permission or request.user.has_perm(entry.permission):
        try:
            yield reverse(entry.url)
        except NoReverseMatch:
            return
