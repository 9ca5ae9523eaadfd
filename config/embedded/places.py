"""Where the embedded servers of one data folder live, which account runs them, and the secrets they share with us."""

import hashlib
import os
import pwd
import secrets as random_secrets
import stat
from dataclasses import dataclass
from pathlib import Path


class EmbeddedError(Exception):
    """An embedded server can't be used; the text says why and what to do, for the person at the keyboard."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the servers."""

    name: str
    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        return self.uid == os.geteuid()


@dataclass(frozen=True)
class Places:
    """Every path that belongs to one data folder."""

    data: Path

    @property
    def cluster(self) -> Path:
        return self.data / "postgres"

    @property
    def logs(self) -> Path:
        return self.data / "log"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def start_lock(self) -> Path:
        """Held while somebody joins or starts the servers, and while they are being stopped."""
        return self.data / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held for as long as the keeper of this data folder lives."""
        return self.data / "keeper.lock"

    @property
    def runtime(self) -> Path:
        """Our folder for sockets. Short, because a socket's path may have about 107 bytes only, and always under /tmp,
        so that two shells with different TMPDIR find the same servers."""
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path("/tmp") / f"regulars-{os.geteuid()}-{name}"  # noqa: S108 - ownership and mode are verified

    @property
    def keeper_socket(self) -> Path:
        return self.runtime / "keeper"

    @property
    def sockets(self) -> Path:
        """The servers' own folder inside: theirs alone, mode 0700."""
        return self.runtime / "s"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey"


def places_of(data_dir: Path | str) -> Places:
    return Places(Path(data_dir).absolute().resolve())


def server_account(places: Places) -> Account:
    """Who runs the servers: we ourselves, or, as root, the owner of the cluster or of the data folder, else `postgres`,
    else `nobody`.

    PostgreSQL refuses to run as root. Raises EmbeddedError where root finds no other account.
    """
    if os.geteuid() != 0:
        return (
            _account(pwd.getpwuid(os.geteuid()))
            if _has_entry(os.geteuid())
            else Account("", os.geteuid(), os.getegid())
        )
    for folder in (places.cluster, places.data):
        owner = folder.stat().st_uid if folder.exists() else 0
        if owner and _has_entry(owner):
            return _account(pwd.getpwuid(owner))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise EmbeddedError("PostgreSQL won't run as root, and there is no account 'postgres' or 'nobody' to run it.")


def _has_entry(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def make_data_folder(data: Path) -> None:
    """Make the data folder, closed to others. Raises EmbeddedError where that can't be done."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)  # two may start at once: whoever makes it, it is there
    except OSError as error:
        raise EmbeddedError(f"The data folder {data} can't be made: {error.strerror}.") from error
    if not data.is_dir() or not os.access(data, os.W_OK | os.X_OK):
        raise EmbeddedError(f"The data folder {data} can't be written to.")


def make_private_folder(path: Path, account: Account, mode: int = 0o700) -> None:
    """Make a folder in /tmp that belongs to the account, or take an existing one only if it is exactly that.

    Raises EmbeddedError if somebody else was there first: a squatter could read what goes through its sockets.
    """
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        pass
    else:
        if not account.is_us:
            os.chown(path, account.uid, account.gid)
        path.chmod(mode)  # whatever the umask
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {account.uid, os.geteuid()}:
        raise EmbeddedError(f"{path} belongs to somebody else (uid {found.st_uid}); remove it, then start again.")
    if found.st_uid != account.uid:
        os.chown(path, account.uid, account.gid)  # ours, from a start that was cut short
    if stat.S_IMODE(found.st_mode) & 0o777 & ~mode:
        raise EmbeddedError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):o}); remove it, then start again."
        )
    path.chmod(mode)


def secret(data_dir: Path | str, name: str) -> str:
    """A random secret of this data folder, made at the first call and readable by us alone."""
    places = places_of(data_dir)
    path = places.secrets / name
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    make_data_folder(places.data)
    places.secrets.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f".{name}.{os.getpid()}.{random_secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(random_secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    _give_to_owner(places)
    try:
        os.link(draft, path)  # fails where another process was faster: then its secret counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()


def _give_to_owner(places: Places) -> None:
    """As root in somebody's data folder: the owner must be able to read their own secrets later."""
    owner = places.data.stat()
    if os.geteuid() == 0 and owner.st_uid:
        for path in (places.secrets, *places.secrets.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
