"""`make run`: the whole shop on this machine, on loopback only, until Ctrl-C.

Starts the embedded servers, brings the data folder up to date, then runs web server, workers, beat and mail catcher.
Whatever way this process ends, the keeper of the embedded servers ends everything it started (see config/embedded).
"""

import fcntl
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from config import embedded
from config.demo_users import DEMO_USERS
from config.embedded.children import dies_with_parent, end_groups

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
FIRST_PORT, FIRST_SMTP_PORT, PORTS_TO_TRY = 8000, 1025, 50
STOP_PATIENCE = 10.0
"""Seconds that children get to end in good order; a sender's chunk is parked safely if it is killed."""
WEB_PATIENCE = 60.0
LONGEST_PAUSE = 30.0
"""Seconds between restarts of a child that keeps crashing; the first restart comes after one second."""
GOOD_LIFE = 60.0
"""Seconds after which a child counts as healthy again."""


class Refused(Exception):
    """The shop can't be started; the text says why, for the person at the keyboard."""


@dataclass
class Child:
    """One long-running process of the shop."""

    name: str
    command: list[str]
    log: Path
    sockets: list[socket.socket] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    crashes: int = 0
    restart_at: float = 0.0


class Shop:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.children: list[Child] = []
        self.lease: embedded.Lease | None = None
        self.stopping = 0
        self.parent = os.getppid() if os.environ.get("MAKELEVEL") else None
        """Under make we end with make, also when it is killed; started by hand we live on, as under nohup."""

    def run(self) -> None:
        """Open the shop and keep it open until a signal. Raises Refused or EmbeddedError if it can't be opened."""
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, self._on_signal)
        try:
            self._open()
            while not self.stopping:
                self._watch()
        finally:
            self._close()

    def _on_signal(self, _sign: int, _frame: FrameType | None) -> None:
        self.stopping += 1
        if self.stopping > 1:  # asked twice: no more patience
            for child in self.children:
                if child.process:
                    end_groups([child.process.pid], patience=0)

    def _open(self) -> None:
        started = time.monotonic()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._be_the_only_one()
        web = _listen("PORT", FIRST_PORT, backlog=256)
        smtp = _listen("REGULARS_SMTP_PORT", FIRST_SMTP_PORT, backlog=256)
        address = f"http://localhost:{web.getsockname()[1]}"
        os.environ["PORT"] = str(web.getsockname()[1])
        os.environ["REGULARS_SMTP_PORT"] = str(smtp.getsockname()[1])
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
        wanted = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
        self.lease = embedded.hold(
            self.data, *(name for name, variable in wanted.items() if not os.environ.get(variable)), say=say
        )
        self._prepare()
        self.children = self._children(web, smtp)
        self._start_missing("web", "mail catcher")
        self._wait_for_web(web.getsockname()[1])
        self._start_missing(*(child.name for child in self.children))
        if not self.stopping:
            self._welcome(address, time.monotonic() - started)

    def _be_the_only_one(self) -> None:
        self.lock = os.open(self.data / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            address = os.read(self.lock, 200).decode() or "its address is not known yet"
            raise Refused(f"This shop is open already: {address} (data in {self.data}).") from None

    def _prepare(self) -> None:
        process = self._spawn([sys.executable, "-m", "config.prepare"], None, [])
        while process.poll() is None:
            if self.stopping or self._make_has_gone():
                self.stopping = self.stopping or 1
                end_groups([process.pid], patience=STOP_PATIENCE)
                process.wait()
            time.sleep(0.05)
        self._forget(process)
        if process.returncode and not self.stopping:
            raise Refused("The database could not be prepared; the lines above say why. `make run` tries again.")

    def _children(self, web: socket.socket, smtp: socket.socket) -> list[Child]:
        python, logs = sys.executable, self.data / "log"
        for folder in (logs, self.data / "beat"):
            folder.mkdir(mode=0o700, exist_ok=True)
        celery = [python, "-m", "celery", "-A", "config"]
        worker = [*celery, "worker", "--pool", "solo", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        gunicorn = [
            python,
            "-m",
            "gunicorn",
            "config.wsgi",
            "--bind",
            f"fd://{web.fileno()}",
            "--worker-class",
            "gthread",
        ]
        gunicorn += ["--workers", "2", "--threads", "4", "--no-control-socket"]
        catcher = [python, "-m", "config.mailcatcher.server", str(self.data / "mail"), "--fd", str(smtp.fileno())]
        beat = [
            *celery,
            "beat",
            "--loglevel",
            "INFO",
            "--pidfile=",
            "--schedule",
            str(self.data / "beat" / "schedule"),
        ]
        return [
            Child("web", gunicorn, logs / "web.log", [web]),
            Child("mail catcher", catcher, logs / "mail.log", [smtp]),
            Child("fast worker", [*worker, "-Q", "fast", "-n", "fast@localhost"], logs / "worker-fast.log"),
            Child("bulk worker", [*worker, "-Q", "bulk", "-n", "bulk@localhost"], logs / "worker-bulk.log"),
            Child("jobs worker", [*worker, "-Q", "jobs", "-n", "jobs@localhost"], logs / "worker-jobs.log"),
            Child("beat", beat, logs / "beat.log"),
        ]

    def _start_missing(self, *names: str) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.name in names and not child.process and now >= child.restart_at and not self.stopping:
                self._start(child)

    def _start(self, child: Child) -> None:
        child.process = self._spawn(child.command, child.log, child.sockets)
        child.started_at, child.restart_at = time.monotonic(), 0.0

    def _spawn(self, command: list[str], log: Path | None, sockets: list[socket.socket]) -> subprocess.Popen[bytes]:
        output = log.open("ab") if log else None
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno() for listener in sockets],
            start_new_session=True,  # Ctrl-C reaches us alone, and we end the others in order
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )
        if output:
            output.close()
        if self.lease:
            self.lease.watch(process.pid)
        return process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        if self.lease:
            self.lease.forget(process.pid)

    def _watch(self) -> None:
        """One look at everything, twice a second."""
        if self.lease and select.select([self.lease], [], [], 0.5)[0]:
            raise Refused(f"The database or Valkey has ended; see {self.data / 'log'}.")
        if self._make_has_gone():
            self.stopping = self.stopping or 1
        now = time.monotonic()
        for child in self.children:
            if child.process and child.process.poll() is not None:
                self._note_crash(child, now)
        self._start_missing(*(child.name for child in self.children if child.crashes))

    def _make_has_gone(self) -> bool:
        return self.parent is not None and os.getppid() != self.parent

    def _note_crash(self, child: Child, now: float) -> None:
        process = child.process
        if process is None or self.stopping:
            return
        end_groups([process.pid], patience=1.0)  # what it may have left behind
        self._forget(process)
        child.crashes = 1 if now - child.started_at > GOOD_LIFE else child.crashes + 1
        pause = min(2.0 ** (child.crashes - 1), LONGEST_PAUSE)
        child.process, child.restart_at = None, now + pause
        say(
            f"The {child.name} ended ({_how(process.returncode)}); starting it again in {pause:.0f} s. See {child.log}."
        )

    def _wait_for_web(self, port: int) -> None:
        deadline = time.monotonic() + WEB_PATIENCE
        while not self.stopping:
            connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
            try:
                connection.request("GET", "/login/")
                connection.getresponse().read()
                return
            except OSError:
                pass
            finally:
                connection.close()
            self._watch()
            if time.monotonic() > deadline:
                raise Refused(f"The web server does not answer; see {self.data / 'log' / 'web.log'}.")

    def _welcome(self, address: str, seconds: float) -> None:
        os.truncate(self.lock, 0)
        os.pwrite(self.lock, address.encode(), 0)
        say(f"\nRegulars is open at {address} (after {seconds:.0f} s). Its mail is at {address}/mail/.\n")
        for user in DEMO_USERS:
            say(f"  {user.group:<14} {user.username:<10} {user.password:<20} {address}{user.starts_at}")
        say(f"\nData and logs are in {self.data}. Ctrl-C closes the shop.")

    def _close(self) -> None:
        running = [child.process for child in self.children if child.process]
        if running:
            say("Closing.")
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_PATIENCE
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        end_groups([process.pid for process in running], patience=0.5)
        for process in running:
            process.wait()
        if self.lease:
            self.lease.release()


def _listen(variable: str, first: int, *, backlog: int) -> socket.socket:
    """A socket on loopback: on the port that the variable names, else on the first free one, said aloud.

    We hold it ourselves and lend it to the child, so that callers wait out a restart instead of being refused.
    """
    given = os.environ.get(variable, "").strip()
    if given and not (given.isascii() and given.isdecimal() and len(given) < 6 and 0 < int(given) < 65536):
        raise Refused(f"{variable}={given!r} is no port; choose a number from 1 to 65535.")
    ports = [int(given)] if given else range(first, first + PORTS_TO_TRY)
    for port in ports:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            listener.close()
            if given:
                raise Refused(f"Port {port} can't be used ({error.strerror}); choose another {variable}.") from None
            continue
        if _somebody_else_is_localhost(port):
            listener.close()
            if given:
                raise Refused(f"Port {port} is in use on [::1], which is localhost too; choose another {variable}.")
            continue
        listener.listen(backlog)
        if port != ports[0]:
            say(f"Port {ports[0]} is busy, so {port} it is ({variable} chooses another).")
        return listener
    raise Refused(f"All ports from {first} to {ports[-1]} are busy; choose one with {variable}=...")


def _somebody_else_is_localhost(port: int) -> bool:
    """Browsers try [::1] first: another program there would get our visitors."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.settimeout(1)
            return probe.connect_ex(("::1", port)) == 0
    except OSError:
        return False


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    from config.settings.base import DATA_DIR

    try:
        Shop(DATA_DIR).run()
    except (Refused, embedded.EmbeddedError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
