"""Fifty sales a second at the tills: how long until each is in all of a hundred live segments.

Real sales, on time whether or not the last one is done; a real worker and beat, rung as in a shop. A sale is in all
segments once its mark is gone, which the worker deletes in the transaction that writes the memberships; somebody looks
twenty times a second. This adds its sales to the kept shop.
"""

import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import psycopg
from django.utils import timezone

from benchmarks import hundred, shop
from benchmarks.results import Result, Scale
from benchmarks.shop import ROOT, Shop
from crm import sales
from crm.models import ChangeMark, Customer, Product, Store
from segments import refresh
from segments.models import Segment

PER_SECOND = 50
SECONDS: dict[Scale, int] = {"small": 20, "full": 60}
MOST_S = 5.0
PATIENCE = 120.0


def run(scale: Scale) -> Iterator[Result]:
    with shop.opened(scale) as made:
        for name, rule in hundred.mix().items():
            Segment.objects.create(name=name, rule={"v": 1, "rule": rule})
        refresh.refresh_due(now=timezone.now())
        with _worker():
            watch = _Watch()
            watch.start()
            late = _sell(made, SECONDS[scale])
            waited = watch.finish()
        done = sorted(waited)
        assert len(done) >= 0.95 * PER_SECOND * SECONDS[scale], len(done)  # marks that came and went between two looks
        p99 = statistics.quantiles(done, n=100)[-1]
        yield Result(
            name=f"a sale in all of 100 segments, at {PER_SECOND} sales a second: the 99th of a hundred",
            ratio=p99 / MOST_S,
            goal=1.0,
            better="lower",
            limit_per_s=PER_SECOND,
            more={
                "p99_s": round(p99, 2),
                "median_s": round(statistics.median(done), 2),
                "worst_s": round(done[-1], 2),
                "sales": PER_SECOND * SECONDS[scale],
                "till_late_s": round(late, 2),
                **made.said,
            },
        )


def _sell(made: Shop, seconds: int) -> float:
    """Ring up the sales when their time has come. Returns by how many seconds the last one was late."""
    chance = random.Random(3)
    store = Store.objects.get(code="store-2")
    products = list(Product.objects.order_by("pk")[:200])
    ids = chance.choices(range(1, made.sizes.customers + 1), k=PER_SECOND * seconds)
    people = Customer.objects.filter(merged_into=None).in_bulk(ids)
    buyers = [people[pk] for pk in ids if pk in people]
    started, late = time.monotonic(), 0.0
    for number in range(PER_SECOND * seconds):
        wait = started + number / PER_SECOND - time.monotonic()
        late = -wait
        if wait > 0:
            time.sleep(wait)
        lines = [sales.SaleLine(product=product, quantity=Decimal(1)) for product in chance.sample(products, 3)]
        sales.record_sale(
            sale=sales.Sale(
                client_key=uuid.uuid4(),
                store=store,
                customer=buyers[number % len(buyers)],
                payment="card",
                lines=lines,
            ),
            by=None,
        )
    return max(late, 0.0)


class _Watch(threading.Thread):
    """Sees marks come and go, on a connection of its own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.waited: list[float] = []

    def run(self) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            waiting: dict[int, float] = {}
            while waiting or not self.ended.is_set():
                seen = connection.execute("SELECT id, EXTRACT(epoch FROM marked_at)::float8 FROM crm_changemark")
                present: dict[int, float] = dict(seen.fetchall())
                now = time.time()
                for mark in waiting.keys() - present.keys():
                    self.waited.append(now - waiting.pop(mark))
                waiting |= present
                time.sleep(0.05)

    def finish(self) -> list[float]:
        """Wait until every sale is in."""
        self.ended.set()
        self.join(PATIENCE)
        assert not self.is_alive(), f"{ChangeMark.objects.count()} marks are still there after {PATIENCE:.0f} s"
        return self.waited


@contextmanager
def _worker() -> Iterator[None]:
    """A worker for the fast queue with beat, as a shop has it."""
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as folder:
        log = Path(folder) / "worker.log"
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", "fast", "--pool", "solo"]
        command += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        command += ["--beat", "--schedule", str(Path(folder) / "beat")]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            deadline = time.monotonic() + 60
            while b" ready." not in log.read_bytes():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
