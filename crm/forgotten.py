"""Whom the shop must not know any more: keyed hashes of the numbers and addresses of erased people.

By them no import brings anybody back, and a restored backup can be made to forget again. Who signs up anew by
themselves is welcome: their address is theirs to give.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from crm.addresses import address_hash
from crm.models import Channel, Customer, ErasedIdentity, Suppression

Kind = ErasedIdentity.Kind

CHANNELS: Mapping[str, tuple[str, ...]] = {
    Kind.EMAIL: (Channel.EMAIL,),
    Kind.PHONE: (Channel.SMS, Channel.PHONE),
}
"""The channels that an address of this kind leads to."""


class Forgotten(ValidationError):
    """Old data of somebody who was erased: only they themselves can come back."""


def remember(*, values: Iterable[tuple[str, str]], now: datetime) -> None:
    """Keep the hashes of these (kind, value): e-mail addresses and phones as their keys."""
    rows = [
        ErasedIdentity(kind=kind, key_hash=address_hash(value), erased_at=now)
        for kind, value in sorted(set(values))
        if value
    ]
    ErasedIdentity.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["kind", "key_hash"], update_fields=["erased_at"]
    )


def suppress(*, values: Iterable[tuple[str, str]], now: datetime) -> None:
    """Let nobody write to these (kind, address) again."""
    rows = [
        Suppression(
            channel=channel, address_hash=address_hash(value), reason=Suppression.Reason.ERASED, recorded_at=now
        )
        for kind, value in sorted(set(values))
        if value
        for channel in CHANNELS.get(kind, ())
    ]
    Suppression.objects.bulk_create(rows, ignore_conflicts=True)


def identities_of(customer: Customer) -> list[tuple[str, str]]:
    """What a customer's own row is known by, as (kind, value)."""
    named = ((Kind.NUMBER, customer.number), (Kind.EMAIL, customer.email_key), (Kind.PHONE, customer.phone_key))
    return [(str(kind), value) for kind, value in named if value]


def anybody(kind: str | None = None) -> bool:
    """Whether anybody (with an identity of this kind) was ever erased: if not, nobody needs to be looked for."""
    return (ErasedIdentity.objects.filter(kind=kind) if kind else ErasedIdentity.objects).exists()


def hashes(kind: str) -> set[bytes]:
    """The hashes of this kind, to look many values up in."""
    return {bytes(one) for one in ErasedIdentity.objects.filter(kind=kind).values_list("key_hash", flat=True)}


def knows_number(number: str) -> bool:
    """Whether an erased customer bore this number."""
    return ErasedIdentity.objects.filter(kind=Kind.NUMBER, key_hash=address_hash(number)).exists()


def welcome(*, customer: Customer, since: datetime, is_numbered: bool) -> None:
    """Somebody signed up, at ``since``: if they were erased before, what keeps them out ends now.

    To be called in the transaction that makes the record. Raises :class:`Forgotten` where the record is older than the
    erasure, or bears the erased number (unless ``is_numbered`` by us): it is a copy of old data, not a sign-up.
    """
    named = [(kind, value) for kind, value in identities_of(customer) if kind != Kind.NUMBER or not is_numbered]
    wanted = {address_hash(value): kind for kind, value in named}
    if not wanted:
        return
    found = [
        one for one in ErasedIdentity.objects.filter(key_hash__in=wanted) if one.kind == wanted[bytes(one.key_hash)]
    ]
    if any(one.kind == Kind.NUMBER or one.erased_at > since for one in found):
        raise Forgotten(_("This person asked to be forgotten. Only they themselves can sign up again."))
    if not found:
        return
    ErasedIdentity.objects.filter(pk__in=[one.pk for one in found]).delete()
    for one in found:
        end_suppression(kind=one.kind, key_hash=bytes(one.key_hash))


def end_suppression(*, kind: str, key_hash: bytes) -> None:
    """Let the address be written to again, as far as it was suppressed for having been erased."""
    Suppression.objects.filter(
        channel__in=CHANNELS.get(kind, ()), address_hash=key_hash, reason=Suppression.Reason.ERASED
    ).delete()


def as_row(one: Any) -> list[str]:
    """An erased identity or a suppressed address as a line of the exported file."""
    if isinstance(one, ErasedIdentity):
        return ["identity", one.kind, bytes(one.key_hash).hex(), "", one.erased_at.isoformat()]
    return ["suppression", one.channel, bytes(one.address_hash).hex(), one.reason, one.recorded_at.isoformat()]
