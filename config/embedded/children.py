"""Start processes that end with their parent, and end whole process groups."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def dies_with_parent(sign: signal.Signals) -> Callable[[], None] | None:
    """A preexec_fn: the kernel sends `sign` to the child when its parent ends, however it ends (Linux only)."""
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(sign))
        if os.getppid() != parent:
            os._exit(1)  # the parent ended before we could ask

    return arrange


def end_groups(groups: Iterable[int], *, patience: float) -> None:
    """SIGTERM to these process groups; whatever is left after `patience` seconds gets SIGKILL."""
    left = [group for group in groups if _signal_group(group, signal.SIGTERM)]
    deadline = time.monotonic() + patience
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [group for group in left if _signal_group(group, 0)]
    for group in left:
        _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, sign: int) -> bool:
    try:
        os.killpg(group, sign)
    except (ProcessLookupError, PermissionError):
        return False
    return True
