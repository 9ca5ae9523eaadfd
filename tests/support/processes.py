"""Programs of ours in processes of their own, as a person at a terminal would start them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.support.servers import ROOT

PATIENCE = 60.0
_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "REGULARS_CACHE_URL",
    "REGULARS_SMTP_HOST",
    "REGULARS_SMTP_PORT",
    "PORT",
    "MAKELEVEL",
)


def environment(data: Path, **more: str) -> dict[str, str]:
    """That of a person at a terminal: without what this test run has put there."""
    clean = {name: value for name, value in os.environ.items() if name not in _OURS}
    clean |= {"REGULARS_DATA": str(data), "DJANGO_SETTINGS_MODULE": "config.settings.local", "PYTHONUNBUFFERED": "1"}
    return clean | more


def start(*words: str, data: Path, **env: str) -> subprocess.Popen[str]:
    """Start a Python program of ours in the project's folder."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment(data, **env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the program says until this text appears; fails if it ends before."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{process.args!r} ended with {process.wait()} before saying {text!r}:\n{said}")


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The process and everything that it started."""
    leader = psutil.Process(process.pid)
    return [leader, *leader.children(recursive=True)]


def all_end(processes: list[psutil.Process], timeout: float = 20.0) -> bool:
    """Whether they all end in time. One that has ended but not been asked how (a zombie) has ended."""
    deadline = time.monotonic() + timeout
    while left := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            print("Still there:", left)
            return False
        time.sleep(0.05)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(happened: Callable[[], bool], timeout: float = PATIENCE) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, f"It did not happen within {timeout:.0f} s."
        time.sleep(0.05)
