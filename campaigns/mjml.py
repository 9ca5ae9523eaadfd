"""MJML to HTML, once for each message: faults named with their line, and a footer that nobody can take away.

Works on shielded sources only (:class:`campaigns.liquid.Shield`): `a < b` inside a placeholder breaks ``mrml``.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import mrml
from django.utils.translation import gettext as _

from campaigns.placeholders import nearest

KNOWN_TAGS = {
    "mjml",
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
    "mj-wrapper",
}
FORBIDDEN_TAGS = {"script", "iframe", "object", "embed", "form", "input", "base", "svg", "math"}
_OPTIONS = mrml.RenderOptions(fonts={})  # no fonts from elsewhere: they would tell a third party who reads
_PARSER = mrml.ParserOptions(include_loader=mrml.noop_loader())
_POSITION = re.compile(r"at position (\d+)")


@dataclass(frozen=True)
class Fault:
    """``line`` counts in the shielded source."""

    message: str
    line: int | None


class _Structure(HTMLParser):
    """Looks for what ``mrml`` would let through or report without a line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[Fault] = []
        self.open: list[tuple[str, int]] = []
        self.seen: set[str] = set()

    def _fault(self, message: str) -> None:
        self.faults.append(Fault(message, self.getpos()[0]))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)
        if tag.startswith("mj"):
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)

    def _look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag == "mj-include":
            self._fault(_("Other files can't be included."))
        elif tag.startswith("mj") and tag not in KNOWN_TAGS:
            hint = nearest(tag, among=KNOWN_TAGS)
            text = _("There is no <%(tag)s>. Did you mean <%(hint)s>?") if hint else _("There is no <%(tag)s>.")
            self._fault(text % {"tag": tag, "hint": hint})
        elif tag in FORBIDDEN_TAGS:
            self._fault(_("<%(tag)s> can't be used in a message.") % {"tag": tag})
        for name, _value in attrs:
            if name.startswith("on"):
                self._fault(_("“%(name)s” can't be used in a message.") % {"name": name})

    def handle_endtag(self, tag: str) -> None:
        if not tag.startswith("mj"):
            return
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
            return
        if any(tag == name for name, _line in self.open):
            while self.open and self.open[-1][0] != tag:
                name, line = self.open.pop()
                self.faults.append(Fault(_("<%(tag)s> is not closed.") % {"tag": name}, line))
            self.open.pop()
        else:
            self._fault(_("</%(tag)s> closes nothing.") % {"tag": tag})

    def finish(self) -> list[Fault]:
        self.close()
        self.faults += [Fault(_("<%(tag)s> is not closed.") % {"tag": name}, line) for name, line in self.open]
        if not {"mjml", "mj-body"} <= self.seen:
            self.faults.append(Fault(_("A message needs <mjml> with an <mj-body> inside."), None))
        return sorted(self.faults, key=lambda fault: fault.line or 0)


def faults(source: str) -> list[Fault]:
    """What is wrong with this MJML, in the order of its lines; nothing for a sound one."""
    reader = _Structure()
    reader.feed(source)
    for stray in re.finditer(r"<(?![A-Za-z/!?])", source):
        line = source.count("\n", 0, stray.start()) + 1
        reader.faults.append(Fault(_("A “<” in the text must be written &lt;."), line))
    return reader.finish()


_HEAD = re.compile(r"<mj-head\b.*?</mj-head>", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def _tidied_head(match: re.Match[str]) -> str:
    """The head as ``mrml`` reads it: it stumbles over comments and over blanks that no line break precedes."""
    head = _COMMENT.sub(lambda comment: "\n" * comment.group().count("\n"), match.group())
    return re.sub(r"(?<=>)[ \t]+(?=[\n<])", "", head)


def to_html(source: str) -> tuple[str, Fault | None]:
    """The HTML, or why it can't be made."""
    source = _HEAD.sub(_tidied_head, source.replace("\r\n", "\n"))
    try:
        return mrml.to_html(source, parser_options=_PARSER, render_options=_OPTIONS).content, None
    except OSError as error:
        reason = str(error).partition(" in root template")[0]
        line = None
        if found := _POSITION.search(str(error)):
            line = source.encode()[: int(found.group(1))].count(b"\n") + 1
        return "", Fault(_("The MJML can't be read: %(reason)s.") % {"reason": reason}, line)


def with_footer(source: str, *, head: str, footer: str) -> str:
    """The author's own MJML with our head styles and, last in its body, the footer."""
    start, end = source.rfind("</mj-body>"), "</mj-body>"
    if start < 0:  # <mj-body/>
        source, start = re.sub(r"<mj-body\s*/>", f"<mj-body>{end}", source, count=1), 0
        start = source.rfind(end)
    source = source[:start] + footer + source[start:]
    if "</mj-head>" in source:
        return source.replace("</mj-head>", head + "</mj-head>", 1)
    return re.sub(r"(<mjml\b[^>]*>)(\s*<mj-head\s*/>)?", lambda m: f"{m[1]}<mj-head>{head}</mj-head>", source, count=1)
