"""Conditions on what can be computed, as :func:`crm.attributes.compare` has them on columns."""

from typing import Any

from django.db.models import Expression, Q
from django.db.models.expressions import Combinable
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    In,
    IsNull,
    IStartsWith,
    LessThan,
    LessThanOrEqual,
)

_LOOKUPS = {
    "=": Exact,
    "is": Exact,
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
    "starts with": IStartsWith,
    "contains": IContains,
}


def test(expression: Expression | Combinable, operator: str, value: Any) -> Q:
    """Whether the expression meets the condition; NULL, which counts as false, where it is unknown."""
    match operator:
        case "known" | "unknown":
            return Q(IsNull(expression, operator == "unknown"))
        case "!=":
            return ~Q(Exact(expression, value))
        case "between":
            return Q(GreaterThanOrEqual(expression, value[0])) & Q(LessThanOrEqual(expression, value[1]))
        case "in":
            return Q(In(expression, list(value)))
        case "not in":
            return ~Q(In(expression, list(value)))
    return Q(_LOOKUPS[operator](expression, value))
