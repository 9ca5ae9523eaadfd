"""The book of who looked at personal data, and who took them out. Only ever added.

Whoever shows a customer's data to staff or hands them to a program calls one of these, in the request that does so.
"""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from crm import client
from crm.models import AuditEntry, Customer

SAME_LOOK = timedelta(minutes=15)
"""So long after a page was opened, what it loads belongs to the same look."""


def looked(*, customer: Customer, what: str, request: HttpRequest) -> None:
    """Somebody opened the data of one customer; ``what`` names the page or part ("customer page", "receipt")."""
    _write(request, AuditEntry.Action.LOOKED, what, customer_id=customer.pk)


def still_looking(*, customer: Customer, what: str, request: HttpRequest) -> None:
    """A part of a page that loads by itself: noted unless the same person opened this customer's data just before."""
    since = timezone.now() - SAME_LOOK
    just_before = AuditEntry.objects.filter(
        customer_id=customer.pk, user=request.user.pk, action=AuditEntry.Action.LOOKED, happened_at__gte=since
    )
    if not just_before.exists():
        looked(customer=customer, what=what, request=request)


def searched(*, what: str, count: int, request: HttpRequest, detail: str = "") -> None:
    """Somebody saw a list of ``count`` customers. ``detail`` says how they were narrowed, without anybody's data."""
    if count:
        _write(request, AuditEntry.Action.SEARCHED, what, count=count, detail=detail)


def exported(
    *, what: str, count: int, request: HttpRequest, customer: Customer | None = None, detail: str = ""
) -> None:
    """Somebody took out the data of ``count`` customers, or of this one."""
    customer_id = customer.pk if customer else None
    _write(request, AuditEntry.Action.EXPORTED, what, customer_id=customer_id, count=count, detail=detail)


def changed(*, customer: Customer, what: str, request: HttpRequest, detail: str = "") -> None:
    """Somebody changed a customer's data; ``detail`` names the fields, not what is in them."""
    _write(request, AuditEntry.Action.CHANGED, what, customer_id=customer.pk, detail=detail)


def noted(*, what: str, by: User | None, customer_id: int | None = None, count: int = 1, export: bool = False) -> None:
    """Something changed, or (``export``) was taken out, where no request is at hand: in a job, or at a command line."""
    AuditEntry.objects.create(
        action=AuditEntry.Action.EXPORTED if export else AuditEntry.Action.CHANGED,
        what=what,
        customer_id=customer_id,
        count=count,
        user=by,
        username=by.get_username() if by else "",
    )


def _write(request: HttpRequest, action: AuditEntry.Action, what: str, **more: Any) -> None:
    user = request.user if request.user.is_authenticated else None
    AuditEntry.objects.create(
        action=action,
        what=what,
        user=user,
        username=user.get_username() if user else "",
        address=client.address(request) or None,
        **more,
    )
