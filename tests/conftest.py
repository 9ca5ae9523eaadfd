"""Real servers for every run, started before Django reads its settings, and fixtures that any test may use."""

import os
from collections.abc import Iterator
from typing import Any

import django
import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"

from tests.support import database, servers

SERVERS = servers.start()
django.setup()  # pytest-django does it only where the settings are named before any conftest is read

pytest_plugins = ["tests.support.fixtures"]


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None) -> Iterator[None]:
    """This run's database, made from a migrated template; pytest-django's own would migrate in every run."""
    from django.db import connections

    database.create(SERVERS)
    yield
    connections.close_all()
    database.drop(SERVERS)


@pytest.fixture(scope="session", autouse=True)
def _clean_broker() -> None:
    """What a killed run left in this run's part of Valkey is nobody's."""
    from config.celery import app

    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel  # kombu's Redis channel, whose client is redis-py's
        channel.client.flushdb()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in tests/e2e drive a browser: they are marked so without having to say it."""
    for item in items:
        if "/tests/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
