"""A fast SMTP server that pipelines, counts, and misbehaves on demand: for drills, benchmarks and odd answers.

`python -m tests.support.sink` runs one in a process of its own (it prints its port, then discards what comes).
"""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_MESSAGE_ID = re.compile(rb"^Message-ID: *<([^>]+)>", re.MULTILINE | re.IGNORECASE)

DROP = "drop"
"""An answer that is none: the connection ends without a word."""


def _as_usual(_subject: str, _number: int) -> str | None:
    return None


@dataclass
class Sink:
    """Answers of its own making: each gets an address or Message-ID and its running number, and may name a reply."""

    on_mail: Callable[[str, int], str | None] = _as_usual
    on_rcpt: Callable[[str, int], str | None] = _as_usual
    on_data: Callable[[str, int], str | None] = _as_usual
    greeting: str = "220 sink"
    pipelining: bool = True
    keep: bool = True
    port: int = 0
    arrived: Counter[str] = field(default_factory=Counter)
    """How often each Message-ID came, whole, whatever was answered."""
    recipients: Counter[str] = field(default_factory=Counter)
    """How often each address got a message that was answered with 250."""
    messages: list[bytes] = field(default_factory=list)
    """Whole messages as they were before dot-stuffing, if ``keep``."""
    connections: int = 0
    commands: Counter[str] = field(default_factory=Counter)

    def start(self) -> "Sink":
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=[ready], daemon=True)
        self._thread.start()
        ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Conversation(self), "127.0.0.1", self.port)
        )
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.close()


class _Conversation(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        self.in_data = False
        self.sender = self.recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.sink.connections += 1
        self.replies: list[bytes] = []
        self._say(self.sink.greeting)
        self._flush()
        if not self.sink.greeting.startswith("220"):
            transport.close()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while not self.transport.is_closing() and self._step():
            pass
        self._flush()

    def _step(self) -> bool:
        """Take one command, or one message, off the buffer."""
        if self.in_data:
            if self.buffer.startswith(b".\r\n"):
                end, after = 0, 3
            else:
                end = self.buffer.find(b"\r\n.\r\n")
                if end < 0:
                    return False
                end, after = end + 2, end + 5
            message = bytes(self.buffer[:end])
            del self.buffer[:after]
            self.in_data = False
            self._take(message)
            return True
        line, newline, _rest = self.buffer.partition(b"\r\n")
        if not newline:
            return False
        del self.buffer[: len(line) + 2]
        self._obey(line.decode())
        return True

    def _obey(self, line: str) -> None:
        verb = line[:4].upper()
        self.sink.commands[verb] += 1
        number = self.sink.commands[verb]
        if verb == "EHLO":
            self._say("250-sink\r\n250-PIPELINING\r\n250 8BITMIME" if self.sink.pipelining else "250 sink")
        elif verb == "MAIL":
            self.sender, self.recipient = line, ""
            self._answer(self.sink.on_mail(line[11:-1], number) or "250 ok")
        elif verb == "RCPT":
            address = line.partition("<")[2].rstrip(">")
            reply = self.sink.on_rcpt(address, number) or "250 ok"
            self.recipient = address if reply.startswith("250") else ""
            self._answer(reply)
        elif verb == "DATA":
            self.in_data = bool(self.recipient)
            self._say("354 go ahead" if self.in_data else "503 no valid recipient")
        elif verb == "QUIT":
            self._answer("221 bye")
            self._flush()
            self.transport.close()
        else:
            self._say("250 ok")

    def _take(self, message: bytes) -> None:
        found = _MESSAGE_ID.search(message)
        message_id = found[1].decode() if found else ""
        number = self.sink.arrived.total() + 1
        reply = self.sink.on_data(message_id, number) or "250 kept"
        self.sink.arrived[message_id] += 1
        if reply.startswith("250"):
            self.sink.recipients[self.recipient] += 1
            if self.sink.keep:
                unstuffed = message[1:] if message.startswith(b"..") else message
                self.sink.messages.append(unstuffed.replace(b"\r\n..", b"\r\n."))
        self._answer(reply)

    def _answer(self, reply: str) -> None:
        if reply == DROP:
            self._flush()
            self.transport.abort()
        else:
            self._say(reply)
            if reply.startswith("421"):
                self._flush()
                self.transport.close()

    def _say(self, reply: str) -> None:
        self.replies.append(reply.encode() + b"\r\n")

    def _flush(self) -> None:
        if self.replies and not self.transport.is_closing():
            self.transport.write(b"".join(self.replies))
        self.replies.clear()


def main() -> None:
    sink = Sink(keep=False).start()
    print(sink.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
