"""Pictures of the screens that people see every day, of a shop with the demo: for the README, and to be looked at.

``python -m tests.e2e.screenshots [--address URL] [--folder FOLDER] [--only SCREEN ...]``: without an address it starts
a shop of its own (as `make run` does, with the demo) and closes it afterwards. Every screen is taken at desktop and
phone width, light and dark, as a whole page; those that the README shows are also written to docs/screenshots as a
window shows them. A screen that scrolls sideways is named.
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
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
    role: str | None
    """The group of the demo's person who opens it; None for somebody who is not logged in."""
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


def _empty_till(page: Page, address: str) -> None:
    _go(page, address + "/till/")
    if not page.locator("#scan").count():  # a till's browser is asked once where it stands
        page.locator("form.choices button").first.click()
        page.wait_for_load_state("networkidle")
    page.locator("body[data-ready]").wait_for()


def _till(page: Page, address: str) -> None:
    """A sale under way: three products in the cart and a customer's card at hand."""
    _empty_till(page, address)
    for word in ("milk", "bananas", "bread"):
        page.locator("#scan").press_sequentially(word)
        page.locator("#product-list [role=option]").first.click()
        page.wait_for_function("document.querySelector('#scan').value === ''")
    page.locator("#customer-search").press_sequentially("brooks")
    page.locator("#customer-list [role=option]").first.click()
    page.locator("#customer-card").wait_for(state="visible")
    page.wait_for_load_state("networkidle")


def _paid(page: Page, address: str) -> None:
    """The sale is paid: change, points, and the receipt's way to the customer."""
    _till(page, address)
    page.keyboard.press("F9")
    page.locator(".done-head").wait_for()
    page.wait_for_load_state("networkidle")


def _receipt(page: Page, address: str) -> None:
    """The receipt of a sale, as the customer opens it."""
    _paid(page, address)
    href = page.locator(".done-links a").get_attribute("href")
    assert href, "The sale has no receipt to show."
    _go(page, href if href.startswith("http") else address + href)


def _segment(page: Page, address: str) -> None:
    _through(SEGMENTS, "Coffee drinkers")(page, address)
    if page.locator("[data-rule-builder]").count():
        page.locator("a[href$='/members/']").first.click()
    page.wait_for_load_state("networkidle")


def _builder(page: Page, address: str) -> None:
    """The builder with a rule in it and its number counted."""
    _segment(page, address)
    page.locator("a[href$='/change/']").filter(has_text="rule").first.click()
    page.locator("[data-test=count]").wait_for()
    page.wait_for_load_state("networkidle")


def _launch(page: Page, address: str) -> None:
    """The last look before a campaign goes out; nothing is launched."""
    _through(CAMPAIGNS, "Coffee week")(page, address)
    page.locator("[name=_launch]").click()
    page.wait_for_load_state("networkidle")


def _import_read(page: Page, address: str) -> None:
    """A price list as a till of another make wrote it, and how it is read."""
    _go(page, address + "/admin/crm/upload/add/")
    page.locator("[name=kind][value=products]").check()
    text = "Artikel;Bezeichnung;Warengruppe;Preis\nZ1;Grüner Tee;Food > Tea;1.234,56\nZ2;Tasse;Home;12,50\n"
    text += "Z3;Löffel;Home;8,90\nZ4;Untertasse;Home;teuer\nZ5;Honig;Food > Sweet;7,20\nZ6;Kanne;Home;34,00\n"
    sent = {"name": "Preisliste.csv", "mimeType": "text/csv", "buffer": text.encode("cp1252")}
    page.locator("input[type=file]").set_input_files(sent)  # type: ignore[arg-type]  # a dict of these three
    page.get_by_role("button", name="Go on").click()
    page.locator(".im-preview").wait_for()


def _import_columns(page: Page, address: str) -> None:
    _import_read(page, address)
    page.get_by_role("button", name="Go on to the columns").click()
    page.locator(".im-columns").wait_for()


def _import_tried(page: Page, address: str) -> None:
    """What the import would do; nothing is imported."""
    _import_columns(page, address)
    page.get_by_role("button", name="Try it out").click()
    page.locator("[data-count=refused]").wait_for(timeout=60_000)


SEGMENTS, CAMPAIGNS, PERSONAS = ("/admin/segments/segment/", "/admin/campaigns/campaign/", "/admin/personas/persona/")
SCREENS = (  # those that ring up a sale come last, so that the other pictures show the demo as it is loaded
    Screen("login", None, _at("/login/")),
    Screen("home", "Marketing", _at("/admin/")),
    Screen("segments", "Marketing", _at(SEGMENTS)),
    Screen("builder", "Marketing", _builder),
    Screen("segment", "Marketing", _segment),
    Screen("campaigns", "Marketing", _at(CAMPAIGNS)),
    Screen("composer", "Marketing", _through(CAMPAIGNS, "Coffee week")),
    Screen("launch", "Marketing", _launch),
    Screen("report", "Marketing", _through(CAMPAIGNS, r"\b18\b")),
    Screen("customers", "Administrator", _at("/admin/crm/customer/")),
    Screen("customer", "Administrator", _through("/admin/crm/customer/?q=brooks", "Brooks")),
    Screen("personas", "Administrator", _at(PERSONAS)),
    Screen("persona", "Administrator", _through(PERSONAS, "Emma")),
    Screen("import", "Administrator", _at("/admin/crm/upload/add/")),
    Screen("import-read", "Administrator", _import_read),
    Screen("import-columns", "Administrator", _import_columns),
    Screen("import-tried", "Administrator", _import_tried),
    Screen("export", "Administrator", _at("/admin/crm/job/export/crm.receipt/")),
    Screen("jobs", "Administrator", _at("/admin/crm/job/")),
    Screen("mail", "Administrator", _at("/mail/")),
    Screen("till-empty", "Shop staff", _empty_till),
    Screen("till", "Shop staff", _till),
    Screen("till-paid", "Shop staff", _paid),
    Screen("receipt", "Shop staff", _receipt),
)


def take(address: str, folder: Path, only: Collection[str] = ()) -> list[Path]:
    """All screens, or those named, into the folder. Returns the files, named screen-size-scheme.png."""
    wanted = [screen for screen in SCREENS if not only or screen.name in only]
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser.find_or_install(),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],  # Chromium's sandbox refuses to work for root
        )
        for role in dict.fromkeys(screen.role for screen in wanted):
            for size, viewport in SIZES.items():
                for scheme in SCHEMES:
                    context = chromium.new_context(
                        viewport=viewport,  # type: ignore[arg-type]  # a dict of the two numbers
                        color_scheme=scheme,  # type: ignore[arg-type]  # "light" or "dark"
                        reduced_motion="reduce",
                    )
                    if role:
                        _log_in(context, address, USERS[role])
                    for screen in wanted:
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
    shown = page.viewport_size
    assert shown
    # A window as high as the page: what sticks to its foot is at the foot, and frames out of sight are drawn.
    page.set_viewport_size({**shown, "height": max(shown["height"], _height(page))})
    page.wait_for_timeout(300)  # plots are drawn a frame after their data
    path = folder / f"{screen.name}-{variant}.png"
    page.screenshot(path=path)
    yield path
    page.set_viewport_size(shown)
    if over := page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"):
        sys.stderr.write(f"{screen.name} ({variant}) scrolls sideways by {over} px\n")
    if screen.name in README and variant.startswith("desktop"):
        file = ROOT / "docs" / "screenshots" / f"{screen.name}-{variant.removeprefix('desktop-')}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(300)
        page.screenshot(path=file)
        yield file
    page.close()


def _height(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollHeight"))


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
    parser.add_argument("--only", nargs="*", default=[], choices=[screen.name for screen in SCREENS], metavar="SCREEN")
    chosen = parser.parse_args()
    shop = contextlib.nullcontext(chosen.address.rstrip("/")) if chosen.address else _own_shop()
    with shop as address:
        for path in take(address, chosen.folder, chosen.only):
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
