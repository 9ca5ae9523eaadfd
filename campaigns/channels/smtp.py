"""A conversation with the shop's mail server: one connection, kept for many messages, commands pipelined.

Django's EMAIL_* settings say where it is. What the server says decides each message's fate; see :class:`Fate`.
"""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from django.conf import settings
from django.utils.translation import gettext as _

from campaigns.channels import Fate, Message, Outcome, Sent, Trouble
from campaigns.mime import HeaderRefused, ascii_address

REFUSALS_IN_A_ROW = 10
"""So many messages refused one after the other (for another reason than their address): it is the server, not they."""
SILENCES_IN_A_ROW = 3
"""So many messages without an answer after their bytes: stop, before more become unclear."""

_NO_SUCH_ADDRESS = re.compile(r"5\.1\.(?:1|2|3|6|10)\b")
_DOT = re.compile(rb"^\.", re.MULTILINE)
_LOST = (smtplib.SMTPServerDisconnected, OSError)


class _Silence(Exception):
    """The connection ended after a message's bytes were on their way."""


class SmtpSession:
    """Connects at the first message, and again where the server hung up between two."""

    def __init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None
        self._refused = 0
        self._silent = 0
        self._is_offered = False
        """The commands of the message to come went with the one before it, and wait for their answers."""
        self._sender = ascii_address(sender_address())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._smtp is not None:
            try:
                self._smtp.quit()
            except (smtplib.SMTPException, OSError):
                pass
        self._hang_up()

    def send(self, messages: Sequence[Message], *, seconds: float) -> Sent:
        sent = Sent()
        until = time.monotonic() + seconds
        for at, message in enumerate(messages):
            if time.monotonic() > until:
                break
            try:
                outcome = self._send_one(message, messages[at + 1] if at + 1 < len(messages) else None)
            except Trouble as trouble:
                sent.trouble = trouble
                break
            sent.outcomes.append(outcome)
            sent.trouble = self._judge(sent.outcomes)
            if sent.trouble:
                break
        if self._is_offered:  # to a message that is not to follow: the server forgets it where we hang up
            self._hang_up()
        return sent

    def _judge(self, outcomes: list[Outcome]) -> Trouble | None:
        """Trouble where one message after the other fails: then the recent ones did not fail by their own fault."""
        last = outcomes[-1]
        failed = last.fate in (Fate.REFUSED, Fate.LATER)
        self._refused = self._refused + 1 if failed else 0
        self._silent = self._silent + 1 if last.fate is Fate.UNCLEAR else 0
        if self._silent >= SILENCES_IN_A_ROW:
            self._silent = 0
            return Trouble(_("The mail server takes messages and gives no answer: %s") % last.detail, heals=True)
        if self._refused >= REFUSALS_IN_A_ROW:
            for at in range(max(0, len(outcomes) - self._refused), len(outcomes)):
                outcomes[at] = Outcome(outcomes[at].delivery_id, Fate.UNSENT, outcomes[at].detail)
            self._refused = 0
            return Trouble(_("The mail server refuses one message after the other: %s") % last.detail, heals=True)
        return None

    def _send_one(self, message: Message, following: Message | None) -> Outcome:
        """Once more, on a new connection, where the server hung up before it took a byte of the message."""
        try:
            address = ascii_address(message.address)
        except HeaderRefused as refused:
            return Outcome(message.delivery_id, Fate.REFUSED, str(refused))
        while True:
            is_fresh = self._smtp is None
            smtp = self._smtp or self._connect()
            try:
                return self._converse(smtp, address, message, following)
            except _Silence as silence:
                self._hang_up()
                return Outcome(message.delivery_id, Fate.UNCLEAR, str(silence))
            except _LOST as error:
                self._hang_up()
                if is_fresh:
                    raise Trouble(_("The mail server hung up: %s") % _say(error), heals=True) from error

    def _converse(self, smtp: smtplib.SMTP, address: str, message: Message, following: Message | None) -> Outcome:
        options = b""
        if not address.isascii():
            if not smtp.has_extn("smtputf8"):
                return Outcome(message.delivery_id, Fate.REFUSED, _("The mail server can't write to such an address."))
            options = b" SMTPUTF8"
        mail, rcpt, data = self._offer(smtp, options, address)
        if mail[0] != 250:
            raise self._sender_refused(mail)
        if rcpt[0] not in (250, 251):
            self._abort(smtp, data)
            return self._refusal(message, rcpt, is_recipient=True)
        if data[0] != 354:
            self._abort(smtp, data)
            return self._refusal(message, data)
        ahead = self._commands_ahead(smtp, following)
        try:
            smtp.send(_DOT.sub(b"..", message.data) + b".\r\n" + ahead)
            self._is_offered = bool(ahead)
            reply = smtp.getreply()
        except _LOST as error:
            raise _Silence(_say(error)) from error
        if reply[0] == -1:
            raise _Silence(_("unreadable answer"))
        return Outcome(message.delivery_id, Fate.ACCEPTED) if reply[0] // 100 == 2 else self._refusal(message, reply)

    def _offer(self, smtp: smtplib.SMTP, options: bytes, address: str) -> list[tuple[int, bytes]]:
        """Answers to MAIL, RCPT and DATA; in one round trip, or none, where the server allows (RFC 2920)."""
        commands = self._commands(address, options)
        if smtp.has_extn("pipelining"):
            if not self._is_offered:
                smtp.send(b"".join(commands))
            self._is_offered = False
            return [smtp.getreply() for _command in commands]
        replies: list[tuple[int, bytes]] = []
        for command in commands:
            if replies and replies[-1][0] not in (250, 251):
                replies.append((503, b"not asked"))
                continue
            smtp.send(command)
            replies.append(smtp.getreply())
        return replies

    def _commands(self, address: str, options: bytes = b"") -> list[bytes]:
        mail = b"MAIL FROM:<" + self._sender.encode() + b">" + options + b"\r\n"
        return [mail, b"RCPT TO:<" + address.encode() + b">\r\n", b"DATA\r\n"]

    def _commands_ahead(self, smtp: smtplib.SMTP, following: Message | None) -> bytes:
        """What may go out together with a message's bytes: the offer of the next, if that is an ordinary one."""
        if following is None or not smtp.has_extn("pipelining"):
            return b""
        try:
            address = ascii_address(following.address)
        except HeaderRefused:
            return b""
        return b"".join(self._commands(address)) if address.isascii() else b""

    def _abort(self, smtp: smtplib.SMTP, data: tuple[int, bytes]) -> None:
        """Back to the state in which the next message may be offered."""
        if data[0] == 354:  # the server waits for a message to nobody
            smtp.send(b".\r\n")
            smtp.getreply()
        smtp.putcmd("RSET")
        smtp.getreply()

    def _refusal(self, message: Message, reply: tuple[int, bytes], *, is_recipient: bool = False) -> Outcome:
        code, text = reply[0], _reply(reply)
        if code == 421:
            self._hang_up()
            raise Trouble(_("The mail server closes: %s") % text, heals=True)
        if code >= 500:
            gone = is_recipient and _NO_SUCH_ADDRESS.search(text)
            return Outcome(message.delivery_id, Fate.BAD_ADDRESS if gone else Fate.REFUSED, text)
        return Outcome(message.delivery_id, Fate.LATER, text)

    def _sender_refused(self, reply: tuple[int, bytes]) -> Trouble:
        self._hang_up()
        return Trouble(_("The mail server refuses the sender: %s") % _reply(reply), heals=reply[0] < 500)

    def _connect(self) -> smtplib.SMTP:
        host, port, patience = settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT or 30
        try:
            if settings.EMAIL_USE_SSL:
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                    host, port, timeout=patience, context=ssl.create_default_context()
                )
            else:
                smtp = smtplib.SMTP(host, port, timeout=patience)
        except (smtplib.SMTPException, OSError) as error:
            reason = _("No mail server answers at %(where)s: %(error)s")
            raise Trouble(reason % {"where": f"{host}:{port}", "error": _say(error)}, heals=True) from error
        self._smtp = smtp
        if smtp.sock is not None:
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            smtp.ehlo_or_helo_if_needed()
            if settings.EMAIL_USE_TLS:
                smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo()
            if settings.EMAIL_HOST_USER:
                smtp.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
        except (smtplib.SMTPException, OSError, ssl.SSLError) as error:
            self._hang_up()
            heals = not isinstance(
                error, smtplib.SMTPAuthenticationError | smtplib.SMTPNotSupportedError | ssl.SSLError
            )
            raise Trouble(_("The mail server does not let us in: %s") % _say(error), heals=heals) from error
        return smtp

    def _hang_up(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None
        self._is_offered = False


def sender_address() -> str:
    """The bare address of DEFAULT_FROM_EMAIL."""
    return settings.DEFAULT_FROM_EMAIL.rpartition("<")[2].rstrip("> ")


def _reply(reply: tuple[int, bytes]) -> str:
    return f"{reply[0]} {reply[1].decode('utf-8', 'replace')}".replace("\n", " ").replace("\0", "")[:400]


def _say(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _reply((error.smtp_code, text if isinstance(text, bytes) else str(text).encode()))
    return (str(error) or type(error).__name__)[:400]
