"""Lend the servers' account a way through closed parent folders, and take it back.

Only root needs this: its servers run as another account, which must pass through folders such as /root. A folder gets
`o+x` and nothing more (others may pass through, not list or read it). Who relies on which folder is written down before
the change, so that the last one to go, or the next one to start after a power cut, puts the old mode back.
"""

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from config.embedded.places import Account, EmbeddedError

REGISTER = Path("/var/lib/regulars-folders")


def lend_passage(
    target: Path, account: Account, *, user: int, say: Callable[[str], None], quiet: Path | None = None
) -> None:
    """Let the account reach `target` for as long as process `user` lives; each change outside `quiet` is said aloud."""
    if account.is_us:
        return
    target = target.resolve()
    with _register():  # what is passable only thanks to somebody else must not close between the look and our entry
        for folder in (*reversed(target.parents), target):
            path = _entry_path(folder)
            if _may_pass(folder, account) and not path.exists():
                continue
            if _lend(folder, path, user) and not (quiet and folder.is_relative_to(quiet)):
                say(f"{folder} lets others pass through (o+x) while the servers run as {account.name}.")
            if not _may_pass(folder, account):
                raise EmbeddedError(f"{account.name} can't pass through {folder}; choose another REGULARS_DATA.")


def take_back(user: int) -> None:
    """Process `user` needs no passage any more; folders that nobody relies on get their old mode back."""
    if os.geteuid() != 0 or not REGISTER.is_dir():
        return
    with _register():
        for path in [path for path in REGISTER.iterdir() if path.suffix != ".new"]:
            entry = _read(path)
            entry["users"] = [pid for pid in entry["users"] if pid != user and _alive(pid)]
            if entry["users"]:
                _write(path, entry)
                continue
            folder = Path(entry["path"])
            if folder.is_dir():
                folder.chmod(entry["mode"])
            path.unlink()


def _lend(folder: Path, path: Path, user: int) -> bool:
    """Note that `user` relies on the folder, then open it. True if that changed its mode."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    entry = _read(path) if path.exists() else {"path": str(folder), "mode": mode, "users": []}
    _write(path, {**entry, "users": sorted({*entry["users"], user})})
    if mode & stat.S_IXOTH:
        return False
    folder.chmod(mode | stat.S_IXOTH)
    return True


def _may_pass(folder: Path, account: Account) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


@contextmanager
def _register() -> Iterator[None]:
    REGISTER.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(REGISTER, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _entry_path(folder: Path) -> Path:
    return REGISTER / hashlib.sha256(os.fsencode(folder)).hexdigest()[:24]


def _read(path: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(path.read_text())
    return entry


def _write(path: Path, entry: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(entry))
    draft.replace(path)


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
