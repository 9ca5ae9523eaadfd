"""How two or three segments overlap: who is in which of them at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import acos, pi, prod, sqrt
from typing import Any

from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _

from segments.models import Segment
from segments.rules import And, Condition, Node, Not, dump

MOST = 3
"""More than three circles say nothing any more."""


@dataclass(frozen=True)
class Region:
    """The customers who are in ``inside`` and in none of ``outside``."""

    inside: tuple[Segment, ...]
    outside: tuple[Segment, ...]
    count: int

    @property
    def name(self) -> str:
        """ "Regulars and Champions, not At risk"."""
        name = _(" and ").join(segment.name for segment in self.inside)
        if not self.outside:
            return name
        without = _(" or ").join(segment.name for segment in self.outside)
        return _("%(inside)s, not %(outside)s") % {"inside": name, "outside": without}

    @property
    def rule(self) -> dict[str, Any]:
        """A rule for them, by the segments' names."""
        nodes: list[Node] = [Condition("segment", "in", segment.name) for segment in self.inside]
        nodes += [Not(Condition("segment", "in", segment.name)) for segment in self.outside]
        return dump(And(tuple(nodes)) if len(nodes) > 1 else nodes[0])


_REGIONS = """
SELECT present, count(*)
  FROM (SELECT array_agg(segment_id ORDER BY segment_id) AS present
          FROM segments_membership WHERE segment_id = ANY(%s) GROUP BY customer_id) AS people
 GROUP BY present
"""


def regions(*, segments: Sequence[Segment]) -> list[Region]:
    """Every way of being in some of the segments and not in the others, with how many members are there now.

    Those in the most segments first; regions without anybody are among them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REGIONS, [[segment.pk for segment in segments]])
        counted = {frozenset(present): number for present, number in cursor.fetchall()}
    found = []
    for pattern in sorted(range(1, 2 ** len(segments)), key=lambda one: (-one.bit_count(), one)):
        inside = tuple(segment for place, segment in enumerate(segments) if pattern >> place & 1)
        outside = tuple(segment for segment in segments if segment not in inside)
        found.append(Region(inside, outside, counted.get(frozenset(segment.pk for segment in inside), 0)))
    return found


def sentence(*, segments: Sequence[Segment], found: Sequence[Region]) -> str:
    """The overlap of two segments, said first: "12% of the members of A are in B, and 40% the other way round"."""
    if len(segments) != 2:
        return ""
    first, second = segments
    both = next((one.count for one in found if len(one.inside) == 2), 0)
    sizes = [sum(one.count for one in found if segment in one.inside) for segment in segments]
    if not all(sizes):
        return ""
    shares = [f"{Decimal(100) * both / size:.0f}%" for size in sizes]
    return _(
        "%(share)s of the members of “%(first)s” are also in “%(second)s”; the other way round it is %(back)s."
    ) % {"share": shares[0], "first": first.name, "second": second.name, "back": shares[1]}


def link(region: Region) -> str:
    """Where the region becomes a segment of its own."""
    query = {"name": region.name[:200], "rule": json.dumps(region.rule, ensure_ascii=False)}
    return reverse("admin:segments_segment_add", query=query)


NAMES = 130
"""Room for the names of the segments beside the plot, in pixels."""


def upset(*, segments: Sequence[Segment], found: Sequence[Region], may_add: bool) -> dict[str, Any]:
    """An UpSet plot: a bar for each region, and beneath it dots for the segments that it lies in."""
    names = [region.name for region in found]
    shape: dict[str, Any] = {
        "type": "category",
        "data": names,
        "axisLabel": {"show": False},
        "axisTick": {"show": False},
    }
    option = {
        "grid": [
            {"left": NAMES, "right": 12, "top": 24, "height": 170},
            {"left": NAMES, "right": 12, "top": 206, "height": 34 * len(segments)},
        ],
        "tooltip": {"trigger": "item", "confine": True},
        "xAxis": [
            {**shape, "gridIndex": 0, "axisLine": {"lineStyle": {"color": "tone:line"}}},
            {**shape, "gridIndex": 1, "axisLine": {"show": False}},
        ],
        "yAxis": [
            {"type": "value", "gridIndex": 0, "show": False},
            {
                "type": "category",
                "gridIndex": 1,
                "data": [segment.name for segment in segments][::-1],
                "axisLine": {"show": False},
                "axisTick": {"show": False},
                "splitLine": {"show": False},
                "axisLabel": {"width": NAMES - 16, "overflow": "truncate", "color": "tone:text"},
            },
        ],
        "series": [
            {
                "type": "bar",
                "barMaxWidth": 54,
                "data": [region.count for region in found],
                "label": {"show": True, "position": "top", "color": "tone:text"},
                "itemStyle": {"borderRadius": [4, 4, 0, 0]},
                "cursor": "pointer" if may_add else "default",
            },
            *(_dots(segment, found) for segment in segments),
        ],
    }
    return {
        "id": "overlap",
        "label": _("Members of each combination"),
        "unit": "count",
        "categories": names,
        "series": [{"name": _("Members"), "values": [region.count for region in found]}],
        "option": option,
        "links": [link(region) for region in found] if may_add else [],
        "height": 214 + 34 * len(segments),
    }


def _dots(segment: Segment, found: Sequence[Region]) -> dict[str, Any]:
    """A row of dots: full where the region lies in the segment."""
    return {
        "type": "scatter",
        "xAxisIndex": 1,
        "yAxisIndex": 1,
        "symbolSize": 13,
        "silent": True,
        "data": [
            {"value": [place, segment.name], "itemStyle": {"opacity": 1 if segment in region.inside else 0.15}}
            for place, region in enumerate(found)
        ],
    }


@dataclass(frozen=True)
class Venn:
    """Two circles as a drawing of :attr:`width` x :attr:`height`, with the number of each part where it has room."""

    width: int
    height: int
    circles: tuple[tuple[int, int, int, str], ...]  # x, y, radius, name
    labels: tuple[tuple[int, int, int, str], ...]  # x, y, number, link


SIZE = 100
EDGE = 4
ROOM = 26
"""A part that is narrower holds no number."""


def venn(*, segments: Sequence[Segment], found: Sequence[Region]) -> Venn | None:
    """Two circles whose areas, and the area that they share, are as the numbers are; None where there is none."""
    sizes = [sum(region.count for region in found if segment in region.inside) for segment in segments]
    if len(segments) != 2 or not all(sizes):
        return None
    both = next(region for region in found if len(region.inside) == 2)
    first, second = (SIZE * sqrt(size / max(sizes)) for size in sizes)
    apart = distance(first, second, pi * SIZE**2 * both.count / max(sizes))
    edge = EDGE + max(0.0, second - first - apart)  # so much the second may reach beyond the first on its own side
    left, right = edge + first, edge + first + apart
    ends = {  # where each part begins and ends on the line through the middles
        frozenset({segments[0].pk}): (left - first, min(left + first, right - second)),
        frozenset(segment.pk for segment in segments): (
            max(left - first, right - second),
            min(left + first, right + second),
        ),
        frozenset({segments[1].pk}): (max(left + first, right - second), right + second),
    }
    labels = []
    for region in found:
        start, end = ends[frozenset(segment.pk for segment in region.inside)]
        if region.count and end - start >= ROOM:
            labels.append((round((start + end) / 2), EDGE + SIZE, region.count, link(region)))
    middle = EDGE + SIZE
    shapes = (
        (round(left), middle, round(first), segments[0].name),
        (round(right), middle, round(second), segments[1].name),
    )
    return Venn(round(max(left + first, right + second)) + EDGE, 2 * middle, shapes, tuple(labels))


def distance(first: float, second: float, shared: float) -> float:
    """How far apart the middles of two circles lie that share this area, by halving."""
    near, far = abs(first - second), first + second
    for _step in range(60):
        middle = (near + far) / 2
        if lens(first, second, middle) > shared:
            near = middle
        else:
            far = middle
    return far


def lens(first: float, second: float, apart: float) -> float:
    """The area that two circles of these radii share, their middles so far apart."""
    if apart >= first + second:
        return 0.0
    if apart <= abs(first - second):
        return pi * min(first, second) ** 2
    one = (apart**2 + first**2 - second**2) / (2 * apart * first)
    other = (apart**2 + second**2 - first**2) / (2 * apart * second)
    sides = (-apart + first + second, apart + first - second, apart - first + second, apart + first + second)
    kite = sqrt(max(0.0, prod(sides))) / 2
    return first**2 * acos(max(-1.0, min(1.0, one))) + second**2 * acos(max(-1.0, min(1.0, other))) - kite
