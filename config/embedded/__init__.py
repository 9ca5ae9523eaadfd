"""A real PostgreSQL and a real Redis-compatible server for a data folder: started when needed, ended with their users.

`hold` gives a lease on running servers; the `*_url` functions only say where they listen. See docs/decisions/0001.
"""

from pathlib import Path
from urllib.parse import quote

from config.embedded.lease import Lease, hold, unused
from config.embedded.places import EmbeddedError, places_of, secret
from config.embedded.servers import DATABASE

__all__ = ["EmbeddedError", "Lease", "broker_url", "cache_url", "database_url", "hold", "secret", "unused"]


def database_url(data_dir: Path | str) -> str:
    """Where the data folder's PostgreSQL listens, with its password."""
    socket_folder = quote(str(places_of(data_dir).sockets), safe="")
    return f"postgresql://{DATABASE}:{secret(data_dir, 'database-password')}@{socket_folder}/{DATABASE}"


def broker_url(data_dir: Path | str) -> str:
    """Where the data folder's Valkey listens, as Celery writes it."""
    return f"redis+socket://{places_of(data_dir).valkey_socket}?virtual_host=0"


def cache_url(data_dir: Path | str) -> str:
    """The same server's second database, as redis-py writes it."""
    return f"unix://{places_of(data_dir).valkey_socket}?db=1"
