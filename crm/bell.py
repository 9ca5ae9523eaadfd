"""The bell: tells a worker that the database holds work. It may be lost; beat rings again (DESIGN, promise 8)."""

import functools
import logging
import time
from typing import Any

from celery import current_app
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.pools import producers

logger = logging.getLogger(__name__)

DEAF_FOR = 15
"""Seconds for which this process does not ring again after the broker did not answer: one sale may wait, not each."""

_PATIENCE = {"socket_connect_timeout": 0.5, "socket_timeout": 1.0, "max_retries": 0, "interval_start": 0}
_silent_until = 0.0


@functools.cache
def _connection() -> Connection:
    """The broker's address with less patience than a worker has; kombu opens and pools the sockets."""
    broker: Connection = current_app.connection_for_write()
    return broker.clone(transport_options={**(broker.transport_options or {}), **_PATIENCE})


def ring(task: str, **arguments: Any) -> None:
    """Send a task by its name (``segments.tasks.refresh_marked``), so that a lower app can wake a higher one.

    Call it through :func:`ring_after_commit`. Never raises where the broker is down, and waits a second at most.
    """
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        with producers[_connection()].acquire(block=True, timeout=1) as producer:
            current_app.send_task(task, kwargs=arguments, producer=producer, retry=False)
    except (OperationalError, OSError) as error:
        _silent_until = time.monotonic() + DEAF_FOR
        logger.warning("The broker did not take %s (%s); beat will ring again.", task, error)


def ring_after_commit(task: str, **arguments: Any) -> None:
    """Ring when the running transaction commits; at once where there is none."""
    transaction.on_commit(lambda: ring(task, **arguments))
