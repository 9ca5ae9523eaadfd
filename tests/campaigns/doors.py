"""A door that needs no server: what it is told to say becomes of each message, it says."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from campaigns.channels import Claimed, Fate, Message, Outcome, Prepared, Sent, Session, Trouble
from campaigns.models import Campaign


class ToyDoor:
    """Keeps what was sent in ``sent``; ``fate_of`` and ``on_send`` let a test play the world's part."""

    address_column = "email"
    key_column = "email_key"
    consent_column = "consent_email"

    sent: list[str]
    fate_of: Callable[[str], Fate | Trouble]
    on_send: Callable[[Sequence[Message]], object]
    unmakeable: set[str]
    faults: list[str]

    @classmethod
    def reset(cls) -> None:
        cls.sent = []
        cls.fate_of = staticmethod(lambda address: Fate.ACCEPTED)
        cls.on_send = staticmethod(lambda messages: None)
        cls.unmakeable = set()
        cls.faults = []

    def problems(self, campaign: Campaign) -> list[str]:
        return list(self.faults)

    def launched(self, campaign: Campaign) -> None:
        pass

    def prepare(self, campaign: Campaign, window: Sequence[Claimed], *, now: datetime) -> Prepared:
        prepared = Prepared()
        for claimed in window:
            if claimed.address in self.unmakeable:
                prepared.unmade[claimed.id] = "no name"
            else:
                prepared.messages.append(Message(claimed.id, claimed.address, b"hello"))
        return prepared

    def open(self) -> AbstractContextManager[Session]:
        return nullcontext(self)

    def send(self, messages: Sequence[Message], *, seconds: float) -> Sent:
        type(self).on_send(messages)
        sent = Sent()
        for message in messages:
            fate = type(self).fate_of(message.address)
            if isinstance(fate, Trouble):
                sent.trouble = fate
                break
            sent.outcomes.append(Outcome(message.delivery_id, fate, "" if fate is Fate.ACCEPTED else fate.name))
            if fate in (Fate.ACCEPTED, Fate.UNCLEAR):
                self.sent.append(message.address)
        return sent
