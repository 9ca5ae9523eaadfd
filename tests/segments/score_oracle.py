"""Scores, stages and intervals said a second time in plain Python over lists of facts. Slow and obvious."""

import itertools
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from crm.models import Category, Shop, WebVisit, WishlistItem
from segments.models import CutPoints
from tests.segments.oracle import UNKNOWN, History

CELLS = """
5 Potential       Potential       Loyal           Champions Champions
4 Potential       Potential       Loyal           Champions Champions
3 Needs_attention Needs_attention Needs_attention Loyal     Loyal
2 Hibernating     Hibernating     At_risk         At_risk   At_risk
1 Lost            Lost            At_risk         Can't_lose Can't_lose
"""


def month_before(day: date, months: int) -> date:
    """The same day of the month so many months ago, or the month's last one."""
    year, month = day.year, day.month - months
    while month < 1:
        year, month = year - 1, month + 12
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day.day, last))


def figures(history: History, today: date, months: int) -> tuple[date, int, int, int] | None:
    """(last purchase, receipts ever, receipts, spend in hundredths); None for whoever is no buyer."""
    receipts = [one for one in history.receipts if one.sold_on <= today]
    sales = [one for one in receipts if one.kind == "sale"]
    if not sales:
        return None
    first_day = month_before(today, months) + timedelta(days=1)
    counting = [one for one in receipts if one.sold_on >= first_day]
    return (
        max(one.sold_on for one in sales),
        len(sales),
        len([one for one in counting if one.kind == "sale"]),
        sum(one.total_minor for one in counting),
    )


def by_definition(histories: Sequence[History], today: date, months: int) -> dict[int, dict[str, Any]]:
    """What every buyer scores against all others, as DESIGN defines it: no cut points."""
    found = {one.customer.pk: figures(one, today, months) for one in histories}
    buyers = {pk: figure for pk, figure in found.items() if figure is not None}
    latest = max((figure[0] for figure in buyers.values()), default=None)

    def score(place: int, mine: Any) -> int:
        worse = len([1 for figure in buyers.values() if figure[place] < mine])
        return min(5, 1 + 5 * worse // len(buyers))

    return {
        pk: _scores(5 if figure[0] == latest else score(0, figure[0]), score(2, figure[2]), score(3, figure[3]), figure)
        for pk, figure in buyers.items()
    }


def by_cut_points(histories: Sequence[History], today: date, points: CutPoints) -> dict[int, dict[str, Any]]:
    """What every buyer scores by these cut points."""
    scores = {}
    for history in histories:
        figure = figures(history, today, points.months)
        if figure is not None:
            r = 1 + len([cut for cut in points.recency if figure[0] >= cut])
            f = 1 + len([cut for cut in points.frequency if figure[2] >= cut])
            m = 1 + len([cut for cut in points.money if figure[3] >= cut])
            scores[history.customer.pk] = _scores(r, f, m, figure)
    return scores


def _scores(r: int, f: int, m: int, figure: tuple[date, int, int, int]) -> dict[str, Any]:
    both = (f + m) // 2 + (f + m) % 2
    rows = {row.split()[0]: row.split()[1:] for row in CELLS.strip().splitlines()}
    group = rows[str(r)][both - 1].replace("_", " ")
    if figure[1] == 1 and r in (4, 5):
        group = "New"
    return {"r_score": r, "f_score": f, "m_score": m, "fm_score": both, "rfm_group": group}


def stage(history: History, today: date, shop: Shop) -> str:
    """The lifecycle stage by the rules of the shop."""
    sales = sorted({one.sold_on for one in history.receipts if one.kind == "sale"})
    number = len([one for one in history.receipts if one.kind == "sale"])
    if not sales:
        if _interested(history, today, shop.interested_days):
            return "interested"
        return "registered" if history.customer.registered_at else "prospect"
    away = (today - sales[-1]).days
    if away >= shop.lapsed_days:
        return "lapsed"
    if number >= shop.regular_receipts and away >= shop.regular_days:
        return "at risk"
    for before, back in itertools.pairwise(sales):
        if (back - before).days >= shop.lapsed_days and 0 <= (today - back).days < shop.won_back_days:
            return "won back"
    return "regular" if number >= shop.regular_receipts else "buyer"


def _interested(history: History, today: date, days: int) -> bool:
    shown = [one.visited_on for one in WebVisit.objects.filter(customer=history.customer)]
    shown += [one.added_at.date() for one in WishlistItem.objects.filter(customer=history.customer)]
    return any(0 <= (today - day).days < days for day in shown)


def interval(history: History, today: date, *, category: str) -> tuple[date, int] | None:
    """(last purchase, every so many days) of whoever buys the category at a steady interval."""
    days = set()
    for line in history.lines:
        path = line.product.category.path if line.product.category else ""
        inside = path == category or path.startswith(category + Category.SEPARATOR)
        if inside and not line.is_return and line.sold_on <= today:
            days.add(line.sold_on)
    bought = sorted(days)
    if len(bought) < 3:
        return None
    gaps = sorted((after - before).days for before, after in itertools.pairwise(bought))
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    if deviation > 0.6 * mean + 1e-9:
        return None
    return bought[-1], gaps[(len(gaps) - 1) // 2]


def regular_of(history: History, today: date, *, category: str) -> bool:
    found = interval(history, today, category=category)
    return found is not None and (today - found[0]).days <= 3 * found[1]


def days_late(history: History, today: date, *, category: str) -> Any:
    found = interval(history, today, category=category)
    return UNKNOWN if found is None else (today - found[0]).days - found[1]
