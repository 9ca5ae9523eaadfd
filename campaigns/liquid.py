"""Liquid, cut down to what a message needs: a few tags and filters, limits, and no way to reach an object."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from liquid import BoundTemplate, Environment, RenderContext, StrictUndefined
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from liquid.token import TOKEN_CONTENT, TOKEN_ILLEGAL, TOKEN_OUTPUT

from campaigns.placeholders import nearest

TAGS = {"if", "unless", "case", "comment"}
FILTERS = {
    "append",
    "capitalize",
    "date",
    "default",
    "divided_by",
    "downcase",
    "escape",
    "minus",
    "plus",
    "prepend",
    "remove",
    "replace",
    "round",
    "strip",
    "times",
    "truncate",
    "truncatewords",
    "upcase",
    "url_encode",
}
"""``safe``, the decoders and whatever else could turn a customer's text into markup are left out on purpose."""


class MessageEnvironment(Environment):
    """Nothing to include, nothing to loop over, and an end to everything that could grow."""

    block_nesting_limit = 10
    context_depth_limit = 10
    loop_iteration_limit = 1_000
    local_namespace_limit = 100_000
    output_stream_limit = 500_000

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, undefined=StrictUndefined, strict_filters=True)
        kept = TAGS | {TOKEN_CONTENT, TOKEN_OUTPUT, TOKEN_ILLEGAL}
        self.tags = {name: tag for name, tag in self.tags.items() if name in kept}
        self.filters = {name: run for name, run in self.filters.items() if name in FILTERS}


FOR_HTML = MessageEnvironment(autoescape=True)
FOR_TEXT = MessageEnvironment(autoescape=False)
_NO_CONTEXT = RenderContext(FOR_TEXT.from_string(""))

_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@dataclass
class Shield:
    """Swaps every placeholder for a plain word and back, so that MJML and HTML parsers never see what is inside."""

    prefix: str
    hidden: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, *sources: str) -> "Shield":
        """A shield whose words occur in none of these sources."""
        number, text = 0, "".join(sources)
        while f"zq{number}q" in text:
            number += 1
        return cls(f"zq{number}q")

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"{self.prefix}(\d+)z")

    def hide(self, source: str) -> str:
        return _PLACEHOLDER.sub(lambda match: self.word(match.group()), source)

    def word(self, placeholder: str) -> str:
        """The word that stands for this placeholder."""
        self.hidden.append(placeholder)
        return f"{self.prefix}{len(self.hidden) - 1}z"

    def show(self, shielded: str) -> str:
        return self.pattern.sub(lambda match: self.hidden[int(match.group(1))], shielded)

    def line(self, shielded: str, line: int) -> int:
        """The line of the author's own source, where a placeholder may span several."""
        before = "\n".join(shielded.split("\n")[: line - 1])
        return self.show(before).count("\n") + (2 if before else 1) if line > 1 else 1


@dataclass(frozen=True)
class Use:
    """A placeholder in a template. ``guarded``: its being empty was thought of (a default, or inside an ``if``)."""

    name: str
    line: int
    guarded: bool
    is_escaped_for_links: bool = False


def uses(template: BoundTemplate) -> list[Use]:
    """Every placeholder of a template, in the order of its text."""
    return [use for node in template.nodes for use in _uses_of_node(node, frozenset())]


def unknown_filters(template: BoundTemplate) -> list[tuple[str, int]]:
    """Filters that messages don't have (Liquid itself would notice only at the first customer), with their lines."""
    source = template.nodes[0].token.source if template.nodes else ""
    return [
        (name, source.count("\n", 0, span.index) + 1)
        for name, spans in template.analyze(include_partials=False).filters.items()
        for span in spans
        if name not in FILTERS
    ]


def _uses_of_node(node: Node, guards: frozenset[str]) -> Iterator[Use]:
    is_output = isinstance(node, OutputNode)
    asked = frozenset() if is_output else frozenset(str(path) for e in node.expressions() for path in _paths(e))
    for expression in node.expressions():
        filters = [f.name for f in expression.filters or []] if isinstance(expression, FilteredExpression) else []
        for path in _paths(expression):
            name = str(path)
            guarded = not is_output or name in guards or "default" in filters
            yield Use(name, _line(path), guarded, "url_encode" in filters)
    for child in node.children(_NO_CONTEXT):
        yield from _uses_of_node(child, guards | asked)


def _paths(expression: Expression) -> Iterator[Path]:
    if isinstance(expression, Path):
        yield expression
    for child in expression.children():
        yield from _paths(child)


def _line(expression: Expression) -> int:
    return expression.token.source.count("\n", 0, expression.token.start_index) + 1


def no_such_filter(name: str) -> str:
    values = {"name": name, "hint": nearest(name, among=FILTERS)}
    if values["hint"]:
        return _("There is no filter “%(name)s”. Did you mean “%(hint)s”?") % values
    return _("There is no filter “%(name)s” in messages.") % values


def explain(error: LiquidError) -> tuple[str, int | None]:
    """What is wrong with a template in a sentence, and the line where it is known."""
    text, token = str(error.message), error.token
    line = None
    if token is not None and token.source and token.start_index >= 0:
        line = token.source.count("\n", 0, token.start_index) + 1
    if found := re.search(r"unexpected tag '(\w+)'", text):
        return _("“%(name)s” can't be used in a message.") % {"name": found.group(1)}, line
    if "expected '}}'" in text or "expected '%}'" in text:
        return _("A placeholder is opened but not closed."), line
    if found := re.search(r"expected tag (\w+)", text):
        return _("“%(name)s” is missing.") % {"name": "{% " + found.group(1) + " %}"}, line
    return _("A placeholder can't be read: %(reason)s.") % {"reason": text}, line
