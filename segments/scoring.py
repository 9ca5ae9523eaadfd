"""RFM scores, kept: made for everybody at night and after imports, and for whoever changed with their membership.

A row a buyer holds figures and scores, as of the day of the cut points in force. :func:`follow` brings the rows of
customers whose facts changed; :func:`remake` makes cut points anew and marks whoever moved. At night it reads only the
figures that the passing of time changed (a receipt that fell out of the months that count); after a large import it
reads all of them.

Who writes scores holds a lock: :func:`remake` alone, :func:`follow` together with its like. It is taken before any
profile, so a sale never waits for it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from crm.attributes import Scope
from crm.days import shop_day, window_start
from crm.models import CustomerProfile, Job, Receipt, Shop
from segments import rfm_sql
from segments.models import CutPoints, GroupFlow, ScoresAsked
from segments.rfm import Cuts

log = logging.getLogger(__name__)

LOCK_CLASS = 0x5E7  # the advisory lock (LOCK_CLASS, 0)
MEMO = "rfm"
MANY_DAYS = timedelta(days=31)
"""From so long a pause on everybody's figures are read again, rather than those of whom time alone changed."""

_SCORES = ", ".join(rfm_sql.SCORE_COLUMNS)
_COLUMNS = ", ".join((*rfm_sql.FIGURE_COLUMNS, *rfm_sql.SCORE_COLUMNS))


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{name}" for name in columns.split(", "))


# What the last part selects are the customers whose scores differ from before: other figures alone move nobody.
_BRING = f"""
WITH scored AS MATERIALIZED ({{scored}}),
     before AS MATERIALIZED (SELECT customer_id, {_SCORES} FROM segments_customerscore WHERE {{whose}}),
     gone AS (
        DELETE FROM segments_customerscore
         WHERE {{whose}} AND NOT EXISTS (
               SELECT FROM scored WHERE scored.customer_id = segments_customerscore.customer_id)
        RETURNING customer_id
     ),
     brought AS (
        INSERT INTO segments_customerscore AS known (customer_id, {_COLUMNS})
        SELECT customer_id, {_COLUMNS} FROM scored ORDER BY customer_id
            ON CONFLICT (customer_id) DO UPDATE
           SET ({_COLUMNS}) = ROW ({_of("excluded", _COLUMNS)})
         WHERE ({_of("known", _COLUMNS)}) IS DISTINCT FROM ({_of("excluded", _COLUMNS)})
     )
{{what}}
SELECT customer_id FROM gone
 UNION ALL
SELECT customer_id FROM scored LEFT JOIN before USING (customer_id)
 WHERE ({_of("scored", _SCORES)}) IS DISTINCT FROM ({_of("before", _SCORES)})
"""

_RESCORE = f"""
WITH scored AS ({{scored}}),
     moved AS (
        UPDATE segments_customerscore AS known
           SET ({_SCORES}) = ROW ({_of("scored", _SCORES)})
          FROM scored
         WHERE scored.customer_id = known.customer_id
           AND ({_of("known", _SCORES)}) IS DISTINCT FROM ({_of("scored", _SCORES)})
        RETURNING known.customer_id
     )
INSERT INTO rfm_moved SELECT customer_id FROM moved
"""


@dataclass(frozen=True)
class Basis:
    """What a score is read from: the cut points, and whether the rows say what the facts say on the asked day."""

    cuts: Cuts
    by_rows: bool


def in_force() -> CutPoints | None:
    """The newest cut points; None before any were made."""
    return CutPoints.objects.order_by("-pk").first()


def cuts_of(points: CutPoints) -> Cuts:
    return Cuts(
        months=points.months,
        recency=tuple(points.recency),
        frequency=tuple(points.frequency),
        money=tuple(points.money),
    )


def basis(scope: Scope) -> Basis | None:
    """What to read scores from; None while nobody has any. Looked up once for a scope."""
    if MEMO not in scope.memo:
        if scope.fresh_scores:
            made, _buyers = fresh_cuts(today=scope.today, months=Shop.current().rfm_months)
            scope.memo[MEMO] = Basis(made, by_rows=False)
        else:
            points = in_force()
            scope.memo[MEMO] = points and Basis(cuts_of(points), by_rows=points.made_on == scope.today)
    found: Basis | None = scope.memo[MEMO]
    return found


def fresh_cuts(*, today: date, months: int) -> tuple[Cuts, int]:
    """Cut points from the facts as of that day, and how many buyers there are. Nothing is stored."""
    figures = rfm_sql.figures(today=today, months=months)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE rfm_figures ON COMMIT DROP AS {figures}")
        found = _cuts(cursor, "rfm_figures", months)
        cursor.execute("DROP TABLE rfm_figures")
    return found


def _cuts(cursor: Any, table: str, months: int) -> tuple[Cuts, int]:
    made: dict[str, list[Any]] = {}
    buyers = 0
    for column in ("last_sold_on", "receipts", "spend_minor"):
        cursor.execute(rfm_sql.cuts(column=column, figures=table))
        made[column], highest, buyers = cursor.fetchone()
        if column == "last_sold_on" and highest is not None:
            made[column] += [highest] * (4 - len(made[column]))  # the most recent purchase always earns 5
    cuts = Cuts(
        months=months,
        recency=tuple(made["last_sold_on"]),
        frequency=tuple(made["receipts"]),
        money=tuple(made["spend_minor"]),
    )
    return cuts, buyers


def due(*, now: datetime) -> bool:
    """Whether the scores are to be made anew: a day not yet seen, an import, other settings, or the first buyers."""
    points, today = in_force(), shop_day(now)
    if points is None or points.made_on < today or _is_asked(points):
        return True
    if points.made_on > today + timedelta(days=1):  # the clock was wrong, and has been put right
        return True
    return not points.buyers and CustomerProfile.objects.filter(receipts__gt=0).exists()


def _is_asked(points: CutPoints) -> bool:
    if ScoresAsked.objects.exists():
        return True
    imports = Job.objects.filter(kind="import", status=Job.Status.DONE)
    return imports.filter(finished_at__gt=points.made_at).exists()


def _is_recent(points: CutPoints, today: date) -> bool:
    return timedelta(0) <= today - points.made_on <= MANY_DAYS


def ask() -> None:
    """Let the scores be made from the facts of everybody at the next opportunity."""
    ScoresAsked.objects.create()


def remake_if_due(*, now: datetime) -> bool:
    """Make the scores anew where that is due. Whether it was done, by this worker."""
    return due(now=now) and remake(now=now) is not None


def remake(*, now: datetime, anew: bool = False) -> int | None:
    """Make cut points and scores as of today, and mark whoever moved. Returns how many did; None if nothing was due.

    ``anew`` reads everybody's figures from the facts, whatever is stored. Two workers never do it twice.
    """
    today = shop_day(now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_CLASS])
        if not (anew or due(now=now)):
            return None
        points = in_force()
        months = Shop.current().rfm_months
        asked = list(ScoresAsked.objects.values_list("pk", flat=True))
        ScoresAsked.objects.filter(pk__in=asked).delete()
        cursor.execute("CREATE TEMPORARY TABLE rfm_moved (customer_id bigint) ON COMMIT DROP")
        if anew or asked or points is None or points.months != months or not _is_recent(points, today):
            GroupFlow.objects.all().delete()  # older facts may have come: past months are worked out anew
            cuts, buyers = _make_from_facts(cursor, today=today, months=months)
        else:
            cuts, buyers = _make_from_rows(cursor, points=points, today=today)
        CutPoints.objects.create(
            made_at=now,
            made_on=today,
            months=months,
            buyers=buyers,
            recency=list(cuts.recency),
            frequency=list(cuts.frequency),
            money=list(cuts.money),
        )
        cursor.execute(
            "INSERT INTO crm_changemark (customer_id) SELECT DISTINCT customer_id FROM rfm_moved ORDER BY customer_id"
        )
        moved = cursor.rowcount
        cursor.execute("DROP TABLE rfm_moved")
    log.info("RFM: %d buyers scored, %d moved.", buyers, moved)
    return int(moved)


def _make_from_facts(cursor: Any, *, today: date, months: int) -> tuple[Cuts, int]:
    """Read everybody's figures, make the cut points from them, and bring all rows."""
    cursor.execute(
        f"CREATE TEMPORARY TABLE rfm_figures ON COMMIT DROP AS {rfm_sql.figures(today=today, months=months)}"
    )
    cuts, buyers = _cuts(cursor, "rfm_figures", months)
    scored = rfm_sql.scored(figures="SELECT * FROM rfm_figures", cuts=cuts)
    cursor.execute(_BRING.format(scored=scored, whose="true", what="INSERT INTO rfm_moved"))
    cursor.execute("DROP TABLE rfm_figures")
    return cuts, buyers


def _make_from_rows(cursor: Any, *, points: CutPoints, today: date) -> tuple[Cuts, int]:
    """Bring the rows that time alone changed, make the cut points from all rows, and score them anew."""
    if points.made_on < today:
        changed = moved_by_time(since=points.made_on, today=today, months=points.months)
        cursor.execute(
            bring_statement(
                whose=rfm_sql.ids(sorted(set(changed.values_list("customer_id", flat=True)))),
                today=today,
                cuts=cuts_of(points),
                what="INSERT INTO rfm_moved",
            )
        )
    cuts, buyers = _cuts(cursor, "segments_customerscore", points.months)
    rows = f"SELECT customer_id, {', '.join(rfm_sql.FIGURE_COLUMNS)} FROM segments_customerscore"
    cursor.execute(_RESCORE.format(scored=rfm_sql.scored(figures=rows, cuts=cuts)))
    return cuts, buyers


def bring_statement(*, whose: str, today: date, cuts: Cuts, what: str = "") -> str:
    """The SQL that makes these customers' rows say what the facts say, and tells whose scores that moved."""
    figures = rfm_sql.figures(today=today, months=cuts.months, whose=whose)
    return _BRING.format(scored=rfm_sql.scored(figures=figures, cuts=cuts), whose=whose, what=what)


def hold() -> None:
    """Keep the cut points as they are to the end of the transaction. Before any profile is locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, 0)", [LOCK_CLASS])


def follow(*, customer_ids: Sequence[int]) -> None:
    """Bring the scores of these customers up to their facts, by the cut points in force and as of their day.

    The caller holds the customers' profiles and, since before, :func:`hold`.
    """
    points = in_force()
    if points is None or not customer_ids:
        return
    statement = bring_statement(whose=rfm_sql.ids(customer_ids), today=points.made_on, cuts=cuts_of(points))
    with connection.cursor() as cursor:
        cursor.execute(statement)


def moved_by_time(*, since: date, today: date, months: int) -> "QuerySet[Receipt]":
    """Receipts that counted on the day ``since`` and no longer do, or the other way round: their customers' figures
    differ on ``today``, the facts being the same."""
    first_then = window_start(today=since, count=months, unit="months")
    first_now = window_start(today=today, count=months, unit="months")
    left = Q(sold_on__range=(first_then, first_now - timedelta(days=1)))
    came = Q(sold_on__range=(since + timedelta(days=1), today))
    return Receipt.objects.order_by().filter(left | came, customer__isnull=False)


def differences() -> list[int]:
    """Customers whose stored row is not what the facts say as of the cut points' day. None, unless something broke."""
    points = in_force()
    if points is None:
        return []
    counted = rfm_sql.scored(figures=rfm_sql.figures(today=points.made_on, months=points.months), cuts=cuts_of(points))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT customer_id
              FROM segments_customerscore AS stored
              FULL JOIN ({counted}) AS counted USING (customer_id)
             WHERE ({_of("stored", _COLUMNS)}) IS DISTINCT FROM ({_of("counted", _COLUMNS)})
             ORDER BY 1
            """
        )
        return [customer_id for (customer_id,) in cursor.fetchall()]
