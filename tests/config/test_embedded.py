"""The embedded servers: they share, recover, keep to themselves and leave nothing behind."""

import os
import stat
from pathlib import Path

import psycopg
import pytest
import redis

from config import embedded
from config.embedded.places import places_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_servers_answer_on_private_sockets_only_and_are_gone_after_release(data: Path) -> None:
    lease = embedded.hold(data, "postgres", "valkey", scratch=True)
    places = places_of(data)
    with psycopg.connect(embedded.database_url(data)) as connection:
        facts = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('server_encoding'), datlocale, rolsuper,"
            " current_setting('server_version_num')::int / 10000"
            " FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user"
        ).fetchone()
    assert facts == ("", "UTF8", "C.UTF-8", False, 18)
    assert redis.Redis.from_url(embedded.cache_url(data)).config_get("port") == {"port": "0"}
    assert stat.S_IMODE(places.sockets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in places.secrets.iterdir()} == {0o600}

    lease.release()

    assert not places.runtime.exists()
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(embedded.database_url(data))


def test_secret_is_made_once_and_readable_by_us_alone(data: Path) -> None:
    first = embedded.secret(data, "key")
    path = data / "secrets" / "key"
    assert (embedded.secret(data, "key"), len(first)) == (first, 64)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["key"]
