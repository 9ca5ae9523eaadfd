"""Rules in plain words, in the reader's language."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import dates
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import money
from crm.attributes import WEEKDAYS, Attribute, Filter, Type, lookup
from crm.models import SalesChannel
from segments.tree import And, Condition, Last, Node, Not, Or


def describe(node: Node) -> str:
    """The rule as a sentence."""
    sentence = _join(node)
    first = len(sentence) - len(sentence.lstrip("("))
    return sentence[:first] + sentence[first : first + 1].upper() + sentence[first + 1 :]


def _join(node: Node) -> str:
    match node:
        case And():
            return _(" and ").join(_inside(child, Or) for child in node.nodes)
        case Or():
            return _(" or ").join(_inside(child, And) for child in node.nodes)
        case Not(node=Condition() as one) | Not(node=Or(nodes=(Condition() as one,))):
            return _negated(one)
        case Not(node=Or(nodes=nodes)):
            return _("none of these: %(conditions)s") % {"conditions": "; ".join(_inside(one, And) for one in nodes)}
        case Not(node=inner):
            return _("not (%(condition)s)") % {"condition": _join(inner)}
    return describe_condition(node)


def _negated(condition: Condition) -> str:
    attribute = lookup(condition.attribute)
    if attribute is not None and attribute.type == Type.FLAG and attribute.always_known:
        return describe_condition(replace(condition, value=not condition.value))
    if attribute is not None and attribute.type == Type.MEMBER:
        return _("not in the %(what)s “%(name)s”") % {"what": attribute.label, "name": condition.value}
    return _("not (%(condition)s)") % {"condition": describe_condition(condition)}


def _inside(node: Node, other: type[And] | type[Or]) -> str:
    """Brackets only where the sentence would be read wrongly without them."""
    many = isinstance(node, And | Or) and isinstance(node, other) and len(node.nodes) > 1
    none_of = isinstance(node, Not) and isinstance(node.node, Or) and len(node.node.nodes) > 1
    return f"({_join(node)})" if many or none_of else _join(node)


def operator_phrases(kind: Type) -> dict[str, str]:
    """How each operator is said of that type."""
    if kind == Type.DATE:
        return {
            ">=": _("on or after"),
            "<=": _("on or before"),
            "between": _("between"),
            "=": _("on"),
            "known": _("is known"),
            "unknown": _("is unknown"),
        }
    if kind in (Type.NUMBER, Type.MONEY):
        return {
            "=": _("exactly"),
            "!=": _("other than"),
            ">=": _("at least"),
            ">": _("more than"),
            "<=": _("at most"),
            "<": _("less than"),
            "between": _("between"),
            "in": _("one of"),
            "not in": _("none of"),
            "known": _("known"),
            "unknown": _("unknown"),
        }
    if kind == Type.MEMBER:
        return {"in": _("is")}
    return {
        "=": _("is"),
        "!=": _("is not"),
        "in": _("is one of"),
        "not in": _("is none of"),
        "starts with": _("starts with"),
        "contains": _("contains"),
        "has": _("has"),
        "has any": _("has any of"),
        "has all": _("has all of"),
        "in next": _("within the next"),
        "is": _("is"),
        "known": _("is known"),
        "unknown": _("is unknown"),
    }


def describe_condition(condition: Condition) -> str:
    """One condition in words: "spend in the last 90 days is at least $300.00"."""
    attribute = lookup(condition.attribute)
    if attribute is None:
        return condition.attribute
    said = (_filter(name, value, attribute) for name, value in condition.filters.items())
    subject = " ".join([str(attribute.label), *said])
    if attribute.type == Type.FLAG:
        return subject if condition.value else _("no %(what)s") % {"what": subject}
    if attribute.type == Type.MEMBER:
        return _("in the %(what)s “%(name)s”") % {"what": attribute.label, "name": condition.value}
    phrase = operator_phrases(attribute.type)[condition.operator]
    return " ".join(part for part in (subject, phrase, _operand(condition, attribute)) if part)


def _filter(name: Filter, value: Any, attribute: Attribute) -> str:
    match name:
        case Filter.LAST:
            return _("in the last %(span)s") % {"span": span(value)}
        case Filter.SINCE:
            return _("since %(day)s") % {"day": date_format(value, "DATE_FORMAT")}
        case Filter.UNTIL:
            return _("until %(day)s") % {"day": date_format(value, "DATE_FORMAT")}
        case Filter.CHANNEL:
            return _("at the till") if value == SalesChannel.TILL else _("online")
        case Filter.STORE if attribute.argument == Filter.STORE:
            return _("from “%(store)s”") % {"store": value}
        case Filter.STORE:
            return _("in the store “%(store)s”") % {"store": value}
        case Filter.BRAND:
            return _("of the brand “%(brand)s”") % {"brand": value}
        case Filter.WEEKDAY:
            return _("on %(days)s") % {"days": ", ".join(str(weekday_names()[day]) for day in value)}
        case Filter.TIME:
            return _("between %(start)s and %(end)s") % dict(zip(("start", "end"), value.split("-"), strict=True))
        case Filter.QUESTION:
            return _("to “%(question)s”") % {"question": value}
        case Filter.EVENT:
            return str((attribute.events or {}).get(value, value))
    return _("of “%(what)s”") % {"what": value}


def weekday_names() -> dict[str, Any]:
    """The days of the week in the reader's language."""
    return {day: dates.WEEKDAYS[place] for place, day in enumerate(WEEKDAYS)}


def span(last: Last) -> str:
    """A stretch of time: "90 days"."""
    phrases: dict[str, Callable[[int], str]] = {
        "days": lambda count: ngettext("%(count)d day", "%(count)d days", count),
        "weeks": lambda count: ngettext("%(count)d week", "%(count)d weeks", count),
        "months": lambda count: ngettext("%(count)d month", "%(count)d months", count),
        "years": lambda count: ngettext("%(count)d year", "%(count)d years", count),
    }
    return phrases[last.unit](last.count) % {"count": last.count}


def _operand(condition: Condition, attribute: Attribute) -> str:
    value = condition.value
    if value is None:
        return ""
    if isinstance(value, tuple):
        shown = [_one(one, attribute) for one in value]
        if condition.operator == "between":
            low = _one(value[0], replace(attribute, unit=""))
            return _("%(low)s and %(high)s") % {"low": low, "high": shown[1]}
        return ", ".join(shown)
    return _one(value, attribute)


def _one(value: Any, attribute: Attribute) -> str:
    match attribute.type:
        case Type.MONEY:
            return money.show(money.to_minor(value))
        case Type.ANNIVERSARY:
            return span(Last(int(value), "days"))
        case Type.NUMBER:
            shown = number_format(
                value, decimal_pos=max(0, -int(Decimal(value).as_tuple().exponent)), force_grouping=True
            )
            return f"{shown} {attribute.unit}".strip()
        case Type.DATE:
            return date_format(value, "DATE_FORMAT")
        case Type.CHOICE:
            return f"“{(attribute.values or {}).get(value, value)}”"
    return f"“{value}”"


def say_value(value: Any, attribute: Attribute) -> str:
    """A customer's own value in words, as sources give it; empty where it is unknown."""
    if value is None or value == "" or value == []:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    if isinstance(value, date):
        return date_format(value, "DATE_FORMAT")
    match attribute.type:
        case Type.MONEY:
            return money.show(round(value))
        case Type.NUMBER:
            return _one(_plain_number(value), attribute)
        case Type.ANNIVERSARY:
            return _("in %(span)s") % {"span": span(Last(int(value), "days"))} if value else _("today")
        case Type.FLAG:
            return _("yes") if value else _("no")
        case Type.CHOICE:
            return str((attribute.values or {}).get(value, value))
    return str(value)


def _plain_number(value: Any) -> Decimal:
    number = round(Decimal(value), 2)
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()


_OPPOSITES = {
    ">=": "<",
    "<": ">=",
    ">": "<=",
    "<=": ">",
    "=": "!=",
    "!=": "=",
    "in": "not in",
    "not in": "in",
    "known": "unknown",
    "unknown": "known",
}


def say_lack(condition: Condition, wanted: Any, value: Any, *, negated: bool) -> str:
    """What would have to change for a condition that does not hold: "needs $180.00 more".

    ``wanted`` and ``value`` are as they are compared; ``negated`` where the opposite of the condition is asked for.
    """
    attribute = lookup(condition.attribute)
    if attribute is None:
        return ""
    operator = _OPPOSITES.get(condition.operator, "") if negated else condition.operator
    if operator == "unknown":
        return _("is known")
    if value is None or value == "" or value == []:
        return _("is not known")
    if attribute.type in (Type.NUMBER, Type.MONEY):
        return _number_lacks(operator, wanted, value, attribute)
    asked = _operand(condition, attribute)
    match operator:
        case "=" | "has" | "starts with" | "contains" if not negated:
            return _("needs %(value)s") % {"value": asked}
        case "in" | "has any":
            return _("needs one of %(values)s") % {"values": asked}
        case "has all":
            return _("needs all of %(values)s") % {"values": asked}
        case "!=" | "not in":
            return _("must be something else")
    return ""


def _number_lacks(operator: str, wanted: Any, value: Any, attribute: Attribute) -> str:
    def shown(number: Any) -> str:
        return say_value(number, attribute)

    low, high = wanted if operator == "between" else (wanted, wanted)
    match operator:
        case ">=" | "between" if value < low:
            return _("needs %(difference)s more") % {"difference": shown(low - value)}
        case "<=" | "between" if value > high:
            return _("needs %(difference)s less") % {"difference": shown(value - high)}
        case ">":
            return _("needs more than %(value)s") % {"value": shown(wanted)}
        case "<":
            return _("needs less than %(value)s") % {"value": shown(wanted)}
        case "=":
            return _("needs exactly %(value)s") % {"value": shown(wanted)}
        case "in":
            return _("needs one of %(values)s") % {"values": ", ".join(shown(one) for one in wanted)}
        case "!=" | "not in":
            return _("must be something else")
    return ""
