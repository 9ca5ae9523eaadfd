"""From a variant to the bytes' content: checked at save, compiled once, personalised thousands of times a second.

MJML (our starter with the variant's texts, or the author's own) goes through ``mrml`` with its placeholders shielded;
what comes out is a Liquid template for the HTML and, read back as text, another one for the plain part.
"""

import functools
import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import escape, urlize
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from campaigns import liquid, mjml, plaintext
from campaigns.models import Variant
from campaigns.placeholders import BY_NAME, Kind, nearest
from crm.text import clean


@dataclass(frozen=True)
class MessageSource:
    """What an author wrote. Equal sources are compiled once."""

    subject: str
    preheader: str = ""
    heading: str = ""
    body: str = ""
    button_label: str = ""
    button_url: str = ""
    mjml: str = ""
    language: str = ""

    @classmethod
    def of(cls, variant: Variant) -> "MessageSource":
        return cls(**{field.name: getattr(variant, field.name) for field in fields(cls)})


@dataclass(frozen=True)
class Problem:
    """Something that keeps a message from being sent: the variant's field, a sentence, the line where it helps."""

    field: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.message
        return _("Line %(line)s: %(message)s") % {"line": self.line, "message": self.message}


class MessageError(Exception):
    """The message can't be made; ``problems`` say why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class RenderedMessage:
    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class CompiledMessage:
    """``links`` are the addresses in it that are the same for everybody, so that clicks on them can be counted."""

    subject: BoundTemplate
    html: BoundTemplate
    text: BoundTemplate
    links: tuple[str, ...]

    def render(self, context: Mapping[str, Any], *, follow: Callable[[str], str] | None = None) -> RenderedMessage:
        """One customer's message. ``follow`` gives the address to put in place of each of ``links``.

        MessageError where it can't be made from this context.
        """
        links = {f"l{i}": follow(url) if follow else url for i, url in enumerate(self.links)}
        values = {**context, "links": links}
        try:
            return RenderedMessage(
                subject=clean(self.subject.render(**values)),
                html=self.html.render(**values),
                text=self.text.render(**values),
            )
        except LiquidError as error:
            raise MessageError([Problem("", *liquid.explain(error))]) from error


def compile_variant(variant: Variant) -> CompiledMessage:
    """The variant, ready to be personalised. MessageError names everything that is wrong with it."""
    return compile_source(MessageSource.of(variant))


def check_placeholders(variant: Variant) -> list[Problem]:
    """Everything that would keep this variant from being sent; nothing for a sound one."""
    try:
        compile_variant(variant)
    except MessageError as error:
        return error.problems
    return []


@functools.lru_cache(maxsize=64)
def compile_source(source: MessageSource) -> CompiledMessage:
    problems = [*_missing(source), *_template_problems(source)]
    if problems:
        raise MessageError(problems)
    field = "mjml" if source.mjml else "body"
    shield, shielded = _mjml_of(source)
    if source.mjml:
        problems = [
            Problem(field, fault.message, fault.line and shield.line(shielded, fault.line))
            for fault in mjml.faults(shield.hide(source.mjml))
        ]
        if problems:
            raise MessageError(problems)
    markup, fault = mjml.to_html(shielded)
    if fault:
        raise MessageError([Problem(field, fault.message, fault.line and shield.line(shielded, fault.line))])
    links, problems = _links(markup, shield, field="mjml" if source.mjml else "button_url")
    if problems:
        raise MessageError(problems)
    words = {url: shield.word(f"{{{{ links.l{i} }}}}") for i, url in enumerate(links)}
    return CompiledMessage(
        subject=liquid.FOR_TEXT.from_string(source.subject),
        html=liquid.FOR_HTML.from_string(shield.show(_swap_links(markup, words))),
        text=liquid.FOR_TEXT.from_string(
            shield.show(plaintext.from_html(markup, follow=lambda url: words.get(url, url)))
        ),
        links=links,
    )


def _missing(source: MessageSource) -> list[Problem]:
    problems = []
    if not source.subject.strip():
        problems.append(Problem("subject", _("A message needs a subject.")))
    if not (source.mjml or source.body.strip() or source.heading.strip()):
        problems.append(Problem("body", _("A message needs a text.")))
    if not source.mjml and bool(source.button_label.strip()) != bool(source.button_url.strip()):
        field = "button_url" if source.button_label.strip() else "button_label"
        problems.append(Problem(field, _("A button needs both a label and an address.")))
    return problems


_TEXT_FIELDS = ("subject", "preheader", "heading", "body", "button_label", "button_url")


def _template_problems(source: MessageSource) -> list[Problem]:
    """Unreadable, unknown and possibly empty placeholders, field by field."""
    names = ("subject", "preheader", "mjml") if source.mjml else _TEXT_FIELDS
    problems: dict[Problem, None] = {}  # each once, in order
    for field in names:
        for message, line in _template_faults(getattr(source, field)):
            problems[Problem(field, message, line if field in ("body", "mjml") else None)] = None
    return list(problems)


def _template_faults(text: str) -> Iterator[tuple[str, int | None]]:
    try:
        template = liquid.FOR_TEXT.from_string(text)
    except LiquidError as error:
        yield liquid.explain(error)
        return
    for name, line in liquid.unknown_filters(template):
        yield liquid.no_such_filter(name), line
    for use in liquid.uses(template):
        if message := _objection(use):
            yield message, use.line


def _objection(use: liquid.Use) -> str:
    placeholder = BY_NAME.get(use.name)
    if placeholder is None:
        values = {"name": use.name, "hint": nearest(use.name)}
        if values["hint"]:
            return _("There is no placeholder “%(name)s”. Did you mean “%(hint)s”?") % values
        return _("There is no placeholder “%(name)s”.") % values
    if placeholder.may_be_empty and not use.guarded:
        return _("“%(name)s” is not known of every customer. Say what stands there instead: %(code)s") % {
            "name": use.name,
            "code": placeholder.code,
        }
    return ""


def _mjml_of(source: MessageSource) -> tuple[liquid.Shield, str]:
    """The whole MJML with every placeholder shielded, and the shield."""
    shield = liquid.Shield.over(*(getattr(source, field.name) for field in fields(source)))
    with translation.override(source.language or settings.LANGUAGE_CODE):
        head = " ".join(render_to_string("messages/_head.mjml").split("\n"))
        footer = shield.hide(render_to_string("messages/_footer.mjml").strip())
    preheader = _inline(source.preheader, shield)
    if source.mjml:
        own = shield.hide(source.mjml)
        if preheader and "<mj-preview" not in own:
            head += f"<mj-preview>{preheader}</mj-preview>"
        return shield, mjml.with_footer(own, head=head, footer=footer)
    texts = {
        "head": mark_safe(head),  # noqa: S308 - our own template
        "footer": mark_safe(footer),  # noqa: S308 - our own template
        "shop_name": shield.word("{{ shop.name }}"),
        "preheader": preheader,
        "heading": _inline(source.heading, shield),
        "paragraphs": [_paragraph(text, shield) for text in re.split(r"\n\s*\n", source.body.strip()) if text.strip()],
        "button_label": _inline(source.button_label, shield),
        "button_url": shield.hide(source.button_url.strip()),
    }
    return shield, render_to_string("messages/starter.mjml", texts)


def _inline(text: str, shield: liquid.Shield) -> str:
    return escape(shield.hide(clean(text)))


def _paragraph(text: str, shield: liquid.Shield) -> str:
    """A paragraph as typed: its line breaks kept, addresses in it clickable."""
    lines = shield.hide(text.replace("\r\n", "\n").strip()).split("\n")
    return mark_safe("<br/>".join(urlize(line, autoescape=True) for line in lines))  # noqa: S308 - urlize escapes


_ANCHOR = re.compile(r'(<(?:a|area|v:roundrect)\b(?:[^>"]|"[^"]*")*?\shref=")([^"]*)(")')
_PICTURE = re.compile(r'<(?:img|source|video)\b(?:[^>"]|"[^"]*")*?\s(?:src|srcset)="([^"]*)"')
_WEB = re.compile(r"https?://[^\s/?#]+(?:[/?#]|$)", re.IGNORECASE)
_STYLE = re.compile(r"<style\b[^>]*>.*?</style>|\sstyle=\"[^\"]*\"", re.DOTALL)


def _links(markup: str, shield: liquid.Shield, *, field: str) -> tuple[tuple[str, ...], list[Problem]]:
    """The addresses that are the same for everybody, in their order, and what is wrong with any address."""
    links: dict[str, None] = {}
    problems: list[Problem] = []
    for match in _ANCHOR.finditer(markup):
        url = html.unescape(match.group(2)).strip()
        if message := _link_objection(url, shield):
            problems.append(Problem(field, message))
        elif _WEB.match(url) and not shield.pattern.search(url):
            links[url] = None
    for match in _PICTURE.finditer(markup):
        if not _WEB.match(url := html.unescape(match.group(1)).strip()):
            message = _("The picture “%(url)s” needs an address with https://.") % {"url": shield.show(url)}
            problems.append(Problem(field, message))
    if any(shield.pattern.search(match.group()) for match in _STYLE.finditer(markup)):
        problems.append(Problem(field, _("A placeholder can't stand inside a style.")))
    return tuple(links), problems


def _swap_links(markup: str, words: Mapping[str, str]) -> str:
    def swap(match: re.Match[str]) -> str:
        url = html.unescape(match.group(2)).strip()
        return match.group(1) + words[url] + match.group(3) if url in words else match.group()

    return _ANCHOR.sub(swap, markup)


def _link_objection(url: str, shield: liquid.Shield) -> str:
    shown = shield.show(url)
    if shield.pattern.fullmatch(url):
        used = liquid.uses(liquid.FOR_TEXT.from_string(shown))
        if len(used) == 1 and BY_NAME[used[0].name].kind is Kind.ADDRESS:
            return ""
        return _("“%(url)s” is no address that a link can lead to.") % {"url": shown}
    if url.lower().startswith(("mailto:", "tel:")):
        return ""
    host = _WEB.match(url)
    if host is None or shield.pattern.search(host.group()):
        return _("A link must start with https://, http://, mailto: or tel:, not “%(url)s”.") % {"url": shown}
    for match in shield.pattern.finditer(url):
        used = liquid.uses(liquid.FOR_TEXT.from_string(shield.show(match.group())))
        if not all(use.is_escaped_for_links for use in used):
            return _("Inside an address, a placeholder needs “| url_encode”: %(url)s") % {"url": shown}
    return ""
