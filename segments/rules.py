"""Rules and the versioned JSON in which they are stored.

``{"v": 1, "rule": NODE}`` where NODE is ``{"and": [NODE, ...]}``, ``{"or": [...]}``, ``{"not": NODE}`` or a condition
``{"attribute": "spend", "filters": {"last": "90 days"}, "operator": ">=", "value": 300}``. Reading and writing lose
nothing. Whatever is not understood is an error that names the word; nothing ever means "everyone" by accident.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from crm.attributes import WEEKDAYS, Attribute, Filter, Type, catalogue, lookup
from crm.models import SalesChannel
from segments.tree import And, Condition, Last, Node, Not, Or, Path, Problem, RuleError, conditions
from segments.wording import describe, describe_condition

__all__ = [
    "And",
    "Condition",
    "Last",
    "Node",
    "Not",
    "Or",
    "Problem",
    "RuleError",
    "conditions",
    "describe",
    "describe_condition",
    "dump",
    "parse",
]

VERSION = 1
MAX_DEPTH = 20
MAX_CONDITIONS = 200
MAX_LIST = 1_000
MAX_TEXT = 300
MAX_COUNT = {"days": 36_500, "weeks": 5_200, "months": 1_200, "years": 100}
_LAST = re.compile(r"([0-9]{1,6}) (day|week|month|year)s?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9]) ?- ?((?:[01][0-9]|2[0-3]):[0-5][0-9])", re.ASCII)
_JOINS = ("and", "or")


def dump(node: Node) -> dict[str, Any]:
    """The JSON of a tree; :func:`parse` reads it back."""
    return {"v": VERSION, "rule": _dump(node)}


def _dump(node: Node) -> dict[str, Any]:
    match node:
        case And():
            return {"and": [_dump(child) for child in node.nodes]}
        case Or():
            return {"or": [_dump(child) for child in node.nodes]}
        case Not():
            return {"not": _dump(node.node)}
    written: dict[str, Any] = {"attribute": node.attribute}
    if node.filters:
        written["filters"] = {str(name): _plain(value) for name, value in node.filters.items()}
    written["operator"] = node.operator
    if node.value is not None:
        written["value"] = _plain(node.value)
    return written


def _plain(value: Any) -> Any:
    """Whole numbers as numbers, decimals as text (a float would lose cents)."""
    match value:
        case bool() | str():
            return value
        case tuple():
            return [_plain(one) for one in value]
        case Decimal():
            return int(value) if value == value.to_integral_value() else str(value)
        case date():
            return value.isoformat()
    return str(value)


def parse(rule: Any) -> Node:
    """The tree of a stored rule. Raises RuleError with every problem found, each naming its place and word.

    Names of categories, products and stores are only looked up when the rule is compiled.
    """
    if not isinstance(rule, Mapping) or set(rule) != {"v", "rule"}:
        raise RuleError(Problem(_("There is no rule here.")))
    if rule["v"] != VERSION or isinstance(rule["v"], bool):
        raise RuleError(Problem(_("This rule was written by another version of Regulars."), word=short(rule["v"])))
    reader = _Reader()
    node = reader.node(rule["rule"], ())
    if reader.problems or node is None:
        raise RuleError(*reader.problems)
    return node


class _Reader:
    """Collects what is wrong while it reads, so that a page can show every mistake at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.count = 0

    def wrong(self, path: Path, message: str, word: Any = "") -> None:
        self.problems.append(Problem(message, path, short(word) if word != "" else ""))

    def node(self, raw: Any, path: Path) -> Node | None:
        if len(path) > MAX_DEPTH:
            raise RuleError(Problem(too_deep(), path[:1]))
        if not isinstance(raw, Mapping):
            self.wrong(path, _("A condition is missing here."))
        elif "attribute" in raw:
            return self.condition(raw, path)
        elif len(raw) == 1 and next(iter(raw)) in _JOINS:
            return self.join(*next(iter(raw.items())), path)
        elif set(raw) == {"not"}:
            inner = self.node(raw["not"], (*path, 0))
            return None if inner is None else Not(inner)
        else:
            word = next(iter(raw), "")
            self.wrong(path, _("“%(word)s” is neither a condition nor and, or, not.") % {"word": short(word)}, word)
        return None

    def join(self, name: str, raw: Any, path: Path) -> Node | None:
        if not isinstance(raw, list) or not raw:
            self.wrong(path, _("This group has no conditions. Add one, or remove the group."))
            return None
        if len(raw) > MAX_CONDITIONS:
            raise RuleError(Problem(too_many(), path))
        nodes = [self.node(child, (*path, place)) for place, child in enumerate(raw)]
        read = tuple(node for node in nodes if node is not None)
        return And(read) if name == "and" else Or(read)

    def condition(self, raw: Mapping[str, Any], path: Path) -> Node | None:
        self.count += 1
        if self.count > MAX_CONDITIONS:
            raise RuleError(Problem(too_many(), path))
        for extra in set(raw) - {"attribute", "operator", "value", "filters"}:
            self.wrong(path, _("A condition has no “%(word)s”.") % {"word": short(extra)}, extra)
        name = raw["attribute"]
        attribute = lookup(name) if isinstance(name, str) else None
        if attribute is None:
            if name in ("", None):
                self.wrong(path, _("Choose what to ask."))
            else:
                self.wrong(path, _unknown(_("attribute"), name, catalogue()), name)
            return None
        operator = raw.get("operator")
        if not isinstance(operator, str) or operator not in attribute.operators:
            message = _unknown(
                _("comparison for “%(label)s”") % {"label": attribute.label}, operator, attribute.operators
            )
            self.wrong(path, message, operator)
            return None
        before = len(self.problems)
        filters = self.filters(raw.get("filters", {}), attribute, path)
        value = None
        try:
            value = _operand(raw.get("value"), attribute, operator)
        except _Wrong as wrong:
            self.wrong(path, wrong.message, wrong.word)
        if len(self.problems) > before:
            return None
        return Condition(attribute=attribute.name, operator=operator, value=value, filters=filters)

    def filters(self, raw: Any, attribute: Attribute, path: Path) -> dict[Filter, Any]:
        """What narrows the condition, in the order of :class:`Filter`."""
        if not isinstance(raw, Mapping):
            self.wrong(path, _("The filters of “%(label)s” cannot be read.") % {"label": attribute.label})
            return {}
        needed = {} if attribute.argument is None else {str(attribute.argument): None}
        read: dict[Filter, Any] = {}
        for name, value in {**needed, **raw}.items():
            try:
                if name not in attribute.filters and name not in needed:
                    kind = _("filter of “%(label)s”") % {"label": attribute.label}
                    raise _Wrong(_unknown(kind, name, [*needed, *sorted(attribute.filters)]), name)
                read[Filter(name)] = _filter_value(Filter(name), value, attribute)
            except _Wrong as wrong:
                self.wrong(path, wrong.message, wrong.word)
        if attribute.needs and attribute.needs.isdisjoint(raw):
            self.wrong(path, _("Say of what: “%(label)s” needs a filter.") % {"label": attribute.label})
        if Filter.LAST in read and (Filter.SINCE in read or Filter.UNTIL in read):
            self.wrong(path, _("Give either “last” or dates, not both."), "last")
        elif Filter.SINCE in read and Filter.UNTIL in read and read[Filter.SINCE] > read[Filter.UNTIL]:
            self.wrong(path, _("“since” is later than “until”."), "since")
        return dict(sorted(read.items(), key=lambda item: list(Filter).index(item[0])))


class _Wrong(Exception):
    def __init__(self, message: str, word: Any = "") -> None:
        super().__init__(message)
        self.message, self.word = message, word


def too_deep() -> str:
    return _("The rule is nested more than %(limit)d deep.") % {"limit": MAX_DEPTH}


def too_many() -> str:
    return _("A rule can have %(limit)d conditions at most.") % {"limit": MAX_CONDITIONS}


def short(word: Any) -> str:
    """What a message may repeat of somebody's input: one line, printable, not long."""
    text = (
        word if isinstance(word, str) else repr(word) if isinstance(word, int | float | bool) else type(word).__name__
    )
    text = "".join(char if char.isprintable() else "�" for char in text[:61])
    return text[:60] + "…" if len(text) > 60 else text


def _unknown(kind: str, word: Any, known: Iterable[str]) -> str:
    message = _("There is no %(kind)s “%(word)s”.") % {"kind": kind, "word": short(word)}
    folded = unicodedata.normalize("NFKC", short(word)).casefold()
    near = difflib.get_close_matches(folded, list(known), n=1, cutoff=0.6)
    return f"{message} {_('Did you mean “%(word)s”?') % {'word': near[0]}}" if near else message


def _filter_value(name: Filter, raw: Any, attribute: Attribute) -> Any:
    match name:
        case Filter.LAST:
            return _last(raw)
        case Filter.WEEKDAY:
            return _weekdays(raw)
        case Filter.TIME:
            return _time(raw)
        case Filter.EVENT:
            return _one_of(raw, attribute.events or ())
        case Filter.SINCE | Filter.UNTIL:
            return _date(raw)
        case Filter.CHANNEL:
            return _one_of(raw, SalesChannel.values)
    if raw in (None, ""):
        missing = {
            Filter.CATEGORY: _("Choose a category."),
            Filter.PRODUCT: _("Choose a product."),
            Filter.BRAND: _("Choose a brand."),
            Filter.STORE: _("Choose a store."),
            Filter.QUESTION: _("Choose a question."),
        }
        raise _Wrong(missing[name])
    return _text(raw)


def _operand(raw: Any, attribute: Attribute, operator: str) -> Any:
    """The value of a condition in the attribute's type; None where the operator takes none."""
    if operator in ("known", "unknown"):
        if raw is not None:
            raise _Wrong(_("“%(operator)s” takes no value.") % {"operator": operator}, raw)
        return None
    if operator == "between":
        if not isinstance(raw, list) or len(raw) != 2:
            raise _Wrong(_("“between” takes two values."))
        low, high = (_scalar(one, attribute) for one in raw)
        if low > high:
            raise _Wrong(_("“between” runs from the smaller to the larger value."), raw[0])
        return low, high
    if operator in ("in", "not in", "has any", "has all") and attribute.type != Type.MEMBER:
        if not isinstance(raw, list) or not raw:
            raise _Wrong(_("Choose at least one value for “%(label)s”.") % {"label": attribute.label})
        if len(raw) > MAX_LIST:
            raise _Wrong(_("A list can have %(limit)d values at most.") % {"limit": MAX_LIST})
        return tuple(dict.fromkeys(_scalar(one, attribute) for one in raw))
    return _scalar(raw, attribute)


def _scalar(raw: Any, attribute: Attribute) -> Any:
    match attribute.type:
        case Type.NUMBER | Type.MONEY | Type.ANNIVERSARY:
            return _number(raw, attribute)
        case Type.DATE:
            return _date(raw)
        case Type.FLAG:
            if not isinstance(raw, bool):
                raise _Wrong(_("Choose yes or no for “%(label)s”.") % {"label": attribute.label}, raw or "")
            return raw
        case Type.CHOICE:
            return _one_of(raw, attribute.values or ())
    return _text(raw)


def _number(raw: Any, attribute: Attribute) -> Decimal:
    if raw in (None, ""):
        raise _Wrong(_("Give a number for “%(label)s”.") % {"label": attribute.label})
    try:
        if isinstance(raw, bool) or not isinstance(raw, int | float | str) or not _NUMBER.fullmatch(str(raw).strip()):
            raise InvalidOperation
        number = Decimal(str(raw).strip())
        if not number.is_finite() or abs(number) >= Decimal(10) ** 15:
            raise InvalidOperation
        number = number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()
    except (InvalidOperation, ValueError):
        raise _Wrong(_("“%(word)s” is not a number.") % {"word": short(raw)}, raw) from None
    places = -int(number.as_tuple().exponent)
    if places > (2 if attribute.type == Type.MONEY else 0 if attribute.whole else 3):
        message = _("Money has two decimals at most.") if attribute.type == Type.MONEY else _("Give a whole number.")
        raise _Wrong(message if attribute.whole else _("Give three decimals at most."), raw)
    low, high = attribute.minimum, attribute.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        bounds = {
            "label": attribute.label,
            "low": low if low is not None else "…",
            "high": high if high is not None else "…",
        }
        raise _Wrong(_("“%(label)s” runs from %(low)s to %(high)s.") % bounds, raw)
    return number


def _date(raw: Any) -> date:
    try:
        if not isinstance(raw, str) or not _DATE.fullmatch(raw):
            raise ValueError
        return date.fromisoformat(raw)
    except ValueError:
        if raw in (None, ""):
            raise _Wrong(_("Give a date.")) from None
        raise _Wrong(_("“%(word)s” is not a date; write it as 2026-01-31.") % {"word": short(raw)}, raw) from None


def _last(raw: Any) -> Last:
    found = _LAST.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise _Wrong(_("“%(word)s” is not a stretch of time; write one like 90 days.") % {"word": short(raw)}, raw)
    count, unit = int(found[1]), f"{found[2]}s"
    if not 1 <= count <= MAX_COUNT[unit]:
        raise _Wrong(_("“%(word)s” is too short or too long a time.") % {"word": short(raw)}, raw)
    return Last(count, unit)


def _weekdays(raw: Any) -> tuple[str, ...]:
    """Days of the week in their order; one alone may stand without a list, and be shortened to three letters."""
    asked = raw if isinstance(raw, list) else [raw]
    if not asked or raw == "":
        raise _Wrong(_("Choose a day of the week."))
    short = {day[:3]: day for day in WEEKDAYS}
    folded = [one.casefold() if isinstance(one, str) else one for one in asked[: len(WEEKDAYS) + 1]]
    chosen = {_one_of(short.get(one, one) if isinstance(one, str) else one, WEEKDAYS) for one in folded}
    return tuple(day for day in WEEKDAYS if day in chosen)


def _time(raw: Any) -> str:
    found = _TIME.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or found[1] == found[2]:
        if raw in (None, ""):
            raise _Wrong(_("Give a time of day, like 17:00-20:00."))
        raise _Wrong(_("“%(word)s” is not a time of day; write one like 17:00-20:00.") % {"word": short(raw)}, raw)
    return f"{found[1]}-{found[2]}"


def _one_of(raw: Any, known: Iterable[str]) -> str:
    if not isinstance(raw, str) or raw not in known:
        if raw in (None, ""):
            raise _Wrong(_("Choose a value."))
        raise _Wrong(_unknown(_("value"), raw, known), raw)
    return raw


def _text(raw: Any) -> str:
    if raw in (None, ""):
        raise _Wrong(_("Choose a value."))
    if not isinstance(raw, str):
        raise _Wrong(_("“%(word)s” is not a text.") % {"word": short(raw)}, raw)
    if len(raw) > MAX_TEXT:
        raise _Wrong(_("A text can have %(limit)d characters at most.") % {"limit": MAX_TEXT}, raw)
    if "\x00" in raw or not raw.strip():
        raise _Wrong(_("“%(word)s” cannot be a value.") % {"word": short(raw)}, raw)
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise _Wrong(_("“%(word)s” cannot be a value.") % {"word": short(raw)}, raw) from None
    return raw
