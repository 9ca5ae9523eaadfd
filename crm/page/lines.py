"""The three lines a customer's page opens with: who this is, how to reach them, and what is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import money
from crm.loyalty.tiers import Standing
from crm.models import Channel, Customer, Gender, Shop
from crm.page.reach import Reach
from crm.page.spending import Habits
from crm.templatetags.regulars import count


@dataclass(frozen=True, kw_only=True)
class LastSale:
    on: date
    total_minor: int


def who(*, customer: Customer, habits: Habits, today: date, shop: Shop) -> str:
    """Name, age, home, since when, and what they usually buy, when and where."""
    name = customer.full_name or _("Somebody whose name we do not know")
    parts = [name, *_about(customer, today), _relation(customer, today, shop)]
    sentence = ", ".join(filter(None, parts))
    if usual := _usual(habits):
        sentence = _("%(who)s; %(usual)s") % {"who": sentence, "usual": usual}
    return sentence if sentence.endswith(".") else _("%(sentence)s.") % {"sentence": sentence}


def _about(customer: Customer, today: date) -> list[str]:
    about = []
    if customer.birth_date:
        born = customer.birth_date
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        about.append(_("%(age)d years old") % {"age": age})
    elif customer.age_band:
        about.append(_("aged %(band)s") % {"band": customer.age_band})
    if customer.city:
        about.append(_("from %(city)s") % {"city": customer.city})
    if customer.company:
        work = {"job": customer.job_title, "company": customer.company.name}
        about.append((_("%(job)s at %(company)s") if customer.job_title else _("of %(company)s")) % work)
    return about


def _relation(customer: Customer, today: date, shop: Shop) -> str:
    profile = customer.profile
    first, last, receipts = profile.first_sold_on, profile.last_sold_on, profile.receipts
    if not receipts or not first or not last:
        return _prospect(customer)
    if receipts == 1:
        return _("bought once, in %(month)s") % {"month": date_format(first, "F Y")}
    if receipts < shop.regular_receipts:
        return _("has bought %(number)d times since %(month)s") % {
            "number": receipts,
            "month": date_format(first, "F Y"),
        }
    if (today - last).days < shop.regular_days:
        return _("a regular since %(year)s") % {"year": first.year}
    return _("a regular from %(year)s, last here in %(month)s") % {
        "year": first.year,
        "month": date_format(last, "F Y"),
    }


def _prospect(customer: Customer) -> str:
    parts = [_("has not bought yet")]
    if customer.registered_at:
        parts = [_("joined in %(month)s, has not bought yet") % {"month": date_format(customer.registered_at, "F Y")}]
    if customer.source:
        parts.append(_("came through %(source)s") % {"source": customer.source})
    if interest := customer.goal or ", ".join(customer.interests[:3]):
        parts.append(_("interested in %(what)s") % {"what": interest})
    return ", ".join(parts)


def _usual(habits: Habits) -> str:
    if not habits.likes:
        return ""
    parts = [_("usually buys %(what)s") % {"what": _(" and ").join(habits.likes)}]
    if habits.weekday:
        parts.append(_weekdays()[habits.weekday - 1])
    if habits.is_online:
        parts.append(_("online"))
    elif habits.store:
        parts.append(_("in %(store)s") % {"store": habits.store})
    return " ".join(parts)


def _weekdays() -> list[str]:
    return [
        _("on Mondays"),
        _("on Tuesdays"),
        _("on Wednesdays"),
        _("on Thursdays"),
        _("on Fridays"),
        _("on Saturdays"),
        _("on Sundays"),
    ]


def reach(*, customer: Customer, channels: Sequence[Reach], today: date) -> str:
    """By which channels, since when they allow it, and by which not."""
    if customer.pause_ends_on and customer.pause_ends_on > today:
        return _("Asked for a pause: nothing but service messages until %(day)s.") % {
            "day": date_format(customer.pause_ends_on)
        }
    open_ = [one for one in channels if one.is_open]
    shut = [one.name for one in channels if one.said_no or one.is_stopped]
    if not open_:
        if not any(one.address for one in channels):
            return _("There is no way to reach them: we have no address.")
        return _("May not be written to: no consent for any channel. Service messages only.")
    ways = _(" or ").join(
        _("%(channel)s (consent since %(day)s)") % {"channel": one.name, "day": date_format(one.since_on)}
        if one.since_on
        else one.name
        for one in open_
    )
    whom = {Gender.FEMALE: _("Reach her by %(ways)s"), Gender.MALE: _("Reach him by %(ways)s")}
    sentence = whom.get(Gender(customer.gender) if customer.gender else Gender.OTHER, _("Reach them by %(ways)s"))
    said = sentence % {"ways": ways}
    if customer.preferred_channel and any(one.channel == customer.preferred_channel for one in open_[1:]):
        said += ", " + _("best by %(channel)s") % {"channel": Channel(customer.preferred_channel).label}
    if shut:
        return _("%(reach)s, not by %(channels)s.") % {"reach": said, "channels": _(" or ").join(shut)}
    return _("%(reach)s.") % {"reach": said}


def due(
    *,
    customer: Customer,
    habits: Habits,
    last: LastSale | None,
    standing: Standing,
    expiring: int,
    today: date,
    shop: Shop,
) -> str:
    """The last purchase, the next one to be expected, points and tier; ``expiring`` points go within a month."""
    sentences = []
    if last:
        sentences.append(
            _("Last bought on %(day)s, for %(total)s.")
            % {"day": date_format(last.on), "total": money.show(last.total_minor)}
        )
        sentences += _expected(last.on, habits.every_days, today, shop)
    else:
        sentences.append(_("No purchase yet, so nothing is due."))
    sentences += _points(customer, standing)
    if expiring:
        sentences.append(
            ngettext("%(n)s point expires within a month.", "%(n)s points expire within a month.", expiring)
            % {"n": count(expiring)}
        )
    return " ".join(sentences)


def _expected(last_on: date, every_days: int | None, today: date, shop: Shop) -> list[str]:
    if not every_days:
        return []
    gap = ngettext("every day", "every %(days)d days", every_days) % {"days": every_days}
    next_on = last_on + timedelta(days=every_days)
    if next_on >= today:
        return [_("Due again around %(day)s: buys %(gap)s.") % {"day": date_format(next_on), "gap": gap}]
    if (today - last_on).days > 3 * every_days and (today - last_on).days > shop.regular_days:
        return [_("Used to buy %(gap)s.") % {"gap": gap}]
    return [_("Was due around %(day)s: usually buys %(gap)s.") % {"day": date_format(next_on), "gap": gap}]


def _points(customer: Customer, standing: Standing) -> list[str]:
    said = []
    points = customer.profile.points
    if points or standing.tier:
        said.append(ngettext("%(points)s point", "%(points)s points", points) % {"points": count(points)})
    if standing.tier and standing.ends_on:
        said.append(
            _("tier %(tier)s until %(day)s") % {"tier": standing.tier.name, "day": date_format(standing.ends_on)}
        )
    if standing.next_tier and customer.profile.receipts:
        said.append(
            _("%(amount)s to %(tier)s")
            % {"amount": money.show(standing.missing_minor), "tier": standing.next_tier.name}
        )
    return [_("%(facts)s.") % {"facts": ", ".join(said)}] if said else []
