"""What customers are compared by: figures of the catalogue, as logarithms, each on a scale of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Case, Expression, F, FloatField, Func, Q, QuerySet, Value, When
from django.db.models.functions import Cast
from django.db.models.lookups import LessThan

from crm.attributes import Attribute, Filter, Group, Privacy, Scope, TimeEffect, Type, catalogue, lookup
from crm.models import Customer
from segments.compile import live_customers
from segments.references import read_names
from segments.tree import And, Condition, Problem, RuleError

USUAL = ("days_since_purchase", "days_since_first_purchase", "receipts", "average_receipt", "returns")
MOST = 12
ONLY_BUYERS = Q(profile__receipts__gt=0)


@dataclass(frozen=True)
class Feature:
    """A figure; ``mean`` and ``spread`` are those of its logarithm among the customers of a model."""

    name: str
    filters: Mapping[Filter, Any]
    mean: float = 0.0
    spread: float = 1.0

    @property
    def attribute(self) -> Attribute | None:
        return lookup(self.name)

    @property
    def key(self) -> str:
        return ":".join([self.name, *map(str, self.filters.values())])

    @property
    def label(self) -> str:
        """As in "spend: Food > Dairy"."""
        words = ", ".join(str(value) for value in self.filters.values())
        said = str(self.attribute.label) if self.attribute else self.name
        return f"{said}: {words}" if words else said

    def as_data(self) -> dict[str, Any]:
        filters = {str(kind): value for kind, value in self.filters.items()}
        return {"attribute": self.name, "filters": filters, "mean": self.mean, "spread": self.spread}


def read(data: Mapping[str, Any]) -> Feature:
    """What :meth:`Feature.as_data` wrote."""
    filters = {Filter(kind): value for kind, value in data["filters"].items()}
    return Feature(data["attribute"], filters, data.get("mean", 0.0), data.get("spread", 1.0))


def offered() -> list[Attribute]:
    """The figures that customers can be clustered by without more ado."""
    return [
        one
        for one in catalogue().values()
        if one.type in (Type.NUMBER, Type.MONEY)
        and one.argument is None
        and one.privacy != Privacy.SPECIAL
        and one.group != Group.GROUPS
    ]


def expressions(features: Sequence[Feature], scope: Scope) -> list[Expression | F]:
    """The figures themselves, on a queryset of customers. Raises RuleError for an attribute or a name that is gone."""
    asked = []
    for feature in features:
        if feature.attribute is None:
            raise RuleError(Problem(feature.name, word=feature.name))
        asked.append(Condition(feature.name, "known", None, feature.filters))
    node = And(tuple(asked))
    names = read_names([node])
    references = names.references(node)
    named = Scope(now=scope.now, today=scope.today, ids=scope.ids, references=references, subtrees=names.subtrees)
    return [
        Cast(_no_future(attribute.source.value(scope=named, filters=feature.filters), attribute), FloatField())
        for feature in features
        if (attribute := feature.attribute) is not None
    ]


def _no_future(value: Any, attribute: Attribute) -> Any:
    """What counts from a day is none for what happened after the model's day; unknown stays unknown."""
    if attribute.time != TimeEffect.DAILY:
        return value
    return Case(When(LessThan(value, 0), then=Value(0)), default=value)


def differs(one: str, other: str) -> Q:
    """Whether two columns differ, unknown being a value like any other."""
    return Q(
        Func(F(one), F(other), template="%(expressions)s", arg_joiner=" IS DISTINCT FROM ", output_field=BooleanField())
    )


def figures(features: Sequence[Feature], scope: Scope) -> "QuerySet[Customer, Any]":
    """Buyers with their figures, in columns named figure_0, figure_1... beside the id."""
    columns = {f"figure_{place}": one for place, one in enumerate(expressions(features, scope))}
    return live_customers().filter(ONLY_BUYERS).order_by().annotate(**columns).values_list("pk", *columns)
