"""The keeper: one process a data folder that runs its servers for as long as anybody holds a lease.

A lease is an open connection to the keeper's socket. The kernel closes it however its holder ends, SIGKILL included,
so nothing has to be counted, written down or guessed. When the last lease is gone, the keeper stops the servers, gives
folders their old modes back, removes the sockets and ends. Should the keeper itself be killed, the kernel tells the
servers.

Lines from a lease: `need NAME...` (answered by `ready` or `error TEXT`), `watch PID` and `forget PID` (a process group
to be ended with this lease), `bye` (answered by `stay` if others hold leases, else by the end of the connection).
"""

import argparse
import fcntl
import os
import selectors
import shutil
import signal
import socket
import time
from pathlib import Path

from config.embedded import children, folders
from config.embedded.places import Account, EmbeddedError, Places, make_private_folder, places_of, server_account
from config.embedded.servers import KINDS, Server

CHILD_PATIENCE = 10.0
"""Seconds that processes of a broken lease get to end in good order."""
LOCK_PATIENCE = 5.0
_LOG_LIMIT = 10_000_000


class Keeper:
    def __init__(self, places: Places, *, scratch: bool) -> None:
        self.places, self.scratch = places, scratch
        self.account: Account = server_account(places)
        self.servers: dict[str, Server] = {}
        self.leases: dict[socket.socket, set[int]] = {}
        self.selector = selectors.DefaultSelector()
        self.leaving = False
        self.waiting: socket.socket | None = None
        """The last lease after its `bye`: told to go when somebody else comes, else closed when all has stopped."""

    def open(self) -> None:
        """Take the data folder. Raises EmbeddedError if another keeper has it."""
        self.lock = os.open(self.places.keeper_lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(self.lock, patience=LOCK_PATIENCE):
            raise EmbeddedError(f"{self.places.data} is in use by a server that another account started.")
        folders.take_back(user=os.getpid())  # what an interrupted run may have left open
        us = Account("", os.geteuid(), os.getegid())
        make_private_folder(self.places.runtime, us, 0o700 if self.account.is_us else 0o711)
        make_private_folder(self.places.sockets, self.account)
        self.places.logs.mkdir(mode=0o700, exist_ok=True)
        for log in self.places.logs.glob("*.log"):
            if log.stat().st_size > _LOG_LIMIT:
                log.replace(log.with_suffix(".log.old"))
        self.places.keeper_socket.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.places.keeper_socket))
        self.places.keeper_socket.chmod(0o600)
        self.listener.listen(64)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def add_lease(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self.leases[connection] = set()
        self.selector.register(connection, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the last lease is gone, a server ends by itself, or somebody sends SIGTERM."""
        while not self.leaving:
            for key, _events in self.selector.select(timeout=0.5):
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._listen_to(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
            self.leaving |= any(server.ended() for server in self.servers.values())
            if not self.leases and not self.leaving:
                self.leaving = self._nobody_is_coming()

    def _accept(self) -> bool:
        try:
            connection, _address = self.listener.accept()
        except BlockingIOError:
            return False
        self.add_lease(connection)
        if self.waiting:
            _tell(self.waiting, "stay")
            self.waiting.close()
            self.waiting = None
        return True

    def _nobody_is_coming(self) -> bool:
        """True with the start lock in hand: whoever wants servers now waits for it, and then starts anew."""
        self.start_lock = os.open(self.places.start_lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.start_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.start_lock)
            return False
        if self._accept():
            os.close(self.start_lock)
            return False
        return True

    def _listen_to(self, lease: socket.socket) -> None:
        try:
            data = lease.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(lease)
        for line in data.decode(errors="replace").splitlines():
            self._obey(lease, *line.split())

    def _obey(self, lease: socket.socket, word: str = "", *rest: str) -> None:
        match word:
            case "need":
                self._answer_need(lease, rest)
            case "watch":
                self.leases[lease].add(int(rest[0]))
            case "forget":
                self.leases[lease].discard(int(rest[0]))
            case "bye":
                self._farewell(lease)

    def _answer_need(self, lease: socket.socket, names: tuple[str, ...]) -> None:
        try:
            for name in names:
                if name not in self.servers:
                    server = KINDS[name](
                        self.places, self.account, scratch=self.scratch, say=lambda text: _tell(lease, "say", text)
                    )
                    server.start()
                    self.servers[name] = server
        except (EmbeddedError, OSError) as error:
            _tell(lease, "error", str(error))
        else:
            _tell(lease, "ready")

    def _farewell(self, lease: socket.socket) -> None:
        if len(self.leases) > 1:
            _tell(lease, "stay")
            return
        groups = self.leases.pop(lease)
        self.selector.unregister(lease)
        self.waiting = lease
        children.end_groups(groups, patience=CHILD_PATIENCE)

    def _drop(self, lease: socket.socket) -> None:
        self.selector.unregister(lease)
        groups = self.leases.pop(lease)
        lease.close()
        children.end_groups(groups, patience=CHILD_PATIENCE)

    def close(self) -> None:
        """Stop everything and leave no socket and no open folder."""
        children.end_groups({group for groups in self.leases.values() for group in groups}, patience=CHILD_PATIENCE)
        self.places.keeper_socket.unlink(missing_ok=True)
        for server in reversed(self.servers.values()):
            server.stop()
        shutil.rmtree(self.places.sockets, ignore_errors=True)
        shutil.rmtree(self.places.runtime, ignore_errors=True)
        folders.take_back(user=os.getpid())
        os.close(self.lock)  # before the last lease hears that we are done, which our end tells it


def _lock(file: int, *, patience: float) -> bool:
    """Take the lock, if need be after a killed holder has let go of it."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def _tell(lease: socket.socket, word: str, text: str = "") -> None:
    try:
        lease.sendall(f"{word} {text.replace(chr(10), chr(31))}\n".encode())
    except OSError:
        pass  # the holder has gone; its end is seen at the next read


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--lease", type=int, required=True, help="file descriptor of the first lease")
    parser.add_argument("--scratch", action="store_true", help="throw-away data: don't wait for the disk")
    arguments = parser.parse_args()
    lease = socket.socket(fileno=arguments.lease)
    for sign in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)
    try:
        keeper = Keeper(places_of(arguments.data), scratch=arguments.scratch)
        keeper.open()
    except (EmbeddedError, OSError) as error:
        _tell(lease, "error", str(error))
        return
    signal.signal(signal.SIGTERM, lambda *_: setattr(keeper, "leaving", True))
    keeper.add_lease(lease)
    try:
        keeper.serve()
    finally:
        keeper.close()


if __name__ == "__main__":
    main()
