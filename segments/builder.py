"""What the rule builder needs: the catalogue as plain data, ready-made rules to start from, and a live preview."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import dates
from django.utils.translation import gettext as _

from crm.attributes import Attribute, Filter, Group, Type, catalogue
from crm.models import SalesChannel
from segments import asking, domain, estimate, offers, text
from segments.asking import TooSlow
from segments.rules import Node, Problem, RuleError, describe, dump, parse
from segments.wording import operator_phrases, weekday_names

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
            "question": _("to the question"),
            "event": _("what happened"),
        },
        "channels": [{"value": value, "label": str(label)} for value, label in SalesChannel.choices],
        "weekdays": [
            {"value": day, "label": str(name), "short": str(short)}
            for (day, name), short in zip(weekday_names().items(), dates.WEEKDAYS_ABBR.values(), strict=True)
        ],
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
        "offered": bool(attribute.offered_from or attribute.offered_names or attribute.offers_values or attribute.names)
        and not attribute.values,
        "minimum": attribute.minimum,
        "maximum": attribute.maximum,
        "whole": attribute.whole and attribute.type != Type.MONEY,
        "filters": [str(name) for name in Filter if name in attribute.filters],
        "argument": str(attribute.argument) if attribute.argument else None,
        "events": [{"value": value, "label": str(label)} for value, label in (attribute.events or {}).items()],
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
        **_words_of_moves(),
        **_words_of_text(),
        "about": _("about %s"),
        "fewer": _("fewer than %s"),
        "estimated": _(
            "Estimated from %(sample)s customers drawn at random: the true number most likely lies between %(low)s and "
            "%(high)s."
        ),
        "change": _("%(came)s, %(went)s against the saved rule"),
    }


def _words_of_moves() -> dict[str, str]:
    return {
        "move": _("Move: drag, or use the arrow keys"),
        "move_up": _("Up"),
        "move_down": _("Down"),
        "move_into": _("Into a group"),
        "move_out": _("Out of the group"),
        "moved": _("Now at place %(place)s of %(all)s under “%(group)s”."),
        "cannot_move": _("It cannot go further."),
    }


def _words_of_text() -> dict[str, Any]:
    """What the builder says while the rule is written as text; the language itself is not translated."""
    return {
        "view": _("How to write the rule"),
        "as_rows": _("Rows"),
        "as_text": _("Text"),
        "complete_first": _("Complete the marked conditions first."),
        "mend_first": _("Mend the marked words first."),
        "mend": _("Mend the marked words to see whom the rule selects."),
        "here": _("here"),
        "text_example": 'city = "Riga" and spend(last: 90 days) >= 300',
        "text_help": _("What can be written?"),
        "text_examples": [
            ("age between 25 and 40", _("A comparison: =, !=, <, <=, >, >=, between … and …")),
            ('city in ("Riga", "Tallinn")', _("One of several; a text stands in quotes")),
            ('receipts(category: "Bricks", last: 12 months) >= 3', _("What narrows a measure stands in brackets")),
            ('not bought(category: "Cement")', _("Who has not")),
            ("(age < 30 or points > 500) and consent_email", _("Brackets say what belongs together")),
            ("birthday in next 7 days", _("A day that comes round")),
            ("income_band is unknown", _("What has not been told")),
        ],
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
            "rule": ask("lifecycle", "=", "regular"),
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
                    {"not": ask("bought", "is", True, category="")},
                ]
            },
        },
        {
            "icon": "cake",
            "name": _("Birthday within a week"),
            "text": _("A reason to write that is about them."),
            "rule": ask("birthday", "in next", 7),
        },
    ]


def preview(
    *, rule: Mapping[str, Any] | str, now: datetime, with_names: bool, saved: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the builder shows of a rule, from its rows or its text: or else its problems.

    The number, the sentence, some members, what each of the outermost conditions takes away, the change against the
    ``saved`` rule; and the rule in its other form.
    """
    read = None
    try:
        read = text.read(rule) if isinstance(rule, str) else None
        node = read.node if read is not None else parse(rule)
        found = estimate.look(rule=node, now=now, saved=_if_other(saved, node), patience_ms=PATIENCE_MS)
        people = domain.sample(rule=node, now=now, ids=_some(found.looked_at)) if with_names else []
        warnings = offers.unseen(node)
    except RuleError as error:
        told = read.located(error) if read is not None else error
        return {"problems": [asking.told(problem) for problem in told.problems]}
    except TooSlow as error:
        return {"problems": [asking.told(Problem(str(error)))]}
    return {
        **_figures(found),
        "sentence": describe(node),
        "text": text.write(node),
        "rule": dump(node),
        "sample": [{"id": customer.pk, "name": str(customer), "city": customer.city} for customer in people],
        "problems": [],
        "warnings": [asking.told(warning if read is None else read.place(warning)) for warning in warnings],
    }


def _some(ids: Sequence[int] | None) -> Sequence[int] | None:
    """Where there are too many to count, members are shown from part of the sample."""
    return None if ids is None else ids[: estimate.FIRST]


def _if_other(saved: Mapping[str, Any] | None, node: Node) -> Node | None:
    """The saved rule, if it says anything else and can still be read."""
    try:
        before = None if saved is None else domain.checked(saved)
    except RuleError:
        return None
    return None if before == node else before


def _figures(found: estimate.Look) -> dict[str, Any]:
    """The numbers, each rounded to what is known of it."""

    def shown(figure: estimate.Figure) -> dict[str, Any]:
        return {"value": rounded(figure), "low": figure.low, "high": figure.high}

    change = None
    if found.came is not None and found.went is not None:
        change = {"came": shown(found.came), "went": shown(found.went)}
    return {
        "members": shown(found.members),
        "customers": found.customers,
        "looked_at": None if found.looked_at is None else len(found.looked_at),
        "taken_away": [shown(figure) for figure in found.taken_away],
        "change": change,
    }


def rounded(figure: estimate.Figure) -> int:
    """An estimate without the digits that mean nothing: 12,345 that may be 500 more or less is 12,300."""
    if figure.exact:
        return figure.value
    step = 10 ** max(0, len(str(max(1, (figure.high - figure.low) // 2))) - 1)
    return round(figure.value / step) * step
