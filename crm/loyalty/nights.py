"""What a new day brings: points that are too old expire, birthdays are remembered, tiers that ran out are given anew.

Each step may be repeated without harm, since its entries bear the customer and the day in their keys; what a day of
downtime left undone is caught up with. Customers are taken in small lots, so that no till waits long for a profile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from crm import bell, marks, profiles
from crm.days import months_before, shop_day
from crm.loyalty.tiers import award_tiers
from crm.models import LoyaltyProgramme

LOT = 1_000
MOST_DAYS = 366
"""So many days of missed birthdays are caught up with at most."""

REFRESH = "segments.tasks.refresh_marked"

# What is left of points from before a moment: all that was taken since counts against the oldest first, except points
# taken back, which go with the very purchase that earned them. Points given back count from the day they came back.
_LEFT = """
    SELECT entry.customer_id, sum(
               CASE WHEN entry.points > 0 THEN CASE WHEN entry.recorded_at < %(before)s THEN entry.points ELSE 0 END
                    WHEN earned.recorded_at >= %(before)s THEN 0
                    ELSE entry.points END) AS points
      FROM crm_loyaltyentry AS entry
      LEFT JOIN crm_loyaltyentry AS earned
        ON earned.id = CASE WHEN entry.kind = 'take_back' AND entry.key ~ '^take_back:[0-9]+:'
                            THEN split_part(entry.key, ':', 2)::bigint END
       AND earned.customer_id = entry.customer_id
     WHERE {whom}
     GROUP BY entry.customer_id
"""

_ENTRIES = """
    WITH due AS ({due}), entry AS (
        INSERT INTO crm_loyaltyentry (customer_id, kind, points, key, recorded_at)
        SELECT customer_id, %(kind)s, points, key, %(now)s FROM due ORDER BY customer_id
            ON CONFLICT (key) DO NOTHING
        RETURNING customer_id, points
    ), balance AS (
        UPDATE crm_customerprofile AS profile SET points = profile.points + entry.points
          FROM (SELECT customer_id, sum(points) AS points FROM entry GROUP BY customer_id) AS entry
         WHERE profile.customer_id = entry.customer_id
    )
    SELECT customer_id FROM entry
"""

_EXPIRING = f"""
    SELECT customer_id, -points AS points, 'expire:' || customer_id || ':' || %(today)s AS key
      FROM ({_LEFT.format(whom="entry.customer_id = ANY(%(lot)s)")}) AS past
     WHERE points > 0
"""

# The days are parameters; one of 29 February stands beside 1 March of the years that lack it.
_BIRTHDAYS = """
      FROM crm_customer AS customer
      JOIN unnest(%(months)s::int[], %(days)s::int[], %(years)s::int[]) AS birthday (month, day, year)
        ON extract(month FROM birth_date) = birthday.month AND extract(day FROM birth_date) = birthday.day
       AND extract(year FROM birth_date) < birthday.year
     WHERE merged_into_id IS NULL AND erased_at IS NULL
       AND (registered_at IS NOT NULL
            OR EXISTS (SELECT FROM crm_loyaltycard AS card WHERE card.customer_id = customer.id AND status = 'active'))
"""

_GIFTS = f"""
    SELECT customer.id AS customer_id, %(points)s AS points, 'birthday:' || customer.id || ':' || birthday.year AS key
    {_BIRTHDAYS} AND customer.id = ANY(%(lot)s)
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """Of how many customers points expired, who got a gift, and who was given a tier."""

    expired: int = 0
    gifts: int = 0
    tiers: int = 0


def see_to_day(*, now: datetime) -> Done | None:
    """Do all that is due on the shop's day, once; None where it was done already. Two at once do it together once."""
    today = shop_day(now)
    programme, _made = LoyaltyProgramme.objects.get_or_create(pk=1)
    if programme.day_done_on is not None and programme.day_done_on >= today:
        return None
    done = Done(
        expired=expire_points(today=today, now=now),
        gifts=give_birthday_points(since=programme.day_done_on or today - timedelta(days=1), today=today, now=now),
        tiers=award_tiers(today=today),
    )
    if done != Done():
        bell.ring(REFRESH)
    LoyaltyProgramme.objects.filter(pk=1).update(day_done_on=today)
    return done


def _cutoff(programme: LoyaltyProgramme, today: date) -> datetime | None:
    """Points from before this moment are too old on that day; None where points never expire."""
    if not programme.expire_after_months:
        return None
    day = months_before(today, programme.expire_after_months)
    return timezone.make_aware(datetime.combine(day, time()), timezone.get_default_timezone())


def expire_points(*, today: date, now: datetime) -> int:
    """Take the points that were earned so many months ago and not used since, oldest first; from how many customers."""
    cutoff = _cutoff(LoyaltyProgramme.current(), today)
    if cutoff is None:
        return 0
    params = {"before": cutoff, "today": today.isoformat(), "kind": "expire", "now": now}
    left = f"SELECT customer_id FROM ({_LEFT.format(whom='true')}) AS past WHERE points > 0 ORDER BY customer_id"
    return sum(_write(_EXPIRING, params, lot) for lot in _lots(left, params))


def give_birthday_points(*, since: date, today: date, now: datetime) -> int:
    """Give members their points for a birthday after ``since`` and up to today, once for each year; to how many."""
    points = LoyaltyProgramme.current().birthday_points
    if not points:
        return 0
    span = min((today - since).days, MOST_DAYS)
    days = [day for ago in range(span) for day in _born_on(today - timedelta(days=ago))]
    params = {
        "months": [month for month, _day, _year in days],
        "days": [day for _month, day, _year in days],
        "years": [year for _month, _day, year in days],
        "points": points,
        "kind": "gift",
        "now": now,
    }
    return sum(_write(_GIFTS, params, lot) for lot in _lots(f"SELECT customer.id {_BIRTHDAYS} ORDER BY 1", params))


def _born_on(day: date) -> list[tuple[int, int, int]]:
    """Month and day of the birth dates whose birthday that is, with its year."""
    born = [(day.month, day.day, day.year)]
    if (day.month, day.day) == (3, 1) and (day - timedelta(days=1)).day == 28:
        born.append((2, 29, day.year))
    return born


def _lots(query: str, params: dict[str, Any]) -> Iterator[list[int]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        ids = [row[0] for row in cursor.fetchall()]
    for start in range(0, len(ids), LOT):
        yield ids[start : start + LOT]


def _write(due: str, params: dict[str, Any], lot: Sequence[int]) -> int:
    """Add the entries of these customers that are due once their profiles are held; of how many customers."""
    with transaction.atomic(), connection.cursor() as cursor:
        profiles.lock_profiles(customer_ids=lot)
        cursor.execute(_ENTRIES.format(due=due), {**params, "lot": list(lot)})
        changed = {row[0] for row in cursor.fetchall()}
        marks.mark_customers(customer_ids=changed)
    return len(changed)


def expiring_points(*, customer_ids: Sequence[int], today: date) -> dict[int, int]:
    """How many points each of these customers loses within a month from today if they use none; nobody with 0."""
    cutoff = _cutoff(LoyaltyProgramme.current(), months_before(today, -1))
    if cutoff is None or not customer_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ({_LEFT.format(whom='entry.customer_id = ANY(%(whom)s)')}) AS past WHERE points > 0",
            {"before": cutoff, "whom": list(customer_ids)},
        )
        return {customer_id: int(points) for customer_id, points in cursor.fetchall()}
