"""Pictures of the screens that people see every day, of a shop with the demo: for the README, and to be looked at.

``python -m tests.e2e.screenshots [--address URL] [--folder FOLDER]``: without an address it starts a shop of its own
(as `make run` does, with the demo) and closes it afterwards. Every screen is taken at desktop and phone width, light
and dark, as a whole page; those that the README shows are also written to docs/screenshots as a window shows them.
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

from config.demo_users import DEMO_USERS, DemoUser
from tests.support import browser, processes
from tests.support.servers import ROOT

SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")
OPEN = "Ctrl-C closes the shop"
README = ("home", "till")
USERS = {user.group: user for user in DEMO_USERS}


@dataclass(frozen=True)
class Screen:
    """A screen, who sees it, and how one gets to it from the address of the shop."""

    name: str
    role: str
    open: Callable[[Page, str], None]


def _at(path: str) -> Callable[[Page, str], None]:
    return lambda page, address: _go(page, address + path)


def _go(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_load_state("networkidle")


def _through(path: str, link: str) -> Callable[[Page, str], None]:
    """The page behind the first link of a list whose text fits."""

    def open_(page: Page, address: str) -> None:
        _go(page, address + path)
        href = page.locator("main a, #main a, #content a").filter(has_text=re.compile(link)).first.get_attribute("href")
        assert href, f"{path} has no link {link!r}"
        _go(page, address + href if href.startswith("/") else page.url.split("?")[0] + href)

    return open_


def _till(page: Page, address: str) -> None:
    """A sale under way: three products in the cart and a customer's card at hand."""
    _go(page, address + "/till/")
    if not page.locator("#scan").count():  # a till's browser is asked once where it stands
        page.locator("form.choices button").first.click()
        page.wait_for_load_state("networkidle")
    for word in ("milk", "bananas", "bread"):
        page.locator("#scan").press_sequentially(word)
        page.locator("#product-list [role=option]").first.click()
        page.wait_for_function("document.querySelector('#scan').value === ''")
    page.locator("#customer-search").press_sequentially("brooks")
    page.locator("#customer-list [role=option]").first.click()
    page.locator("#customer-card").wait_for(state="visible")
    page.wait_for_load_state("networkidle")


def _segment(page: Page, address: str) -> None:
    """The builder with a rule in it and its number counted."""
    _through("/admin/segments/segment/", "Coffee drinkers")(page, address)
    if not page.locator("[data-rule-builder]").count():
        page.locator("a[href$='/change/']").first.click()
    page.locator("[data-test=count]").wait_for()
    page.wait_for_load_state("networkidle")


SCREENS = (
    Screen("till", "Shop staff", _till),
    Screen("home", "Marketing", _at("/admin/")),
    Screen("builder", "Marketing", _segment),
    Screen("composer", "Marketing", _through("/admin/campaigns/campaign/", "Coffee week")),
    Screen("report", "Marketing", _through("/admin/campaigns/campaign/", r"\b18\b")),
    Screen("personas", "Administrator", _at("/admin/personas/persona/")),
    Screen("persona", "Administrator", _through("/admin/personas/persona/", "Emma")),
)


def take(address: str, folder: Path) -> list[Path]:
    """All screens into the folder. Returns the files, named screen-size-scheme.png."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser.find_or_install(),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],  # Chromium's sandbox refuses to work for root
        )
        for role in dict.fromkeys(screen.role for screen in SCREENS):
            for size, viewport in SIZES.items():
                for scheme in SCHEMES:
                    context = chromium.new_context(
                        viewport=viewport,  # type: ignore[arg-type]  # a dict of the two numbers
                        color_scheme=scheme,  # type: ignore[arg-type]  # "light" or "dark"
                        reduced_motion="reduce",
                    )
                    _log_in(context, address, USERS[role])
                    for screen in SCREENS:
                        if screen.role == role:
                            taken += _shoot(context, address, screen, folder, f"{size}-{scheme}")
                    context.close()
        chromium.close()
    return taken


def _log_in(context: BrowserContext, address: str, user: DemoUser) -> None:
    page = context.new_page()
    _go(page, address + "/login/")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", user.password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login/" not in url)
    page.close()


def _shoot(context: BrowserContext, address: str, screen: Screen, folder: Path, variant: str) -> Iterator[Path]:
    page = context.new_page()
    screen.open(page, address)
    page.wait_for_timeout(300)  # plots are drawn a frame after their data
    path = folder / f"{screen.name}-{variant}.png"
    page.screenshot(path=path, full_page=True)
    yield path
    if screen.name in README and variant.startswith("desktop"):
        shown = ROOT / "docs" / "screenshots" / f"{screen.name}-{variant.removeprefix('desktop-')}.png"
        shown.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=shown)
        yield shown
    page.close()


@contextlib.contextmanager
def _own_shop() -> Iterator[str]:
    """The address of a shop with the demo, open as long as this lasts."""
    data = Path(os.environ.get("REGULARS_DATA", ROOT / ".data"))
    process = processes.start("-m", "config.run", data=data)
    try:
        said = processes.read_until(process, OPEN)
        found = re.search(r"open at (\S+) ", said)
        assert found, said
        yield found[1]
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take pictures of the screens.")
    parser.add_argument("--address", help="Of a running shop with the demo, for instance http://localhost:8000.")
    parser.add_argument("--folder", type=Path, default=ROOT / "tests" / "output" / "screenshots")
    chosen = parser.parse_args()
    shop = contextlib.nullcontext(chosen.address.rstrip("/")) if chosen.address else _own_shop()
    with shop as address:
        for path in take(address, chosen.folder):
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
