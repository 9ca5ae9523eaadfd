"""RFM scores and groups as attributes of the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Expression, Field, IntegerField, Q, QuerySet, TextField, Value
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, TimeEffect, Type, register
from crm.sources import Column
from segments import rfm_sql, scoring
from segments.computed import SOME, AmongRows, FromRows, tested
from segments.rfm import LABELS, RECENT, RfmGroup, table_in_words

# What each attribute is, from the columns of a scored row; the first as a path from the customer, for stored rows.
STORED = "SELECT * FROM segments_customerscore"
_COLUMNS: Mapping[str, str] = {"r": "r", "f": "f", "m": "m", "fm": "(f + m + 1) / 2", "rfm_group": "rfm_group"}


@dataclass(frozen=True)
class Score:
    """A column of the customer's scores: stored, or worked out where the stored ones are of another day."""

    column: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        found = scoring.basis(scope)
        if found is None:
            return Q() if operator == "unknown" else Q(pk__in=[])
        if found.by_rows and self.column in ("r", "f", "m", "rfm_group"):
            return Column(f"score__{self.column}").matches(scope=scope, filters={}, operator=operator, value=value)
        scored, ids = (STORED, None) if found.by_rows else (self._worked_out(scope, found), scope.ids)
        if operator == "unknown":
            return ~Q(AmongRows(scored, ids, "true", []))
        return AmongRows(scored, ids, *tested(_COLUMNS[self.column], operator, value))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        output: Field = TextField() if self.column == "rfm_group" else IntegerField()
        found = scoring.basis(scope)
        if found is None:
            return Value(None, output_field=output)
        scored, ids = (STORED, None) if found.by_rows else (self._worked_out(scope, found), scope.ids)
        return FromRows(scored, ids, _COLUMNS[self.column], output)

    def due(
        self, *, scope: Scope, since: Any, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        """By the same cut points: whose receipts came into or fell out of the months that count."""
        found = scoring.basis(scope)
        if found is None:
            return None
        moved = scoring.moved_by_time(since=since, today=scope.today, months=found.cuts.months)
        return moved.values("customer_id")

    def _worked_out(self, scope: Scope, found: scoring.Basis) -> str:
        whose = "true" if scope.ids is None else SOME
        figures = rfm_sql.figures(today=scope.today, months=found.cuts.months, whose=whose)
        return rfm_sql.scored(figures=figures, cuts=found.cuts)


def _groups_in_words() -> str:
    return gettext(
        "Every buyer is in one. New: a single receipt, with a recency score of %(recent)d or more. Everybody else by "
        "recency, and frequency and money together from 1 to 5: %(table)s."
    ) % {"recent": RECENT, "table": table_in_words()}


def _score(name: str, column: str, label: Any, help: Any) -> Attribute:
    return Attribute(
        name=name,
        label=label,
        help=help,
        group=Group.VALUE,
        type=Type.NUMBER,
        source=Score(column),
        minimum=1,
        maximum=5,
        time=TimeEffect.DAILY,
    )


SCORES = (
    _score(
        "r_score",
        "r",
        _("recency score"),
        _("5: bought most recently; 1: longest ago. A fifth of the buyers each, save for ties. Unknown without one."),
    ),
    _score(
        "f_score",
        "f",
        _("frequency score"),
        _("5: bought most often in the months that count (24, unless the shop says otherwise). Ties share a score."),
    ),
    _score(
        "m_score",
        "m",
        _("money score"),
        _("5: spent most in the months that count, net of returns. Ties share a score."),
    ),
    _score("fm_score", "fm", _("frequency and money"), _("The mean of both scores, halves up.")),
    Attribute(
        name="rfm_group",
        label=_("RFM group"),
        help=lazy(_groups_in_words, str)(),
        group=Group.VALUE,
        type=Type.CHOICE,
        source=Score("rfm_group"),
        values={str(group): LABELS[group] for group in RfmGroup},
        time=TimeEffect.DAILY,
    ),
)


def register_all() -> None:
    register(*SCORES)
