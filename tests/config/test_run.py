"""`make run` and manage.py as people use them: in processes of their own, on an own data folder."""

import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import processes

pytestmark = pytest.mark.slow
OPEN = "Ctrl-C closes the shop"


@pytest.fixture(scope="module")
def data(module_tmp_path: Path) -> Path:
    """One data folder for all: its database is migrated once."""
    return module_tmp_path / "data"


@pytest.fixture
def shop(data: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `make run`'s program without a demo; ends it the hard way after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(**env: str) -> subprocess.Popen[str]:
        started.append(processes.start("-m", "config.run", data=data, **{"REGULARS_DEMO": "0", **env}))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            family = processes.family(process)
            process.kill()
            assert processes.all_end(family)
        process.communicate()


def address_in(said: str) -> str:
    found = re.search(r"open at (\S+) ", said)
    assert found, said
    return found[1]


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - our own address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_shop_opens_survives_crashes_and_leaves_nothing_when_killed(
    data: Path, shop: Callable[..., subprocess.Popen[str]]
) -> None:
    process = shop()
    said = processes.read_until(process, OPEN)
    address = address_in(said)
    family = processes.family(process)
    listening = {c.laddr.ip for member in family for c in member.net_connections("inet") if c.status == "LISTEN"}
    assert (status(f"{address}/mail/"), status(f"{address}/login/"), listening) == (200, 200, {"127.0.0.1"})

    catcher = next(member for member in family if "config.mailcatcher.server" in member.cmdline())
    catcher.kill()
    assert "The mail catcher ended (signal 9)" in processes.read_until(process, "mail catcher")

    second = processes.start("-m", "config.run", data=data)
    assert f"open already: {address}" in second.communicate(timeout=30)[0]
    reset = processes.start("-m", "config.reset", data=data)
    assert "is running" in reset.communicate(timeout=30)[0]
    assert (second.returncode, reset.returncode) == (1, 1)

    family = processes.family(process)
    process.kill()
    assert processes.all_end(family)
    assert processes.start("-m", "config.reset", data=data).communicate(timeout=30)[0].startswith("Deleted the shop")
    assert not data.exists()


def test_interrupt_closes_in_good_order_and_the_second_start_is_quick(
    shop: Callable[..., subprocess.Popen[str]],
) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM):
        began = time.monotonic()
        process = shop()
        processes.read_until(process, OPEN)
        seconds = time.monotonic() - began
        family = processes.family(process)
        process.send_signal(sign)
        assert process.wait(30) == 0
        assert processes.all_end(family, timeout=1)
    assert seconds < 10


def test_shop_ends_with_make_when_make_is_killed(data: Path) -> None:
    """`kill -9` of make itself: nobody tells us but the kernel."""
    maker = processes.start(
        "-c",
        "import subprocess, sys; subprocess.run([sys.executable, '-m', 'config.run'])",
        data=data,
        MAKELEVEL="1",
        REGULARS_DEMO="0",
    )
    processes.read_until(maker, OPEN)
    family = processes.family(maker)
    maker.kill()
    assert processes.all_end(family)
    maker.communicate()


def test_busy_port_is_said_aloud(shop: Callable[..., subprocess.Popen[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        said = shop(PORT=str(port)).communicate(timeout=30)[0]
    assert said == f"Port {port} can't be used (Address already in use); choose another PORT.\n"


@pytest.mark.parametrize("port", ["²", "eighty", "0", "70000"])
def test_port_that_is_none_is_refused(shop: Callable[..., subprocess.Popen[str]], port: str) -> None:
    process = shop(PORT=port)
    assert process.communicate(timeout=30)[0] == f"PORT='{port}' is no port; choose a number from 1 to 65535.\n"
    assert process.returncode == 1


def test_manage_commands_start_servers_only_when_they_need_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert processes.start("manage.py", "version", data=data).wait(30) == 0
    assert processes.start("manage.py", "migrate", "--help", data=data).wait(30) == 0
    assert not (data / "postgres").exists()


def test_manage_commands_at_once_share_one_database_and_stop_it(data: Path) -> None:
    both = [processes.start("manage.py", "migrate", "--verbosity", "0", data=data) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert sorted(process.returncode for process in both)[0] == 0, outputs
    shown = processes.start("manage.py", "showmigrations", "--plan", data=data).communicate(timeout=60)[0]
    assert "[X]" in shown
    assert "[ ]" not in shown
    assert not (data / "postgres" / "postmaster.pid").exists()
