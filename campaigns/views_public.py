"""What the links in a message lead to. No log-in, no cookies: a signature that only this shop can make.

A GET logs a response at most; it never changes consent (promise 7). So unsubscribing takes the button, or the mail
program's own one-click POST (RFC 8058).
"""

import base64
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from campaigns import tracking
from campaigns.models import Delivery, TrackedEvent
from campaigns.unsubscribing import is_unsubscribed, unsubscribe
from crm import addresses, preferences
from crm.customers import survivor
from crm.models import Shop

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


_View = Callable[..., HttpResponse]


def _unkept(view: _View) -> _View:
    """Neither browsers nor proxies keep the answer, and the page that a click leads to does not learn the link."""

    @wraps(view)
    def unkept(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response = view(request, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response

    return unkept


@require_safe
@_unkept
def click(request: HttpRequest, *, token: UUID, link_id: int, signature: str) -> HttpResponse:
    """Count a click and go on to the link's own address, and to no other."""
    if not tracking.is_signed(signature, "c", token, link_id):
        raise Http404
    url = tracking.record_click(
        token=token,
        link_id=link_id,
        now=timezone.now(),
        user_agent=request.headers.get("User-Agent", ""),
        is_automated=tracking.looks_automated(request),
    )
    if url is None:
        raise Http404
    return HttpResponseRedirect(url)


@require_safe
@_unkept
def opened(request: HttpRequest, *, token: UUID, signature: str) -> HttpResponse:
    """Count an opening (never trusted alone) and show a picture of one clear point."""
    if not tracking.is_signed(signature, "o", token):
        raise Http404
    tracking.record_event(
        token=token,
        kind=TrackedEvent.Kind.OPENED,
        now=timezone.now(),
        user_agent=request.headers.get("User-Agent", ""),
        is_automated=tracking.looks_automated(request),
    )
    return HttpResponse(PIXEL, content_type="image/gif")


# No CSRF token: a mail program posts here by itself, and the signed address is what only the recipient has.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@_unkept
def leave(request: HttpRequest, *, token: UUID, signature: str) -> HttpResponse:
    """The page with the button; the button, or one click in the mail program, unsubscribes."""
    if not tracking.is_signed(signature, "u", token):
        raise Http404
    delivery = Delivery.objects.select_related("customer", "variant").filter(token=token).first()
    if delivery is None:
        raise Http404
    if request.method == "POST":
        unsubscribe(token=token, now=timezone.now(), user_agent=request.headers.get("User-Agent", ""))
    customer = survivor(delivery.customer)
    context = {
        "shop": Shop.current(),
        "address": addresses.masked(delivery.address),
        "is_done": is_unsubscribed(delivery=delivery, customer=customer),
        "preferences_url": preferences.url(customer) if customer.is_live else "",
    }
    with translation.override(_language(delivery) or translation.get_language()):
        return render(request, "campaigns/public/unsubscribe.html", context)


def _language(delivery: Delivery) -> str:
    """The message's own language, or the customer's, where we have it; "" lets the browser's decide."""
    for wanted in (delivery.variant.language if delivery.variant else "", delivery.customer.language):
        try:
            if wanted:
                return translation.get_supported_language_variant(wanted.lower().replace("_", "-"))
        except LookupError:
            continue
    return ""
