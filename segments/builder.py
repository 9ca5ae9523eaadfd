"""What the rule builder needs: the catalogue as plain data, ready-made rules to start from, and a live preview."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _

from crm.attributes import Attribute, Filter, Group, Type, catalogue
from crm.models import SalesChannel
from segments import domain, offers
from segments.compile import live_customers
from segments.rules import Problem, RuleError, describe, parse
from segments.wording import operator_phrases

PATIENCE_MS = 8_000
"""How long a rule may be counted while somebody waits for it."""


def catalogue_data() -> dict[str, Any]:
    """Everything that can be asked, in the current language, for static/js/builder.js."""
    known = catalogue()
    return {
        "groups": [
            {"label": str(group.label), "attributes": [_plain(one) for one in known.values() if one.group == group]}
            for group in Group
            if any(one.group == group for one in known.values())
        ],
        "operators": {str(kind): operator_phrases(kind) for kind in Type},
        "filters": {
            "category": _("of the category"),
            "product": _("of the product"),
            "brand": _("of the brand"),
            "store": _("in the store"),
            "channel": _("through"),
            "weekday": _("on"),
            "time": _("at the time"),
            "last": _("in the last"),
            "since": _("since"),
            "until": _("until"),
        },
        "channels": [{"value": value, "label": str(label)} for value, label in SalesChannel.choices],
        "units": {"days": _("days"), "weeks": _("weeks"), "months": _("months"), "years": _("years")},
        "words": _words(),
    }


def _plain(attribute: Attribute) -> dict[str, Any]:
    return {
        "name": attribute.name,
        "label": str(attribute.label),
        "help": str(attribute.help),
        "type": str(attribute.type),
        "unit": str(attribute.unit),
        "operators": list(attribute.operators),
        "values": [{"value": value, "label": str(label)} for value, label in (attribute.values or {}).items()],
        "offered": bool(attribute.offered_from) and not attribute.values,
        "minimum": attribute.minimum,
        "maximum": attribute.maximum,
        "whole": attribute.whole and attribute.type != Type.MONEY,
        "filters": [str(name) for name in Filter if name in attribute.filters],
    }


def _words() -> dict[str, str]:
    """The builder's own words."""
    return {
        "and": _("all of these"),
        "or": _("any of these"),
        "none": _("none of these"),
        "customers_with": _("Customers who meet"),
        "choose": _("Choose what to ask"),
        "add_condition": _("Add a condition"),
        "add_group": _("Add a group"),
        "remove": _("Remove"),
        "remove_group": _("Remove this group"),
        "narrow": _("Narrow down"),
        "what": _("What"),
        "how": _("Comparison"),
        "value": _("Value"),
        "to": _("and"),
        "yes": _("yes"),
        "no": _("no"),
        "search": _("Type to search"),
        "no_values": _("Nothing found. Press Enter to use it as written."),
        "no_names": _("Nothing found."),
        "takes_away": _("takes away %s"),
        "members": _("of %s customers"),
        "counting": _("Counting…"),
        "for_example": _("For example"),
        "offline": _("The number could not be fetched. Check the connection and change anything to try again."),
        "unfinished": _("Complete the marked conditions to see whom they select."),
        "empty": _("Add a condition to see whom it selects."),
        "days": _("days"),
    }


def starters() -> list[dict[str, Any]]:
    """Ready-made rules for whoever asks "Who do we want to talk to?", and not for an algebra."""

    def ask(attribute: str, operator: str, value: Any, **filters: str) -> dict[str, Any]:
        return {"attribute": attribute, "filters": filters, "operator": operator, "value": value}

    return [
        {
            "icon": "favorite",
            "name": _("Regulars"),
            "text": _("At least 5 purchases, the last one in the last 90 days."),
            "rule": {"and": [ask("lifecycle", "=", "regular")]},
        },
        {
            "icon": "snooze",
            "name": _("Not seen for 60 days"),
            "text": _("They bought more than once, and have stayed away."),
            "rule": {"and": [ask("receipts", ">=", 2), ask("days_since_purchase", ">=", 60)]},
        },
        {
            "icon": "join_inner",
            "name": _("Bought this, never that"),
            "text": _("They buy from one category and could discover another."),
            "rule": {
                "and": [
                    ask("bought", "is", True, category="", last="6 months"),
                    {"not": {"or": [ask("bought", "is", True, category="")]}},
                ]
            },
        },
        {
            "icon": "cake",
            "name": _("Birthday within a week"),
            "text": _("A reason to write that is about them."),
            "rule": {"and": [ask("birthday", "in next", 7)]},
        },
    ]


def preview(*, rule: Mapping[str, Any], now: datetime, with_names: bool) -> dict[str, Any]:
    """The rule's number, sentence and sample, and what each of its outermost conditions takes away; or its problems."""
    try:
        node = parse(rule)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(PATIENCE_MS)])
            effect = domain.effect(rule=node, now=now)
            sample = domain.sample(rule=node, now=now) if with_names else []
            warnings = offers.unseen(node)
    except RuleError as error:
        return {"problems": [_problem(problem) for problem in error.problems]}
    except OperationalError:
        slow = _("This rule takes too long to count while you wait. Save it: the workers count it.")
        return {"problems": [_problem(Problem(slow))]}
    return {
        "members": effect.members,
        "customers": live_customers().count(),
        "taken_away": list(effect.taken_away),
        "sentence": describe(node),
        "sample": [{"id": customer.pk, "name": str(customer), "city": customer.city} for customer in sample],
        "problems": [],
        "warnings": [_problem(warning) for warning in warnings],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"path": list(problem.path), "message": problem.message, "word": problem.word}
