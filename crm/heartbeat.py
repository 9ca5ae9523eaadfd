"""The life sign of a running job: prolongs its lease, writes its progress, and hears that it should stop."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from django.db import Error, connection

from crm.models import Job

logger = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two beats: how often progress is written at most, and how soon a cancellation is heard."""


class Heartbeat:
    """A thread with a database connection of its own, for as long as the block lasts.

    ``lost`` turns true where the job is no longer this worker's: taken over, or the lease ran out unprolonged.
    """

    def __init__(self, job: Job, *, lease: timedelta, clock: Callable[[], datetime]) -> None:
        self.job_id, self.attempt = job.pk, job.attempts
        self.lease, self.clock = lease, clock
        self.lost = False
        self.cancelled = False
        self._told: tuple[int, int, str] = (job.done, job.total, job.note)
        self._written = self._told
        self._leased_until = job.leased_until or clock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_over, name=f"job-{job.pk}", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def tell(self, done: int, total: int, note: str) -> None:
        self._told = (max(0, done), max(0, total), note)

    def _beat_until_over(self) -> None:
        try:
            while not self._over.wait(PAUSE):
                try:
                    self._beat()
                except Error as error:
                    logger.warning("Job %d: no life sign (%s).", self.job_id, error)
                    connection.close()
                    self.lost = self.lost or self.clock() > self._leased_until
        finally:
            connection.close()

    def _beat(self) -> None:
        """One statement: what is new goes in, and whether to go on comes out."""
        now, told = self.clock(), self._told
        mine = Job.objects.filter(pk=self.job_id, attempts=self.attempt, status=Job.Status.RUNNING)
        news: dict[str, Any] = {}
        if told != self._written:
            news = dict(zip(("done", "total", "note"), told, strict=True))
        if self._leased_until - now < self.lease * 2 / 3:
            news["leased_until"] = now + self.lease
        if news:
            mine.update(**news)
            self._written = told
            self._leased_until = news.get("leased_until", self._leased_until)
        asked = mine.values_list("cancel_asked_at", flat=True)[:1]
        if not (found := list(asked)):
            self.lost = not self._over.is_set()
        elif found[0] is not None:
            self.cancelled = True
