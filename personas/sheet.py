"""The persona's sheet as its page shows it: claims in words, each with the address of its people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.attributes import lookup
from crm.models import Category, Channel, Customer
from crm.templatetags.regulars import count, decimal, money, percent
from personas import evidence
from personas.evidence import Evidence, Trait
from personas.models import Persona
from segments.rules import RuleError, describe, parse


class UnknownClaim(ValueError):
    """The address names a claim that no sheet makes."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of the matched beside everybody's; ``index`` is 100 where they are the same."""

    label: str
    value: str
    beside: str
    index: float | None
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Way:
    """A channel, and how many can be reached by it with their consent."""

    channel: str
    label: str
    icon: str
    reachable: int
    share: float
    asked_for: int
    link: str


MUCH_BETTER = 1.5
"""So many times more people must be reachable another way for the sheet to say so."""

ICONS = {Channel.EMAIL: "mail", Channel.SMS: "sms", Channel.PHONE: "call", Channel.POST: "local_post_office"}


def sheet(*, persona: Persona, now: datetime, sees_people: bool) -> dict[str, Any]:
    """Everything on the sheet, computed now. Without leave to see customers, claims lead nowhere."""
    found = evidence.collect(persona=persona, now=now)
    segment = persona.segment
    ways = _ways(persona, found, sees_people)
    best = max(ways, key=lambda way: way.reachable) if found.matched.customers else None
    preferred = next((way for way in ways if way.channel == persona.preferred_channel), None)
    return {
        "evidence": found,
        "is_pending": segment.refreshed_version != segment.rule_version and not segment.is_archived,
        "ways": ways,
        "preferred": preferred,
        "best": best,
        "better": best if best and preferred and best.reachable > MUCH_BETTER * preferred.reachable else None,
        "figures": _figures(persona, found, sees_people),
        "categories": [
            {"claim": claim, "link": _people(persona, sees_people, category=claim.category_id)}
            for claim in found.categories
        ],
        "categories_chart": _categories_chart(persona, found, sees_people),
        "traits": [_trait(persona, trait, sees_people) for trait in found.traits],
        "people_link": _people(persona, sees_people),
        "rule_text": _rule_in_words(segment.rule),
        "now": now,
    }


def people_behind(*, persona: Persona, asked: Mapping[str, str]) -> tuple["QuerySet[Customer]", str]:
    """The matched customers of a claim, the largest spenders first, and the claim in words. Raises UnknownClaim."""
    people = evidence.members(persona=persona).select_related("profile").order_by("-profile__spend_minor", "pk")
    if number := asked.get("category"):
        category = Category.objects.filter(pk=number).first() if number.isdecimal() else None
        if category is None:
            raise UnknownClaim(number)
        bought = people.filter(categories__category=category, categories__receipts__gt=0)
        return bought, _("bought %(category)s") % {"category": category.name}
    if channel := asked.get("channel"):
        if channel not in Channel.values:
            raise UnknownClaim(channel)
        return people.filter(evidence.REACHABLE[Channel(channel)]), _("can be reached by %(channel)s") % {
            "channel": Channel(channel).label
        }
    for field in evidence.TRAITS:
        if value := asked.get(field):
            if field == "household_size" and not value.isdecimal():
                raise UnknownClaim(value)
            return people.filter(**{field: value}), f"{_label(field)}: {value}"
    return people, _("like this")


def _rule_in_words(rule: Mapping[str, Any]) -> str:
    try:
        return describe(parse(rule))
    except RuleError:  # what it names is gone; the sheet shows the error beside it
        return _("a rule that can't be read")


def _people(persona: Persona, sees_people: bool, **claim: Any) -> str:
    if not sees_people:
        return ""
    address = reverse("admin:personas_persona_people", args=[persona.pk])
    return f"{address}?{urlencode(claim)}" if claim else address


def _ways(persona: Persona, found: Evidence, sees_people: bool) -> list[Way]:
    of = found.matched.customers
    return [
        Way(
            channel=channel.value,
            label=str(channel.label),
            icon=ICONS[channel],
            reachable=found.reachable[channel],
            share=found.reachable[channel] / of if of else 0.0,
            asked_for=found.asked_for[channel],
            link=_people(persona, sees_people, channel=channel.value),
        )
        for channel in Channel
    ]


def _figures(persona: Persona, found: Evidence, sees_people: bool) -> list[Figure]:
    matched, everybody = found.matched, found.everybody
    return [
        Figure(
            label=_("Customers like this"),
            value=count(matched.customers),
            beside=_("%(share)s of all %(number)s")
            % {"share": percent(found.size.share, 1), "number": count(everybody.customers)},
            index=None,
            link=_people(persona, sees_people),
        ),
        Figure(
            label=_("Share of spend"),
            value=percent(found.spend_share, 1),
            beside=_("%(amount)s each, all: %(all)s")
            % {"amount": money(matched.spend_each_minor) or "–", "all": money(everybody.spend_each_minor) or "–"},
            index=found.index_of("spend_each_minor"),
        ),
        Figure(
            label=_("Average receipt"),
            value=money(matched.average_receipt_minor) or "–",
            beside=_("all: %(all)s") % {"all": money(everybody.average_receipt_minor) or "–"},
            index=found.index_of("average_receipt_minor"),
        ),
        Figure(
            label=_("Receipts a month"),
            value=decimal(matched.receipts_a_month) or "–",
            beside=_("all: %(all)s") % {"all": decimal(everybody.receipts_a_month) or "–"},
            index=found.index_of("receipts_a_month"),
        ),
    ]


def _categories_chart(persona: Persona, found: Evidence, sees_people: bool) -> dict[str, Any] | None:
    if not found.categories:
        return None
    return {
        "id": "categories",
        "label": _("What they spend more on than others: index of the share of spend, 100 = all customers"),
        "kind": "bars",
        "unit": "index",
        "categories": [claim.name for claim in found.categories],
        "series": [
            {
                "name": _("Index, 100 = all customers"),
                "values": [claim.index and round(claim.index) for claim in found.categories],
                "tone": "accent",
            }
        ],
        "reference": 100,
        "links": [_people(persona, sees_people, category=claim.category_id) for claim in found.categories],
        "height": 60 + 34 * len(found.categories),
    }


def _trait(persona: Persona, trait: Trait, sees_people: bool) -> dict[str, Any]:
    links = [_people(persona, sees_people, **{trait.field: value}) for value, _share in trait.values]
    top = trait.top
    return {
        "trait": trait,
        "label": _label(trait.field),
        "top": top
        and {"value": top[0], "share": top[1], "link": _people(persona, sees_people, **{trait.field: top[0]})},
        "note": ngettext("known for %(number)s of %(of)s", "known for %(number)s of %(of)s", trait.known.number)
        % {"number": count(trait.known.number), "of": count(trait.known.of)},
        "chart": {
            "id": trait.field,
            "label": _label(trait.field),
            "kind": "bar",
            "unit": "percent",
            "categories": [value for value, _share in trait.values],
            "series": [
                {
                    "name": persona.name,
                    "values": [round(one.share, 4) for _value, one in trait.values],
                    "tone": "accent",
                },
                {
                    "name": _("All customers"),
                    "values": [round(one.all_share, 4) for _value, one in trait.values],
                    "tone": "quiet",
                },
            ],
            "links": links,
            "height": 220,
        },
    }


def _label(field: str) -> str:
    attribute = lookup(field)  # the catalogue says what it is called
    return str(attribute.label).capitalize() if attribute else field
