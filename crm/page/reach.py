"""How a customer may be reached: each channel with its address and what they said about it, with the proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from crm import consents
from crm.days import shop_day
from crm.models import Channel, Consent, Customer, Purpose


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The newest statement for a channel and purpose, and how many came before it."""

    consent: Consent
    earlier: int


@dataclass(frozen=True, kw_only=True)
class Reach:
    channel: str
    name: str
    address: str
    marketing: Consent | None
    statements: tuple[Statement, ...]
    is_stopped: bool
    """Whether the address is not written to, whoever bears it."""
    is_preferred: bool

    @property
    def is_open(self) -> bool:
        """Whether marketing may be sent there."""
        return bool(self.address and not self.is_stopped and self.marketing and self.marketing.granted)

    @property
    def said_no(self) -> bool:
        return bool(self.marketing and not self.marketing.granted)

    @property
    def since_on(self) -> date | None:
        return shop_day(self.marketing.stated_at) if self.marketing and self.marketing.granted else None


def channels(*, customer: Customer) -> tuple[list[Reach], list[Statement]]:
    """Each channel, the preferred one first; and what was said about purposes without a channel."""
    said = list(consents.of_person(customer=customer).select_related("form", "wording_version", "recorded_by"))
    newest = _newest(said)
    keys = consents.address_keys(customer)
    addresses = {
        Channel.EMAIL: customer.email,
        Channel.SMS: customer.phone,
        Channel.PHONE: customer.phone,
        Channel.POST: ", ".join(filter(None, [customer.address, customer.postcode, customer.city]))
        if customer.address
        else "",
    }
    rows = [
        Reach(
            channel=channel,
            name=str(Channel(channel).label),
            address=addresses[Channel(channel)],
            marketing=next(
                (one.consent for one in newest if one.consent.channel == channel and _is_marketing(one)), None
            ),
            statements=tuple(one for one in newest if one.consent.channel == channel),
            is_stopped=bool(keys.get(channel) and consents.suppressed(channel=channel, address_keys=[keys[channel]])),
            is_preferred=customer.preferred_channel == channel,
        )
        for channel in Channel.values
    ]
    rows.sort(key=lambda row: (not row.is_preferred, not row.is_open))
    return rows, [one for one in newest if not one.consent.channel]


def _is_marketing(statement: Statement) -> bool:
    return statement.consent.purpose == Purpose.MARKETING


def _newest(said: Sequence[Consent]) -> list[Statement]:
    """``said`` comes newest first."""
    counted: dict[tuple[str, str], list[Consent]] = {}
    for consent in said:
        counted.setdefault((consent.channel, consent.purpose), []).append(consent)
    return [Statement(consent=each[0], earlier=len(each) - 1) for each in counted.values()]
