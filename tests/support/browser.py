"""A real Chromium for the browser tests: the machine's own, or installed the way the platform offers.

`python -m tests.support.browser` finds or installs one and prints its path; it never skips silently.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGERS = {
    "apt-get": [["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]],
    "dnf": [["dnf", "install", "--assumeyes", "chromium"]],
    "apk": [["apk", "add", "chromium"]],
    "pacman": [["pacman", "--sync", "--refresh", "--noconfirm", "chromium"]],
}
_ADVICE = (
    "No Chromium was found and none could be installed. Install your distribution's package `chromium` "
    "(for instance: sudo apt-get install chromium), or set REGULARS_CHROMIUM to the path of a Chromium or Chrome."
)


def find() -> str | None:
    """The path of a Chromium on this machine, or None. Fails if REGULARS_CHROMIUM names something else."""
    if given := os.environ.get("REGULARS_CHROMIUM"):
        if not os.access(given, os.X_OK):
            sys.exit(f"REGULARS_CHROMIUM={given} can't be run.")
        return given
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return found or _playwrights_own()


def find_or_install() -> str:
    """The path of a Chromium, installed first if need be. Raises SystemExit saying what to do if there is no way."""
    if found := find():
        return found
    print("No Chromium found: trying Playwright's download.", file=sys.stderr)
    _try([sys.executable, "-m", "playwright", "install", "chromium"])
    if found := find():
        return found
    for packager, commands in _PACKAGERS.items():
        if not shutil.which(packager):
            continue
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        print(f"Trying the distribution's package, with {packager}.", file=sys.stderr)
        for command in commands:
            _try([*prefix, *command])
        if found := find():
            return found
    sys.exit(_ADVICE)


def _playwrights_own() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _try(command: list[str]) -> None:
    if shutil.which(command[0]):
        subprocess.run(command, stdout=sys.stderr, check=False, timeout=900)


if __name__ == "__main__":
    print(find_or_install())
