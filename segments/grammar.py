"""The grammar of a rule's text: words become a raw tree, and whatever breaks the grammar is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedToken

from segments.mistakes import explain
from segments.tokens import MAX_MISTAKES, Located, Places
from segments.tree import RuleError


@dataclass(frozen=True)
class Argument:
    name: Token | None
    values: tuple[Token, ...]
    is_list: bool = False


@dataclass(frozen=True)
class RawCondition:
    subject: Token
    arguments: tuple[Argument, ...] = ()
    operator: Token | None = None
    values: tuple[Token, ...] = ()

    @property
    def words(self) -> Iterable[Token]:
        yield self.subject
        if self.operator is not None:
            yield self.operator
        yield from (one.name for one in self.arguments if one.name is not None)
        for one in self.arguments:
            yield from one.values
        yield from self.values


@dataclass(frozen=True)
class RawGroup:
    kind: str
    nodes: "tuple[Raw, ...]"


Raw: TypeAlias = RawCondition | RawGroup | None
"""None stands where a mistake has been told already."""


def _but(children: Iterable[Any], *but: str) -> list[Any]:
    return [child for child in children if not (isinstance(child, Token) and child.type in but)]


class _Build(Transformer[Token, Any]):
    """Called as soon as each part has been read, so that depth costs no stack."""

    def or_group(self, children: list[Any]) -> RawGroup:
        return RawGroup("or", tuple(_but(children, "OR")))

    def and_group(self, children: list[Any]) -> RawGroup:
        return RawGroup("and", tuple(_but(children, "AND")))

    def all_group(self, children: list[Any]) -> RawGroup:
        return RawGroup("and", tuple(_but(children, "ALL", "OPEN", "CLOSE", "COMMA")))

    def any_group(self, children: list[Any]) -> RawGroup:
        return RawGroup("or", tuple(_but(children, "ANY", "OPEN", "CLOSE", "COMMA")))

    def not_group(self, children: list[Any]) -> RawGroup:
        return RawGroup("not", (children[1],))

    def bracketed(self, children: list[Any]) -> Raw:
        inner: Raw = children[1]
        return inner

    def subject(self, children: list[Any]) -> tuple[Token, tuple[Argument, ...]]:
        name, *arguments = _but(children, "BEGIN", "END", "COMMA")
        return name, tuple(arguments)

    def unnamed(self, children: list[Token]) -> Argument:
        return Argument(None, (children[0],))

    def named(self, children: list[Token]) -> Argument:
        is_list = any(child.type == "BEGIN" for child in children)
        name, *values = _but(children, "BEGIN", "END", "COMMA", "COLON")
        return Argument(name, tuple(values), is_list)

    def items(self, children: list[Token]) -> tuple[Token, ...]:
        return tuple(_but(children, "BEGIN", "END", "COMMA"))

    def alone(self, children: list[Any]) -> RawCondition:
        return self._condition(children[0])

    def compared(self, children: list[Any]) -> RawCondition:
        return self._condition(children[0], children[1], (children[2],))

    upcoming = compared

    def listed(self, children: list[Any]) -> RawCondition:
        return self._condition(children[0], children[1], children[2])

    def between(self, children: list[Any]) -> RawCondition:
        return self._condition(children[0], children[1], (children[2], children[4]))

    def state(self, children: list[Any]) -> RawCondition:
        return self._condition(children[0], children[1])

    def _condition(
        self,
        subject: tuple[Token, tuple[Argument, ...]],
        operator: Token | None = None,
        values: tuple[Token, ...] = (),
    ) -> RawCondition:
        name, arguments = subject
        return RawCondition(name, arguments, operator, values)

    def member(self, children: list[Any]) -> RawCondition:
        return RawCondition(children[1], (), children[0], (children[2],))

    def broken(self, children: list[Any]) -> None:
        return None


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("rule.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", transformer=_Build())


def read_words(found: list[Token], places: Places) -> tuple[Raw, list[Located]]:
    """The raw tree; what breaks the grammar is told, replaced, and read over, so that the next mistake shows too."""
    problems: list[Located] = []
    while True:
        parser, at = _parser().parse_interactive(), 0
        try:
            for token in found:
                parser.feed_token(token)
                at += 1
            root: Raw = parser.feed_eof(found[-1])
        except UnexpectedToken:
            problems.append(_explained(found, at, places))
            mended = _without_mistake(found, at)
            if len(problems) >= MAX_MISTAKES or mended is None:
                raise RuleError(*problems) from None
            found = mended
        else:
            return root, problems


def _explained(found: list[Token], at: int, places: Places) -> Located:
    """What the grammar says of the word at that place, in plain words."""
    parser = _parser().parse_interactive()  # anew: one that has met the mistake has forgotten what could have come
    for token in found[:at]:
        parser.feed_token(token)
    message, token = explain(accepted=parser.accepts(), found=found, at=at)
    return places.problem(message, token.start_pos or 0, token.end_pos or 0)


def _without_mistake(found: list[Token], at: int) -> list[Token] | None:
    """The words with the condition around the mistake replaced by a blank; None where nothing would change."""
    inside = _innermost(found, at)
    start = end = at if inside is None else inside
    depth = 0
    while start > 0:
        kind = found[start - 1].type
        depth += (kind in ("END", "CLOSE")) - (kind in ("BEGIN", "OPEN") and depth > 0)
        if depth == 0 and kind in ("AND", "OR", "NOT", "OPEN", "ALL", "ANY"):
            break
        start -= 1
    depth = 0
    while end < len(found):
        kind = found[end].type
        if depth == 0 and kind in ("AND", "OR", "CLOSE") and not _goes_on(found, end):
            break
        depth += (kind in ("BEGIN", "OPEN")) - (kind in ("END", "CLOSE"))
        end += 1
    blank = Token("BROKEN", "", start_pos=_start(found, start), end_pos=_start(found, start))
    mended = [*found[:start], blank, *found[end:]]
    return mended if [one.type for one in mended] != [one.type for one in found] else None


def _goes_on(found: list[Token], at: int) -> bool:
    """Whether an "and" joins no conditions, since none begins with a value: it belongs to the mistake before it."""
    return found[at].type in ("AND", "OR") and at + 1 < len(found) and found[at + 1].type in ("ODD", "TEXT", "SPAN")


def _innermost(found: list[Token], at: int) -> int | None:
    """Where the brackets of arguments or of a list begin, if the place is inside some."""
    opened: list[int] = []
    for place, token in enumerate(found[:at]):
        if token.type in ("BEGIN", "OPEN"):
            opened.append(place)
        elif token.type in ("END", "CLOSE") and opened:
            opened.pop()
    return next((place for place in opened if found[place].type == "BEGIN"), None)


def _start(found: list[Token], at: int) -> int:
    token = found[min(at, len(found) - 1)]
    return (token.start_pos if at < len(found) else token.end_pos) or 0
