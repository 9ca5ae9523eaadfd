"""What customers allow: a ledger of statements, the newest of which counts, and addresses that are not written to."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import addresses, bell, customers, marks
from crm.models import (
    Channel,
    Consent,
    ConsentWording,
    Customer,
    CustomerProfile,
    Purpose,
    SignupForm,
    Suppression,
)

PROFILE_FLAGS = {
    Channel.EMAIL: "consent_email",
    Channel.SMS: "consent_sms",
    Channel.PHONE: "consent_phone",
    Channel.POST: "consent_post",
}

MAX_AHEAD = timedelta(minutes=5)
"""How far a clock that dates a statement may run before ours."""

ADDRESS_KEYS = {Channel.EMAIL: "email_key", Channel.SMS: "phone_key", Channel.PHONE: "phone_key"}
"""The column of :class:`Customer` by which a channel's addresses are compared; post has none."""

FORBIDS_SERVICE = (Suppression.Reason.BOUNCED, Suppression.Reason.ERASED)
"""Reasons for which an address gets not even the receipt that its owner asked for."""


def record_consent(
    *,
    customer: Customer,
    channel: str,
    granted: bool,
    source: str,
    stated_at: datetime,
    wording: str = "",
    by: User | None = None,
    purpose: str = Purpose.MARKETING,
    wording_version: ConsentWording | None = None,
    form: SignupForm | None = None,
    proof: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> Consent:
    """Write down a customer's yes or no; the profile shows the newest one by (``stated_at``, id), whatever comes last.

    A yes is one person's. It also ends an earlier "unsubscribed" of their address, and no other suppression: so it is
    for statements that a person made, not for those that an import or a merge brings. A no at an address that others
    share is :func:`stop_address`'s work. Raises ValidationError where :func:`check_stated_at` does.
    """
    check_stated_at(stated_at=stated_at, now=now or timezone.now())
    with transaction.atomic():
        # The lock makes the later of two statements at once see the earlier.
        CustomerProfile.objects.get_or_create(customer=customer)
        CustomerProfile.objects.select_for_update(no_key=True).get(customer=customer)
        consent = Consent.objects.create(
            customer=customer,
            channel=channel,
            purpose=purpose,
            granted=granted,
            stated_at=stated_at,
            source=source,
            wording=wording,
            wording_version=wording_version,
            form=form,
            proof=proof or {},
            recorded_by=by,
        )
        if purpose == Purpose.MARKETING:
            newest = current(customer=customer, channel=channel)
            CustomerProfile.objects.filter(customer=customer).update(
                **{PROFILE_FLAGS[Channel(channel)]: newest is not None and newest.granted}
            )
            if newest == consent and granted:
                _end_unsubscribed(customer, Channel(channel), stated_at)
        marks.mark_customers(customer_ids=[customer.pk])
        bell.ring_after_commit("segments.tasks.refresh_marked")
    return consent


def check_stated_at(*, stated_at: datetime, now: datetime) -> None:
    """Raise ValidationError for a statement of the future: it would beat every no said until then."""
    if stated_at > now + MAX_AHEAD:
        raise ValidationError({"stated_at": _("The statement lies in the future. Enter when it was made.")})


def _end_unsubscribed(customer: Customer, channel: Channel, stated_at: datetime) -> None:
    """Of the address only: whoever else bears it said no in their own ledger (:func:`stop_address`), which stays."""
    key = (
        Customer.objects.values_list(ADDRESS_KEYS[channel], flat=True).get(pk=customer.pk)
        if channel in ADDRESS_KEYS
        else ""
    )
    if key:
        Suppression.objects.filter(
            channel=channel,
            address_hash=addresses.address_hash(key),
            reason=Suppression.Reason.UNSUBSCRIBED,
            recorded_at__lte=stated_at,
        ).delete()


def stop_address(
    *,
    channel: str,
    address_key: str,
    by_customer: Customer,
    source: str,
    stated_at: datetime,
    proof: dict[str, Any] | None = None,
) -> None:
    """A no at an address: nobody who bears it is written to any more, nor ``by_customer`` who said it.

    The address is suppressed, and everybody's ledger gets the no: so that one person's later yes is theirs alone.
    """
    with transaction.atomic():
        bearers = {by_customer.pk} if by_customer.erased_at is None else set()
        if address_key and channel in ADDRESS_KEYS:
            bearing = customers.live().filter(**{ADDRESS_KEYS[Channel(channel)]: address_key})
            bearers |= set(bearing.values_list("pk", flat=True))
        _withdraw(sorted(bearers), channel, source, stated_at, proof or {})
        if address_key:
            suppress(channel=channel, address_key=address_key, reason=Suppression.Reason.UNSUBSCRIBED)


def _withdraw(ids: list[int], channel: str, source: str, stated_at: datetime, proof: dict[str, Any]) -> None:
    CustomerProfile.objects.bulk_create([CustomerProfile(customer_id=pk) for pk in ids], ignore_conflicts=True)
    profiles = CustomerProfile.objects.filter(customer__in=ids)
    # Locked in the order of ids, as everywhere; the lock makes the later of two statements at once see the earlier.
    list(profiles.select_for_update(no_key=True).order_by("customer_id").values_list("customer_id"))
    Consent.objects.bulk_create(
        [
            Consent(customer_id=pk, channel=channel, granted=False, stated_at=stated_at, source=source, proof=proof)
            for pk in ids
        ]
    )
    statements = Consent.objects.filter(customer__in=ids, channel=channel, purpose=Purpose.MARKETING)
    newest = statements.order_by("customer_id", "-stated_at", "-id").distinct("customer_id")
    allowing = [consent.customer_id for consent in newest if consent.granted]
    profiles.exclude(customer__in=allowing).update(**{PROFILE_FLAGS[Channel(channel)]: False})
    marks.mark_customers(customer_ids=ids)
    bell.ring_after_commit("segments.tasks.refresh_marked")


def current(*, customer: Customer, channel: str, purpose: str = Purpose.MARKETING) -> Consent | None:
    """The statement that counts now; None where there is none, which is a no."""
    return (
        Consent.objects.filter(customer=customer, channel=channel, purpose=purpose)
        .order_by("-stated_at", "-id")
        .first()
    )


def suppress(*, channel: str, address_key: str, reason: str) -> None:
    """Never write to this address again (:func:`crm.addresses.email_key` or ``phone_key`` of it), whoever bears it."""
    Suppression.objects.bulk_create(
        [Suppression(channel=channel, address_hash=addresses.address_hash(address_key), reason=reason)],
        ignore_conflicts=True,
    )


def suppressed(
    *, channel: str, address_keys: Iterable[str], reasons: Iterable[str] | None = None
) -> dict[str, set[str]]:
    """Those of the addresses that are suppressed, each with its reasons; all reasons count unless some are named."""
    by_hash = {addresses.address_hash(key): key for key in address_keys if key}
    rows = Suppression.objects.filter(channel=channel, address_hash__in=by_hash)
    if reasons is not None:
        rows = rows.filter(reason__in=reasons)
    found: dict[str, set[str]] = {}
    for hashed, reason in rows.values_list("address_hash", "reason"):
        found.setdefault(by_hash[bytes(hashed)], set()).add(reason)
    return found
