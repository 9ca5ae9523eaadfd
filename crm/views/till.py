"""The till: one page, and the small answers that it asks for."""

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from crm import audit, consents, counter, customers, opt_ins, products, receipts, sales, wordings
from crm.forms import CustomerForm, EmailForm, new_customer, read_sale
from crm.models import Channel, Receipt, Shop, Store
from crm.views.access import LOOK_UP, RING_UP, member, staff_with

STORE_COOKIE = "till_store"
SUGGESTIONS = 8
UNPROCESSABLE = 422


@require_GET
@never_cache
@ensure_csrf_cookie
@staff_with(RING_UP)
def till(request: HttpRequest) -> HttpResponse:
    """The till itself; a browser that does not know its store yet is asked once."""
    stores = list(Store.objects.filter(is_active=True))
    store = _chosen_store(request, stores)
    if store is None:
        return render(request, "till/store.html", {"stores": stores})
    return render(request, "till/till.html", {"store": store, "stores": stores, "shop": Shop.current()})


def _chosen_store(request: HttpRequest, stores: list[Store]) -> Store | None:
    if len(stores) == 1:
        return stores[0]
    chosen = request.COOKIES.get(STORE_COOKIE)
    return next((store for store in stores if str(store.pk) == chosen), None)


@require_POST
@staff_with(RING_UP)
def choose_store(request: HttpRequest) -> HttpResponse:
    """Remember in this browser which store its till stands in."""
    response = redirect("till")
    pk = request.POST.get("store", "")
    if pk.isascii() and pk.isdigit() and Store.objects.filter(pk=pk, is_active=True).exists():
        response.set_cookie(
            STORE_COOKIE, pk, max_age=10 * 365 * 86_400, httponly=True, samesite="Lax", secure=request.is_secure()
        )
    else:
        response.delete_cookie(STORE_COOKIE, samesite="Lax")
    return response


@require_GET
@never_cache
@staff_with(RING_UP)
def scan(request: HttpRequest) -> HttpResponse:
    """What a scanned or typed text means: one product, one customer (by card), or a list to choose from."""
    text = request.GET.get("q", "")
    product = products.scan(code=text[:100])
    if product is not None:
        return JsonResponse({"product": counter.product(product)})
    if request.user.has_perm(LOOK_UP):
        card_holders = customers.by_card(number=text)
        if len(card_holders) == 1:
            hint = counter.card_hint(text)
            return JsonResponse({"customer": card_holders[0].pk} | ({"hint": hint} if hint else {}))
    found = products.look_up(text=text, limit=2)
    if len(found.products) == 1:
        return JsonResponse({"product": counter.product(found.products[0])})
    return JsonResponse({"many": bool(found.products)})


@require_GET
@never_cache
@staff_with(RING_UP)
def product_list(request: HttpRequest) -> HttpResponse:
    """Products that what was typed so far may mean."""
    found = products.look_up(text=request.GET.get("q", ""), limit=SUGGESTIONS)
    return render(
        request,
        "till/_products.html",
        {"products": [counter.product(one) for one in found.products], "query": request.GET.get("q", "")},
    )


@never_cache
@staff_with(RING_UP, LOOK_UP)
def customer_list(request: HttpRequest) -> HttpResponse:
    """GET: customers that what was typed so far may mean. POST: a new customer."""
    if request.method == "POST":
        return _add_customer(request)
    query = request.GET.get("q", "")
    found = customers.look_up(text=query, limit=SUGGESTIONS)
    people = counter.people(found.customers)
    audit.searched(what="till: search", count=len(people), request=request)
    return render(request, "till/_customers.html", {"people": people, "exact": found.exact, "query": query})


def _add_customer(request: HttpRequest) -> HttpResponse:
    form = CustomerForm(request.POST)
    shop, now = Shop.current(), timezone.now()
    if form.is_valid():
        try:
            with transaction.atomic():
                customer = new_customer(form, now=now)
                if form.cleaned_data["marketing"] and not consents.current(customer=customer, channel=Channel.EMAIL):
                    opt_ins.allow_email(customer=customer, source="till", by=member(request), now=now)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return render(
                request, "till/_customer.html", {"customer": counter.customer(customer, now=timezone.now())}, status=201
            )
    return render(request, "till/_new_customer.html", _new_customer_context(form, shop), status=UNPROCESSABLE)


def _new_customer_context(form: CustomerForm, shop: Shop) -> dict[str, Any]:
    return {"form": form, "wording": wordings.in_force(channel=Channel.EMAIL, shop=shop).text}


@require_GET
@never_cache
@staff_with(RING_UP, LOOK_UP)
def customer_form(request: HttpRequest) -> HttpResponse:
    """An empty form for a new customer, begun with what was typed into the search."""
    initial = {"key": uuid.uuid4(), **counter.guess(request.GET.get("q", ""))}
    return render(
        request, "till/_new_customer.html", _new_customer_context(CustomerForm(initial=initial), Shop.current())
    )


@require_GET
@never_cache
@staff_with(RING_UP, LOOK_UP)
def customer_card(request: HttpRequest, pk: int) -> HttpResponse:
    """Who stands there, in three lines."""
    customer = get_object_or_404(customers.live(), pk=pk)
    audit.looked(customer=customer, what="till", request=request)
    return render(request, "till/_customer.html", {"customer": counter.customer(customer, now=timezone.now())})


@require_POST
@staff_with(RING_UP)
def sale(request: HttpRequest) -> HttpResponse:
    """Record the sale that the page sends. The same key twice shows the same receipt; a refusal says why."""
    try:
        receipt = sales.record_sale(sale=read_sale(request.body), by=member(request))
    except sales.SaleClash as clash:
        return JsonResponse({"message": " ".join(clash.messages), "clash": True}, status=409)
    except sales.SaleRefused as refused:
        return JsonResponse({"message": " ".join(refused.messages)}, status=UNPROCESSABLE)
    return render(request, "till/_done.html", counter.done(receipt))


@require_POST
@staff_with(RING_UP, LOOK_UP)
def email(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Send the receipt by mail; the buyer is known from then on."""
    receipt = get_object_or_404(Receipt.objects.select_related("customer"), public_id=public_id)
    form = EmailForm(request.POST)
    context: dict[str, Any] = {}
    if not form.is_valid():
        context["error"] = (
            " ".join(map(str, form.errors["email"])) if "email" in form.errors else _("Choose who is here.")
        )
    else:
        known = receipt.customer.email if receipt.customer else ""
        try:
            context["mail"] = receipts.email_receipt(
                receipt=receipt,
                email=form.cleaned_data["email"] or known,
                marketing=form.cleaned_data["marketing"],
                customer_id=form.cleaned_data["customer"],
                by=member(request),
                now=timezone.now(),
            )
        except receipts.AddressNeedsPerson as several:
            context["people"] = counter.people(several.people)
        except ValidationError as error:
            context["error"] = " ".join(error.messages)
    context |= {"typed": form.data.get("email", ""), "marketing": "marketing" in form.data}
    status = UNPROCESSABLE if "error" in context else 200
    return render(request, "till/_email.html", {**counter.done(receipt), **context}, status=status)
