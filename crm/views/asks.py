"""“Customer asks...” at the till: one page to note it, one that says what happens next."""

import uuid

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm import audit, counter, customers
from crm.forms import RequestForm, note_request
from crm.models import DataRequest
from crm.views.access import LOOK_UP, member, staff_with

NOTE_REQUEST = "crm.note_request"
UNPROCESSABLE = 422


@require_http_methods(["GET", "POST"])
@never_cache
@staff_with(LOOK_UP, NOTE_REQUEST)
def asks(request: HttpRequest, pk: int) -> HttpResponse:
    """Pick what the customer asks; it is noted, and done at once where nothing can be lost by it."""
    customer = get_object_or_404(customers.live(), pk=pk)
    form = RequestForm(request.POST if request.method == "POST" else None, initial={"key": uuid.uuid4()})
    context = {"form": form, "person": counter.people([customer])[0], "masked": counter.mask(customer.email)}
    if request.method == "POST" and form.is_valid():
        if form.data.get("reply_by_mail") and not form.cleaned_data["reply_to"]:
            form.cleaned_data["reply_to"] = customer.email
        try:
            noted = note_request(
                form, customer=customer, through=DataRequest.Through.TILL, by=member(request), now=timezone.now()
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            audit.changed(customer=customer, what=f"request noted: {noted.kind}", request=request)
            return render(request, "till/asked.html", {"noted": noted, "person": context["person"]}, status=201)
    audit.looked(customer=customer, what="till: customer asks", request=request)
    return render(request, "till/asks.html", context, status=UNPROCESSABLE if form.is_bound else 200)
