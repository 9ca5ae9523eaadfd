"""The stored fields of a customer and of the profile, as attributes of the catalogue."""

from dataclasses import replace
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from crm.account_attributes import ACCOUNTS
from crm.attributes import Attribute, Group, Privacy, TimeEffect, Type, register
from crm.company_attributes import COMPANY
from crm.distance import DISTANCE
from crm.lifecycle import LIFECYCLE
from crm.loyalty.attribute import TIER
from crm.models import Channel, Gender
from crm.small_attributes import RETIRED, UNSUBSCRIBED
from crm.sources import Anniversary, Column, Counted, DaysSinceFirstPurchase, YearsSince, text, words
from crm.survey_attributes import ANSWER

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def _text(name: str, label: "StrOrPromise", group: Group, *, help: "StrOrPromise" = "") -> Attribute:
    return Attribute(
        name=name, label=label, group=group, type=Type.TEXT, source=text(name), help=help, offered_from=name
    )


def _words(name: str, label: "StrOrPromise", group: Group = Group.PSYCHOGRAPHIC) -> Attribute:
    return Attribute(name=name, label=label, group=group, type=Type.WORDS, source=words(name), offered_from=name)


def _number(name: str, label: "StrOrPromise", group: Group, maximum: int) -> Attribute:
    return Attribute(
        name=name, label=label, group=group, type=Type.NUMBER, source=Column(name), minimum=0, maximum=maximum
    )


def _consent(channel: str, label: "StrOrPromise") -> Attribute:
    return Attribute(
        name=f"consent_{channel}",
        label=label,
        group=Group.ENGAGEMENT,
        type=Type.FLAG,
        source=Counted(f"consent_{channel}", zero=False),
        always_known=True,
    )


WHO = (
    Attribute(
        name="age",
        label=_("age"),
        help=_("In full years, from the birth date, on the shop's day."),
        group=Group.DEMOGRAPHIC,
        type=Type.NUMBER,
        unit=_("years"),
        source=YearsSince("birth_date"),
        minimum=0,
        maximum=150,
        time=TimeEffect.DAILY,
    ),
    _text("age_band", _("age band"), Group.DEMOGRAPHIC, help=_("As a survey or an import gave it.")),
    Attribute(
        name="gender",
        label=_("gender"),
        group=Group.DEMOGRAPHIC,
        type=Type.CHOICE,
        source=text("gender"),
        values=dict(Gender.choices),
        offered_from="gender",
    ),
    Attribute(
        name="birthday",
        label=_("birthday"),
        help=_("Today counts: the next 7 days are today and the 6 days after it."),
        group=Group.DEMOGRAPHIC,
        type=Type.ANNIVERSARY,
        source=Anniversary("birth_date"),
        minimum=1,
        maximum=366,
        time=TimeEffect.DAILY,
    ),
    _number("household_size", _("household size"), Group.DEMOGRAPHIC, 50),
    _number("children", _("children"), Group.DEMOGRAPHIC, 30),
    _text("family_situation", _("family situation"), Group.DEMOGRAPHIC),
    _text("language", _("language"), Group.DEMOGRAPHIC),
    _words("pets", _("pets"), Group.DEMOGRAPHIC),
    _text("city", _("city"), Group.GEOGRAPHIC),
    _text("region", _("region"), Group.GEOGRAPHIC),
    _text("country", _("country"), Group.GEOGRAPHIC),
    _text("postcode", _("postcode"), Group.GEOGRAPHIC, help=_("“starts with” takes a whole area.")),
    DISTANCE,
    _text("area_kind", _("urban or rural"), Group.GEOGRAPHIC, help=_("As a survey or an import gave it.")),
    _text("income_band", _("income band"), Group.SOCIO_ECONOMIC),
    _text("social_group", _("socio-economic group"), Group.SOCIO_ECONOMIC),
    _text("housing", _("housing"), Group.SOCIO_ECONOMIC),
    _text("occupation", _("occupation"), Group.SOCIO_ECONOMIC),
    _text("work_pattern", _("work pattern"), Group.SOCIO_ECONOMIC),
    RETIRED,
    _text("job_title", _("job title"), Group.SOCIO_ECONOMIC),
    _text("lifestyle", _("lifestyle"), Group.PSYCHOGRAPHIC),
    _words("interests", _("interests")),
    _words("opinions", _("opinions")),
    _words("values", _("values")),
    _words("tags", _("tags")),
    ANSWER,
)
NOT_FOR_STAFF = ("income_band", "social_group", "opinions", "values")
"""Means and opinions: neither shop staff nor messages say them."""

HOW = (
    LIFECYCLE,
    Attribute(
        name="first_purchase",
        label=_("first purchase"),
        group=Group.LIFECYCLE,
        type=Type.DATE,
        source=Column("profile__first_sold_on"),
    ),
    Attribute(
        name="days_since_first_purchase",
        label=_("days since first purchase"),
        group=Group.LIFECYCLE,
        type=Type.NUMBER,
        source=DaysSinceFirstPurchase("profile__first_sold_on"),
        minimum=0,
        maximum=36_500,
        time=TimeEffect.DAILY,
    ),
    Attribute(
        name="preferred_channel",
        label=_("preferred channel"),
        group=Group.ENGAGEMENT,
        type=Type.CHOICE,
        source=text("preferred_channel"),
        values=dict(Channel.choices),
        offered_from="preferred_channel",
    ),
    _consent("email", _("e-mail consent")),
    _consent("sms", _("SMS consent")),
    _consent("phone", _("phone consent")),
    _consent("post", _("letter consent")),
    UNSUBSCRIBED,
    Attribute(
        name="points",
        label=_("loyalty points"),
        group=Group.ENGAGEMENT,
        type=Type.NUMBER,
        source=Counted("points"),
        always_known=True,
    ),
    _text("source", _("came through"), Group.GOAL),
    _text("goal", _("came for"), Group.GOAL),
)


def register_all() -> None:
    for attribute in (*WHO, *HOW, TIER, *ACCOUNTS, *COMPANY):
        sensitive = attribute.name in NOT_FOR_STAFF
        register(replace(attribute, privacy=Privacy.SENSITIVE, in_messages=False) if sensitive else attribute)
