"""The composer: who, what, check. Every step works by plain POST; htmx only saves the reloads."""

import logging
import secrets
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from campaigns import drafts
from campaigns.audience import Audience, preview_audience
from campaigns.channels import NoDoor
from campaigns.faces import IN_GROUPS, TO_SEND, faces
from campaigns.forms import MessageForm, WhoForm
from campaigns.models import Campaign, Variant
from campaigns.pages import (
    address_of,
    campaign_page,
    may_edit,
    may_launch,
    may_see_customers,
    page,
    posted_ids,
    read_id,
)
from campaigns.placeholders import CATALOGUE
from campaigns.rendering import MessageError
from crm import audit
from crm.customers import search
from crm.models import Customer, Shop
from segments.models import Membership

log = logging.getLogger(__name__)

PREVIEW_SECONDS = 900


def add(request: HttpRequest) -> HttpResponse:
    """A new campaign starts with its name and whom it is for."""
    if not request.user.has_perm("campaigns.add_campaign"):
        raise PermissionDenied
    given = {"segments": request.GET.getlist("segment"), "personas": request.GET.getlist("persona")}
    form = WhoForm(request.POST or None, initial=given | {"attribution_days": Shop.current().attribution_days})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        campaign = drafts.create_campaign(
            name=values["name"],
            segments=values["segments"],
            personas=values["personas"],
            by=cast(User, request.user),
        )
        return redirect(address_of(campaign))
    return page(request, "add.html", title=_("New campaign"), form=form)


def compose(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """A draft's page."""
    variant = drafts.main_variant(campaign)
    is_sent = request.method == "POST"
    if is_sent and not may_edit(request):
        raise PermissionDenied
    who = WhoForm(request.POST if is_sent else None, instance=campaign)
    what = MessageForm(request.POST if is_sent else None, instance=variant)
    if is_sent and who.is_valid() and what.is_valid():
        try:
            campaign = drafts.save_draft(campaign=campaign, who=who.cleaned_data, texts=what.cleaned_data)
        except drafts.Locked:
            messages.error(request, _("This campaign is no longer a draft; nothing was changed."))
            return redirect(address_of(campaign))
        return _after_saving(request, campaign)
    if is_sent:
        messages.error(request, _("Not saved yet: see the marked fields."))
        campaign.refresh_from_db()
    return page(
        request,
        "compose.html",
        title=campaign.name,
        campaign=campaign,
        who=who,
        what=what,
        catalogue=_grouped_catalogue(),
        is_editable=may_edit(request),
        may_launch=may_launch(request),
        shop=Shop.current(),
        time_zone=settings.TIME_ZONE,
        status=422 if is_sent else 200,
        **_audience_context(campaign),
        **_first_look(request, variant),
    )


def _after_saving(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    if "_launch" in request.POST:
        return redirect(address_of(campaign, "launch"))
    if "_test" in request.POST:
        _send_test(request, campaign)
    else:
        messages.success(request, _("Saved."))
    return redirect(address_of(campaign))


def _send_test(request: HttpRequest, campaign: Campaign) -> None:
    user = cast(User, request.user)
    if not user.email:
        messages.error(request, _("Saved, but no test was sent: your account has no e-mail address."))
        return
    variant = drafts.main_variant(campaign)
    try:
        drafts.send_test(
            variant=variant,
            customer_id=_customer_id(request),
            to=user.email,
            sender_name=variant.sender_name or Shop.current().name,
        )
    except MessageError as error:
        messages.error(request, _("Saved, but no test was sent. %(why)s") % {"why": error})
    except OSError as error:
        messages.error(request, _("Saved, but the mail server did not take the test: %(why)s") % {"why": error})
    else:
        messages.success(request, _("Saved, and a test is on its way to %(address)s.") % {"address": user.email})


def correct(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """The message of a paused campaign, for those who have not got it yet."""
    if not may_edit(request):
        raise PermissionDenied
    if campaign.status != Campaign.Status.PAUSED:
        return redirect(address_of(campaign))
    is_sent = request.method == "POST"
    what = MessageForm(request.POST if is_sent else None, instance=drafts.main_variant(campaign))
    if is_sent and what.is_valid():
        try:
            drafts.correct_message(campaign=campaign, texts=what.cleaned_data)
        except MessageError:
            pass  # the page says why
        except drafts.Locked:
            messages.error(request, _("This campaign is not paused any more; nothing was changed."))
            return redirect(address_of(campaign))
        else:
            messages.success(request, _("Corrected. Those who have not got the message yet will get this one."))
            return redirect(address_of(campaign))
    return page(
        request,
        "correct.html",
        title=campaign.name,
        campaign=campaign,
        what=what,
        catalogue=_grouped_catalogue(),
        is_editable=True,
        status=422 if is_sent else 200,
        **_first_look(request, what.instance),
    )


@require_POST
@campaign_page("view_campaign", "change_campaign")
def audience(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """The waterfall for what is ticked now, saved or not."""
    with transaction.atomic():
        _apply(request, campaign)
        context = _audience_context(campaign)
        transaction.set_rollback(True)
    return render(request, "campaigns/_audience.html", {"campaign": campaign, **context})


@require_POST
@campaign_page("view_campaign", "change_campaign")
def audience_step(request: HttpRequest, campaign: Campaign, step: str) -> HttpResponse:
    """Five people at a step, with their reasons."""
    if not may_see_customers(request):
        raise PermissionDenied
    with transaction.atomic():
        _apply(request, campaign)
        try:
            found = faces(campaign=campaign, step=step, now=timezone.now())
        except ValueError as error:
            raise Http404 from error
        transaction.set_rollback(True)
    audit.searched(
        what="campaign audience", count=len(found), request=request, detail=f"campaign {campaign.pk}, {step}"
    )
    return render(request, "campaigns/_faces.html", {"faces": found, "step": step})


def _apply(request: HttpRequest, campaign: Campaign) -> None:
    """What the form says now, inside a transaction that is rolled back."""
    if campaign.status == Campaign.Status.DRAFT:
        form = WhoForm(request.POST, instance=campaign)
        if form.is_valid():
            form.save()


def _audience_context(campaign: Campaign) -> dict[str, Any]:
    try:
        found: Audience | None = preview_audience(campaign=campaign, now=timezone.now())
    except NoDoor:
        found = None
    return {"audience": found, "steps": _bars(found) if found else [], "in_groups": IN_GROUPS, "to_send": TO_SEND}


def _bars(found: Audience) -> list[dict[str, Any]]:
    """The waterfall's steps with where their bars begin and how long they are, in percent of everybody."""
    whole = found.total or 1
    return [
        {
            "key": step.key,
            "label": step.label,
            "taken": step.taken,
            "start": f"{100 * step.left / whole:.2f}",
            "length": f"{max(100 * step.taken / whole, 0.6):.2f}",
        }
        for step in found.steps
    ]


@require_POST
@campaign_page("view_campaign", "change_campaign")
def preview(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """The message as typed, for the chosen customer: a frame, or the problems that keep it from being shown."""
    what = MessageForm(request.POST, instance=Variant(campaign=campaign))
    what.is_valid()
    variant = what.instance
    customer = _chosen(request, campaign)
    if customer:
        audit.looked(customer=customer, what="campaign preview", request=request)
    theme = "dark" if request.POST.get("theme") == "dark" else "light"
    try:
        context = preview_context(request, variant=variant, customer=customer, theme=theme)
    except MessageError as error:
        response = render(request, "campaigns/_problems.html", {"problems": error.problems})
        response["HX-Retarget"] = "#cm-problems"
        response["HX-Reswap"] = "outerHTML"
        return response
    return render(request, "campaigns/_preview_swap.html", {"campaign": campaign, **context})


def preview_context(
    request: HttpRequest, *, variant: Variant, customer: Customer | None = None, theme: str = "light"
) -> dict[str, Any]:
    """What the preview's templates need to show the message. MessageError where it can't be made."""
    message = drafts.render_for(variant=variant, customer_id=customer.pk if customer else None)
    return {
        "customer": customer,
        "theme": theme,
        "subject": message.subject,
        "preheader": variant.preheader,
        "text": message.text,
        "token": _keep(request, message.html),
    }


def _first_look(request: HttpRequest, variant: Variant) -> dict[str, Any]:
    """The preview or the problems of the message as it is saved; neither for one not yet begun."""
    if not (variant.subject or variant.body or variant.mjml):
        return {"problems": []}
    try:
        return {"problems": [], **preview_context(request, variant=variant)}
    except MessageError as error:
        return {"problems": error.problems}


def _keep(request: HttpRequest, html: str) -> str:
    """Put the rendered page aside for the frame that asks for it in a moment; only this user can have it.

    Empty where there is no cache: then the page is shown without its frame.
    """
    token = secrets.token_urlsafe(16)
    try:
        cache.set(f"preview:{request.user.pk}:{token}", html, PREVIEW_SECONDS)
    except RedisError:
        log.warning("No preview: the cache does not answer.", exc_info=True)
        return ""
    return token


@xframe_options_sameorigin
@campaign_page("view_campaign", "change_campaign")
def preview_frame(request: HttpRequest, campaign: Campaign, token: str) -> HttpResponseBase:
    """The page inside the frame: no scripts, no forms, no origin of its own."""
    try:
        html = cache.get(f"preview:{request.user.pk}:{token}")
    except RedisError:
        html = None
    if html is None:
        html = f"<p>{_('This preview is no longer kept. Change a word to see a new one.')}</p>"
    response = HttpResponse(_forced(html, request.GET.get("theme", "light")))
    response["Content-Security-Policy"] = (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; frame-ancestors 'self'"
    )
    return response


def _forced(html: str, theme: str) -> str:
    """The page in light or dark, whatever the browser prefers."""
    is_dark = theme == "dark"
    html = html.replace("(prefers-color-scheme: dark)", "all" if is_dark else "not all")
    html = html.replace("color-scheme: light dark", f"color-scheme: {'dark' if is_dark else 'light'}")
    return html.replace('content="light dark"', f'content="{"dark" if is_dark else "light"}"')


@campaign_page("view_campaign", "change_campaign")
def people(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Customers to preview as."""
    if not may_see_customers(request):
        raise PermissionDenied
    found = search(text=request.GET.get("q", ""), limit=6)
    audit.searched(what="campaign preview: choice", count=len(found), request=request)
    return render(request, "campaigns/_people.html", {"people": found, "q": request.GET.get("q", "")})


def _customer_id(request: HttpRequest) -> int | None:
    if not may_see_customers(request):
        return None
    try:
        return read_id(request.POST.get("customer", ""))
    except ValueError:
        return None


def _chosen(request: HttpRequest, campaign: Campaign) -> Customer | None:
    if request.POST.get("customer") == "random" and may_see_customers(request):
        try:
            ticked = posted_ids(request, "segments")
        except ValueError:
            ticked = []
        members = Membership.objects.filter(segment__in=ticked or campaign.segments.all())
        return Customer.objects.filter(memberships__in=members).order_by("?").first() or (
            Customer.objects.filter(merged_into=None, erased_at=None).order_by("?").first()
        )
    key = _customer_id(request)
    return Customer.objects.filter(pk=key).first() if key else None


def _grouped_catalogue() -> list[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for placeholder in CATALOGUE:
        groups.setdefault(str(placeholder.group), []).append(placeholder)
    return list(groups.items())
