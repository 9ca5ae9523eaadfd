"""Ask for the embedded servers of a data folder; they run at least as long as the lease is held."""

import atexit
import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from config.embedded.places import EmbeddedError, Places, make_data_folder, places_of

_PATIENCE = 180.0
_PROJECT = Path(__file__).resolve().parent.parent.parent


class KeeperGone(EmbeddedError):
    """The keeper ended while we were talking to it."""


class Lease:
    """A hold on running servers. It ends with `release`, or with this process, however it ends."""

    def __init__(self, connection: socket.socket, say: Callable[[str], None]) -> None:
        self._connection, self._say, self._buffer = connection, say, b""
        self._holder = os.getpid()

    def need(self, *names: str) -> None:
        """Wait until these servers answer. Raises EmbeddedError with the reason if one can't."""
        self._send("need", *names)
        for word, text in self._replies():
            if word == "ready":
                return
            if word == "error":
                raise EmbeddedError(text)
            self._say(text)
        raise KeeperGone("The keeper of the embedded servers ended unexpectedly; see keeper.log in the data folder.")

    def watch(self, group: int) -> None:
        """End this process group with the lease, should we not live to do it ourselves."""
        self._send("watch", str(group))

    def forget(self, group: int) -> None:
        self._send("forget", str(group))

    def fileno(self) -> int:
        """Readable once the servers are gone (for a select)."""
        return self._connection.fileno()

    def release(self) -> None:
        """Give the lease back; if nobody else holds one, wait until the servers have stopped."""
        if self._connection.fileno() < 0 or os.getpid() != self._holder:
            return  # released before, or a forked child that ends: the lease is its parent's
        with contextlib.suppress(OSError, EmbeddedError):
            self._send("bye")
            for word, _text in self._replies():
                if word == "stay":
                    break
        self._connection.close()

    def _send(self, *words: str) -> None:
        try:
            self._connection.sendall((" ".join(words) + "\n").encode())
        except OSError as error:
            raise KeeperGone("The keeper of the embedded servers has gone.") from error

    def _replies(self) -> Iterator[tuple[str, str]]:
        while True:
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                word, _space, text = line.decode(errors="replace").partition(" ")
                yield word, text.replace(chr(31), "\n")
            try:
                received = self._connection.recv(65536)
            except ConnectionError:
                return
            except TimeoutError:
                raise EmbeddedError(f"The embedded servers did not answer within {_PATIENCE:.0f} s.") from None
            if not received:
                return
            self._buffer += received


def hold(data_dir: Path | str, *names: str, scratch: bool = False, say: Callable[[str], None] | None = None) -> Lease:
    """Join the servers of this data folder, or start them; `names` are "postgres" and "valkey".

    `scratch` is for throw-away data (tests): writes don't wait for the disk. Raises EmbeddedError.
    """
    places = places_of(data_dir)
    make_data_folder(places.data)
    with _alone(places):
        lease = _join(places, names, say or _say) or _lease(_spawn(places, scratch=scratch), names, say or _say)
    atexit.register(lease.release)
    return lease


@contextlib.contextmanager
def unused(data_dir: Path | str) -> Iterator[None]:
    """For as long as the block runs, nobody can start servers here. Raises EmbeddedError if some are running."""
    places = places_of(data_dir)
    with _alone(places), contextlib.ExitStack() as stack:
        lock = os.open(places.keeper_lock, os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(f"The shop in {places.data} is running.") from None
        yield


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _alone(places: Places) -> Iterator[None]:
    lock = os.open(places.start_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _lease(connection: socket.socket, names: tuple[str, ...], say: Callable[[str], None]) -> Lease:
    lease = Lease(connection, say)
    try:
        lease.need(*names)
    except BaseException:
        connection.close()
        raise
    return lease


def _join(places: Places, names: tuple[str, ...], say: Callable[[str], None]) -> Lease | None:
    """A lease from the keeper that runs already; None if there is none, or if it is just being killed."""
    found = places.runtime
    if not found.exists() or found.lstat().st_uid != os.geteuid():
        return None  # the keeper refuses a squatter's folder, and says so
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(str(places.keeper_socket))
    except OSError:
        connection.close()
        return None
    try:
        return _lease(connection, names, say)
    except KeeperGone:
        return None


def _spawn(places: Places, *, scratch: bool) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    ours.settimeout(_PATIENCE)
    command = [sys.executable, "-m", "config.embedded.keeper", str(places.data), "--lease", str(theirs.fileno())]
    with theirs, (places.data / "keeper.log").open("ab") as log:
        subprocess.Popen(
            [*command, *(["--scratch"] if scratch else [])],
            cwd=_PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours
