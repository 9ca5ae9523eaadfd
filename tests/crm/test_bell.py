import time

import pytest
from celery import current_app
from kombu import Connection

from crm import bell


@pytest.fixture(autouse=True)
def _a_bell_that_never_rang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "_silent_until", 0.0)


def test_a_task_is_queued_by_its_name() -> None:
    with current_app.connection_for_write() as connection, connection.SimpleQueue("fast") as queue:
        queue.clear()
        bell.ring("segments.tasks.nothing", number=3)
        message = queue.get(timeout=5)
        message.ack()

    assert message.headers["task"] == "segments.tasks.nothing"
    assert message.decode()[1] == {"number": 3}


def test_a_broker_that_is_down_is_asked_once_and_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nobody() -> Connection:
        asked.append(1)
        return Connection("redis://127.0.0.1:1/0", transport_options=bell._PATIENCE)

    monkeypatch.setattr(bell, "_connection", nobody)
    started = time.monotonic()

    bell.ring("segments.tasks.nothing")
    bell.ring("segments.tasks.nothing")

    assert time.monotonic() - started < 2
    assert asked == [1]
