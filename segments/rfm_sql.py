"""The SQL of RFM: a buyer's figures from the facts, their scores from cut points, cut points from everybody's figures.

Every value in these texts is ours: dates and whole numbers written as typed literals. So one text serves a statement of
its own, a condition inside a rule and the value shown beside it.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from crm.days import window_start
from segments.rfm import GROUPS_BY_CELL, RECENT, SCORES, Cuts, RfmGroup

FIGURE_COLUMNS = ("last_sold_on", "receipts_ever", "receipts", "spend_minor")
SCORE_COLUMNS = ("r", "f", "m", "rfm_group")

# One pass over the index receipt_by_customer, in its order. Returns count in spend alone. The few who asked not to be
# profiled are left out; merged and erased customers have no receipts.
_FIGURES = """
SELECT customer_id,
       max(sold_on) FILTER (WHERE kind = 'sale') AS last_sold_on,
       count(*) FILTER (WHERE kind = 'sale') AS receipts_ever,
       count(*) FILTER (WHERE kind = 'sale' AND sold_on >= {start}) AS receipts,
       coalesce(sum(total_minor) FILTER (WHERE sold_on >= {start}), 0)::bigint AS spend_minor
  FROM crm_receipt
 WHERE customer_id IS NOT NULL AND sold_on <= {today} AND {whose}
   AND customer_id NOT IN (SELECT id FROM crm_customer
                           WHERE merged_into_id IS NOT NULL OR erased_at IS NOT NULL OR no_profiling)
 GROUP BY customer_id
HAVING count(*) FILTER (WHERE kind = 'sale') > 0
"""

_SCORED = """
SELECT figure.customer_id, figure.last_sold_on, figure.receipts_ever, figure.receipts, figure.spend_minor,
       score.r, score.f, score.m,
       CASE WHEN figure.receipts_ever = 1 AND score.r >= {recent} THEN {new}
            ELSE ({groups})[(score.r - 1) * 5 + (score.f + score.m + 1) / 2] END AS rfm_group
  FROM ({figures}) AS figure
 CROSS JOIN LATERAL (
    SELECT 1 + width_bucket(figure.last_sold_on, {recency}) AS r,
           1 + width_bucket(figure.receipts, {frequency}) AS f,
           1 + width_bucket(figure.spend_minor, {money}) AS m
 ) AS score
"""

# The least value with at least k fifths of all buyers strictly below it, for k = 1 to 4.
_CUTS = """
SELECT array_remove(ARRAY[min(value) FILTER (WHERE 5 * worse >= total),
                          min(value) FILTER (WHERE 5 * worse >= 2 * total),
                          min(value) FILTER (WHERE 5 * worse >= 3 * total),
                          min(value) FILTER (WHERE 5 * worse >= 4 * total)], NULL),
       max(value), coalesce(max(total), 0)
  FROM (SELECT value, (sum(buyers) OVER (ORDER BY value) - buyers)::bigint AS worse,
               (sum(buyers) OVER ())::bigint AS total
          FROM (SELECT {column} AS value, count(*) AS buyers FROM {figures} GROUP BY {column}) AS counted) AS ranked
"""


def day(value: date) -> str:
    return f"DATE '{value.isoformat()}'"


def _array(values: Iterable[str], of: str) -> str:
    return f"ARRAY[{', '.join(values)}]::{of}[]"


def _text(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def figures(*, today: date, months: int, whose: str = "true") -> str:
    """Each buyer's figures as of that day. ``whose`` narrows it by a condition on ``customer_id``."""
    start = window_start(today=today, count=months, unit="months")
    return _FIGURES.format(start=day(start), today=day(today), whose=whose)


def scored(*, figures: str, cuts: Cuts) -> str:
    """Those figures (a query with their columns) with scores and group."""
    order = [_text(group) for r in SCORES for group in GROUPS_BY_CELL[r]]
    return _SCORED.format(
        figures=figures,
        recent=RECENT,
        new=_text(RfmGroup.NEW),
        groups=_array(order, "text"),
        recency=_array(map(day, cuts.recency), "date"),
        frequency=_array(map(str, cuts.frequency), "bigint"),
        money=_array(map(str, cuts.money), "bigint"),
    )


def cuts(*, column: str, figures: str) -> str:
    """One row: the cut points of that column, its highest value, and how many buyers. ``figures`` is a table's name."""
    return _CUTS.format(column=column, figures=figures)


def ids(customer_ids: Sequence[int]) -> str:
    """The condition that a customer is one of these."""
    return f"customer_id = ANY({_array(map(str, map(int, customer_ids)), 'bigint')})"
