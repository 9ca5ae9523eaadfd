"""Segments that ask for the price level follow the usual prices when those are made anew."""

from datetime import datetime

from django.db import transaction

from crm import prices
from segments.refresh import ask_anew, live_segments
from segments.rules import RuleError, parse
from segments.tree import conditions

ATTRIBUTE = "price_level"


def remake_if_due(*, now: datetime) -> bool:
    """Make the usual prices anew where that is due, and have everybody evaluated for segments that ask for them."""
    if not prices.due(now=now):
        return False
    with transaction.atomic():
        prices.remake(now=now)
        if concerned := [segment.pk for segment in live_segments() if _asks(segment.rule)]:
            ask_anew(segment_ids=concerned)
    return True


def _asks(rule: object) -> bool:
    try:
        return any(condition.attribute == ATTRIBUTE for _path, condition in conditions(parse(rule)))
    except RuleError:
        return False
