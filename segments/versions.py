"""The rules that a segment has had: who gave it which, when, and what was changed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

from segments.models import Segment, SegmentVersion
from segments.rules import conditions, describe, describe_condition, parse
from segments.tree import Node, RuleError


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One version with what it brought: conditions that came and went, or another way of joining the same ones."""

    number: int
    made_at: datetime
    made_by: str
    sentence: str
    came: Sequence[str]
    went: Sequence[str]
    joined_anew: bool
    is_current: bool


def editions(*, segment: Segment, limit: int = 50) -> list[Edition]:
    """The versions, the newest first. One query."""
    rows = list(
        SegmentVersion.objects.filter(segment=segment).select_related("made_by").order_by("-number")[: limit + 1]
    )
    return [_edition(row, before, segment) for row, before in zip_longest(rows, rows[1:])][:limit]


def _edition(row: SegmentVersion, before: SegmentVersion | None, segment: Segment) -> Edition:
    came, went, joined_anew = _difference(before.rule, row.rule) if before is not None else ([], [], False)
    return Edition(
        number=row.number,
        made_at=row.made_at,
        made_by=(row.made_by.get_full_name() or row.made_by.get_username()) if row.made_by else "",
        sentence=_sentence(row.rule),
        came=came,
        went=went,
        joined_anew=joined_anew,
        is_current=row.number == segment.rule_version,
    )


def _read(rule: Mapping[str, Any]) -> Node | None:
    try:
        return parse(rule)
    except RuleError:
        return None


def _sentence(rule: Mapping[str, Any]) -> str:
    try:
        return describe(parse(rule))
    except RuleError as error:
        return str(error)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[list[str], list[str], bool]:
    """Conditions that came, those that went, and whether the same ones are only joined otherwise."""
    old, new = _read(before), _read(after)
    if old is None or new is None:
        return [], [], False
    had, has = (Counter(describe_condition(one) for _path, one in conditions(node)) for node in (old, new))
    came, went = list((has - had).elements()), list((had - has).elements())
    return came, went, not came and not went and old != new
