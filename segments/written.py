"""A rule as text, exactly as :mod:`segments.text` reads it."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from crm.attributes import Filter, lookup
from segments.tree import And, Condition, Last, Node, Not, Or

WIDTH = 88
"""A rule that is longer is written on several lines."""
_INDENT = "    "
_WORD = re.compile(r"[^\W\d]\w*(?:-\w+)*")
_RESERVED = ("and", "or", "not", "in", "all", "any")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JOINERS = "\u200c\u200d"  # part of words in several scripts, and of emoji


def write(node: Node) -> str:
    """The text of a rule; :func:`segments.text.parse` reads the same tree from it."""
    return _write(node, "")


def _write(node: Node, indent: str) -> str:
    """On one line if it fits, else one line for each part of the outermost group."""
    line = _line(node)
    if len(indent) + len(line) <= WIDTH or not isinstance(node, And | Or) or len(node.nodes) < 2:
        return line
    word = "and" if isinstance(node, And) else "or"
    return f"\n{indent}{word} ".join(_broken(child, indent) for child in node.nodes)


def _broken(child: Node, indent: str) -> str:
    deeper = indent + _INDENT
    match child:
        case And() | Or() if len(child.nodes) > 1 and len(indent) + len(_line(child)) + 6 > WIDTH:
            return f"(\n{deeper}{_write(child, deeper)}\n{indent})"
        case Not(node=(And() | Or()) as inner) if len(inner.nodes) > 1 and len(indent) + len(_line(child)) + 6 > WIDTH:
            return f"not (\n{deeper}{_write(inner, deeper)}\n{indent})"
    return _one(child)


def _line(node: Node) -> str:
    match node:
        case And(nodes=nodes) | Or(nodes=nodes) if len(nodes) == 1:
            return f"{'all' if isinstance(node, And) else 'any'} of ({_line(nodes[0])})"
        case And(nodes=nodes):
            return " and ".join(_one(child) for child in nodes)
        case Or(nodes=nodes):
            return " or ".join(_one(child) for child in nodes)
        case Not(node=inner):
            return f"not {_one(inner)}"
    return _condition(node)


def _one(node: Node) -> str:
    """Where one condition may stand: a group of several in brackets, since brackets are what makes it a group."""
    return f"({_line(node)})" if isinstance(node, And | Or) and len(node.nodes) > 1 else _line(node)


def _condition(condition: Condition) -> str:
    operator, value = condition.operator, condition.value
    subject = _name(condition.attribute) + _filters(condition)
    if operator == "is":
        return subject if value is True else f"{subject} is {'yes' if value else 'no'}"
    if operator in ("known", "unknown"):
        return f"{subject} is {operator}"
    if operator == "in next":
        return f"{subject} in next {_span(value, 'days')}"
    if operator == "between" and isinstance(value, tuple):
        return f"{subject} between {_value(value[0])} and {_value(value[1])}"
    if isinstance(value, tuple):
        return f"{subject} {operator} {_list(_value(one) for one in value)}"
    if operator == "in":  # of what goes by its name
        return f"in {subject} {_value(value)}"
    return f"{subject} {operator} {_value(value)}"


def _filters(condition: Condition) -> str:
    if not condition.filters:
        return ""
    attribute = lookup(condition.attribute)
    first = attribute.argument if attribute else None
    names = sorted(condition.filters, key=lambda name: (name != first, list(Filter).index(name)))
    shown = (_filter(name, condition.filters[name]) for name in names)
    written = (one if name == first else f"{name}: {one}" for name, one in zip(names, shown, strict=True))
    return f"({', '.join(written)})"


def _filter(name: Filter, value: Any) -> str:
    match value:
        case Last():
            return _span(value.count, value.unit)
        case tuple():
            return value[0] if len(value) == 1 else _list(value)
        case str() if name == Filter.TIME or (name == Filter.EVENT and _WORD.fullmatch(value)):
            return value
    return _value(value)


def _span(count: Any, unit: str) -> str:
    number = int(count)
    return f"{number} {unit.removesuffix('s') if number == 1 else unit}"


def _list(values: Iterable[str]) -> str:
    return f"({', '.join(values)})"


def _value(value: Any) -> str:
    match value:
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
    return quoted(str(value))


def quoted(text: str) -> str:
    """A text in quotes; whatever cannot be seen is written as its number."""
    return f'"{"".join(_ESCAPES.get(char) or _visible(char) for char in text)}"'


def _visible(char: str) -> str:
    hidden = unicodedata.category(char) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") and char not in _JOINERS
    return f"\\u{{{ord(char):x}}}" if hidden else char


def _name(name: str) -> str:
    return name if _WORD.fullmatch(name) and name.casefold() not in _RESERVED else f"`{name}`"
