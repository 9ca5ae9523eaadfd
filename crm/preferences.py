"""What customers decide about our messages on their own page: channels, topics, how often, a pause, or nothing at all.

The page has no log-in. Its address is signed, so nobody can guess it; but mails are forwarded, so it shows contact data
masked. A second link, mailed to the customer's own address and valid for an hour, shows and corrects them.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from crm import consents, customers, outbox, wordings
from crm.models import Channel, Customer, CustomerProfile, Shop, Topic
from crm.text import clean

SOURCE = "preference page"
_LASTING, _SHORT = "crm.preferences", "crm.preferences.data"
DATA_LINK_VALID = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=366)


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What a customer wants. ``channels`` says yes or no to each that there is an address for."""

    channels: Mapping[str, bool]
    topics_declined: Collection[str] = ()
    message_frequency: str = ""
    language: str = ""
    interests: Collection[str] = ()
    pause_ends_on: date | None = None


def url(customer: Customer) -> str:
    """The customer's own page; the same address every time."""
    return _address("preferences", signing.Signer(salt=_LASTING).sign(customer.public_id.hex))


def data_url(customer: Customer) -> str:
    """The page with the customer's own data, for an hour."""
    return _address("preferences-data", signing.TimestampSigner(salt=_SHORT).sign(customer.public_id.hex))


def _address(name: str, token: str) -> str:
    return settings.SITE_URL.rstrip("/") + reverse(name, args=[token])


def find(*, token: str, with_data: bool = False) -> Customer | None:
    """Whose page this is: the living record, where theirs was merged. None for a link that is wrong or too old."""
    try:
        if with_data:
            text = signing.TimestampSigner(salt=_SHORT).unsign(token, max_age=DATA_LINK_VALID)
        else:
            text = signing.Signer(salt=_LASTING).unsign(token)
        found = Customer.objects.filter(public_id=uuid.UUID(hex=text)).first()
    except (signing.BadSignature, ValueError):
        return None
    customer = customers.survivor(found) if found else None
    return customer if customer and customer.is_live else None


def reachable(customer: Customer) -> list[Channel]:
    """The channels for which there is an address."""
    has = {
        Channel.EMAIL: customer.email,
        Channel.SMS: customer.phone,
        Channel.PHONE: customer.phone,
        Channel.POST: customer.address,
    }
    return [channel for channel, address in has.items() if address]


def current(*, customer: Customer) -> Preferences:
    """What the customer has decided so far."""
    profile = CustomerProfile.objects.filter(customer=customer).first() or CustomerProfile(customer=customer)
    return Preferences(
        channels={channel: getattr(profile, consents.PROFILE_FLAGS[channel]) for channel in reachable(customer)},
        topics_declined=customer.topics_declined,
        message_frequency=customer.message_frequency,
        language=customer.language,
        interests=customer.interests,
        pause_ends_on=customer.pause_ends_on,
    )


def save(*, customer: Customer, wanted: Preferences, proof: dict[str, Any], now: datetime) -> None:
    """Keep what the customer decided. Only what differs is written: a yes or no said before is not said again.

    A no stops the address for everybody who bears it; a yes is this customer's alone.
    """
    with transaction.atomic():
        before = current(customer=customer)
        for channel, said in wanted.channels.items():
            if before.channels.get(channel) != said:
                _say(customer, channel, said, proof, now)
        known = set(Topic.objects.filter(is_active=True).values_list("slug", flat=True))
        hidden = set(before.topics_declined) - known  # a topic that is put aside was not asked about
        fields = {
            "topics_declined": sorted((set(wanted.topics_declined) & known) | hidden),
            "message_frequency": wanted.message_frequency,
            "language": wanted.language,
            "interests": list(wanted.interests),
            "pause_ends_on": wanted.pause_ends_on,
        }
        changed = {name: value for name, value in fields.items() if getattr(customer, name) != value}
        if changed:
            customers.change_customer(customer=customer, **changed)


def _say(customer: Customer, channel: str, granted: bool, proof: dict[str, Any], now: datetime) -> None:
    if not granted:
        key = getattr(customer, consents.ADDRESS_KEYS.get(Channel(channel), ""), "")
        consents.stop_address(
            channel=channel, address_key=key, by_customer=customer, source=SOURCE, stated_at=now, proof=proof
        )
        return
    wording = wordings.in_force(channel=channel)
    consents.record_consent(
        customer=customer,
        channel=channel,
        granted=True,
        source=SOURCE,
        stated_at=now,
        wording=wording.text[:500],
        wording_version=wording.version,
        proof=proof,
        now=now,
    )


def stop_everything(*, customer: Customer, proof: dict[str, Any], now: datetime) -> None:
    """No to every channel, at every address of theirs, whatever they said before."""
    with transaction.atomic():
        for channel in Channel:
            _say(customer, channel, False, proof, now)


def mail_data_link(*, customer: Customer, now: datetime) -> None:
    """Mail the customer the link that shows their data. Raises ValidationError where there is no address."""
    shop = clean(Shop.current().name)
    text = _(
        "Hello,\n\nhere you can see and correct what we know about you. The link works for one hour:\n%(url)s\n\n"
        "If you did not ask for it, do nothing.\n\n%(shop)s"
    ) % {"url": data_url(customer), "shop": shop}
    outbox.write(
        key=f"data-link:{customer.pk}:{now:%Y%m%d%H}{now.minute // 10}",  # pressed twice in a row, it is one mail
        to=customer.email,
        subject=_("Your data at %(shop)s") % {"shop": shop},
        text=text,
        customer=customer,
        now=now,
    )
