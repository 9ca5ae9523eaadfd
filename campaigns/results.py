"""What came of a campaign, from the facts: the books, the responses, the purchases at the till and online.

Buyers and spend are counted by intention to treat: for every unit of an arm, whatever became of its message, from the
draw to N days later, net of returns. People merged since are one unit; a household or company counts all its people.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from campaigns.books import Books, books
from campaigns.models import Campaign, Delivery
from crm.models import Receipt

DAYS_BEFORE = 28
"""How many days before the launch the plot begins."""


@dataclass(frozen=True)
class Responses:
    """Deliveries that were responded to, each counted once. "By machines" are those that only machines touched."""

    opened: int = 0
    opened_by_machines: int = 0
    clicked: int = 0
    clicked_by_machines: int = 0
    unsubscribed: int = 0
    bounced: int = 0
    complained: int = 0


@dataclass(frozen=True)
class Coupons:
    offered: int
    redemptions: int
    customers: int


@dataclass(frozen=True)
class Arm:
    """Assigned units, how many of them bought within the days that count, and what they spent, net of returns.

    ``spend_before_minor`` is what the same units spent in as many days before.
    """

    units: int = 0
    buyers: int = 0
    spend_minor: int = 0
    spend_before_minor: int = 0
    buyers_before: int = 0

    @property
    def share(self) -> float:
        return self.buyers / self.units if self.units else 0.0

    @property
    def spend_per_unit_minor(self) -> int:
        return round(self.spend_minor / self.units) if self.units else 0


@dataclass(frozen=True)
class Difference:
    """Of two shares of buyers, with Newcombe's 95% interval."""

    best: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Day:
    """``offset`` counts days from the launch; both arms' buyers that day, and net spend in its part that counts."""

    on: date
    offset: int
    buyers: int
    spend_minor: int
    held_out_buyers: int
    held_out_spend_minor: int


@dataclass(frozen=True)
class Report:
    campaign: Campaign
    launched_on: date | None
    days: int
    day: int
    """How many of the ``days`` have passed."""
    unit: str
    """p, h or c: whom the campaign counts."""
    books: Books
    responses: Responses
    coupons: Coupons
    sent: Arm
    held_out: Arm
    attributed: Arm
    """Clicked, then bought within the days that count after the click."""
    extra: Difference | None
    """None without a random draw: then there is only a difference, never a lift."""
    by_day: tuple[Day, ...]
    knows_before: bool
    """Whether the shop's receipts reach back over as many days before the launch."""

    @property
    def click_share(self) -> float:
        """Of the messages that were accepted."""
        return self.responses.clicked / self.books.accepted if self.books.accepted else 0.0

    @property
    def is_complete(self) -> bool:
        return self.day >= self.days


def report(*, campaign: Campaign, now: datetime) -> Report:
    """The campaign's report as of now, in eight queries whatever its size."""
    started_at = campaign.launched_at
    days = campaign.attribution_days
    both = arms(campaign_ids=[campaign.pk])
    sent, held_out = both.get((campaign.pk, False), Arm()), both.get((campaign.pk, True), Arm())
    launched_on = timezone.localdate(started_at) if started_at else None
    return Report(
        campaign=campaign,
        launched_on=launched_on,
        days=days,
        day=min(days, max(0, (now - started_at).days)) if started_at else 0,
        unit=_unit(campaign),
        books=books(campaign=campaign, now=now),
        responses=_responses(campaign),
        coupons=_coupons(campaign),
        sent=sent,
        held_out=held_out,
        attributed=_attributed(campaign, days),
        extra=difference(sent.buyers, sent.units, held_out.buyers, held_out.units) if held_out.units else None,
        by_day=_by_day(campaign, started_at, days, timezone.localdate(now)) if started_at else (),
        knows_before=launched_on is not None and _knows(launched_on - timedelta(days=days)),
    )


def _responses(campaign: Campaign) -> Responses:
    """Which deliveries were opened, clicked, unsubscribed...; a delivery that people touched is theirs."""
    sql = """
        SELECT kind, by_people, count(*) FROM (
            SELECT e.kind, bool_or(NOT e.is_automated) AS by_people
            FROM campaigns_delivery d JOIN campaigns_trackedevent e ON e.delivery_id = d.id
            WHERE d.campaign_id = %s GROUP BY d.id, e.kind
        ) touched GROUP BY 1, 2
    """
    found = {(kind, by_people): count for kind, by_people, count in _rows(sql, [campaign.pk])}

    def both(kind: str) -> int:
        return found.get((kind, True), 0) + found.get((kind, False), 0)

    return Responses(
        opened=found.get(("opened", True), 0),
        opened_by_machines=found.get(("opened", False), 0),
        clicked=found.get(("clicked", True), 0),
        clicked_by_machines=found.get(("clicked", False), 0),
        unsubscribed=both("unsubscribed"),
        bounced=both("bounced"),
        complained=both("complained"),
    )


# A merge may lead to a record that was merged itself; ``survivors`` follows it to the end.
_SURVIVORS = """
RECURSIVE merged AS (
    SELECT id, merged_into_id AS final FROM crm_customer WHERE merged_into_id IS NOT NULL
    UNION
    SELECT merged.id, c.merged_into_id FROM merged JOIN crm_customer c ON c.id = merged.final
    WHERE c.merged_into_id IS NOT NULL
), survivors AS (
    SELECT merged.id, merged.final FROM merged JOIN crm_customer c ON c.id = merged.final
    WHERE c.merged_into_id IS NULL
)"""

# Whoever fell away before the draw is in no arm; whoever fell away at the claim, after it, stays in theirs.
# Of two records that were merged later, the survivor's own draw counts.
_UNITS = f"""
WITH {_SURVIVORS}, assigned AS (
    SELECT d.campaign_id AS campaign, d.id, coalesce(s.final, d.customer_id) AS person, d.unit,
        d.status = 'held_out' AS held_out, d.assigned_at AS since, s.id IS NULL AS is_own,
        make_interval(days => c.attribution_days) AS counts_for
    FROM campaigns_delivery d
    JOIN campaigns_campaign c ON c.id = d.campaign_id
    LEFT JOIN survivors s ON s.id = d.customer_id
    WHERE d.campaign_id = ANY(%(campaigns)s) AND (d.status <> 'suppressed' OR d.variant_id IS NOT NULL)
), units AS (
    SELECT DISTINCT ON (campaign, key) * FROM (
        SELECT *, CASE left(unit, 1) WHEN 'p' THEN 'p' || person ELSE unit END AS key FROM assigned
    ) keyed ORDER BY campaign, key, is_own DESC, id
), people AS (
    SELECT campaign, id, held_out, since, counts_for, person FROM units
    UNION
    SELECT campaign, units.id, held_out, since, counts_for, c.id FROM units JOIN crm_customer c
        ON c.household_id = CASE WHEN left(unit, 1) = 'h' THEN substr(unit, 2)::bigint END
    UNION
    SELECT campaign, units.id, held_out, since, counts_for, c.id FROM units JOIN crm_customer c
        ON c.company_id = CASE WHEN left(unit, 1) = 'c' THEN substr(unit, 2)::bigint END
)"""  # noqa: S608 - our own SQL


def arms(*, campaign_ids: Sequence[int], with_before: bool = True) -> dict[tuple[int, bool], Arm]:
    """Both arms of each campaign, by campaign and whether they were left out (one query).

    Without ``with_before`` the days before the launch are not read, which halves the work.
    """
    sql = f"""{_UNITS}, bought AS (
        SELECT p.campaign, p.id, p.held_out, bool_or(r.is_buyer) AS is_buyer, sum(r.spend) AS spend,
            sum(r.spend_before) AS spend_before, bool_or(r.was_buyer) AS was_buyer
        FROM people p CROSS JOIN LATERAL (
            SELECT bool_or(kind = 'sale') FILTER (WHERE sold_at >= p.since) AS is_buyer,
                sum(total_minor) FILTER (WHERE sold_at >= p.since) AS spend,
                sum(total_minor) FILTER (WHERE sold_at < p.since) AS spend_before,
                bool_or(kind = 'sale') FILTER (WHERE sold_at < p.since) AS was_buyer
            FROM crm_receipt WHERE customer_id = p.person
                AND sold_at >= p.since - p.counts_for * %(before)s AND sold_at < p.since + p.counts_for
        ) r GROUP BY p.campaign, p.id, p.held_out
    )
    SELECT campaign, held_out, count(*), count(*) FILTER (WHERE is_buyer), coalesce(sum(spend), 0),
        coalesce(sum(spend_before), 0), count(*) FILTER (WHERE was_buyer)
    FROM bought GROUP BY campaign, held_out"""  # noqa: S608 - our own SQL
    rows = _rows(sql, {"campaigns": list(campaign_ids), "before": int(with_before)})
    return {
        (campaign, held_out): Arm(units, buyers, int(spend), int(before), buyers_before)
        for campaign, held_out, units, buyers, spend, before, buyers_before in rows
    }


@dataclass(frozen=True)
class Summary:
    """A campaign in a line of a list."""

    sent: int
    clicked: int
    buyers: int
    spend_minor: int


def summaries(*, campaign_ids: Sequence[int]) -> dict[int, Summary]:
    """What came of each campaign, in two queries however many there are."""
    sql = """
        SELECT d.campaign_id, count(*) FILTER (WHERE d.status = 'accepted'), count(*) FILTER (WHERE EXISTS (
            SELECT FROM campaigns_trackedevent e
            WHERE e.delivery_id = d.id AND e.kind = 'clicked' AND NOT e.is_automated))
        FROM campaigns_delivery d WHERE d.campaign_id = ANY(%s) GROUP BY 1
    """
    sent = {campaign: (accepted, clicked) for campaign, accepted, clicked in _rows(sql, [list(campaign_ids)])}
    bought = arms(campaign_ids=campaign_ids, with_before=False)
    found = {}
    for key in campaign_ids:
        arm = bought.get((key, False), Arm())
        found[key] = Summary(*sent.get(key, (0, 0)), arm.buyers, arm.spend_minor)
    return found


def _by_day(campaign: Campaign, launched_at: datetime, days: int, today: date) -> tuple[Day, ...]:
    """Every day from a while before the launch to the day on which the window ends, or to today.

    From the launch on only what the arms count is spent, so that the days add up to them: the window begins in the
    middle of the first day and ends in the middle of the last.
    """
    launched_on = timezone.localdate(launched_at)
    window_ends = launched_at + timedelta(days=days) - timedelta.resolution
    first, last = launched_on - timedelta(days=DAYS_BEFORE), min(timezone.localdate(window_ends), today)
    sql = f"""{_UNITS}
    SELECT sold_on, held_out, count(*) FILTER (WHERE is_buyer), sum(spend) FROM (
        SELECT r.sold_on, p.held_out, p.id, bool_or(r.kind = 'sale') AS is_buyer,
            coalesce(sum(r.total_minor) FILTER (WHERE r.sold_on < %(launch)s OR r.sold_at >= p.since), 0) AS spend
        FROM people p JOIN crm_receipt r ON r.customer_id = p.person
            AND r.sold_at >= %(from)s AND r.sold_at < %(to)s AND r.sold_on BETWEEN %(first)s AND %(last)s
            AND r.sold_at < p.since + p.counts_for
        GROUP BY 1, 2, 3
    ) daily GROUP BY 1, 2"""  # noqa: S608 - our own SQL
    start = timezone.make_aware(datetime.combine(first, datetime.min.time()))
    end = timezone.make_aware(datetime.combine(last + timedelta(days=1), datetime.min.time()))
    days_of = {"first": first, "launch": launched_on, "last": last}
    params = {"campaigns": [campaign.pk], "from": start, "to": end, **days_of}
    found = {(on, held_out): (buyers, int(spend)) for on, held_out, buyers, spend in _rows(sql, params)}
    span = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return tuple(
        Day(on, (on - launched_on).days, *found.get((on, False), (0, 0)), *found.get((on, True), (0, 0))) for on in span
    )


def _attributed(campaign: Campaign, days: int) -> Arm:
    """Customers who clicked: how many there are, how many then bought within ``days``, and for how much."""
    sql = f"""WITH {_SURVIVORS}, clickers AS (
        SELECT coalesce(s.final, d.customer_id) AS person, min(e.happened_at) AS since
        FROM campaigns_delivery d
        JOIN campaigns_trackedevent e ON e.delivery_id = d.id AND e.kind = 'clicked' AND NOT e.is_automated
        LEFT JOIN survivors s ON s.id = d.customer_id
        WHERE d.campaign_id = %(campaign)s GROUP BY 1
    ), bought AS (
        SELECT c.person, bool_or(r.kind = 'sale') AS is_buyer, sum(r.total_minor) AS spend
        FROM clickers c LEFT JOIN crm_receipt r ON r.customer_id = c.person
            AND r.sold_at >= c.since AND r.sold_at < c.since + %(window)s
        GROUP BY c.person
    )
    SELECT count(*), count(*) FILTER (WHERE is_buyer), coalesce(sum(spend) FILTER (WHERE is_buyer), 0) FROM bought
    """  # noqa: S608 - our own SQL
    [(clickers, buyers, spend)] = _rows(sql, {"campaign": campaign.pk, "window": timedelta(days=days)})
    return Arm(clickers, buyers, int(spend))


def _coupons(campaign: Campaign) -> Coupons:
    sql = f"""WITH {_SURVIVORS}
    SELECT (SELECT count(*) FROM campaigns_coupon WHERE campaign_id = %(campaign)s), count(*),
        count(DISTINCT coalesce(s.final, r.customer_id))
    FROM campaigns_redemption r JOIN campaigns_coupon k ON k.id = r.coupon_id
    LEFT JOIN survivors s ON s.id = r.customer_id WHERE k.campaign_id = %(campaign)s"""  # noqa: S608 - our own SQL
    [(offered, redemptions, customers)] = _rows(sql, {"campaign": campaign.pk})
    return Coupons(offered, redemptions, customers)


def _knows(day: date) -> bool:
    return Receipt.objects.filter(sold_on__lte=day).exists()


def _unit(campaign: Campaign) -> str:
    unit = Delivery.objects.filter(campaign=campaign).values_list("unit", flat=True).first()
    return unit[0] if unit else Delivery.UNIT_PERSON


def difference(buyers: int, units: int, other_buyers: int, other_units: int) -> Difference:
    """Of the shares of buyers in two arms, with its 95% interval by Newcombe's hybrid score method (his method 10)."""
    share, other = buyers / units if units else 0.0, other_buyers / other_units if other_units else 0.0
    low, high = _wilson(buyers, units)
    other_low, other_high = _wilson(other_buyers, other_units)
    best = share - other
    return Difference(
        best=best,
        low=best - math.hypot(share - low, other_high - other),
        high=best + math.hypot(high - share, other - other_low),
    )


def _wilson(successes: int, total: int) -> tuple[float, float]:
    """95% score interval of a share; everything is possible where nothing was seen."""
    if not total:
        return 0.0, 1.0
    z = 1.959963984540054
    share = successes / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def _rows(sql: str, params: Sequence[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
