"""Days of the shop: local dates, and the windows that rules and reports count in."""

import calendar
from datetime import date, datetime, timedelta

from django.utils import timezone


def shop_day(moment: datetime) -> date:
    """The shop's local day at that moment."""
    return timezone.localtime(moment, timezone.get_default_timezone()).date()


def months_before(day: date, months: int) -> date:
    """The same day of the month that many months earlier; the month's last day where it is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def window_start(*, today: date, count: int, unit: str) -> date:
    """First day of "the last ``count`` days|weeks|months|years", today included: 1 day is today alone."""
    match unit:
        case "days":
            return today - timedelta(days=count - 1)
        case "weeks":
            return today - timedelta(days=7 * count - 1)
        case "months":
            return months_before(today, count) + timedelta(days=1)
        case "years":
            return months_before(today, 12 * count) + timedelta(days=1)
    raise ValueError(unit)


def window_changes(*, since: date, today: date, count: int, unit: str) -> list[tuple[date, date]]:
    """Days that are in the window of one of the two days and not in that of the other, as (first, last) of stretches.

    Those that have left it by ``today``, and those that lay ahead of ``since``.
    """
    before = window_start(today=since, count=count, unit=unit)
    after = window_start(today=today, count=count, unit=unit)
    one_day = timedelta(days=1)
    left, came = (before, min(since, after - one_day)), (max(after, since + one_day), today)
    return [(first, last) for first, last in (left, came) if first <= last]
