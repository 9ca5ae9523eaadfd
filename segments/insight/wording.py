"""What was found, in the reader's words; and its groups as rules."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from crm import money
from crm.attributes import Attribute, Filter, Group, Type, lookup
from crm.templatetags.regulars import percent
from segments.insight.findings import Explained, Finding, Part, Verdict
from segments.tree import And, Condition, Node

ASKABLE = (Group.DEMOGRAPHIC, Group.GEOGRAPHIC, Group.SOCIO_ECONOMIC, Group.PSYCHOGRAPHIC, Group.GOAL)


@dataclass(frozen=True)
class Subject:
    """An attribute of the catalogue with the filters that it was read with."""

    attribute: Attribute
    filters: Mapping[Filter, Any]

    @property
    def label(self) -> str:
        """As a heading: "Share of spend: Food > Dairy"."""
        said = str(self.attribute.label)
        if self.filters:
            words = (str((self.attribute.events or {}).get(str(one), one)) for one in self.filters.values())
            said = f"{said}: {', '.join(words)}"
        return said[:1].upper() + said[1:]


def subject(name: str, filters: Mapping[str, Any]) -> Subject | None:
    """None for an attribute that is no longer in the catalogue."""
    attribute = lookup(name)
    if attribute is None:
        return None
    return Subject(attribute, {Filter(kind): value for kind, value in filters.items()})


def interval(one: Explained) -> str:
    """The share with its interval: "4% (2–6%)"."""
    low, high = max(0.0, one.low), max(0.0, one.high)
    return _("%(share)s (%(low)s–%(high)s)") % {
        "share": percent(max(0.0, one.share)),
        "low": number_format(round(100 * low)),
        "high": percent(high),
    }


def verdict(subject: Subject, finding: Finding, labels: Mapping[str, Any]) -> str:
    """In a sentence: "Age: known for 33% of customers, explains 1% (0–3%) of the differences in spend: not worth it
    yet; ask for it in a survey"."""
    if not finding.known:
        said = _("%(what)s: known for nobody.") % {"what": subject.label}
        return f"{said} {_('Ask for it in a survey.')}" if subject.attribute.group in ASKABLE else said
    if finding.verdict == Verdict.ALIKE:
        return _("%(what)s: the same for everybody, so it can't tell them apart.") % {"what": subject.label}
    best = finding.outcomes[finding.best]
    start = _("%(what)s: known for %(known)s of customers, explains %(share)s of the differences in %(outcome)s") % {
        "what": subject.label,
        "known": percent(finding.known),
        "share": interval(best),
        "outcome": labels.get(finding.best, finding.best),
    }
    return f"{start}: {_advice(subject, finding)}."


def _advice(subject: Subject, finding: Finding) -> str:
    best = finding.outcomes[finding.best]
    is_askable = subject.attribute.group in ASKABLE
    match finding.verdict:
        case Verdict.YES if finding.is_about_being_known:
            return _("but mostly by whether it is known at all; not worth it yet")
        case Verdict.YES if best.holds is False:
            return _("worth a look, but it was not so in the time before")
        case Verdict.YES if not finding.is_mostly_known and is_askable:
            return _("worth segmenting on; ask the others for it in a survey")
        case Verdict.YES:
            return _("worth segmenting on")
        case Verdict.LITTLE:
            return _("there is a difference, but too small to matter")
        case Verdict.UNCLEAR:
            return _("too few customers to tell")
        case _ if not finding.is_mostly_known and is_askable:
            return _("not worth it yet; ask for it in a survey")
    return _("not worth it")


def short_verdict(finding: Finding) -> tuple[str, str]:
    """A word for the list, and its tone."""
    match finding.verdict:
        case Verdict.YES if finding.is_about_being_known:
            return _("known or not"), "plain"
        case Verdict.YES if finding.outcomes[finding.best].holds is False:
            return _("changes"), "warm"
        case Verdict.YES:
            return _("worth it"), "accent"
        case Verdict.LITTLE:
            return _("a little"), "plain"
        case Verdict.UNCLEAR:
            return _("can't tell"), "warm"
        case Verdict.ALIKE:
            return (_("all alike") if finding.known else _("not known")), "plain"
    return _("not worth it"), "plain"


def group_label(part: Part | Mapping[str, Any], subject: Subject) -> str:
    """A group in words: "25 to 39 years"."""
    group = part.group if isinstance(part, Part) else part
    match group["kind"]:
        case "unknown":
            return _("not known")
        case "has":
            return str(group["values"][0])
        case "lacks":
            return _("without “%(word)s”") % {"word": group["values"][0]}
        case "others":
            return _("others") if group["values"] else _("known")
        case "values":
            return ", ".join(value_label(value, subject.attribute) for value in group["values"])
    return range_label(group["low"], group["high"], subject.attribute)


def range_label(low: float | None, high: float | None, attribute: Attribute) -> str:
    """From the one up to just below the other."""
    if low is None and high is None:
        return _("all")
    if low is None:
        return _("below %(high)s") % {"high": value_label(high, attribute)}
    if high is None:
        return _("%(low)s and more") % {"low": value_label(low, attribute)}
    if _is_whole(attribute) and attribute.type == Type.NUMBER:
        last = high - 1
        shown = value_label(last, attribute)
        start = value_label(low, replace(attribute, unit=""))
        return shown if last == low else _("%(low)s to %(high)s") % {"low": start, "high": shown}
    start = value_label(low, replace(attribute, unit=""))
    return _("%(low)s to below %(high)s") % {"low": start, "high": value_label(high, attribute)}


def value_label(value: Any, attribute: Attribute) -> str:
    if value is None:
        return _("others")
    match attribute.type:
        case Type.FLAG:
            return _("yes") if value else _("no")
        case Type.MONEY:
            return money.show_whole(int(value)) if abs(value) >= 1000 else money.show(int(value))
        case Type.DATE:
            return date_format(date.fromordinal(int(value)), "DATE_FORMAT")
        case Type.NUMBER:
            number = int(value) if value == int(value) else round(value, 2)
            return f"{number_format(number, force_grouping=True)} {attribute.unit}".strip()
    return str((attribute.values or {}).get(value, value))


def bar_label(bar: Mapping[str, Any], attribute: Attribute) -> str:
    """What stands at a bar of a distribution."""
    if "low" not in bar:
        return value_label(bar["value"], attribute)
    low, plain = bar["low"], replace(attribute, unit="")
    if bar["high"] == low:
        return value_label(low, plain)
    return f"{value_label(low, plain)} – {value_label(bar['high'], plain)}"


def _is_whole(attribute: Attribute) -> bool:
    return attribute.whole and attribute.type == Type.NUMBER


def rule(group: Mapping[str, Any], subject: Subject) -> Node | None:
    """Whoever is in the group now, as a rule; None where the attribute's comparisons can't say it."""
    conditions = [
        Condition(subject.attribute.name, operator, value, subject.filters)
        for operator, value in _asked(group, subject.attribute)
    ]
    if not conditions or any(one.operator not in subject.attribute.operators for one in conditions):
        return None
    return And(tuple(conditions))


def _asked(group: Mapping[str, Any], attribute: Attribute) -> list[tuple[str, Any]]:
    values = group.get("values") or []
    match group["kind"]:
        case "unknown":
            return [("unknown", None)]
        case "has":
            return [("has", values[0])]
        case "others":
            return [("not in", tuple(values))] if values else [("known", None)]
        case "values" if attribute.type == Type.FLAG:
            return [("is", values[0])]
        case "values":
            return [("=", values[0])] if len(values) == 1 else [("in", tuple(values))]
        case "range":
            return _between(group["low"], group["high"], attribute)
    return []


def _between(low: float | None, high: float | None, attribute: Attribute) -> list[tuple[str, Any]]:
    start = None if low is None else _operand(low, attribute)
    if attribute.type == Type.DATE:  # days: up to the day before
        end = None if high is None else _operand(high - 1, attribute)
        return [*([(">=", start)] if start is not None else []), *([("<=", end)] if end is not None else [])]
    if start is None and high is None:
        return [("known", None)]
    if start is not None and high is not None and _is_whole(attribute):
        last = _operand(high - 1, attribute)
        return [("=", start)] if last == start else [("between", (start, last))]
    asked = [(">=", start)] if start is not None else []
    return [*asked, ("<", _operand(high, attribute))] if high is not None else asked


def _operand(edge: float, attribute: Attribute) -> Any:
    match attribute.type:
        case Type.DATE:
            return date.fromordinal(int(edge))
        case Type.MONEY:
            return money.from_minor(int(edge))
    return Decimal(str(edge))


def figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    match unit:
        case "money":
            return money.show(round(value))
        case "percent":
            return percent(value, 1)
    return number_format(value, decimal_pos=2)
