"""Segments that ask for other segments: in which order they are evaluated, and which circles are refused."""

from collections.abc import Collection, Iterable, Mapping

from django.utils.translation import gettext as _

from crm.attributes import catalogue, lookup
from segments.belonging import Belongs
from segments.models import Segment
from segments.references import Key
from segments.tree import Node, Problem, RuleError, conditions

MAX_LEVELS = 10
"""So many segments may stand behind each other: each level is a statement more for every change."""


def needed(node: Node, references: Mapping[Key, int]) -> set[int]:
    """The segments that a rule asks for."""
    return {
        references[condition.attribute, str(condition.value)]
        for _path, condition in conditions(node)
        if _asks_for_segment(condition.attribute)
    }


def _asks_for_segment(name: str) -> bool:
    attribute = lookup(name)
    return attribute is not None and isinstance(attribute.source, Belongs)


def remembered_needs() -> dict[int, set[int]]:
    """Segment -> those that it asks for, by what the words of its rule meant; of all that are in use. One query."""
    kinds = {name for name, one in catalogue().items() if isinstance(one.source, Belongs)}
    rows = Segment.objects.order_by().filter(is_archived=False).values_list("pk", "names")
    return {pk: {meant for key, meant in names.items() if key.partition(":")[0] in kinds} for pk, names in rows}


def dependents(segment_id: int) -> set[int]:
    """The segments whose rule asks for this one."""
    return {pk for pk, needs in remembered_needs().items() if segment_id in needs}


def levels(needs: Mapping[int, Collection[int]]) -> tuple[list[list[int]], list[int]]:
    """The segments in groups, each after the groups it needs; and apart those that need themselves in a circle."""
    circling = sorted(pk for pk in needs if pk in _reached(needs, needs[pk]))
    left = {pk: {one for one in asked if one in needs and one not in circling} for pk, asked in needs.items()}
    for pk in circling:
        del left[pk]
    found: list[list[int]] = []
    while left:
        free = sorted(pk for pk, asked in left.items() if not asked & left.keys())
        found.append(free)
        for pk in free:
            del left[pk]
    return found, circling


def _reached(needs: Mapping[int, Collection[int]], start: Iterable[int]) -> set[int]:
    reached: set[int] = set()
    waiting = list(start)
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += needs.get(one, ())
    return reached


def refuse_circle(node: Node, references: Mapping[Key, int], *, segment_id: int | None) -> None:
    """Raise RuleError where the rule, as that of this segment, would need itself, or too many behind each other."""
    asked = needed(node, references)
    if not asked:
        return
    itself = segment_id or 0
    needs = {**remembered_needs(), itself: asked}
    way = way_round(needs, itself)
    if way:
        raise RuleError(circle_problem(way))
    if len(levels(needs)[0]) > MAX_LEVELS:
        message = _("At most %(limit)d segments may ask for one another in a row.")
        raise RuleError(Problem(message % {"limit": MAX_LEVELS}))


def circle_problem(way: Iterable[int]) -> Problem:
    """The circle in words, by the segments' names."""
    ids = list(way)
    names = dict(Segment.objects.order_by().filter(pk__in=ids).values_list("pk", "name"))
    shown = " → ".join(f"“{names.get(pk, '?')}”" for pk in ids)
    message = _("The segments would ask for each other in a circle: %(circle)s.") % {"circle": shown}
    return Problem(message, word=names.get(ids[1], "") if len(ids) > 1 else "")


def way_round(needs: Mapping[int, Collection[int]], segment_id: int) -> list[int]:
    """The shortest circle through this segment, which begins and ends it; empty where there is none."""
    ways = [[segment_id]]
    seen: set[int] = set()
    while ways:
        longer = []
        for way in ways:
            for one in sorted(needs.get(way[-1], ())):
                if one == segment_id:
                    return [*way, one]
                if one not in seen:
                    seen.add(one)
                    longer.append([*way, one])
        ways = longer
    return []
