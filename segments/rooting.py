"""Rules that ask only the profile, or only facts, need not read the customers themselves.

Their rows are ten times as wide as profiles; and nearly all of them may be spoken of, so that it is less work to take
the few others away than to look each one up.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, F, Func, Q, QuerySet
from django.db.models.expressions import CombinedExpression, NegatedExpression, ResolvedOuterRef, Value

from crm.attributes import Predicate
from segments.expressions import AnyOf, Found, IsNotTrue, Matched

_PROFILE = "profile__"


def on_profiles(predicate: Predicate) -> Q | None:
    """The same condition on a queryset of profiles; None where it asks anything else of the customer, or where
    customers without a profile may meet it.
    """
    try:
        return Q(_moved(predicate)) if _needs_profile(predicate) else None
    except _AsksCustomer:
        return None


def on_facts(predicate: Predicate) -> "QuerySet[Any, Any] | None":
    """The ids of those who meet the condition, each once in a column ``customer_id``, read from the facts that it asks.

    None where it asks anything but facts, or where customers without any may meet it.
    """
    parts = list(_parts(predicate))
    wanted = [part for part in parts if isinstance(part, Found | Matched)]
    unwanted = [part.expression for part in parts if isinstance(part, NegatedExpression)]
    if not wanted or len(wanted) + len(unwanted) < len(parts):
        return None
    if not all(isinstance(part, Found | Matched) for part in unwanted):
        return None
    first, *others = wanted
    found = first.ids()
    if found is None:
        return None
    for part in others:
        found = found.filter(part.for_key("customer_id"))
    for part in unwanted:
        found = found.filter(~part.for_key("customer_id"))
    return found


def _parts(predicate: Any) -> Iterator[Any]:
    """What a condition asks together."""
    if isinstance(predicate, Q) and predicate.connector == Q.AND and not predicate.negated:
        for child in predicate.children:
            yield from _parts(child)
    else:
        yield predicate


class _AsksCustomer(Exception):
    """Part of a condition that is no question to the profile."""


def _needs_profile(predicate: Any) -> bool:
    """Whether nobody without a profile meets it. May say no where it is so."""
    match predicate:
        case Q(negated=True):
            return False
        case Q(connector=Q.OR, children=children):
            return bool(children) and all(_needs_profile(child) for child in children)
        case Q(connector=Q.AND, children=children):
            return any(_needs_profile(child) for child in children)
        case (str(path), value):
            return path.startswith(_PROFILE) and not (path.endswith("__isnull") and value)
    return False


def _moved(predicate: Any) -> Any:
    match predicate:
        case Q(children=children, connector=connector, negated=negated):
            return Q(*(_moved(child) for child in children), _connector=connector, _negated=negated)
        case (str(path), value):
            return (_path(path), _value(value))
        case IsNotTrue():
            (inner,) = predicate.get_source_expressions()
            return IsNotTrue(_moved(inner))
        case NegatedExpression():
            return ~_moved(predicate.expression)
        case AnyOf() | Matched():
            return predicate  # by the key, which customers and profiles share
        case Exists() if _asks_key_only(predicate.query):
            return predicate
    raise _AsksCustomer


def _path(path: str) -> str:
    if path.startswith(_PROFILE):
        return path.removeprefix(_PROFILE)
    if path in ("pk", "pk__in"):
        return path
    raise _AsksCustomer


def _value(value: Any) -> Any:
    match value:
        case F(name=name):
            return F(_path(name))
        case CombinedExpression(lhs=lhs, connector=connector, rhs=rhs):
            return CombinedExpression(_value(lhs), connector, _value(rhs))
        case Value():
            return value
        case list() | tuple():
            return [_value(one) for one in value]
        case Func() | QuerySet():
            raise _AsksCustomer
    if hasattr(value, "resolve_expression"):
        raise _AsksCustomer
    return value


def _asks_key_only(query: Any) -> bool:
    """Whether a subquery refers to the customer by the key alone."""
    waiting, asked = [query.where], []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ResolvedOuterRef):
            asked.append(node.name)
        elif hasattr(node, "children"):
            waiting += node.children
        elif hasattr(node, "lhs"):
            right = getattr(node, "rhs", None)  # a transformation has none
            waiting += [node.lhs, *(right if isinstance(right, list | tuple) else [right])]
        elif hasattr(node, "query") and hasattr(node.query, "where"):
            waiting.append(node.query.where)
        elif hasattr(node, "where"):
            waiting.append(node.where)
        elif hasattr(node, "get_source_expressions"):
            waiting += [one for one in node.get_source_expressions() if one is not None]
    return set(asked) <= {"pk"}
