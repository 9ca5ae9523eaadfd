"""The SMTP side of the mail catcher: `python -m config.mailcatcher.server FOLDER (--fd N | --port N)`."""

import argparse
import asyncio
import logging
import signal
import socket
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from config.mailcatcher.store import Mailbox

LARGEST_MESSAGE = 40 * 1024 * 1024
"""Bytes; what large providers take at most."""


class Catcher:
    """Takes every message, whoever it is for."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        self.mailbox.keep(content=content, sender=envelope.mail_from or "", recipients=list(envelope.rcpt_tos))
        return "250 Kept"


async def serve(listener: socket.socket, mailbox: Mailbox) -> None:
    """Until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)

    def conversation() -> SMTP:
        return SMTP(Catcher(mailbox), data_size_limit=LARGEST_MESSAGE, enable_SMTPUTF8=True, hostname="localhost")

    server = await loop.create_server(conversation, sock=listener)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="a listening socket, inherited")
    where.add_argument("--port", type=int, help="a port on loopback")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if arguments.fd is not None:
        listener = socket.socket(fileno=arguments.fd)
    else:
        listener = socket.create_server(("127.0.0.1", arguments.port))
    asyncio.run(serve(listener, Mailbox(arguments.folder)))


if __name__ == "__main__":
    main()
