"""The text form of rules: ``age between 25 and 40 and spend(last: 90 days) >= 300``.

``parse(write(node)) == node`` for every tree. The grammar is segments/rule.lark; what a condition may say is checked by
:mod:`segments.rules`, as for the JSON, so that both forms know the same limits and the same words. Every mistake is
a :class:`Located` problem under the word that offends, as many at once as can be told apart.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from lark import Token

from crm.attributes import Attribute, Filter, Type, lookup
from segments import rules
from segments.grammar import Raw, RawCondition, read_words
from segments.tokens import Located, Places, tokens
from segments.tree import Node, Path, Problem, RuleError
from segments.written import write

__all__ = ["Located", "Text", "parse", "read", "write"]


def parse(text: str) -> Node:
    """The tree of a rule's text. Raises RuleError, whose problems are all :class:`Located`."""
    return read(text).node


def read(text: str) -> "Text":
    """The tree with the places of its words, for mistakes that only show when it is used. Raises RuleError."""
    found = tokens(text)
    places = Places(text)
    if not found:
        raise RuleError(places.problem(_("There is no rule here."), 0, len(text)))
    root, problems = read_words(found, places)
    conversion = _Conversion(places, problems)
    raw = conversion.node(root, ())
    node = None
    try:
        node = rules.parse({"v": rules.VERSION, "rule": raw})
    except RuleError as error:
        problems += conversion.untold(error)
    if problems or node is None:
        raise RuleError(*sorted(problems, key=lambda one: one.offset))
    return Text(node, conversion)


@dataclass(frozen=True)
class Text:
    """A rule that was read from a text."""

    node: Node
    _conversion: "_Conversion"

    def located(self, error: RuleError) -> RuleError:
        """The same error with the place of each mistake in the text."""
        return RuleError(*map(self.place, error.problems))

    def place(self, problem: Problem) -> Located:
        """The same problem with its place in the text."""
        return self._conversion.located(problem)


# -- from words to the JSON that rules.py checks -----------------------------------------------------------------------

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_NEXT = re.compile(r"([0-9]{1,4}) (day|week)s?", re.ASCII)


@dataclass
class _Conversion:
    """Writes the JSON of what was read, and remembers where each condition stands."""

    places: Places
    problems: list[Located]
    told: set[Path] = field(default_factory=set)  # nodes whose mistake has been told
    conditions: dict[Path, RawCondition] = field(default_factory=dict)

    def node(self, raw: Raw, path: Path) -> Any:
        if raw is None:
            self.told.add(path)
            return None
        if isinstance(raw, RawCondition):
            self.conditions[path] = raw
            return self.condition(raw, path)
        if raw.kind == "not":
            return {"not": self.node(raw.nodes[0], (*path, 0))}
        return {raw.kind: [self.node(child, (*path, place)) for place, child in enumerate(raw.nodes)]}

    def wrong(self, path: Path, message: str, token: Token) -> None:
        self.told.add(path)
        self.problems.append(self.places.problem(message, token.start_pos or 0, token.end_pos or 0, path))

    def condition(self, raw: RawCondition, path: Path) -> dict[str, Any]:
        attribute = lookup(raw.subject) or lookup(raw.subject.casefold())
        written: dict[str, Any] = {"attribute": attribute.name if attribute else str(raw.subject)}
        if attribute is None:
            return written  # told by the rules
        filters = self.filters(raw, attribute, path)
        if filters:
            written["filters"] = filters
        return written | self.comparison(raw, attribute, path)

    def filters(self, raw: RawCondition, attribute: Attribute, path: Path) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for argument in raw.arguments:
            if argument.name is not None:
                name = str(argument.name) if argument.name in list(Filter) else argument.name.casefold()
            elif attribute.argument is not None:
                name = str(attribute.argument)
            else:
                self.wrong(path, _nameless(attribute), argument.values[0])
                continue
            if name in read:
                message = _("“%(word)s” is given twice.") % {"word": name}
                self.wrong(path, message, argument.name or argument.values[0])
            elif argument.is_list and name != Filter.WEEKDAY:
                self.wrong(path, _("“%(word)s” takes one value.") % {"word": name}, argument.values[0])
            elif name == Filter.WEEKDAY:
                read[name] = [str(one) for one in argument.values]
            else:
                read[name] = self.filter_value(name, argument.values[0], attribute, path)
        return read

    def filter_value(self, name: str, token: Token, attribute: Attribute, path: Path) -> str:
        if name == Filter.EVENT:
            return meant(str(token), attribute.events or {})
        if token.type == "SPAN" and name != Filter.LAST and name in attribute.filters:
            self.wrong(path, _("Put a text of several words into quotes."), token)
        return str(token).casefold() if name in (Filter.LAST, Filter.CHANNEL) else str(token)

    def comparison(self, raw: RawCondition, attribute: Attribute, path: Path) -> dict[str, Any]:
        operator = str(raw.operator) if raw.operator is not None else ""
        if not operator:
            if attribute.type != Type.FLAG:
                self.wrong(path, _incomplete(attribute), raw.subject)
            return {"operator": "is", "value": True}
        if raw.operator is not None and raw.operator.type == "STATE":
            return {"operator": operator.removeprefix("is ")}
        if attribute.type == Type.FLAG:
            return {"operator": "is" if operator in ("is", "=") else operator, "value": _flag(raw.values)}
        if operator in ("is", "is not"):
            operator = "=" if operator == "is" else "!="
        if operator == "in next":
            return {"operator": operator, "value": self.days(raw.values[0], path)}
        values = [self.value(one, attribute, path) for one in raw.values]
        many = operator in ("in", "not in", "has any", "has all", "between") and attribute.type != Type.MEMBER
        if attribute.type == Type.MEMBER and len(values) != 1:
            self.wrong(
                path, _("“in %(word)s” takes one name; join several with “or”.") % {"word": attribute.name}, raw.subject
            )
            return {"operator": operator, "value": None}
        return {"operator": operator, "value": values if many else values[0]}

    def days(self, token: Token, path: Path) -> int | None:
        found = _NEXT.fullmatch(str(token))
        if found is None:
            self.wrong(path, _("Count in days or weeks, such as “in next 7 days”."), token)
            return None
        return int(found[1]) * (7 if found[2] == "week" else 1)

    def value(self, token: Token, attribute: Attribute, path: Path) -> str:
        if token.type == "SPAN":
            self.wrong(path, _("Put a text of several words into quotes."), token)
        return meant(str(token), attribute.values) if attribute.values else str(token)

    def located(self, problem: Problem) -> Located:
        """Where in the text a problem of the tree lies: at its word, else at its whole condition."""
        if isinstance(problem, Located):
            return problem
        mine = [(path, one) for path, one in self.conditions.items() if path[: len(problem.path)] == problem.path]
        for path, condition in mine:
            for token in condition.words if path == problem.path else ():
                if problem.word and rules.short(str(token)) == problem.word:
                    return self._at(problem, token, token)
        if not mine:
            return self.places.problem(problem.message, 0, len(self.places.text.rstrip()), problem.path)
        first, last = list(mine[0][1].words), list(mine[-1][1].words)
        return self._at(problem, first[0], max(last, key=lambda one: one.end_pos or 0))

    def untold(self, error: RuleError) -> list[Located]:
        """The problems of the tree, without those that only follow from a mistake that has been told."""
        marked = [(one.offset, one.offset + one.length) for one in self.problems]
        found = [(one, self.located(one)) for one in error.problems]
        return [
            where
            for one, where in found
            if one.path not in self.told
            or (
                one.word
                and not any(start < where.offset + where.length and where.offset < end for start, end in marked)
            )
        ]

    def _at(self, problem: Problem, first: Token, last: Token) -> Located:
        return self.places.problem(problem.message, first.start_pos or 0, last.end_pos or 0, problem.path)


def meant(word: str, known: Mapping[str, Any]) -> str:
    """The key of a closed set that a word means: the key, or its label; in other letter case where only one fits."""
    if word in known:
        return word
    labels = {key: str(label) for key, label in known.items()}
    folded = word.casefold()
    for fits in (
        [key for key, label in labels.items() if label == word],
        [key for key in labels if key.casefold() == folded],
        [key for key, label in labels.items() if label.casefold() == folded],
    ):
        if len(fits) == 1:
            return fits[0]
    return word


def _flag(values: tuple[Token, ...]) -> Any:
    return _YES_NO.get(values[0].casefold(), str(values[0])) if len(values) == 1 else None


def _nameless(attribute: Attribute) -> str:
    if not attribute.filters:
        return _("“%(name)s” takes nothing in brackets.") % {"name": attribute.name}
    likely = next(name for name in Filter if name in attribute.filters)
    return _("Say what this is, such as %(example)s.") % {"example": f"{attribute.name}({likely}: …)"}


def _incomplete(attribute: Attribute) -> str:
    examples: Mapping[Type, str] = {
        Type.NUMBER: ">= 3",
        Type.MONEY: ">= 100",
        Type.DATE: ">= 2026-01-31",
        Type.ANNIVERSARY: "in next 7 days",
        Type.WORDS: 'has "…"',
    }
    usual = '= "…"'
    example = f"{attribute.name} {examples.get(attribute.type, usual)}"
    if attribute.type == Type.MEMBER:
        example = f'in {attribute.name} "…"'
    return _("Say how “%(name)s” compares, such as %(example)s.") % {"name": attribute.name, "example": example}
