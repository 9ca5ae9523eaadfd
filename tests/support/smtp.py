"""A real SMTP server that keeps what it is sent."""

import logging
import socket
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class SmtpCatcher:
    """Listens on a free loopback port. `refuse` holds recipients that get a permanent error."""

    host: str = "127.0.0.1"
    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address in self.refuse:
            return "550 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        with self._arrived:
            self.envelopes.append(envelope)
            self._arrived.notify_all()
        return "250 Kept"

    @property
    def recipients(self) -> list[str]:
        """Every recipient of every message, in order of arrival."""
        return [address for envelope in self.envelopes for address in envelope.rcpt_tos]

    @property
    def messages(self) -> list[EmailMessage]:
        parser = BytesParser(policy=default)
        return [parser.parsebytes(_content(envelope)) for envelope in self.envelopes]

    def wait_for(self, count: int, timeout: float = 20.0) -> None:
        """Until this many messages have come; fails the test if they don't."""
        with self._arrived:
            arrived = self._arrived.wait_for(lambda: len(self.envelopes) >= count, timeout)
        assert arrived, f"{len(self.envelopes)} of {count} messages came within {timeout:.0f} s"

    def clear(self) -> None:
        with self._arrived:
            self.envelopes.clear()


def _content(envelope: Envelope) -> bytes:
    content = envelope.content or b""
    return content.encode() if isinstance(content, str) else content


def start() -> tuple[SmtpCatcher, Controller]:
    """A running catcher; stop it with `controller.stop()`."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # else every line of every conversation
    catcher = SmtpCatcher()
    controller = Controller(catcher, hostname=catcher.host, port=0)
    # The Controller tests its port by connecting to it, which needs a number: ask the kernel for a free one.
    controller.port = free_port()
    controller.start()
    catcher.port = controller.port
    return catcher, controller


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
