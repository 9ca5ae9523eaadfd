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
