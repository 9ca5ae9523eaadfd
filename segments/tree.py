"""The tree of a rule: conditions joined by and, or, not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from crm.attributes import Filter


@dataclass(frozen=True)
class Last:
    """The last (or next) ``count`` days, weeks, months or years, today included."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


FilterValue: TypeAlias = str | date | Last | tuple[str, ...]
Scalar: TypeAlias = str | Decimal | date | bool | Last
Value: TypeAlias = Scalar | tuple[Scalar, ...] | None


@dataclass(frozen=True)
class Condition:
    attribute: str
    operator: str
    value: Value = None
    filters: Mapping[Filter, FilterValue] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class And:
    nodes: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    nodes: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    node: "Node"


Node: TypeAlias = And | Or | Not | Condition
Path: TypeAlias = tuple[int, ...]
"""Where a node stands: its place in its parent, from the root down (what a ``not`` holds is at place 0)."""


@dataclass(frozen=True)
class Problem:
    """What is wrong, at which node, and the word that offends."""

    message: str
    path: Path = ()
    word: str = ""


class RuleError(ValueError):
    """The rule cannot be used; ``problems`` says all that is wrong with it."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(" ".join(problem.message for problem in problems))


def conditions(node: Node, path: Path = ()) -> Iterator[tuple[Path, Condition]]:
    """Every condition with its path, in reading order."""
    match node:
        case Condition():
            yield path, node
        case Not():
            yield from conditions(node.node, (*path, 0))
        case And() | Or():
            for place, child in enumerate(node.nodes):
                yield from conditions(child, (*path, place))
