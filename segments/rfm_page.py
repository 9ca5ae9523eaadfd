"""What the page RFM shows: the table of scores, the groups, who has moved, and how it is reckoned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import money
from crm.templatetags.regulars import count
from segments import scoring
from segments.making import segment_link
from segments.models import CustomerScore, CutPoints, GroupFlow
from segments.rfm import GROUPS_BY_CELL, LABELS, MEANINGS, SCORES, RfmGroup, together
from segments.tree import And, Condition


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One group: its size, what its members spent in the months that count, and where its segment is or can be made."""

    key: str
    label: str
    meaning: str
    customers: int
    share: float
    spend_minor: int
    spend_share: float | None
    link: str

    @property
    def average_minor(self) -> int | None:
        return round(self.spend_minor / self.customers) if self.customers else None


def page(*, month: str, may_add: bool) -> dict[str, Any]:
    """The page's context. Four queries, however many customers."""
    points = scoring.in_force()
    if points is None or not points.buyers:
        return {"points": points}
    scores = CustomerScore.objects.order_by()
    counted = list(scores.values("r", "f", "m", "rfm_group").annotate(customers=Count("pk"), spend=Sum("spend_minor")))
    return {
        "points": points,
        "heat": _heat(counted, may_add),
        "groups": _groups(counted),
        "empty": _empty(counted),
        "cuts": _cuts(points),
        **_flow(month),
    }


def _heat(counted: Sequence[dict[str, Any]], may_add: bool) -> dict[str, Any]:
    """Recency downwards, frequency and money to the right; a field without customers is empty."""
    cells: dict[tuple[int, int], int] = {}
    for row in counted:
        cell = row["r"], together(row["f"], row["m"])
        cells[cell] = cells.get(cell, 0) + row["customers"]
    order = list(reversed(SCORES))
    return {
        "id": "rfm",
        "label": _("Customers by recency (down) and by frequency and money (across)"),
        "kind": "heat",
        "unit": "count",
        "categories": [_("Recency %(score)d") % {"score": r} for r in order],
        "series": [
            {"name": _("F+M %(score)d") % {"score": fm}, "values": [cells.get((r, fm)) for r in order]} for fm in SCORES
        ],
        "names": [[str(LABELS[GROUPS_BY_CELL[r][fm - 1]]) for fm in SCORES] for r in order],
        **({"cell_links": [[_cell_link(r, fm) for fm in SCORES] for r in order]} if may_add else {}),
        "height": 380,
    }


def _cell_link(r: int, fm: int) -> str:
    rule = And((Condition("r_score", "=", Decimal(r)), Condition("fm_score", "=", Decimal(fm))))
    return segment_link(name=_("Recency %(r)d, frequency and money %(fm)d") % {"r": r, "fm": fm}, rule=rule)


def _groups(counted: Sequence[dict[str, Any]]) -> list[GroupRow]:
    buyers = sum(row["customers"] for row in counted)
    spend = sum(row["spend"] for row in counted)
    rows = []
    for group in RfmGroup:
        mine = [row for row in counted if row["rfm_group"] == group]
        size, spent = sum(row["customers"] for row in mine), sum(row["spend"] for row in mine)
        rows.append(
            GroupRow(
                key=group,
                label=str(LABELS[group]),
                meaning=str(MEANINGS[group]),
                customers=size,
                share=size / buyers,
                spend_minor=spent,
                spend_share=spent / spend if spend > 0 else None,
                link=segment_link(name=str(LABELS[group]), rule=And((Condition("rfm_group", "=", str(group)),))),
            )
        )
    return rows


def _empty(counted: Sequence[dict[str, Any]]) -> list[str]:
    """Scores that nobody has, said rather than hidden."""
    said = []
    for column, label in (("r", _("recency")), ("f", _("frequency")), ("m", _("money"))):
        missing = [str(score) for score in SCORES if not any(row[column] == score for row in counted)]
        if missing:
            said.append(
                ngettext(
                    "Nobody has the %(what)s score %(scores)s: so many buyers are alike.",
                    "Nobody has the %(what)s scores %(scores)s: so many buyers are alike.",
                    len(missing),
                )
                % {"what": label, "scores": ", ".join(missing)}
            )
    return said


def _cuts(points: CutPoints) -> list[dict[str, str]]:
    """For each score, what earns it."""

    def least(values: Sequence[Any], score: int, write: Callable[[Any], str], below: str = "") -> str:
        if score == 1:
            return below or _("less")
        return write(values[score - 2]) if len(values) >= score - 1 else "–"

    return [
        {
            "score": str(score),
            "recency": least(
                points.recency, score, lambda day: _("since %(day)s") % {"day": date_format(day)}, _("earlier")
            ),
            "frequency": least(points.frequency, score, lambda one: _("from %(number)s") % {"number": count(one)}),
            "money": least(points.money, score, lambda one: _("from %(amount)s") % {"amount": money.show(one)}),
        }
        for score in reversed(SCORES)
    ]


def _flow(month: str) -> dict[str, Any]:
    """The flow of one month, the newest unless another is asked for; and the months to choose from."""
    flows: QuerySet[GroupFlow] = GroupFlow.objects.order_by()
    ends = sorted(set(flows.values_list("month_on", flat=True)), reverse=True)
    if not ends:
        return {"flow": None, "months": []}
    chosen = next((end for end in ends if end.isoformat() == month), ends[0])
    rows = list(flows.filter(month_on=chosen).values_list("was", "now", "customers"))
    return {
        "flow": _flow_chart(chosen, rows),
        "months": [{"on": end.isoformat(), "label": _month(end), "is_here": end == chosen} for end in ends],
        "month": _month(chosen),
        "stayed": sum(number for was, now, number in rows if was == now),
        "moved": sum(number for was, now, number in rows if was and was != now),
        "came": sum(number for was, _now, number in rows if not was),
    }


def _month(end: date) -> str:
    return date_format(end, "F Y")


def _flow_chart(end: date, rows: Sequence[tuple[str, str, int]]) -> dict[str, Any]:
    numbers = {(was, now): customers for was, now, customers in rows}
    before = [group for group in (*RfmGroup, "") if any(was == group for was, _now, _n in rows)]
    after = [group for group in RfmGroup if any(now == group for _was, now, _n in rows)]
    return {
        "id": "flow",
        "label": _("From which group (down) into which (across), to the end of %(month)s") % {"month": _month(end)},
        "kind": "flow",
        "unit": "count",
        "categories": [str(LABELS[group]) if group else _("First purchase") for group in before],
        "series": [{"name": str(LABELS[now]), "values": [numbers.get((was, now)) for was in before]} for now in after],
        "height": 460,
    }
