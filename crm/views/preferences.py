"""The customers' own pages: preferences, their data, confirming a yes, joining. No log-in; a GET changes nothing."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.views.decorators.http import require_http_methods

from crm import addresses, client, customers, joining, opt_ins, preferences, wordings
from crm.days import shop_day
from crm.models import Channel, Customer, OptIn, Shop, SignupForm
from crm.preference_forms import DataForm, JoinForm, PreferencesForm

View = Callable[..., HttpResponse]
UNPROCESSABLE = 422


def _private(view: View) -> View:
    """Neither browsers nor proxies keep the page, search engines don't list it, and links tell nobody its address."""

    @wraps(view)
    def private(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response = view(request, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "same-origin"  # Django's own check of a form's origin needs that much
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return private


def _proof(request: HttpRequest) -> dict[str, Any]:
    """What shows that a customer said so themselves: the page, the browser and where it was."""
    return {
        "page": request.resolver_match.url_name if request.resolver_match else "",
        "browser": request.headers.get("User-Agent", "")[:300],
        "address": client.address(request),
    }


def _whose(token: str, *, with_data: bool = False) -> Customer:
    customer = preferences.find(token=token, with_data=with_data)
    if customer is None:
        raise Http404
    return customer


@require_http_methods(["GET", "HEAD", "POST"])
@_private
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Channels, topics, how often, a pause; or nothing at all any more."""
    customer, now = _whose(token), timezone.now()
    with _language_of(customer):
        form = PreferencesForm(
            request.POST if request.method == "POST" else None, customer=customer, today=shop_day(now)
        )
        if request.method == "POST":
            match request.POST.get("do", "save"):
                case "stop":
                    preferences.stop_everything(customer=customer, proof=_proof(request), now=now)
                    return redirect(f"{request.path}?done=stopped")
                case "data":
                    preferences.mail_data_link(customer=customer, now=now)
                    return redirect(f"{request.path}?done=mailed")
            if form.is_valid():
                preferences.save(customer=customer, wanted=form.wanted(), proof=_proof(request), now=now)
                return redirect(f"{request.path}?done=saved")
        context = {
            "form": form,
            "customer": customer,
            "shop": Shop.current(),
            "email": addresses.masked(customer.email) if customer.email else "",
            "phone": addresses.masked(customer.phone) if customer.phone else "",
            "done": request.GET.get("done", ""),
        }
        return render(request, "preferences/page.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@_private
def data(request: HttpRequest, token: str) -> HttpResponse:
    """What we know about a customer, to be seen and corrected: behind the link that went to their own address."""
    customer = _whose(token, with_data=True)
    with _language_of(customer):
        form = DataForm(request.POST if request.method == "POST" else None, instance=customer)
        if request.method == "POST" and form.is_valid():
            changed = {name: form.cleaned_data[name] for name in form.changed_data}
            try:
                customers.change_customer(customer=Customer.objects.get(pk=customer.pk), **changed)
            except ValidationError as error:
                form.add_error(None, error)
            else:
                return redirect(f"{request.path}?done=saved")
        context = {
            "form": form,
            "customer": customer,
            "shop": Shop.current(),
            "back": preferences.url(customer),
            "done": request.GET.get("done", ""),
        }
        return render(request, "preferences/data.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@_private
def opt_in(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The link of a double opt-in: its button makes the yes count."""
    waiting = get_object_or_404(OptIn.objects.select_related("customer"), public_id=public_id)
    with _language_of(waiting.customer):
        context: dict[str, Any] = {
            "shop": Shop.current(),
            "wording": waiting.wording,
            "address": addresses.masked(waiting.email),
            "is_done": waiting.confirmed_at is not None,
            "error": "",
        }
        if request.method == "POST":
            try:
                opt_ins.confirm(public_id=public_id, proof=_proof(request), now=timezone.now())
                context["is_done"] = True
            except opt_ins.OptInOver as over:
                context["error"] = " ".join(over.messages)
        customer = customers.survivor(waiting.customer)
        context["preferences_url"] = preferences.url(customer) if context["is_done"] and customer.is_live else ""
        return render(request, "preferences/opt_in.html", context, status=UNPROCESSABLE if context["error"] else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@_private
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """A sign-up form: an address for news. What it answers does not tell whether the address is known."""
    signup = get_object_or_404(SignupForm, slug=slug, is_active=True)
    form = JoinForm(request.POST if request.method == "POST" else None)
    shop = Shop.current()
    if request.method == "POST" and form.is_valid():
        try:
            if not form.cleaned_data["website"]:
                joining.join(
                    form=signup,
                    email=form.cleaned_data["email"],
                    first_name=form.cleaned_data["first_name"],
                    language=(translation.get_language() or "").partition("-")[0],
                    proof=_proof(request),
                    now=timezone.now(),
                )
            return redirect(f"{request.path}?done=joined")
        except ValidationError as error:
            form.add_error("email", error)
    context = {
        "form": form,
        "signup": signup,
        "shop": shop,
        "wording": wordings.in_force(channel=Channel.EMAIL, shop=shop).text,
        "done": request.GET.get("done", ""),
    }
    return render(request, "preferences/join.html", context, status=UNPROCESSABLE if form.errors else 200)


def _language_of(customer: Customer) -> Any:
    """The customer's language where we have it, else the browser's."""
    try:
        wanted = customer.language and translation.get_supported_language_variant(
            customer.language.lower().replace("_", "-")
        )
    except LookupError:
        wanted = ""
    return translation.override(wanted or translation.get_language())
