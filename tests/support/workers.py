"""Real Celery workers in processes of their own, for tests that ask for them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.servers import DATA_DIR, ROOT

START_PATIENCE = 60.0


class WorkerFactory:
    """Call it to start a worker; every one is killed when the test ends."""

    def __init__(self) -> None:
        self.started: list[tuple[subprocess.Popen[bytes], Path]] = []

    def __call__(
        self,
        queues: Sequence[str] = ("fast", "bulk", "jobs"),
        *,
        concurrency: int = 1,
        pool: str = "prefork",
        beat: bool = False,
        env: dict[str, str] | None = None,
        wait: bool = True,
    ) -> subprocess.Popen[bytes]:
        """Start a worker on these queues against the test's database and broker, and wait until it is ready.

        The process leads its own group: `os.killpg(worker.pid, signal.SIGKILL)` kills it with its pool.
        """
        number = len(self.started) + 1
        log = DATA_DIR / f"worker-{os.getpid()}-{number}.log"
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", ",".join(queues)]
        command += [
            "--pool",
            pool,
            "--concurrency",
            str(concurrency),
            "--hostname",
            f"test-{os.getpid()}-{number}@localhost",
        ]
        command += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        command += ["--beat", "--schedule", str(log.with_suffix(".beat"))] if beat else []
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append((process, log))
        if wait:
            self._wait_until_ready(process, log)
        return process

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while b" ready." not in log.read_bytes():
            assert process.poll() is None, f"The worker ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, (
                f"The worker was not ready in {START_PATIENCE:.0f} s:\n{log.read_text()}"
            )
            time.sleep(0.05)

    def output(self, process: subprocess.Popen[bytes]) -> str:
        """What this worker has logged so far."""
        return next(log.read_text() for other, log in self.started if other is process)

    def kill(self) -> None:
        for process, log in self.started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait(10)
            for path in (log, log.with_suffix(".beat")):
                path.unlink(missing_ok=True)
        self.started.clear()
