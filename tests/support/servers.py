"""Real servers for a test run: DATABASE_URL / REDIS_URL where set, else embedded ones that end with the run."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from config import embedded

ROOT = Path(__file__).resolve().parent.parent.parent
DATA_DIR = ROOT / ".cache" / "tests"
"""Kept between runs, so that only the first one creates a cluster and migrates; safe to delete."""
SLOTS = 7
"""Test runs that may share one working copy at the same time: each has a database and two numbers in Valkey."""


@dataclass(frozen=True)
class Servers:
    """Where this run's servers are. `admin_url` is a database that exists, for creating others."""

    admin_url: str
    slot: int
    lease: embedded.Lease | None

    @property
    def database(self) -> str:
        return f"regulars_test_{self.slot}"

    def url(self, database: str) -> str:
        return urlunsplit(urlsplit(self.admin_url)._replace(path="/" + database))


def start() -> Servers:
    """Start or join the servers, take a slot, and say in the environment where everything is."""
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    slot = _take_slot()
    given_database, given_redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    wanted = [name for name, given in (("postgres", given_database), ("valkey", given_redis)) if not given]
    lease = embedded.hold(DATA_DIR, *wanted, scratch=True) if wanted else None
    servers = Servers(given_database or embedded.database_url(DATA_DIR), slot, lease)
    os.environ["DATABASE_URL"] = servers.url(servers.database)
    if not given_redis:
        os.environ["REDIS_URL"] = embedded.broker_url(DATA_DIR).replace("virtual_host=0", f"virtual_host={2 * slot}")
        os.environ["REGULARS_CACHE_URL"] = embedded.cache_url(DATA_DIR).replace("db=1", f"db={2 * slot + 1}")
    os.environ["REGULARS_DATA"] = str(DATA_DIR / f"slot-{slot}")
    return servers


def _take_slot() -> int:
    """The first number that no other run holds; the lock ends with this process."""
    for slot in range(1, SLOTS + 1):
        lock = os.open(DATA_DIR / f"slot-{slot}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return slot
    raise RuntimeError(f"{SLOTS} test runs already use {DATA_DIR}.")
