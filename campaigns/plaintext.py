"""The plain-text part of a message, made from its HTML."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

_BREAK_BEFORE = {"p", "div", "table", "tr", "h1", "h2", "h3", "h4", "ul", "ol", "hr"}
_SILENT = {"head", "style", "script", "title"}
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class _Reader(HTMLParser):
    """Collects text; a link becomes "label: address", a picture its alternative text, hidden parts nothing."""

    def __init__(self, follow: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=True)
        self.follow = follow
        self.parts: list[str] = []
        self.links: list[tuple[str, int]] = []
        self.silent_at: list[int] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag not in _VOID:
            self.open.append(tag)
            if tag in _SILENT or _HIDDEN.search(values.get("style", "")):
                self.silent_at.append(len(self.open))
        if self.silent_at:
            return
        if tag == "br":
            self.parts.append("\n")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in _BREAK_BEFORE:
            self.parts.append("\n\n")
        elif tag == "img":
            self.parts.append(values.get("alt", ""))
        elif tag == "a":
            self.links.append((values.get("href", ""), len(self.parts)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.open:
            return
        while self.open:
            if self.silent_at and self.silent_at[-1] == len(self.open):
                self.silent_at.pop()
            if self.open.pop() == tag:
                break
        if self.silent_at:
            return
        if tag == "a" and self.links:
            self._close_link(*self.links.pop())
        elif tag in _BREAK_BEFORE:
            self.parts.append("\n\n")

    def _close_link(self, href: str, since: int) -> None:
        label = _squeeze("".join(self.parts[since:]))
        plain = href.removeprefix("mailto:").removeprefix("tel:")
        if not href or href.startswith("#"):
            return
        shown = self.follow(plain)
        self.parts[since:] = [shown if label in ("", href, plain) else f"{label}: {shown}"]

    def handle_data(self, data: str) -> None:
        if not self.silent_at:
            self.parts.append(re.sub(r"\s+", " ", data))


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def from_html(html: str, *, follow: Callable[[str], str] = str) -> str:
    """The text of a message as a person would type it: paragraphs with an empty line between, links written out.

    ``follow`` gives what to write for the address of a link.
    """
    reader = _Reader(follow)
    reader.feed(html)
    reader.close()
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
