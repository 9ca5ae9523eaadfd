"""How customers moved between RFM groups, month by month: worked out from the facts as of past month ends, and kept."""

from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Min

from crm.days import months_before, shop_day
from crm.models import Receipt, ReceiptKind, Shop
from segments import rfm_sql, scoring
from segments.models import GroupFlow

MONTHS = 12


def month_ends(*, today: date, months: int = MONTHS) -> list[date]:
    """The last days of the months that are over, the newest first."""
    first = today.replace(day=1)
    return [months_before(first, ago) - timedelta(days=1) for ago in range(months)]


def missing(*, now: datetime) -> list[date]:
    """Month ends of which the flow is to be worked out: those after the first sale that have none."""
    begins = Receipt.objects.filter(kind=ReceiptKind.SALE, customer__isnull=False).aggregate(day=Min("sold_on"))["day"]
    if begins is None:
        return []
    known = set(GroupFlow.objects.values_list("month_on", flat=True).distinct())
    return [end for end in month_ends(today=shop_day(now)) if end >= begins and end not in known]


def work_out_missing(*, now: datetime, limit: int = 1) -> int:
    """Work out some of the missing months, the newest first. Returns how many; a second worker does no month twice."""
    ends = missing(now=now)[:limit]
    for end in ends:
        work_out(end=end)
    return len(ends)


def work_out(*, end: date) -> None:
    """Keep who was in which group at the end of this month and of the one before, by the cut points of each day."""
    months = Shop.current().rfm_months
    before = end.replace(day=1) - timedelta(days=1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 1)", [scoring.LOCK_CLASS])
        if GroupFlow.objects.filter(month_on=end).exists():
            return
        cursor.execute(
            f"""
            INSERT INTO segments_groupflow (month_on, was, now, customers)
            SELECT %s, coalesce(was.rfm_group, ''), now.rfm_group, count(*)
              FROM ({_as_of(end, months)}) AS now
              LEFT JOIN ({_as_of(before, months)}) AS was USING (customer_id)
             GROUP BY 2, 3
            """,
            [end],
        )


def _as_of(day: date, months: int) -> str:
    cuts, _buyers = scoring.fresh_cuts(today=day, months=months)
    return rfm_sql.scored(figures=rfm_sql.figures(today=day, months=months), cuts=cuts)
