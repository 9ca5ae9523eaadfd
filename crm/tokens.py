"""Tokens of the API: made once, shown once, found by their hash."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import staff
from crm.models import ApiToken

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


_parts: dict[str, "StrPromise"] = {}


def register_part(name: str, label: "StrPromise") -> None:
    """Name a part of the API that a token may be confined to. Each app names its own at start-up."""
    _parts[name] = label


def scopes() -> list[tuple[str, str]]:
    """What a token may be confined to, with labels: each part for reading, and for reading and writing."""
    read, write = _("%(part)s: read"), _("%(part)s: read and write")
    return [
        (f"{name}:{mode}", words % {"part": label})
        for name, label in _parts.items()
        for mode, words in (("read", read), ("write", write))
    ]


def allows(*, token: ApiToken, part: str, writing: bool) -> bool:
    """Whether the token's scopes let it use this part of the API; a token without any may use all."""
    granted = {f"{part}:write"} if writing else {f"{part}:read", f"{part}:write"}
    return not token.scopes or not part or not granted.isdisjoint(token.scopes)


def issue_token(
    *, user: User, name: str, expires_on: date | None = None, by: User, scopes: Sequence[str] = ()
) -> tuple[ApiToken, str]:
    """A new token that acts as ``user``, confined to ``scopes`` if any, and its key, which cannot be shown again.

    Raises PermissionDenied where the account may do more than ``by``.
    """
    if not staff.may_manage(by=by, user=user):
        raise PermissionDenied
    key = "rgl_" + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        key_hash=_hash(key),
        start=key[:8],
        scopes=list(scopes),
        expires_on=expires_on,
        created_by=by,
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
