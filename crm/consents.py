"""What customers allow: a ledger of statements, the newest of which counts, and addresses that are not written to.

A person's statements are those of their record and of all that went up in it by a merge.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import addresses, bell, holds, marks, profiles
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
        # The lock makes the later of two statements at once see the earlier; a record merged meanwhile is its survivor.
        person = holds.hold_roots(customer_ids=[customer.pk])[customer.pk]
        consent = Consent.objects.create(
            customer_id=person,
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
            newest = _newest(_statements(person).filter(channel=channel, purpose=purpose))
            CustomerProfile.objects.filter(customer=person).update(
                **{PROFILE_FLAGS[Channel(channel)]: newest is not None and newest.granted}
            )
            if newest == consent and granted:
                _end_unsubscribed(person, Channel(channel), stated_at)
        marks.mark_customers(customer_ids=[person])
        bell.ring_after_commit("segments.tasks.refresh_marked")
    return consent


def check_stated_at(*, stated_at: datetime, now: datetime) -> None:
    """Raise ValidationError for a statement of the future: it would beat every no said until then."""
    if stated_at > now + MAX_AHEAD:
        raise ValidationError({"stated_at": _("The statement lies in the future. Enter when it was made.")})


def _end_unsubscribed(customer_id: int, channel: Channel, stated_at: datetime) -> None:
    """Of the address only: whoever else bears it said no in their own ledger (:func:`stop_address`), which stays."""
    key = (
        Customer.objects.values_list(ADDRESS_KEYS[channel], flat=True).get(pk=customer_id)
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

    The address is suppressed, and everybody's ledger gets the no: so that one person's later yes is theirs alone. A
    record that went up in another gets it too, so that it keeps the no if that merge is undone.
    """
    with transaction.atomic():
        bearers = {by_customer.pk} if by_customer.erased_at is None else set()
        if address_key and channel in ADDRESS_KEYS:
            bearing = Customer.objects.filter(**{ADDRESS_KEYS[Channel(channel)]: address_key}, erased_at=None)
            bearers |= set(bearing.values_list("pk", flat=True))
        _withdraw(sorted(bearers), channel, source, stated_at, proof or {})
        if address_key:
            suppress(channel=channel, address_key=address_key, reason=Suppression.Reason.UNSUBSCRIBED)


def _withdraw(ids: list[int], channel: str, source: str, stated_at: datetime, proof: dict[str, Any]) -> None:
    people = holds.hold_roots(customer_ids=ids)
    Consent.objects.bulk_create(
        [
            Consent(customer_id=pk, channel=channel, granted=False, stated_at=stated_at, source=source, proof=proof)
            for pk in sorted({*ids, *people.values()})
        ]
    )
    changed = sorted(set(people.values()))
    profiles.recount_ledgers(customers=changed)
    marks.mark_customers(customer_ids=changed)
    bell.ring_after_commit("segments.tasks.refresh_marked")


def current(*, customer: Customer, channel: str, purpose: str = Purpose.MARKETING) -> Consent | None:
    """The statement that counts now; None where there is none, which is a no."""
    said = _statements(customer.merged_into_id or customer.pk)
    return _newest(said.filter(channel=channel, purpose=purpose))


def of_person(*, customer: Customer) -> QuerySet[Consent]:
    """All that the person has said, also on records that went up in theirs; the newest first."""
    return _statements(customer.merged_into_id or customer.pk).order_by("-stated_at", "-id")


def _statements(person: int) -> QuerySet[Consent]:
    records = Customer.objects.filter(Q(pk=person) | Q(merged_into=person)).order_by()
    return Consent.objects.filter(customer__in=records.values("pk"))


def _newest(said: QuerySet[Consent]) -> Consent | None:
    return said.order_by("-stated_at", "-id").first()


def address_keys(customer: Customer) -> dict[str, str]:
    """The record's address in each channel that has one, as suppressions compare it; blank where unknown."""
    return {channel: getattr(customer, column) for channel, column in ADDRESS_KEYS.items()}


def keep_strictest(
    *, survivor: Customer, merged: Customer, keys: Mapping[int, Mapping[str, str]], by: User | None, now: datetime
) -> list[Consent]:
    """Before two records become one: say again each no that the other's later yes would drown. Returns what was said.

    It is said again on the record that said it, so that undoing the merge leaves each with its own. An address that
    unsubscribed or complained says no too, unless the survivor goes on with that very address, which stays suppressed.
    ``keys`` are both records' :func:`address_keys` from before the merge; the survivor's fields are those after it.
    """
    again = []
    for (channel, purpose), newest, silent in _of_both(survivor, merged, keys, survivor):
        latest = max(newest, key=_age)
        if not latest.granted:
            continue
        again += [
            Consent(
                customer_id=pk,
                channel=channel,
                purpose=purpose,
                granted=False,
                stated_at=max(now, latest.stated_at),
                source="merge",
                recorded_by=by,
            )
            for pk in sorted({one.customer_id for one in newest if not one.granted} | silent)
        ]
    return Consent.objects.bulk_create(again)


def after_merge(*, survivor: Customer, merged: Customer, after: Customer) -> dict[tuple[str, str], Consent]:
    """By channel and purpose, the statement that would decide; ``after`` is the survivor as the merge would leave them.

    Where only an address of one of the two forbids it, the statement is an unsaved no of that record.
    """
    keys = {one.pk: address_keys(one) for one in (survivor, merged)}
    found = {}
    for (channel, purpose), newest, silent in _of_both(survivor, merged, keys, after):
        refusals = [one for one in newest if not one.granted]
        latest = max(refusals or newest, key=_age)
        if latest.granted and silent:
            latest = Consent(customer_id=min(silent), channel=channel, purpose=purpose, granted=False)
            latest.stated_at = max(newest, key=_age).stated_at
        found[channel, purpose] = latest
    return found


def _age(said: Consent) -> tuple[datetime, int]:
    return said.stated_at, said.pk


def _of_both(
    one: Customer, other: Customer, keys: Mapping[int, Mapping[str, str]], after: Customer
) -> Iterator[tuple[tuple[str, str], list[Consent], set[int]]]:
    """By channel and purpose: the newest statement of each of the two, and the records whose address forbids it."""
    said = [_newest_of_each(each.pk) for each in (one, other)]
    silenced = _silenced(keys, address_keys(after))
    for channel, purpose in sorted({key for statements in said for key in statements}):
        newest = [statements[channel, purpose] for statements in said if (channel, purpose) in statements]
        silent = {pk for pk, where in silenced if where == channel and purpose == Purpose.MARKETING}
        yield (channel, purpose), newest, silent


def _newest_of_each(person: int) -> dict[tuple[str, str], Consent]:
    said = _statements(person).order_by("channel", "purpose", "-stated_at", "-id").distinct("channel", "purpose")
    return {(one.channel, one.purpose): one for one in said}


def _silenced(keys: Mapping[int, Mapping[str, str]], kept: Mapping[str, str]) -> set[tuple[int, str]]:
    """Records and channels whose address is not written to at its owner's wish, and is not the one that is kept."""
    reasons = (Suppression.Reason.UNSUBSCRIBED, Suppression.Reason.COMPLAINED)
    return {
        (pk, channel)
        for channel in ADDRESS_KEYS
        for pk, theirs in keys.items()
        if theirs[channel]
        and theirs[channel] != kept[channel]
        and suppressed(channel=channel, address_keys=[theirs[channel]], reasons=reasons)
    }


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
