"""Tokens of the API: made once, shown once, found by their hash."""

import hashlib
import secrets
from datetime import date, datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.utils import timezone

from crm import staff
from crm.models import ApiToken


def issue_token(*, user: User, name: str, expires_on: date | None = None, by: User) -> tuple[ApiToken, str]:
    """A new token that acts as ``user``, and its key, which cannot be shown again.

    Raises PermissionDenied where the account may do more than ``by``.
    """
    if not staff.may_manage(by=by, user=user):
        raise PermissionDenied
    key = "rgl_" + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, name=name, key_hash=_hash(key), start=key[:8], expires_on=expires_on, created_by=by
    )
    return token, key


def find_token(*, key: str, now: datetime) -> ApiToken | None:
    """The living token of an active account with this key, noting the day of its use."""
    today = timezone.localdate(now)
    living = ApiToken.objects.filter(Q(expires_on=None) | Q(expires_on__gte=today), user__is_active=True)
    token = living.select_related("user").filter(key_hash=_hash(key)).first()
    if token and token.last_used_on != today:  # one write a day, not one a request
        ApiToken.objects.filter(pk=token.pk).update(last_used_on=today)
    return token


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
