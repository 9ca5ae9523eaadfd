"""The doors through which messages leave. A channel is a module with a class that keeps :class:`Door`.

The engine (:mod:`campaigns.sending`) leases, commits and settles; a door makes messages and carries them out, and says
of each what became of it. So an SMS provider, a call list or a letter shop is one class and one line in ``DOORS``.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from campaigns.models import Campaign


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker has leased."""

    id: int
    customer_id: int
    variant_id: int
    address: str
    address_key: str
    token: UUID
    tries: int


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery's message, ready to go."""

    delivery_id: int
    address: str
    data: bytes


@dataclass(slots=True)
class Prepared:
    """A window's messages, and why some could not be made (by delivery id)."""

    messages: list[Message] = field(default_factory=list)
    unmade: dict[int, str] = field(default_factory=dict)


class Fate(Enum):
    """What became of a message at the door."""

    ACCEPTED = auto()
    REFUSED = auto()
    """For good, by the server's own judgement."""
    BAD_ADDRESS = auto()
    """For good, because there is no such address: nobody should write to it again."""
    LATER = auto()
    """A temporary error of this one recipient."""
    UNCLEAR = auto()
    """Its bytes left, and no answer came: it may have arrived or not."""
    UNSENT = auto()
    """Not a byte of it was taken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    delivery_id: int
    fate: Fate
    detail: str = ""


class Trouble(Exception):
    """The door itself is broken, not one recipient. ``heals``: waiting may help; else a human has to mend something."""

    def __init__(self, reason: str, *, heals: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.heals = heals


@dataclass(slots=True)
class Sent:
    """Outcomes of the messages that were tried (the others were never begun), and what stopped the work."""

    outcomes: list[Outcome] = field(default_factory=list)
    trouble: Trouble | None = None


class Session(Protocol):
    """An open way out, used for window after window."""

    def send(self, messages: Sequence[Message], *, seconds: float) -> Sent:
        """Carry the messages out, beginning none after that many seconds. Raises nothing that a server can cause."""
        ...


class Door(Protocol):
    address_column: str
    """Of the customer: where the message goes."""
    key_column: str
    """Of the customer: the form under which two addresses are one."""
    consent_column: str
    """Of the profile."""

    def problems(self, campaign: Campaign) -> list[str]:
        """What keeps this campaign from going out here, in sentences for the one who launches it."""
        ...

    def launched(self, campaign: Campaign) -> None:
        """Called once in the transaction of the launch, for what the door needs to write down."""
        ...

    def prepare(self, campaign: Campaign, window: Sequence[Claimed], *, now: datetime) -> Prepared:
        """Make the window's messages. Trouble (that does not heal) where none can be made."""
        ...

    def open(self) -> AbstractContextManager[Session]: ...


class NoDoor(Exception):
    """Nothing can be sent through this channel (yet)."""


def door(channel: str) -> Door:
    """The channel's door; NoDoor where there is none."""
    path = settings.CAMPAIGN_DOORS.get(channel)
    if path is None:
        raise NoDoor(channel)
    found: Door = import_string(path)()
    return found
