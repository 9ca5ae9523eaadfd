"""Reading the rules of many segments at once: their trees, and what the names in them mean."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from segments.dependencies import circle_problem, levels, needed, way_round
from segments.models import Segment
from segments.references import Key, Names, follow_renames, read_names, remembered
from segments.rules import dump, parse
from segments.tree import Node, RuleError

Failed = Callable[[int, Exception], None]


@dataclass(frozen=True)
class Read:
    """A segment's rule, with the present names of what was renamed, and what they mean."""

    segment: Segment
    node: Node
    references: dict[Key, int]
    renamed: bool = False
    """Whether the stored rule still has an earlier name in it."""


def read_rules(
    segments: Sequence[Segment], *, failed: Failed, unclear: Callable[[int, Node], object] | None = None
) -> tuple[list[Read], Names]:
    """The rules that can be read; ``failed`` is told of the others. As many queries for a hundred as for one.

    ``unclear`` gets the tree of those that could be read, but for what a name in them means.
    """
    parsed: list[tuple[Segment, Node]] = []
    for segment in segments:
        try:
            parsed.append((segment, parse(segment.rule)))
        except RuleError as error:
            failed(segment.pk, error)
    names = read_names(node for _segment, node in parsed)
    nodes = follow_renames([(node, segment.names) for segment, node in parsed], names=names)
    if any(new != old for new, (_segment, old) in zip(nodes, parsed, strict=True)):
        names = read_names(nodes)
    found: list[Read] = []
    for node, (segment, old) in zip(nodes, parsed, strict=True):
        try:
            found.append(Read(segment, node, names.references(node), renamed=node != old))
        except RuleError as error:
            failed(segment.pk, error)
            if unclear is not None:
                unclear(segment.pk, node)
    return found, names


_KEEP = """
UPDATE segments_segment AS segment SET rule = known.rule::jsonb, names = known.names::jsonb
  FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[]) AS known (id, rule_version, rule, names)
 WHERE segment.id = known.id AND segment.rule_version = known.rule_version
"""


def keep_names(rules: Sequence[Read]) -> None:
    """Store these rules with the present names in them, unless they have been changed meanwhile."""
    if not rules:
        return
    columns: list[Any] = [
        [one.segment.pk for one in rules],
        [one.segment.rule_version for one in rules],
        [json.dumps(dump(one.node)) for one in rules],
        [json.dumps(remembered(one.references)) for one in rules],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, columns)


def in_order(rules: Sequence[Read], *, failed: Failed) -> list[list[Read]]:
    """The rules in groups, each after those whose segments it asks for; ``failed`` is told of circles."""
    by_id = {one.segment.pk: one for one in rules}
    needs = {pk: needed(one.node, one.references) for pk, one in by_id.items()}
    groups, circling = levels(needs)
    for pk in circling:
        failed(pk, RuleError(circle_problem(way_round(needs, pk))))
    return [[by_id[pk] for pk in group] for group in groups]
