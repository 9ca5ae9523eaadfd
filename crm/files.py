"""Private files below MEDIA_ROOT: uploads, exports, error files. No address leads to them; a view checks, then serves.

A folder of its own with an unguessable name holds what belongs together, so that file names can stay readable. What is
kept in the database is the path below MEDIA_ROOT.
"""

import contextlib
import re
import secrets
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.http import FileResponse

FOLDER = "private"
_UNSAFE = re.compile(r"[^\w.() -]+")


def make_folder() -> str:
    """A new private folder; its path below MEDIA_ROOT."""
    path = f"{FOLDER}/{secrets.token_hex(16)}"
    full = Path(settings.MEDIA_ROOT, path)
    full.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    full.mkdir(mode=0o700)
    return path


def make_room_for_uploads() -> None:
    """Make the folder in which large uploads arrive. Where it can't be made, only uploads fail, and say so."""
    with contextlib.suppress(OSError):
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)


def full_path(stored: str) -> Path:
    """Where a stored path is. ValueError where it leads out of the private folder."""
    root = Path(settings.MEDIA_ROOT, FOLDER).resolve()
    path = Path(settings.MEDIA_ROOT, stored).resolve()
    if root not in path.parents:
        raise ValueError(stored)
    return path


def beside(stored: str, name: str) -> str:
    """The stored path of another file in the same folder."""
    return f"{stored.rpartition('/')[0]}/{name}"


def exists(stored: str) -> bool:
    return bool(stored) and full_path(stored).is_file()


def safe_name(name: str, *, suffix: str = "") -> str:
    """A file name as a person's machine sent it, fit to be one here: no path, no odd characters, not too long."""
    stem, dot, ending = name.replace("\\", "/").rpartition("/")[2].rpartition(".")
    if not dot:
        stem, ending = ending, ""
    stem = _UNSAFE.sub("_", stem).strip(" .")[:80] or "file"
    ending = suffix or ("." + re.sub(r"\W", "", ending)[:10].lower() if ending else "")
    return stem + ending


def serve(stored: str, *, name: str) -> FileResponse:
    """The file as a download. The caller has checked who asks. FileNotFoundError where it was removed."""
    return FileResponse(full_path(stored).open("rb"), as_attachment=True, filename=name)


def remove(stored: str) -> None:
    """Remove the folder that holds this file, with all in it. Nothing happens where it is gone."""
    shutil.rmtree(full_path(stored).parent, ignore_errors=True)


def remove_strays(*, keep: Iterable[str], before: datetime) -> int:
    """Remove private folders older than ``before`` that hold none of the files in ``keep``; how many there were."""
    root = Path(settings.MEDIA_ROOT, FOLDER)
    kept = {full_path(stored).parent.name for stored in keep if stored}
    strays = [
        path
        for path in (root.iterdir() if root.is_dir() else ())
        if path.name not in kept and path.stat().st_mtime < before.timestamp()
    ]
    for path in strays:
        shutil.rmtree(path, ignore_errors=True)
    return len(strays)
