"""The receipt's public page, behind an unguessable link."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from crm import receipts
from crm.models import Receipt, Shop


@require_safe
@cache_control(private=True, no_store=True)
def receipt(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What the paper one shows, and no name: whoever has the link may look, nobody can guess it or find it."""
    found = get_object_or_404(receipts.with_lines(Receipt.objects.all()), public_id=public_id)
    response = render(request, "receipts/receipt.html", receipts.shown(found, Shop.current()))
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response
